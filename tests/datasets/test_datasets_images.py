"""MNIST and CIFAR-10: pixels, labels, order, and where they are read from."""

import csv
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from cifar10_batches import batch_file
from data_settings import MIRROR, build, needs
from PIL import Image

from regimes.datasets import cifar10
from regimes.datasets.pixels import Scaling
from regimes.datasets.sources import retrieval
from regimes.datasets.sources.source import Source
from regimes.errors import DataError
from regimes.storage import store

MNIST_COUNTS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "first 10000": [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
FULL_MNIST = ("mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz")
FULL_CIFAR10 = ("cifar10/labels.csv.gz", "cifar10/train_00.webp", "cifar10/test_00.webp")


@pytest.fixture(autouse=True)
def nothing_but_shipped_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No mirror, no downloads, an empty cache."""
    monkeypatch.delenv("REGIMES_DATA", raising=False)
    monkeypatch.setenv("REGIMES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(retrieval, "URLS", {})


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that REGIMES_DATA named when the tests started."""
    monkeypatch.setenv("REGIMES_DATA", str(MIRROR))
    return Path(str(MIRROR))


def counts(labels: xr.DataArray) -> list[int]:
    return np.bincount(labels.values.astype(int), minlength=10).tolist()


def test_shipped_mnist() -> None:
    dataset = build(kind="mnist", n_train=10_000, n_test=10_000)
    train, test = (dataset.isel(point=dataset["split"] == code) for code in (0, 1))
    assert train.sizes["point"] == test.sizes["point"] == 10_000
    assert train["targets"][:10].values.tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test["targets"][:10].values.tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert counts(train["targets"]) == MNIST_COUNTS["first 10000"]
    assert counts(test["targets"]) == MNIST_COUNTS["test"]
    assert float(train["inputs"].mean()) == pytest.approx(0.131126, rel=1e-5)
    assert float(test["inputs"].mean()) == pytest.approx(0.132515, rel=1e-5)
    # Row 5 of the first image, the top stroke of a five.
    row = np.rint(255 * train["inputs"][0].values.reshape(28, 28)[5]).astype(int)
    assert row[12:24].tolist() == [3, 18, 18, 18, 126, 136, 175, 26, 166, 255, 247, 127]
    assert dataset.attrs["licence"] == "CC BY-SA 3.0"


def test_mnist_without_test_images_is_all_for_training() -> None:
    dataset = build(kind="mnist", n_train=45, pixels=[-0.5, 0.5], bias=True)
    assert dataset.sizes == {"point": 45, "feature": 785}
    assert (dataset["split"] == 0).all() and (dataset["inputs"][:, -1] == 1).all()
    pixels = dataset["inputs"].values[:, :-1]
    assert (pixels.min(), pixels.max()) == (-0.5, 0.5)
    assert "test" not in dataset.attrs["preprocessing"]


def test_other_training_images_can_be_had() -> None:
    first = build(kind="mnist", n_train=20)
    others = build(kind="mnist", n_train=15, first_train=5, n_test=3)
    np.testing.assert_array_equal(others["inputs"][:15], first["inputs"][5:])
    np.testing.assert_array_equal(others["targets"][:15], first["targets"][5:])
    assert "Images 5 to 19" in others.attrs["preprocessing"]


def test_one_hot_targets() -> None:
    labels = build(kind="mnist", n_train=50, n_test=5)["targets"]
    hot = build(kind="mnist", n_train=50, n_test=5, targets="one_hot")["targets"]
    assert hot.dims == ("point", "output") and hot.shape == (55, 10)
    assert (hot.sum("output") == 1).all() and set(np.unique(hot)) == {0, 1}
    np.testing.assert_array_equal(hot.argmax("output"), labels)


def test_mean_and_deviation() -> None:
    unit = build(kind="mnist", n_train=100)["inputs"]
    normalised = build(kind="mnist", n_train=100, pixels={"mean": 0.1307, "std": 0.3081})["inputs"]
    np.testing.assert_allclose(normalised, (unit - 0.1307) / 0.3081, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    "pixels", [[0, 1], [-0.5, 0.5], [-1, 1], [0.1, 7.3], {"mean": 0.1307, "std": 0.3081}]
)
def test_pixels_are_stored_as_bytes_without_loss(pixels: object, tmp_path: Path) -> None:
    dataset = build(kind="mnist", n_train=1200, pixels=pixels)
    path = tmp_path / "mnist.nc"
    store.write(dataset, path, title="t", source="s", references="r", config={})
    for again in (store.read(path), xr.open_dataset(path).load()):
        assert again["inputs"].dtype == np.float64
        np.testing.assert_array_equal(again["inputs"], dataset["inputs"])
        assert again["inputs"].encoding["dtype"] == np.uint8
    assert path.stat().st_size < 300_000


def test_scaling_reaches_its_ends() -> None:
    for low, high in ((0, 1), (-0.5, 0.5), (-1, 1)):
        values = Scaling.from_settings([low, high]).apply(np.array([0, 255], dtype=np.uint8))
        assert values.tolist() == [low, high]


def test_more_images_than_shipped_need_the_full_file() -> None:
    for keys in ({"n_train": 10_001}, {"n_train": 1, "first_train": 10_000}):
        with pytest.raises(DataError) as caught:
            build(kind="mnist", **keys)
        message = str(caught.value)
        assert "\n" not in message
        assert "mnist/train-images-idx3-ubyte.gz" in message and "REGIMES_DATA" in message
        assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in message


@needs(*FULL_MNIST)
def test_full_mnist(mirror: Path) -> None:
    dataset = build(kind="mnist", n_train=60_000)
    assert counts(dataset["targets"]) == MNIST_COUNTS["train"]
    assert float(dataset["inputs"].mean()) == pytest.approx(0.13066, abs=5e-6)
    assert float(dataset["inputs"].std()) == pytest.approx(0.30811, abs=5e-6)
    shipped = build(kind="mnist", n_train=10_000)
    np.testing.assert_array_equal(dataset["inputs"][:10_000], shipped["inputs"])
    np.testing.assert_array_equal(dataset["targets"][:10_000], shipped["targets"])


@needs(*FULL_MNIST)
@pytest.mark.parametrize(
    ("shipped", "official", "header", "n_bytes"),
    [
        ("train-images-first-10000-idx3-ubyte.gz", FULL_MNIST[0], 16, 784),
        ("train-labels-first-10000-idx1-ubyte.gz", FULL_MNIST[1], 8, 1),
    ],
)
def test_shipped_mnist_is_the_beginning_of_the_official_file(
    mirror: Path, shipped: str, official: str, header: int, n_bytes: int
) -> None:
    whole = gzip.decompress((mirror / official).read_bytes())
    first = gzip.decompress((retrieval.RESOURCES / "mnist" / shipped).read_bytes())
    # The number of images stands in the header.
    assert first[:4] == whole[:4] and first[4:8] == (10_000).to_bytes(4, "big")
    assert first[8:] == whole[8 : header + 10_000 * n_bytes]


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def images() -> dict[str, tuple[np.ndarray, list[int]]]:
    """Random pixels (n_images, 3072) and labels, of 2000 training and 1000 test images."""
    random = np.random.default_rng(0)
    return {
        part: (
            random.integers(0, 256, (count, 3072), dtype=np.uint8),
            random.integers(0, 10, count).tolist(),
        )
        for part, count in (("train", 2000), ("test", 1000))
    }


@pytest.fixture
def mosaics(
    images: dict[str, tuple[np.ndarray, list[int]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """A mirror with mosaics of these images, made as docs/data.md says."""
    folder = tmp_path / "mirror/cifar10"
    folder.mkdir(parents=True)
    sources: dict[str, tuple[Source, ...]] = {}
    rows = ["split,index,label,class,filename"]
    for part, (pixels, labels) in images.items():
        sources[part] = ()
        for index in range(len(pixels) // 1000):
            tiles = pixels[1000 * index : 1000 * (index + 1)].reshape(40, 25, 3, 32, 32)
            picture = Image.fromarray(tiles.transpose(0, 3, 1, 4, 2).reshape(1280, 800, 3))
            path = folder / f"{part}_{index:02d}.webp"
            picture.save(path, lossless=True, quality=0, method=0)
            source = Source(f"cifar10/{path.name}", digest(path.read_bytes()), 0, "none")
            sources[part] += (source,)
        rows += [f"{part},{index},{label},x,y.png" for index, label in enumerate(labels)]
    path = folder / "labels.csv.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    labels_source = Source("cifar10/labels.csv.gz", digest(path.read_bytes()), 0, "none")
    monkeypatch.setattr(cifar10, "MOSAICS", sources)
    monkeypatch.setattr(cifar10, "LABELS", labels_source)
    monkeypatch.setenv("REGIMES_DATA", str(folder.parent))
    return folder


@pytest.fixture
def archive(
    images: dict[str, tuple[np.ndarray, list[int]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """A mirror with the same images in an archive like the official one."""
    path = tmp_path / "mirror/cifar10/cifar-10-python.tar.gz"
    path.parent.mkdir(parents=True)
    batches: dict[str, dict[str, str]] = {}
    with tarfile.open(path, "w:gz") as file:
        for part, name in (("train", "data_batch_1"), ("test", "test_batch")):
            pixels, labels = images[part]
            names = [f"{index}.png" for index in range(len(labels))]
            content = batch_file(name, pixels.tobytes(), labels, names)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
            batches[part] = {name: digest(content).removeprefix("sha256:")}
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    source = Source("cifar10/cifar-10-python.tar.gz", f"md5:{md5}", 0, "none")
    monkeypatch.setattr(cifar10, "ARCHIVE", source)
    monkeypatch.setattr(cifar10, "BATCHES", batches)
    monkeypatch.setenv("REGIMES_DATA", str(path.parents[1]))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("place", ["mosaics", "archive"])
@pytest.mark.parametrize(("n_train", "n_test"), [(2000, 1000), (1500, 10), (3, 0)])
def test_cifar10_is_read_from_either_form(
    images: dict[str, tuple[np.ndarray, list[int]]],
    place: str,
    n_train: int,
    n_test: int,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(place)
    dataset = build(kind="cifar10", n_train=n_train, n_test=n_test)
    assert dataset["inputs"].dtype == np.uint8
    for code, part, count in ((0, "train", n_train), (1, "test", n_test)):
        chosen = dataset.isel(point=dataset["split"] == code)
        pixels, labels = images[part]
        np.testing.assert_array_equal(chosen["inputs"], pixels[:count])
        np.testing.assert_array_equal(chosen["targets"], labels[:count])
    assert "6 frog" in dataset.attrs["classes"]
    store.check_described(dataset)


def test_cifar10_as_numbers(mosaics: Path, tmp_path: Path) -> None:
    raw = build(kind="cifar10", n_train=20, n_test=5)
    scaled = build(kind="cifar10", n_train=20, n_test=5, pixels=[0, 1], targets="one_hot")
    np.testing.assert_allclose(scaled["inputs"], raw["inputs"] / 255, rtol=1e-15)
    np.testing.assert_array_equal(scaled["targets"].argmax("output"), raw["targets"])
    for name, dataset in (("raw", raw), ("scaled", scaled)):
        path = tmp_path / f"{name}.nc"
        store.write(dataset, path, title="t", source="s", references="r", config={})
        assert store.read(path).equals(dataset)
        assert store.read(path)["inputs"].dtype == dataset["inputs"].dtype


def test_missing_mosaic_is_named(mosaics: Path) -> None:
    (mosaics / "train_01.webp").unlink()
    build(kind="cifar10", n_train=1000, n_test=0)
    with pytest.raises(DataError, match=r"cifar10/train_01\.webp"):
        build(kind="cifar10", n_train=1001, n_test=0)


def test_archive_with_other_images_is_refused(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "BATCHES", {"train": {"data_batch_1": "0" * 64}})
    with pytest.raises(DataError, match="does not hold the official images"):
        build(kind="cifar10", n_train=5, n_test=0)


def test_cifar10_that_is_nowhere() -> None:
    with pytest.raises(DataError) as caught:
        build(kind="cifar10")
    message = str(caught.value)
    assert "\n" not in message
    assert "cifar10/cifar-10-python.tar.gz" in message
    assert "md5 is c58f30108f718f92721af3b95e74349a" in message


@needs(*FULL_CIFAR10)
def test_full_cifar10(mirror: Path) -> None:
    dataset = build(kind="cifar10")
    assert dataset.sizes == {"point": 60_000, "feature": 3072}
    train, test = dataset["targets"][:50_000], dataset["targets"][50_000:]
    assert counts(train) == [5000] * 10 and counts(test) == [1000] * 10
    assert train[:5].values.tolist() == [6, 9, 9, 4, 1]
    assert test[:5].values.tolist() == [3, 8, 8, 0, 6]
    channels = dataset["inputs"].values[:50_000].reshape(50_000, 3, 1024)
    mean = channels.mean(axis=(0, 2)) / 255
    np.testing.assert_allclose(mean, [0.49140, 0.48216, 0.44653], atol=6e-6)
    deviation = [np.std(channels[:, channel], dtype=np.float64) / 255 for channel in range(3)]
    np.testing.assert_allclose(deviation, [0.24703, 0.24349, 0.26159], atol=6e-6)


@needs(*FULL_CIFAR10)
def test_mosaics_hold_the_official_images(mirror: Path) -> None:
    # The official test batch, rebuilt: its md5 is published with the archive.
    pixels, labels = cifar10._read_mosaics("test", 10_000)
    with gzip.open(mirror / "cifar10/labels.csv.gz", "rt") as file:
        names = [row["filename"] for row in csv.DictReader(file) if row["split"] == "test"]
    content = batch_file("testing batch 1 of 1", pixels.tobytes(), labels.tolist(), names)
    assert hashlib.md5(content).hexdigest() == "40351d587109b95175f43aff81a1287e"
    sha256 = cifar10.BATCHES["test"]["test_batch"]
    read = cifar10._batch(content, sha256, mirror)
    np.testing.assert_array_equal(read[0], pixels)
    np.testing.assert_array_equal(read[1], labels)
