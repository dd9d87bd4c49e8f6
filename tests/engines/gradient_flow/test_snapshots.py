"""Weights kept along a run, and runs that differ in the solver's tolerance alone."""

from pathlib import Path
from typing import Any

import flow_blocks
import numpy as np
import pytest
import torch
import xarray as xr
from flow_blocks import SOLVER, four_points
from flow_names import LONG_NAMES

from regimes.config.load import load
from regimes.engines.common.draws import antisymmetric
from regimes.engines.common.runner import train
from regimes.engines.common.streams import stream
from regimes.engines.gradient_flow import engine as gradient_flow
from regimes.engines.gradient_flow.engine import Runs
from regimes.engines.gradient_flow.initialisation import gaussian
from regimes.engines.gradient_flow.network import Weights
from regimes.engines.gradient_flow.snapshots import Snapshots
from regimes.errors import ConfigError
from regimes.storage import store

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).resolve().parents[3] / "config.yaml"
WIDTH = 20
LEVELS = [1.0, 0.5, 0.1, 0.001, 0.0]
AXES = {"gamma_prime": [0.0], "gamma": [0.5, 1.2], "width": [WIDTH], "seed": [0, 1]}
ONE = {"gamma_prime": [0.0], "gamma": [1.2], "width": [WIDTH], "seed": [0]}
# What a run with `snapshot_content: weights` keeps.
SNAPSHOT_NAMES = ("output_weights", "input_weights", "snapshot_relative_loss", "snapshot_time")
# By how much other roundings, those of a batch of other runs, change weights at kinks.
AT_KINKS = SOLVER["tolerance"] / 100
WEIGHTS = ("output_weights", "input_weights")


def block_of(axes: dict[str, list], **changes: Any) -> dict[str, Any]:
    return flow_blocks.block_of(axes, **{"snapshots": LEVELS} | changes)


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return four_points()


@pytest.fixture(scope="module")
def trained(data: xr.Dataset) -> xr.Dataset:
    return train(block_of(AXES), data, "cpu")


def relative_distance(start: np.ndarray, end: np.ndarray) -> float:
    return float(np.linalg.norm(end - start) / np.linalg.norm(start))


# What is kept


def test_the_first_level_is_the_initial_weights(trained: xr.Dataset) -> None:
    for gamma in AXES["gamma"]:
        for seed in AXES["seed"]:
            a, w = gaussian(stream(7, "experiment", "four_point", WIDTH, seed), WIDTH, 2)
            if gamma <= 0.5:
                a, w = antisymmetric(a, w)
            run = {"gamma_prime": 0.0, "gamma": gamma, "width": WIDTH, "seed": seed}
            start = trained.sel(run).sel(snapshot=1.0)
            np.testing.assert_array_equal(start["output_weights"], a)
            np.testing.assert_array_equal(start["input_weights"], w)
            assert float(start["snapshot_time"]) == 0
            assert float(start["snapshot_relative_loss"]) == 1


def test_the_last_level_is_the_end_that_distances_are_measured_at(trained: xr.Dataset) -> None:
    runs = trained.stack(run=("gamma_prime", "gamma", "width", "seed"))
    for index in range(runs.sizes["run"]):
        run = runs.isel(run=index)
        start, end = run.sel(snapshot=1.0), run.sel(snapshot=0.0)
        a, w = ([one[name].values.ravel() for one in (start, end)] for name in WEIGHTS)
        theta = [np.concatenate(parts) for parts in zip(a, w, strict=True)]
        for layer, ends in (("a", a), ("w", w), ("theta", theta)):
            expected = relative_distance(*ends)
            assert float(run[f"final_relative_distance_{layer}"]) == pytest.approx(
                expected, rel=1e-12
            )
        assert float(end["snapshot_time"]) == float(run["flow_time"])
        share = float(run["final_loss"] / run["initial_loss"])
        assert float(end["snapshot_relative_loss"]) == pytest.approx(share, rel=1e-15)


def test_weights_are_those_of_the_first_step_at_or_below_the_level(data: xr.Dataset) -> None:
    solver = SOLVER | {"tolerance": 0.3}  # few steps
    whole = train(block_of(ONE, solver=solver), data, "cpu").squeeze()
    tries = int(whole["solver_steps"] + whole["rejected_steps"])
    # The same run, ended after every number of steps; its start is a snapshot too.
    ends = [
        train(
            block_of(ONE, snapshots=[level], solver=solver | {"max_steps": count}), data, "cpu"
        ).squeeze()
        for level, count in [(1.0, 1), *((0.0, count) for count in range(1, tries + 1))]
    ]
    shares = np.array([float(end["final_loss"] / end["initial_loss"]) for end in ends])
    shares[0], ends[0]["flow_time"] = 1.0, 0.0
    found = set()
    for level in LEVELS[:-1]:
        first = int(np.flatnonzero(shares <= level)[0])
        assert first == 0 or shares[first - 1] > level
        kept, end = whole.sel(snapshot=level), ends[first]
        for name in WEIGHTS:
            np.testing.assert_array_equal(kept[name], end[name].squeeze())
        assert float(kept["snapshot_relative_loss"]) == shares[first] <= level
        assert float(kept["snapshot_time"]) == float(end["flow_time"])
        found.add(first)
    # The levels are different moments, before the end.
    assert len(found) == len(LEVELS) - 1 and max(found) < tries


def test_time_rises_and_the_loss_falls_from_level_to_level(trained: xr.Dataset) -> None:
    time, share = trained["snapshot_time"], trained["snapshot_relative_loss"]
    assert (time.diff("snapshot") > 0).all()
    assert (share.diff("snapshot") < 0).all()
    inner = trained["snapshot"] > 0
    assert (share.where(inner, 0) <= trained["snapshot"]).all()
    assert (share.sel(snapshot=0.0) <= SOLVER["relative_loss"]).all()


def test_a_capped_run_has_its_end_where_it_did_not_get_to(
    data: xr.Dataset, trained: xr.Dataset
) -> None:
    # The first cap with which a run gets to the third level: not all do, and none to the others.
    for cap in range(10, 200, 2):
        capped = train(block_of(AXES, solver=SOLVER | {"max_steps": cap}), data, "cpu")
        share = capped["final_loss"] / capped["initial_loss"]
        if (share <= 0.1).any():
            break
    assert (capped["converged"] == 0).all() and (capped["diverged"] == 0).all()
    share = share.broadcast_like(capped["snapshot_time"])
    reached = (share <= capped["snapshot"]).transpose(*capped["snapshot_time"].dims)
    assert reached.sel(snapshot=[1.0, 0.5]).all()
    assert not reached.sel(snapshot=0.1).all()
    assert not reached.sel(snapshot=[0.001, 0.0]).any()
    capped, trained = capped.reset_coords(), trained.reset_coords()
    for name in SNAPSHOT_NAMES:
        end = capped[name].sel(snapshot=0.0)
        xr.testing.assert_equal(
            capped[name].where(~reached), end.broadcast_like(capped[name]).where(~reached)
        )
        # What it got to is what the run without a cap has there, but for rounding.
        xr.testing.assert_allclose(
            capped[name].where(reached), trained[name].where(reached), rtol=1e-9
        )
    assert (capped["snapshot_time"].sel(snapshot=0.0) == capped["flow_time"]).all()
    np.testing.assert_allclose(
        capped["snapshot_relative_loss"].sel(snapshot=0.0),
        capped["final_loss"] / capped["initial_loss"],
        rtol=1e-15,
    )


def test_a_run_that_is_out_of_time_has_its_end_too(data: xr.Dataset) -> None:
    run = train(block_of(ONE, solver=SOLVER | {"max_time": 1e-3}), data, "cpu").squeeze()
    assert float(run["snapshot_time"].sel(snapshot=0.5)) == pytest.approx(1e-3)
    assert float(run["snapshot_time"].sel(snapshot=1.0)) == 0


def test_a_diverged_run_keeps_nothing_and_spoils_no_other(
    data: xr.Dataset, trained: xr.Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    draw = Runs._initial_weights

    def with_a_bad_one(*arguments: Any) -> Any:
        weights, orthogonal = draw(*arguments)
        weights.a[1, 3] = np.inf
        return weights, orthogonal

    monkeypatch.setattr(Runs, "_initial_weights", with_a_bad_one)
    runs = train(block_of(AXES), data, "cpu")
    lost = {"gamma_prime": 0.0, "gamma": 0.5, "width": WIDTH, "seed": 1}
    assert int(runs["diverged"].sum()) == int(runs["diverged"].sel(lost)) == 1
    runs, trained = runs.reset_coords(), trained.reset_coords()
    for name in SNAPSHOT_NAMES:
        assert runs[name].sel(lost).isnull().all(), name
        others = runs["diverged"] == 0
        xr.testing.assert_allclose(
            runs[name].where(others), trained[name].where(others), rtol=AT_KINKS, atol=AT_KINKS
        )
    again = written_and_read(runs, tmp_path)
    assert again["output_weights"].sel(lost).isnull().all()
    assert int(again["output_weights"].notnull().sum()) == 3 * len(LEVELS) * WIDTH


def test_levels_are_kept_once() -> None:
    """Three runs, told by their indices, of which each has the level of its loss."""
    initial = Weights(torch.zeros(3, 2), torch.zeros(3, 1, 2))
    snapshots = Snapshots([1.0, 0.5, 0.2, 0.0], initial)

    def take(runs: list[int], shares: list[float], time: float, ended: list[bool]) -> None:
        mark = torch.tensor([[100.0 * run + time] * 2 for run in runs])
        snapshots.take(
            np.array(runs),
            np.array(shares),
            np.full(len(runs), time),
            Weights(mark, mark[:, None, :]),
            np.array(ended),
        )

    take([0, 1, 2], [1.0, 1.0, 1.0], 0.0, [False] * 3)
    take([0, 1, 2], [0.9, 0.5, 0.1], 1.0, [False] * 3)  # at a level, and past two at once
    take([0, 1, 2], [0.8, 0.4, 0.6], 2.0, [False, False, True])  # again above; the end
    take([0, 1], [0.1, 0.3], 3.0, [False, True])  # the end before a level
    take([0], [0.05], 4.0, [True])
    np.testing.assert_array_equal(snapshots.time, [[0, 3, 3, 4], [0, 1, 3, 3], [0, 1, 1, 2]])
    np.testing.assert_allclose(
        snapshots.relative_loss,
        [[1, 0.1, 0.1, 0.05], [1, 0.5, 0.3, 0.3], [1, 0.1, 0.1, 0.6]],
        rtol=1e-6,
    )
    marks = snapshots.time + 100 * np.arange(3)[:, None]
    np.testing.assert_array_equal(snapshots.output_weights, np.stack([marks, marks], axis=-1))
    np.testing.assert_array_equal(
        snapshots.input_weights, np.stack([marks, marks], axis=-1)[:, :, None]
    )


def test_kept_weights_do_not_move_with_the_run() -> None:
    weights = Weights(torch.ones(1, 2), torch.ones(1, 1, 2))
    snapshots = Snapshots([1.0], weights)
    one = np.ones(1)
    snapshots.take(np.array([0]), one, one, weights, np.array([False]))
    weights.a.mul_(2)
    weights.w.mul_(2)
    assert (snapshots.output_weights == 1).all() and (snapshots.input_weights == 1).all()


# Where it is kept


def test_dimensions_and_number_formats(trained: xr.Dataset) -> None:
    axes = ("gamma_prime", "gamma", "width", "seed")
    assert trained["output_weights"].dims == (*axes, "snapshot", "neuron")
    assert trained["input_weights"].dims == (*axes, "snapshot", "feature", "neuron")
    assert trained["snapshot_relative_loss"].dims == (*axes, "snapshot")
    assert trained["snapshot_time"].dims == (*axes, "snapshot")
    assert trained["snapshot"].values.tolist() == LEVELS
    assert trained["neuron"].values.tolist() == list(range(WIDTH))
    assert trained["feature"].values.tolist() == [0, 1]
    assert all(trained[name].dtype == np.float64 for name in SNAPSHOT_NAMES)
    store.check_described(trained)


def written_and_read(dataset: xr.Dataset, folder: Path) -> xr.Dataset:
    store.write(dataset, folder / "run.nc", title="t", source="s", references="r", config={})
    return store.read(folder / "run.nc")


def test_weights_are_stored_in_single_precision_and_nothing_else(
    trained: xr.Dataset, tmp_path: Path
) -> None:
    again = written_and_read(trained, tmp_path)
    for name in WEIGHTS:
        assert again[name].dtype == np.float32
        np.testing.assert_array_equal(again[name], trained[name].values.astype(np.float32))
        assert trained[name].dtype == np.float64  # still, in memory
    assert (again["output_weights"] != trained["output_weights"]).any()
    for name in (
        "snapshot_relative_loss",
        "snapshot_time",
        "final_relative_distance_w",
        "snapshot",
    ):
        assert again[name].dtype == np.float64
        np.testing.assert_array_equal(again[name], trained[name])


def test_each_run_is_at_its_own_setting(data: xr.Dataset) -> None:
    # No neuron slides along a kink here, which would turn rounding into a part of the error.
    axes = {"gamma_prime": [0.5, 1.0], "gamma": [0.5, 0.8], "width": [WIDTH], "seed": [0, 1, 2]}
    together = train(block_of(axes), data, "cpu")
    ends = set()
    for gamma_prime in axes["gamma_prime"]:
        for gamma in axes["gamma"]:
            setting = {
                "gamma_prime": [gamma_prime],
                "gamma": [gamma],
                "width": [WIDTH],
                "seed": [1],
            }
            alone = train(block_of(setting), data, "cpu")
            for name in WEIGHTS:
                xr.testing.assert_allclose(together[name].sel(setting), alone[name], rtol=1e-7)
            ends.add(float(alone["output_weights"].sel(snapshot=0.0).sum()))
    assert len(ends) == 4


def test_runs_of_another_batch_are_kept_at_their_own_place(
    data: xr.Dataset, trained: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for one run
    monkeypatch.setattr(gradient_flow, "BATCH_BYTES", 8 * WIDTH * (4 * 3 + 4))
    one_by_one = train(block_of(AXES), data, "cpu")
    linear, condensed = AXES["gamma"]
    for name in SNAPSHOT_NAMES:
        rtol = 1e-6 if name == "snapshot_relative_loss" else 1e-9  # a difference near the end
        one, other = (runs[name].sel(gamma=linear) for runs in (one_by_one, trained))
        xr.testing.assert_allclose(one, other, rtol=rtol)
    # In the other regime neurons slide along kinks, which turns rounding into a part of the error,
    # and with it where the steps end.
    for name in (*WEIGHTS, "snapshot_time"):
        one, other = (runs[name].sel(gamma=condensed) for runs in (one_by_one, trained))
        xr.testing.assert_allclose(one, other, rtol=SOLVER["tolerance"], atol=1e-3)


@pytest.mark.parametrize("snapshots", [None, [0.0], [1.0, 0.3, 0.2]])
def test_snapshots_change_nothing_else(
    data: xr.Dataset, trained: xr.Dataset, snapshots: list[float] | None
) -> None:
    block = block_of(AXES)
    del block["snapshots"]
    other = train(block | ({"snapshots": snapshots} if snapshots else {}), data, "cpu")
    names = list(LONG_NAMES)
    xr.testing.assert_identical(other[names].drop_attrs(), trained[names].drop_attrs())
    assert ("output_weights" in other) is bool(snapshots)
    if not snapshots:
        assert not {"snapshot", "neuron", "feature"} & set(other.variables)


# The tolerance as an axis


@pytest.fixture(scope="module")
def by_tolerance(data: xr.Dataset) -> xr.Dataset:
    # The run that ends first stands before the others, which take its place in the batch.
    return train(block_of({**AXES, "solver_tolerance": [0.1, 0.01]}), data, "cpu")


@pytest.mark.parametrize("tolerance", [0.01, 0.1])
def test_a_tolerance_of_the_axis_is_the_solvers(
    data: xr.Dataset, by_tolerance: xr.Dataset, tolerance: float
) -> None:
    found = by_tolerance.sel({"solver_tolerance": tolerance}, drop=True)
    alone = train(block_of(AXES, solver=SOLVER | {"tolerance": tolerance}), data, "cpu")
    for name in ("final_relative_distance_w", "final_relative_distance_a", *WEIGHTS):
        xr.testing.assert_allclose(found[name], alone[name], rtol=AT_KINKS, atol=AT_KINKS)
    # Those of the other tolerance differ by far more.
    steps = found["solver_steps"] / alone["solver_steps"]
    assert float(abs(steps - 1).max()) < 0.05


def test_tolerances_start_from_the_same_weights_and_go_other_ways(
    by_tolerance: xr.Dataset,
) -> None:
    assert by_tolerance["output_weights"].dims == (
        *("gamma_prime", "gamma", "solver_tolerance", "width", "seed"),
        *("snapshot", "neuron"),
    )
    loose, strict = (
        by_tolerance.sel({"solver_tolerance": value}, drop=True) for value in (0.1, 0.01)
    )
    start = {"snapshot": 1.0}
    for name in WEIGHTS:
        xr.testing.assert_equal(loose[name].sel(start), strict[name].sel(start))
    assert (loose["solver_steps"] < strict["solver_steps"]).all()
    assert (loose["final_relative_distance_w"] != strict["final_relative_distance_w"]).all()


def test_the_axis_stands_in_for_the_solvers_tolerance(
    data: xr.Dataset, by_tolerance: xr.Dataset
) -> None:
    axes = {**AXES, "solver_tolerance": [0.1, 0.01]}
    other = train(block_of(axes, solver=SOLVER | {"tolerance": 0.5}), data, "cpu")
    xr.testing.assert_identical(other.drop_attrs(), by_tolerance.drop_attrs())


# Settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"snapshots": [0.0, 1.0]}, "snapshots must fall"),
        ({"snapshots": [1.0, 1.0]}, "snapshots must fall"),
        ({"snapshots": [1.5, 0.0]}, "snapshots"),
        ({"snapshots": []}, "snapshots"),
        ({"snapshots": [1.0], "axes": {"width": [100, 200]}}, "snapshots need width in split_by"),
        ({"axes": {"solver_tolerance": [0.0, 0.1]}}, "0 is not between 0 and 1"),
        ({"axes": {"solver_tolerance": [0.1, 1.0]}}, "1 is not between 0 and 1"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(CONFIG, {"experiments": {"typical_cases": changes}})
    message = str(caught.value)
    assert "experiments.typical_cases" in message and words in message and "\n" not in message
