"""Features of images as a data set: layout, attributes, and what its hash covers."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from regimes import api as notebook
from regimes.config.load import load, merge
from regimes.datasets import cifar10, image_features
from regimes.datasets.backbones import pixels, resnet18
from regimes.datasets.sources import retrieval
from regimes.plan import plan as plan_module
from regimes.plan.plan import Plan
from regimes.plan.provenance import import_closure
from regimes.storage import store, versions
from regimes.storage.layout import assemble, train_then_test

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
N_TRAIN, N_TEST = 6, 3


@pytest.fixture
def images() -> xr.Dataset:
    """A data set of nine random images, the first two pixels of which are always black."""
    random = np.random.default_rng(0)
    bytes_ = random.integers(0, 256, (N_TRAIN + N_TEST, 3072), dtype=np.uint8)
    bytes_[:, :2] = 0
    return assemble(
        bytes_,
        np.eye(10)[random.integers(0, 10, N_TRAIN + N_TEST)],
        train_then_test(N_TRAIN, N_TEST),
        target_name="1 for the class of the image, else 0",
        licence="none stated",
        citation="the images' paper",
        preprocessing="Images were taken.",
        classes="0 airplane",
    )


def made(images: xr.Dataset, **settings: str) -> xr.Dataset:
    return image_features.build({"standardise": "none", **settings}, images)


def test_layout_and_attributes(images: xr.Dataset, tmp_path: Path) -> None:
    dataset = made(images, backbone="pixels")
    assert dataset.sizes == {"point": 9, "feature": 3072, "output": 10}
    assert dataset["inputs"].dtype == np.float32
    np.testing.assert_allclose(dataset["inputs"], images["inputs"] / 255, rtol=1e-6)
    xr.testing.assert_identical(
        dataset[["targets", "split"]].drop_attrs(deep=False),
        images[["targets", "split"]].drop_attrs(deep=False),
    )
    assert dataset.attrs == {
        "licence": "none stated",
        "citation": "the images' paper",
        "preprocessing": f"Images were taken. {pixels.PREPROCESSING}",
        "backbone": "pixels",
        "classes": "0 airplane",
    }
    path = tmp_path / "data/features.nc"
    store.write(dataset, path, title="t", source="s", references="r", config={})
    assert store.read(path).equals(dataset)
    assert store.read(path)["inputs"].dtype == np.float32


def test_labels_stay_labels(images: xr.Dataset) -> None:
    labels = images.assign(
        targets=images["targets"]
        .argmax("output")
        .assign_attrs(long_name="class of the image", units="1")
    )
    dataset = made(labels, backbone="pixels")
    assert dataset["targets"].dims == ("point",)
    np.testing.assert_array_equal(dataset["targets"], labels["targets"])


def test_a_network_is_named_with_its_licence(
    images: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = resnet18.with_weights(resnet18.ResNet18().state_dict())
    monkeypatch.setattr(
        resnet18, "load", lambda device: lambda batch: network.features(batch.float() / 255)
    )
    dataset = made(images, backbone="resnet18")
    assert dataset.sizes["feature"] == 512 and dataset["inputs"].std() > 0
    assert dataset.attrs["backbone"] == "resnet18"
    assert dataset.attrs["licence"] == "images: none stated; network: BSD 3-Clause (torchvision)"
    assert dataset.attrs["citation"].startswith("the images' paper; K. He")


def test_features_are_standardised_on_the_training_points(images: xr.Dataset) -> None:
    plain = made(images, backbone="pixels")["inputs"]
    dataset = made(images, backbone="pixels", standardise="train")
    inputs = dataset["inputs"]
    assert inputs.dtype == np.float32 and np.isfinite(inputs).all()
    # Constant features stay constant.
    assert (inputs[:, :2] == 0).all()
    train = inputs[:N_TRAIN, 2:]
    np.testing.assert_allclose(train.mean("point"), 0, atol=1e-6)
    np.testing.assert_allclose(train.std("point"), 1, atol=1e-5)
    mean, deviation = plain[:N_TRAIN, 2:].mean("point"), plain[:N_TRAIN, 2:].std("point")
    np.testing.assert_allclose(inputs[:, 2:], (plain[:, 2:] - mean) / deviation, atol=1e-5)
    assert "mean 0 and variance 1" in dataset.attrs["preprocessing"]


EXPERIMENT = {
    "engine": "gradient_descent",
    "paper": "luo2021",
    "dataset": "features",
    "parameterisation": "unscaled",
    "loss": "mean_square",
    "learning_rate": 0.001,
    "stopping": {"max_steps": 100},
    "axes": {"seed": [0], "width": [20], "n_train": [5]},
    "measure": "luo2021.growth",
}
DATASETS = {
    # The features first: the order in the config does not matter.
    "features": {"kind": "image_features", "images": "pictures", "backbone": "efficientnet_lite0"},
    "pictures": {"kind": "cifar10", "n_train": 50, "n_test": 10},
}


def make(**changes: object) -> Plan:
    """The plan of config.yaml with features, and with changes of them."""
    overrides = {"datasets": DATASETS, "experiments": {"on_features": EXPERIMENT}}
    return Plan.from_config(load(CONFIG, merge(overrides, {}, changes)))


def features(**changes: object) -> dict:
    return {"datasets": {"features": changes}}


def runs(plan: Plan) -> set[str]:
    return {block.path for block in plan.jobs_of("on_features")}


def test_nothing_else_is_made_again() -> None:
    before, after = Plan.from_config(load(CONFIG)), make()
    assert before.data.items() <= after.data.items()
    assert before.stamps.items() <= after.stamps.items()
    assert {block.path for block in before.jobs.values()} <= {
        block.path for block in after.jobs.values()
    }


def test_features_know_their_images() -> None:
    plan = make()
    data = plan.data["features"]
    assert (data.source.name, data.kind) == ("pictures", "image_features")
    assert data.path == "results/data/features.nc"
    assert data.settings["backbone"] == "efficientnet_lite0"
    assert plan.data["pictures"].source is None and plan.data["pictures"].torch is None
    settings = plan.measures["on_features"].settings["datasets"]
    assert set(settings) == {"features", "pictures"}
    assert settings["pictures"]["n_train"] == 50
    assert plan.data["pictures"].hash in plan.stamps[data.stamp]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"datasets": {"pictures": {"n_train": 51}}},
        {"datasets": {"pictures": {"targets": "one_hot"}}},
        features(backbone="pixels"),
        features(backbone="resnet18"),
        features(standardise="train"),
    ],
)
def test_images_and_settings_make_other_features_and_runs(changes: dict) -> None:
    before, after = make(), make(**changes)
    assert before.data["features"].hash != after.data["features"].hash
    stamp = before.data["features"].stamp
    assert before.stamps[stamp] != after.stamps[stamp]
    assert not runs(before) & runs(after)
    measures = before.measures["on_features"].stamp
    assert before.stamps[measures] != after.stamps[measures]


def test_version_of_torch_counts_without_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_torch(version: str) -> Plan:
        monkeypatch.setattr(versions, "package_versions", lambda *_: {"torch": version})
        return make()

    cpu, gpu, newer = map(with_torch, ("2.13.0+cpu", "2.13.0+cu128", "2.14.0"))
    assert cpu.data == gpu.data and cpu.stamps == gpu.stamps
    assert cpu.data["features"].torch == "2.13.0"
    assert cpu.data["features"].hash != newer.data["features"].hash
    stamp = cpu.data["features"].stamp
    assert cpu.stamps[stamp] != newer.stamps[stamp]
    # Data that torch does not make are those of any version.
    assert cpu.data["pictures"] == newer.data["pictures"]


def test_features_depend_on_the_code_of_their_backbone_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    hashed = plan_module.code_hash
    monkeypatch.setattr(
        plan_module, "code_hash", lambda roots: asked.append(list(roots)) or hashed(roots)
    )
    make()
    # Other data sets of config.yaml are made by the same script.
    roots = next(
        roots for roots in asked if "regimes.datasets.backbones.efficientnet_lite0" in roots
    )
    closure = set(import_closure(roots))
    assert {
        "regimes.datasets.backbones.efficientnet_lite0",
        "regimes.datasets.backbones.enlarged",
        "regimes.datasets.backbones.extraction",
        "regimes.datasets.image_features",
        "regimes.storage.layout",
    } <= closure
    assert not closure & {
        "regimes.datasets.backbones.resnet18",
        "regimes.datasets.backbones.pixels",
        "regimes.datasets.cifar10",
        "regimes.datasets.sources.retrieval",
        "regimes.datasets.settings",
        "regimes.plan.plan",
    }


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a mirror has the weights of ResNet-18: nowhere yet, nor is a mirror named."""
    monkeypatch.delenv("REGIMES_DATA", raising=False)
    monkeypatch.setenv("REGIMES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "mirror" / resnet18.WEIGHTS.name


def put(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not read by a plan")


def backbone(**changes: object) -> str:
    return make(**features(backbone="auto"), **changes).data["features"].settings["backbone"]


@pytest.mark.slow
def test_auto_is_what_the_mirror_has(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mirror = str(weights.parents[1])
    assert backbone() == "efficientnet_lite0"
    # A folder that is not there stops the jobs that need it, not the others.
    assert backbone(data_mirror=mirror) == "efficientnet_lite0"
    put(weights)
    assert backbone() == "efficientnet_lite0"
    assert backbone(data_mirror=mirror) == "resnet18"
    monkeypatch.setenv("REGIMES_DATA", mirror)
    assert backbone() == "resnet18"
    # As for the jobs, the config's folder goes before the environment's.
    assert backbone(data_mirror=str(tmp_path)) == "efficientnet_lite0"


def test_downloads_do_not_change_what_auto_is(weights: Path, tmp_path: Path) -> None:
    put(tmp_path / "cache" / resnet18.WEIGHTS.name)
    assert backbone() == "efficientnet_lite0"


def test_auto_is_the_same_as_what_it_stands_for(weights: Path) -> None:
    auto, named = make(**features(backbone="auto")), make()
    assert auto == named
    assert "auto" not in auto.measures["on_features"].settings["datasets"]["features"].values()


def test_shipped_weights_count(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(tmp_path / "resources" / resnet18.WEIGHTS.name)
    monkeypatch.setattr(retrieval, "RESOURCES", tmp_path / "resources")
    assert retrieval.is_there(resnet18.WEIGHTS)


def test_notebooks_make_the_images_first(
    images: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(cifar10, "build", lambda settings: asked.append(settings) or images)
    data = notebook._data(make(**features(backbone="pixels")).data["features"])
    xr.testing.assert_identical(data, made(images, backbone="pixels"))
    assert [settings["n_train"] for settings in asked] == [50]
