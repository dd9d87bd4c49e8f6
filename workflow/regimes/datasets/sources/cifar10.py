"""CIFAR-10: the official archive, and the same images as lossless mosaics (docs/data.md)."""

from regimes.datasets.sources.source import Source

LICENCE = "none stated; the authors ask for a citation of the report"

# No sha256 of the archive is published. Those of the files in it are below.
ARCHIVE = Source(
    "cifar10/cifar-10-python.tar.gz",
    "md5:c58f30108f718f92721af3b95e74349a",
    170_498_071,
    LICENCE,
)

# sha256 of the files in the archive: of those rebuilt from the mosaics and the labels, which have
# the md5 that are published with the archive.
BATCHES = {
    "train": {
        "data_batch_1": "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
        "data_batch_2": "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
        "data_batch_3": "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
        "data_batch_4": "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
        "data_batch_5": "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
    },
    "test": {
        "test_batch": "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831",
    },
}

LABELS = Source(
    "cifar10/labels.csv.gz",
    "sha256:09ee007fdd1821c92b7e8dd041be8cd1d371c183d98b905ec1b800a7bafd3b7c",
    448_215,
    LICENCE,
)

# Files of 1000 images each: name, bytes, sha256.
_MOSAICS = (
    ("train_00", 1_695_214, "40cab8aaeb4a9a85558c1369ceb95d01d3e473f2b3d2548720f07352185861cd"),
    ("train_01", 1_703_112, "30ab0a1b4ad444a2911097ac168bc8e83cb975e08591843cf65b9a7c3440368e"),
    ("train_02", 1_680_444, "5afcf8d05099a74a80d0c5792051ff5b7ee20489241ae7e95dce9a819ed24c31"),
    ("train_03", 1_698_280, "fe1adb16b7d6073a616e90913dd0f475a638e35d6f2e855b33760c6e1c8e0151"),
    ("train_04", 1_670_698, "5087f663715606fd102137a633a4d5af6a0facfcb82dcdace931ac64f67d7b7f"),
    ("train_05", 1_672_238, "691dbaeed649be5da15bdb94930a2f8904426e0fe0bfba58c9712da098fdc216"),
    ("train_06", 1_704_004, "ba28f2431a78db05c55b07df14e0f590e4738f7b40b57ed71d75560736901f65"),
    ("train_07", 1_687_568, "6577319c31af1b0e6d5ee721652434140274ad70179018d32b460b4e93d44716"),
    ("train_08", 1_671_946, "8a5c78e117ac39da93a88e4a8aed64472cd342de68725c73e357ded3a0b30c13"),
    ("train_09", 1_673_984, "d8fc0689092b41d4e80d1122b18d8c05824013005c57ab80406aedcb42bc91d8"),
    ("train_10", 1_674_840, "4f20fbcf6b4a68dce5646c23d98583080c19619714670cff5151ce0828a26b6f"),
    ("train_11", 1_690_132, "9cddc283c0d2c13813c9fe859cf97ba6a5c4b4910bc4d4afdb2b62dec5c96564"),
    ("train_12", 1_693_018, "fa9476c193bd1074dee83597cc67c8178239022d74c732e58ff84784f00a8df6"),
    ("train_13", 1_685_418, "04f576d2ad31a35a25867d06c09b0bee5fd6ee5dc4944925ad42739d7299e46d"),
    ("train_14", 1_701_346, "d6ee4df0a76d1d917c1c100f1ff5397e26cc68f4d54ff050c4c6a9c3ef8f40f7"),
    ("train_15", 1_689_676, "cbe3e6567a574af1b75ff3b5e9cb6d2659f741aba9732a28c312a97e5b7d4304"),
    ("train_16", 1_681_382, "9b9507995898a44cff88acfb99447fefc667dfa653352cfd3edc3eeed2e14cab"),
    ("train_17", 1_697_494, "ebcaa4919e4eb28ee00928274147bf8cb250ff29ab9ab506f9bf3f97f93f5caf"),
    ("train_18", 1_693_310, "58c248c12c3e2ff738dc92e1f22613b23be3ed0874203e7371034973d3d923e0"),
    ("train_19", 1_692_524, "dedf8a67d36127e37d746263a5d8f1310766b87937e6838bd43c37a43ba84761"),
    ("train_20", 1_682_492, "4e378fd575d1cd21f5718be98f2f98fa8c14d0572b5277dd6983eff82ee53a64"),
    ("train_21", 1_676_372, "661c4b9f8031989f78a9798da49961b27184da4d164fc0dee499198da48723ea"),
    ("train_22", 1_690_880, "bd2a7a549ddc731c297fbd87a6b5b853dd82ea78d04e5f90ea081936f538f820"),
    ("train_23", 1_701_636, "075fd57c6031ce6b65683cec0548e9df0e7f13703c691791186e86eadd86fa87"),
    ("train_24", 1_693_258, "fd0c7b3d62ccdf5c660ee413c4e3907455fe5f03cd6a14b06d6c1e71f913ee82"),
    ("train_25", 1_685_948, "18a4bef62b5cc391fe4752f5f8bd985e49d38248c4608a32b26da36f71e98f36"),
    ("train_26", 1_696_018, "ced1061596ed0d571c4c8d193ada21c19fdfa4a6e87edbbf0f1d2f818e5c3d05"),
    ("train_27", 1_684_598, "0061ca9f326b07a2bdab1a9673f0a7ea2655ca7db00fecf367cf8233aaeb3ba7"),
    ("train_28", 1_698_658, "a86e17ba3c8e10ddfa7a3bb6d065aceacc7537286d6097027e9db3061e827ac6"),
    ("train_29", 1_693_338, "57250c1409de4929076dd09849a3bb5e20f43f88a0f0fc8ec6d87a290d34bdae"),
    ("train_30", 1_704_194, "67748ec54e4af9e7d8025a854808d71fdb7806599fbf6f6d9d500ba252c0c705"),
    ("train_31", 1_682_476, "4cb579270a57fac097411c6819822cd741f00d188862704bd090af27f569b89c"),
    ("train_32", 1_691_664, "7a164de3431dee434941514fe662e7b89a8390d717e3c593cb2b3b45e4f2e483"),
    ("train_33", 1_687_304, "897ecff044856111f7cd20482311ff6af3f7aafa1bb2f921bb97786ba7457c1b"),
    ("train_34", 1_699_114, "50b68399b8df4782cbed5353a7b5d2fc2625419bc1cc2c6c3643d7a75efcf447"),
    ("train_35", 1_681_888, "a21887d11900c03f0b766ff72e89cf3ce91ce8dd907b95061803cab0054b9080"),
    ("train_36", 1_691_242, "98c9e473b5dd8be00cf59e1418116167916daa62f53726fe3b00f837c6063b0f"),
    ("train_37", 1_689_596, "2c59a13df01f7eada05d8fb2cfc8c99960e34c9391bc2af14b22c9c1dcfcd3f1"),
    ("train_38", 1_679_762, "f10c72c4152fdd2750e4be9c8fe078b29965c82d8ea44bce1d5613788023a568"),
    ("train_39", 1_677_358, "33ec2a10d51ebe3770c35bcbe5f50ab490c469f9caa818b2482428f12fa76032"),
    ("train_40", 1_688_168, "8d0f3e0d592800ffb6167144c3922d983d5c6449f0f5cd31c343da31d49572b0"),
    ("train_41", 1_688_780, "8fe372bf026bdd44dd1805801218db2e48b420b5f1c5a0036c410f3a110078bc"),
    ("train_42", 1_678_874, "55e02da29536add65604e37c7312a193fa7adceee028df4ffd6a636491a2c690"),
    ("train_43", 1_691_170, "5c86cc00239dc206450c98b5cc32909e173ba561bdd62da3390245e560e3befa"),
    ("train_44", 1_679_434, "d7f28d4822fe1717d93cdbd230a2e923bfa917b74bbe64f8cf09428df58b92ad"),
    ("train_45", 1_697_886, "fab69721a1f24446e4309f485ab7265b711f4eb87e21b48198b67b80a0d26c07"),
    ("train_46", 1_689_038, "fdaac9b8ab8a43c70839c3df73e9084424da76c65973df80f391a9ce7ff6fb02"),
    ("train_47", 1_681_068, "bcf614ccbbc8a8072955f5ddb4ab25e27a8d32c7366cdd2d8052f20d63d4249b"),
    ("train_48", 1_679_844, "4ddda2ae328836a93b81c6bf2298923c5e3f99483f2804b704e15bff18d3516d"),
    ("train_49", 1_684_426, "9fa2a1105ea6893356c2b7aa884f1cc5ce291f1a2e85c6254ba712f978b3ea40"),
    ("test_00", 1_694_640, "7d76bcb249b705e761e2636144df650f79d25b028d1ea5c50edc0716c612ea60"),
    ("test_01", 1_691_302, "d5f1e385ad09fa576cdc4e9827ed8f0e2364026871a029e7d081ff4e9223e2c4"),
    ("test_02", 1_680_986, "68b5e041e9f426ac9e39224709a9053f1bc803ec957f5da624bf941704a55d67"),
    ("test_03", 1_688_820, "deadaa704515f74d8c4a89367d34e1ba6ce2f914b77476baece0c2d3bfd39ca7"),
    ("test_04", 1_691_484, "47dcc2e07a5294627d70acfbc9a95629c1e378e67bc93f16bbfaf8627d62bd02"),
    ("test_05", 1_688_512, "094eb451d70a6720f315bdd4e832a3551623d65fb507d8ed5387c3e9a630f4b2"),
    ("test_06", 1_679_900, "58b61bc217709b7c3fac46a7afc9a067453569a9522bbc6975cb00b61355a352"),
    ("test_07", 1_697_578, "5c0347f083bedd6bb9f163a49c643e209124285de7a6229cb6523f4b73507800"),
    ("test_08", 1_694_866, "ab5ec37a6f006fd79f33a869f3496089f49833f30b952491e7053fabb92c004f"),
    ("test_09", 1_681_254, "a3a4d662665c341a4609980b9edbca16465e2f696321a62a5d8cfae4a8116a9a"),
)
MOSAICS = {
    part: tuple(
        Source(f"cifar10/{name}.webp", f"sha256:{sha256}", size, LICENCE)
        for name, size, sha256 in _MOSAICS
        if name.startswith(part)
    )
    for part in ("train", "test")
}
