"""Gradient flow whose max_steps is raised goes on with the bits of an uninterrupted training."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from flow_blocks import SOLVER, block_of, four_points
from resumed_jobs import ResumedJob

from regimes.engines.common.resume import save
from regimes.engines.gradient_flow import engine as gradient_flow
from regimes.engines.gradient_flow import exponential
from regimes.engines.gradient_flow.exponential import Point, Step
from regimes.engines.gradient_flow.network import TwoLayerNetwork

pytestmark = pytest.mark.slow

GRID = {"gamma_prime": [-0.5, 0.5], "gamma": [0.5, 0.8, 1.4], "width": [20, 40], "seed": [0, 1]}
ONE_WIDTH = GRID | {"width": [20]}
LEVELS = [1.0, 0.5, 0.1, 1e-3, 0.0]
TO_THE_END = 5000


@dataclass(frozen=True)
class Flows(ResumedJob):
    """Gradient flow; runs: a batch takes, None: all. Limits of earlier jobs follow from `whole`."""

    cap: int = TO_THE_END
    runs: int | None = None

    @cached_property
    def whole(self) -> xr.Dataset:
        """All runs until they end by themselves."""
        return self.run(self.cap)

    @cached_property
    def capped(self) -> dict[int, xr.Dataset]:
        """All runs up to each of the limits, in one go."""
        return {cap: self.run(cap) for cap in self.limits}

    @cached_property
    def limits(self) -> list[int]:
        """Caps that cut some runs short and not others; at the first one some end."""
        counts = np.unique(tries(self.whole))
        caps = {int(counts[0]), int(counts[len(counts) // 2]), int(counts[-1]) - 1}
        return sorted(cap for cap in caps if cap < counts[-1])

    def run(self, cap: int, folder: Path | None = None, **more: Any) -> xr.Dataset:
        """The same in batches of so many runs."""
        with pytest.MonkeyPatch.context() as patch:
            if self.runs is not None:
                arrays = 0 if self.block["activation"] == "tanh" else 1
                numbers = 20 * (4 * (2 + 1) + 4 * arrays)
                patch.setattr(gradient_flow, "BATCH_BYTES", 8 * numbers * self.runs)
            return super().run(cap, folder, **more)


def few_of_many_features() -> xr.Dataset:
    """Fewer points than features, so that a part of the weights is frozen."""
    random = np.random.default_rng(3)
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), random.standard_normal((4, 9))),
            "targets": ("point", random.standard_normal(4)),
            "split": ("point", np.zeros(4, dtype=np.int8)),
        },
        attrs={"data_hash": "few points"},
    )


def kind(
    axes: dict[str, list],
    data: xr.Dataset | None = None,
    runs: int | None = None,
    solver: dict[str, Any] | None = None,
    **changes: Any,
) -> Flows:
    solver = SOLVER | {"tolerance": 0.1} | (solver or {})  # few steps
    block = block_of(axes, experiment="flows", solver=solver, **changes)
    if data is None:
        data = four_points().assign_attrs(data_hash="four points")
    return Flows(block, data, runs=runs)


KINDS = {
    "relu": lambda: kind(GRID),
    "tanh": lambda: kind(GRID, activation="tanh"),
    "relu, snapshots, batches": lambda: kind(ONE_WIDTH, runs=5, snapshots=LEVELS),
    "tanh, snapshots, batches": lambda: kind(
        ONE_WIDTH, activation="tanh", runs=5, snapshots=LEVELS
    ),
    "projections": lambda: kind(
        ONE_WIDTH,
        few_of_many_features(),
        snapshots=LEVELS,
        snapshot_content="projections",
    ),
    "float32": lambda: kind(ONE_WIDTH, snapshots=LEVELS, solver={"precision": "float32"}),
    "tolerances": lambda: kind(ONE_WIDTH | {"solver_tolerance": [0.1, 0.03]}),
    "out of time": lambda: kind(GRID, solver={"max_time": 3.0}),
}


@cache
def case_of(name: str) -> Flows:
    return KINDS[name]()


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Flows:
    return case_of(request.param)


def tries(runs: xr.Dataset) -> xr.DataArray:
    return runs["solver_steps"] + runs["rejected_steps"]


def state_of(folder: Path) -> Path:
    (path,) = folder.rglob("*.pt")
    return path


def test_a_raised_cap_gives_the_bits_of_an_uninterrupted_training(
    case: Flows, tmp_path: Path
) -> None:
    for cap in case.limits:
        folder = tmp_path / str(cap)
        # Keeping states changes nothing.
        xr.testing.assert_identical(case.run(cap, folder), case.capped[cap])
        lines: list[str] = []
        xr.testing.assert_identical(case.run(TO_THE_END, folder, progress=lines.append), case.whole)
        assert lines[0] == f"going on from the states of a job up to {cap}"


def test_it_goes_on_more_than_once(case: Flows, tmp_path: Path) -> None:
    for cap in case.limits:
        xr.testing.assert_identical(case.run(cap, tmp_path), case.capped[cap])
        # Of all there is one file, that of the largest cap.
        path = state_of(tmp_path)
        assert torch.load(path, weights_only=True)["limit"] == cap
    xr.testing.assert_identical(case.run(TO_THE_END, tmp_path), case.whole)


def test_the_cases_are_what_they_are_meant_to_be(case: Flows) -> None:
    assert int(tries(case.whole).max()) < TO_THE_END
    for cap in case.limits:
        cut_short = tries(case.whole) > cap
        assert bool(cut_short.any()) and not bool(cut_short.all())
    assert bool((tries(case.whole) == case.limits[0]).any())
    assert bool((case.whole["diverged"] == 0).all())
    assert bool(case.whole["converged"].any()) is (case.block["solver"]["max_time"] > 1e6)


def test_only_runs_at_the_cap_are_followed(
    case: Flows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap = case.limits[0]
    case.run(cap, tmp_path)
    sizes = []
    step = exponential.step

    def counted(network: TwoLayerNetwork, point: Point, *others: Any) -> Step:
        sizes.append(len(point.residuals))
        return step(network, point, *others)

    monkeypatch.setattr(exponential, "step", counted)
    content = torch.load(state_of(tmp_path), weights_only=True)
    case.run(TO_THE_END, tmp_path)
    assert sum(sizes) == int((tries(case.whole) - cap).clip(min=0).sum())
    kept = [one["cut_short"] for one in content["states"].values() if one["cut_short"]]
    assert sum(len(state["run"]) for state in kept) == int((tries(case.whole) > cap).sum())
    # No state keeps more than its own runs' weights.
    for state in kept:
        weights = state["point"]["w"]
        assert weights.untyped_storage().nbytes() == weights.nbytes


def test_batches_that_had_ended_are_taken_over(tmp_path: Path) -> None:
    case = kind(ONE_WIDTH, runs=1, solver=SOLVER)
    ends = np.sort(tries(case.whole).values.ravel())
    case.run(int(ends[-2]), tmp_path)
    lines: list[str] = []
    case.run(TO_THE_END, tmp_path, progress=lines.append)
    assert len(ends) == 12 and sum(line.endswith("all runs had ended") for line in lines) == 11


def test_it_does_go_on_from_the_states(tmp_path: Path) -> None:
    case = case_of("relu, snapshots, batches")
    cap = case.limits[0]
    capped = case.run(cap, tmp_path)
    path = state_of(tmp_path)
    content = torch.load(path, weights_only=True)
    for state in content["states"].values():
        state["variables"]["final_loss"].fill_(123.0)
        if state["cut_short"]:
            state["cut_short"]["snapshots"]["time"].fill_(-123.0)
    save(content, path)
    continued = case.run(TO_THE_END, tmp_path)
    ended = (tries(continued) < cap).values
    assert (continued["final_loss"].values[ended] == 123).all()
    assert (continued["final_loss"].values[tries(continued).values > cap] < 1).all()
    start = continued["snapshot_time"].sel(snapshot=1.0).values
    assert ((start == -123) == (tries(continued) > cap).values).all()
    # What was not reached before the cap is taken after it, not at the cap.
    late = capped["final_loss"] > 1e-3 * capped["initial_loss"]
    later = continued["snapshot_time"] > capped["snapshot_time"]
    assert bool(late.any()) and bool(later.sel(snapshot=1e-3).where(late, True).all())


def test_a_run_that_is_shrinking_its_steps_at_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = gradient_flow.Runs._initial_weights

    def with_a_bad_one(*arguments: Any) -> Any:
        weights, orthogonal = draw(*arguments)
        weights.a[5] *= 1e120  # the first step overflows
        return weights, orthogonal

    monkeypatch.setattr(gradient_flow.Runs, "_initial_weights", with_a_bad_one)
    case = kind(ONE_WIDTH)
    assert int(case.whole["diverged"].sum()) == 1
    end = int(tries(case.whole).where(case.whole["diverged"] == 1).max())
    for cap in (end - 1, end):
        folder = tmp_path / str(cap)
        assert bool((case.run(cap, folder)["diverged"] == 0).all()), cap
        xr.testing.assert_identical(case.run(TO_THE_END, folder), case.whole)


def test_without_runs_at_the_cap_weights_are_not_kept_twice(tmp_path: Path) -> None:
    case = case_of("tanh, snapshots, batches")
    most = int(tries(case.whole).max())
    case.run(most, tmp_path)
    assert not list(tmp_path.rglob("*.pt"))
    case.run(most - 1, tmp_path)
    assert state_of(tmp_path)


def test_runs_that_all_ended_are_taken_over(tmp_path: Path) -> None:
    case = case_of("tanh")
    most = int(tries(case.whole).max())
    case.run(most, tmp_path)
    lines: list[str] = []
    again = case.run(TO_THE_END, tmp_path, progress=lines.append)
    xr.testing.assert_identical(again, case.whole)
    assert sum(line.endswith("all runs had ended") for line in lines) == 2
    assert torch.load(state_of(tmp_path), weights_only=True)["limit"] == TO_THE_END
