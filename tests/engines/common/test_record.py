"""The results of a job on their grid, from made-up runs."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr

from regimes.engines.common.engine import Batch, Coordinate, Engine, Job, Session, Variable, history
from regimes.engines.common.record import dataset_of, write_run

AXES = {"name": ["first", "second"], "width": [10, 20], "seed": [3]}


class Runs(Engine):
    """Every kind of variable and coordinate that an engine may have."""

    AXES: ClassVar = {
        "name": "name of a case",
        "width": "number of neurons",
        "seed": "index of a draw",
    }
    VARIABLES: ClassVar = {
        "diverged": Variable("1 if it diverged", dtype=np.int8),
        "learning_rate": Variable("learning rate", axes=("width",), units="1/step"),
        "final_weights": Variable("weights", ("node", "feature"), None),
        "train_loss": history("loss along the run"),
        "time": Variable("time of the step", ("step",), axes=("width",), coordinate=True),
        "patterns": Variable("patterns", ("node",), stored="float32"),
        "never_measured": Variable("nothing"),
    }
    INDICES: ClassVar = {"node": "index of the node", "output": "index of the output"}

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        raise AssertionError("the results are made up")

    def coordinates(self) -> dict[str, Coordinate]:
        label = Coordinate(["a", "b"], "label of the feature", dim="feature")
        return super().coordinates() | {"label": label}


@pytest.fixture(scope="module")
def made() -> xr.Dataset:
    settings = SimpleNamespace(precision="float32")
    job = Job("made_up", "points", 0, AXES, settings)
    runs = Runs(job, xr.Dataset(attrs={"data_hash": "0"}), "cpu")
    runs.steps = np.array([0, 1, 10])
    results: dict[str, np.ndarray] = {}
    # Of three runs of four, in another order than that of the grid.
    for number, (name, width) in enumerate([("second", 20), ("first", 10), ("second", 10)]):
        values = {
            "diverged": np.asarray(number == 1),
            "learning_rate": np.asarray(1 / width),
            "final_weights": np.full((3, 2), number + 0.1),
            "train_loss": number + np.arange(3.0),
            "time": width * np.arange(3.0),
            "patterns": np.full(3, float(number)),
        }
        write_run(results, AXES, {"name": name, "width": width, "seed": 3}, values)
    write_run(results, AXES, {"name": "first", "width": 20, "seed": 3}, {"diverged": np.asarray(0)})
    return dataset_of(runs, results)


def test_every_run_has_its_place(made: xr.Dataset) -> None:
    found = made["train_loss"].sel(seed=3)
    assert found.dims == ("name", "width", "step")
    np.testing.assert_array_equal(found.sel(name="second", width=20), [0, 1, 2])
    np.testing.assert_array_equal(found.sel(name="first", width=10), [1, 2, 3])
    np.testing.assert_array_equal(found.sel(name="second", width=10), [2, 3, 4])
    # Values that a run has not are NaN.
    assert np.isnan(found.sel(name="first", width=20)).all()
    assert made["diverged"].dtype == np.int8 and int(made["diverged"].sum()) == 1
    assert "never_measured" not in made


def test_a_variable_has_the_axes_that_it_depends_on(made: xr.Dataset) -> None:
    assert made["learning_rate"].dims == ("width",)
    assert made["final_weights"].dims == (*AXES, "node", "feature")
    np.testing.assert_allclose(made["learning_rate"][0], 0.1)


def test_number_formats_are_those_of_the_variables(made: xr.Dataset) -> None:
    assert made["final_weights"].dtype == np.float32
    assert made["patterns"].dtype == np.float64
    assert made["patterns"].encoding["dtype"] == "float32"


def test_coordinates_and_descriptions(made: xr.Dataset) -> None:
    assert set(made.coords) == {*AXES, "step", "time", "label", "node"}
    assert made["train_loss"].coords["time"].dims == ("width", "step")
    np.testing.assert_array_equal(made["step"], [0, 1, 10])
    np.testing.assert_array_equal(made["node"], [0, 1, 2])
    assert made["label"].dims == ("feature",)
    assert list(made["name"].values) == AXES["name"]
    described = {"long_name": "learning rate", "units": "1/step"}
    assert made["learning_rate"].attrs == described
    assert made["width"].attrs["long_name"] == "number of neurons"
