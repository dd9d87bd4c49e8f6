"""Labels of a teacher as a data set: what it learns, and what its file and its hash cover."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from regimes import api as notebook
from regimes.config.load import load, merge
from regimes.datasets import mnist, teacher_labels
from regimes.engines.common.streams import stream
from regimes.errors import DataError
from regimes.plan import plan as plan_module
from regimes.plan.plan import Plan
from regimes.plan.provenance import import_closure
from regimes.storage import store

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
IMAGES = {
    "first_train": 0,
    "n_train": 60,
    "n_test": 30,
    "pixels": {"mean": 0.1307, "std": 0.3081},
    "targets": "label",
    "bias": False,
}
SETTINGS = {
    "kind": "teacher_labels",
    "images": "pictures",
    "width": 20,
    "activation": "gelu",
    "learning_rate": 0.1,
    "batch_size": 16,
    "max_epochs": 200,
    "seed": 3,
}


@pytest.fixture(scope="module")
def images() -> xr.Dataset:
    return mnist.build(IMAGES)


def made(images: xr.Dataset, **changes: Any) -> xr.Dataset:
    return teacher_labels.build(SETTINGS | changes, images)


@pytest.fixture(scope="module")
def taught(images: xr.Dataset) -> xr.Dataset:
    return made(images)


def test_the_teacher_learns_the_training_images(images: xr.Dataset, taught: xr.Dataset) -> None:
    assert taught["targets"].dims == ("point", "output") and taught.sizes["output"] == 10
    np.testing.assert_array_equal(taught["image_class"], images["targets"])
    given, own = taught["targets"].argmax("output"), taught["image_class"]
    np.testing.assert_array_equal(taught["targets"], np.eye(10)[given])
    train = (images["split"] == 0).values
    assert (given == own)[train].all() and not (given == own)[~train].all()
    assert taught["teacher_converged"] == 1 and taught["teacher_train_agreement"] == 1
    assert taught["teacher_test_agreement"] == pytest.approx(float((given == own)[~train].mean()))
    assert 1 < taught["teacher_epochs"] < 200
    # It stops as soon as it may.
    earlier = made(images, max_epochs=int(taught["teacher_epochs"]) - 1)
    assert earlier["teacher_converged"] == 0 and earlier["teacher_train_agreement"] < 1
    assert earlier["teacher_epochs"] == taught["teacher_epochs"] - 1


def test_the_teacher_is_that_of_torch(images: xr.Dataset) -> None:
    """He's initialisation with the biases of torch.nn.Linear, and steps of torch.optim.SGD."""
    dataset = made(images, max_epochs=3, activation="relu")
    layers = [torch.nn.Linear(784, 20), torch.nn.Linear(20, 10)]
    draws = {
        "weights": lambda random: random.standard_normal((1, 20, 784)) * (2 / 784) ** 0.5,
        "biases": lambda random: random.uniform(-(784**-0.5), 784**-0.5, (1, 20)),
        "output weights": lambda random: random.standard_normal((1, 10, 20)) * (2 / 20) ** 0.5,
        "output biases": lambda random: random.uniform(-(20**-0.5), 20**-0.5, (1, 10)),
    }
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1]).double()
    for parameter, (name, draw) in zip(model.parameters(), draws.items(), strict=True):
        parameter.data.copy_(torch.tensor(draw(stream(3, "teacher_labels", name))[0]))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = torch.tensor(images["inputs"].values)
    labels = torch.tensor(images["targets"].values.astype(int))
    for epoch in range(3):
        order = torch.tensor(stream(3, "teacher_labels", "shuffle", epoch).permutation(60))
        for chosen in order.split(16):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen])
            loss.backward()
            optimiser.step()
    expected = model(inputs).argmax(1)
    np.testing.assert_array_equal(dataset["targets"].argmax("output"), expected)
    assert len(set(expected.tolist())) > 3
    assert dataset["teacher_converged"] == 0 and dataset["teacher_epochs"] == 3


def test_the_images_stay_as_they_are(
    images: xr.Dataset, taught: xr.Dataset, tmp_path: Path
) -> None:
    for name in ("inputs", "split"):
        xr.testing.assert_identical(taught[name], images[name])
    assert taught.attrs["licence"] == images.attrs["licence"]
    sentence = "classes that a network of 20 neurons gives (gelu, seed 3)"
    assert taught.attrs["preprocessing"].startswith(images.attrs["preprocessing"])
    assert sentence in taught.attrs["preprocessing"]
    path = tmp_path / "data/taught.nc"
    store.check_described(taught)
    store.write(taught, path, title="t", source="s", references="r", config={})
    assert store.read(path).equals(taught)
    # Images are stored as bytes still, also when they were read from a file.
    store.write(images, tmp_path / "images.nc", title="t", source="s", references="r", config={})
    again = made(store.read(tmp_path / "images.nc"))
    xr.testing.assert_identical(again.drop_attrs(deep=False), taught.drop_attrs(deep=False))
    for dataset in (taught, again):
        packed = dataset["inputs"].encoding["scale_factor"]
        assert packed == images["inputs"].encoding["scale_factor"]


def test_the_seed_selects_the_teacher(images: xr.Dataset, taught: xr.Dataset) -> None:
    other = made(images, seed=4)["targets"]
    assert not other.equals(taught["targets"])
    xr.testing.assert_identical(made(images), taught)


def test_one_hot_images_and_none_for_test(images: xr.Dataset, taught: xr.Dataset) -> None:
    hot = mnist.build(IMAGES | {"targets": "one_hot"})
    xr.testing.assert_identical(made(hot)["targets"], taught["targets"])
    alone = made(mnist.build(IMAGES | {"n_test": 0}))
    np.testing.assert_array_equal(alone["targets"], taught["targets"][:60])
    assert np.isnan(alone["teacher_test_agreement"]) and alone["teacher_train_agreement"] == 1


def test_a_teacher_that_diverges_is_an_error(images: xr.Dataset) -> None:
    with pytest.raises(DataError, match="diverged in epoch 1: use a smaller learning_rate than 1e"):
        made(images, learning_rate=1e30)
    with pytest.raises(DataError, match="pictures are no classes"):
        made(images.assign(targets=images["targets"] + 0.5))


DATASETS = {
    "taught": {"kind": "teacher_labels", "images": "pictures", "width": 20},
    "pictures": {"kind": "mnist", "n_train": 60, "n_test": 30},
}


def make(**changes: object) -> Plan:
    overrides = {"datasets": DATASETS, "experiments": {"song2021_mnist": {"dataset": "taught"}}}
    return Plan.from_config(load(CONFIG, merge(overrides, {}, changes)))


def runs(plan: Plan) -> set[str]:
    return {block.path for block in plan.jobs_of("song2021_mnist")}


def test_labels_know_their_images() -> None:
    plan = make()
    data = plan.data["taught"]
    assert (data.source.name, data.kind) == ("pictures", "teacher_labels")
    assert data.torch and plan.data["pictures"].torch is None
    assert plan.data["pictures"].hash in plan.stamps[data.stamp]
    settings = plan.measures["song2021_mnist"].settings["datasets"]
    assert set(settings) == {"taught", "pictures"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"datasets": {"pictures": {"n_train": 61}}},
        {"datasets": {"taught": {"activation": "relu"}}},
        {"datasets": {"taught": {"max_epochs": 100}}},
        {"datasets": {"taught": {"seed": 1}}},
    ],
)
def test_other_labels_make_other_runs(changes: dict) -> None:
    before, after = make(), make(**changes)
    assert before.data["taught"].hash != after.data["taught"].hash
    assert not runs(before) & runs(after)


def test_labels_depend_on_the_code_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    hashed = plan_module.code_hash
    monkeypatch.setattr(
        plan_module, "code_hash", lambda roots: asked.append(list(roots)) or hashed(roots)
    )
    make()
    roots = next(roots for roots in asked if "regimes.datasets.teacher_labels" in roots)
    closure = set(import_closure(roots))
    assert {"regimes.engines.sgd.descent", "regimes.activations.gelu"} <= closure
    assert not any(
        name.startswith(("regimes.config", "regimes.datasets.backbones")) for name in closure
    )


def test_notebooks_make_the_images_first(
    images: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "build", lambda settings: images)
    changes = {key: SETTINGS[key] for key in ("learning_rate", "batch_size", "max_epochs", "seed")}
    data = notebook._data(make(datasets={"taught": changes}).data["taught"])
    xr.testing.assert_identical(data, made(images))
