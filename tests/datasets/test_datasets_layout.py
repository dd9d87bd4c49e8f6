"""What the data sets of all kinds have in common."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import xarray as xr
from data_settings import build

from regimes.datasets.settings import DatasetSettings
from regimes.plan.provenance import code_hash, import_closure
from regimes.storage import store

EXAMPLES = {
    "points": {"inputs": [0, 1, 2], "targets": [1, 0, 1]},
    "function": {"formula": "sin(x1) * x2", "n_train": 30, "n_features": 2, "noise": 0.1},
    "uci": {"name": "energy", "bias": True},
    "mnist": {"n_train": 6, "n_test": 4, "targets": "one_hot"},
    "random_labels_on_sphere": {"n_train": 30, "label_variance": 100.0},
    "random_labels_on_gaussian": {"n_train": 30},
    "quadratic_teacher": {"n_train": 30},
    "xor_with_noise": {"n_train": 30},
    "sines_on_sphere": {"n_train": 30, "n_test": 10},
    "unit_sphere": {"draws": 2, "n_points": 30, "n_features": 5},
    "single_index": {"link": "hermite_3", "n_train": 30, "noise": 0.1},
    "sparse_parity": {"order": 3, "n_train": 30},
}
KINDS = [
    get_args(model.model_fields["kind"].annotation)[0]
    for model in get_args(get_args(DatasetSettings)[0])
]
every_kind = pytest.mark.parametrize("kind", EXAMPLES)


def test_every_kind_has_an_example() -> None:
    # CIFAR-10 is not shipped, and has tests of its own; so have files of the user's own and data
    # that are made of others.
    assert set(KINDS) == {*EXAMPLES, "cifar10", "file", "image_features", "teacher_labels"}


@every_kind
def test_variables_and_attributes(kind: str) -> None:
    dataset = build(kind=kind, **EXAMPLES[kind])
    assert set(dataset.data_vars) == {"inputs", "targets", "split"}
    draws = ("draw",) if kind == "unit_sphere" else ()
    assert dataset["inputs"].dims == (*draws, "point", "feature")
    assert dataset["targets"].dims in {(*draws, "point"), (*draws, "point", "output")}
    assert dataset["split"].dims == ("point",) and dataset["split"].dtype == np.int8
    np.testing.assert_array_equal(dataset["split"].attrs["flag_values"], [0, 1, 2])
    assert dataset["split"].attrs["flag_meanings"] == "train test validation"
    for attribute in ("licence", "citation", "preprocessing"):
        assert dataset.attrs[attribute]
    assert dataset.attrs["preprocessing"].endswith(".")
    assert np.isfinite(dataset["inputs"]).all() and np.isfinite(dataset["targets"]).all()
    store.check_described(dataset)


@every_kind
def test_same_settings_same_bits(kind: str) -> None:
    xr.testing.assert_identical(
        build(kind=kind, **EXAMPLES[kind]), build(kind=kind, **EXAMPLES[kind])
    )


@every_kind
@pytest.mark.filterwarnings("error")
def test_files_hold_the_very_same_values(kind: str, tmp_path: Path) -> None:
    dataset = build(kind=kind, **EXAMPLES[kind])
    path = tmp_path / "data.nc"
    store.write(dataset, path, title="t", source="s", references="r", config={})
    again = store.read(path)
    assert again.equals(dataset)
    assert again["inputs"].dtype == dataset["inputs"].dtype
    assert again["split"].dtype == np.int8
    np.testing.assert_array_equal(again["split"].attrs["flag_values"], [0, 1, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_data_depends_on_the_code_of_its_kind_alone(kind: str) -> None:
    closure = set(import_closure([f"regimes.datasets.{kind}"]))
    others = {f"regimes.datasets.{other}" for other in KINDS} - {f"regimes.datasets.{kind}"}
    assert not closure & others
    # Neither on the config, nor on how files are found: their checksums say what they hold.
    assert not closure & {
        "regimes.datasets.settings",
        "regimes.datasets.sources.registry",
        "regimes.datasets.sources.retrieval",
        "regimes.plan.plan",
    }


def test_given_points_depend_on_no_files() -> None:
    closure = set(import_closure(["regimes.datasets.points"]))
    assert {name for name in closure if name.startswith("regimes.datasets.")} == {
        "regimes.datasets.points"
    }


def test_checksums_are_part_of_the_hash() -> None:
    closure = import_closure(["regimes.datasets.mnist"])
    assert "regimes.datasets.sources.mnist" in closure
    assert "regimes.datasets.sources.cifar10" not in closure
    assert code_hash(["regimes.datasets.mnist"]) != code_hash(["regimes.datasets.uci"])
