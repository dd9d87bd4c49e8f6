"""Steps that are captured as CUDA graphs give the numbers of steps that are looked at singly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_jobs
import torch
import xarray as xr
from pretend_cuda import pretend_cuda
from resumed_jobs import ResumedJob
from torch import Tensor

from regimes.engines.common import captured
from regimes.engines.common.captured import LENGTH, Captured, Stage, StepsAhead
from regimes.engines.function_space.network import FunctionSpaceNetwork


class Walk:
    """A place that moves by chaotic steps, so that no step can be left out or made twice."""

    def __init__(self) -> None:
        self.place = torch.tensor([0.3], dtype=torch.float64, device="cuda")

    def step(self) -> None:
        self.place.mul_(1 - self.place).mul_(3.9)

    def look(self) -> Tensor:
        return self.place.sum()

    def state(self) -> dict[str, Tensor]:
        return {"place": self.place}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.place.copy_(state["place"])


def places(n_steps: int) -> list[float]:
    """Where the walk is after each step."""
    seen, place = [], 0.3
    for _ in range(n_steps):
        place = place * (1 - place) * 3.9
        seen.append(place)
    return seen


@pytest.mark.parametrize("stops_at", [(), (1,), (2, 3), (5, 77, 78, 200), tuple(range(90, 140))])
def test_steps_ahead_are_those_of_a_loop(stops_at: tuple[int, ...]) -> None:
    expected, most = places(300), [300, 40, 7]
    with pretend_cuda() as gpu:
        walk, seen = Walk(), []
        ahead = StepsAhead(walk, walk.step, walk.look)
        gpu.reset()
        while len(seen) < 300:
            before = len(seen)
            made = ahead.make(
                min(300 - before, most[before % 3]),
                lambda some: before + len(some) in stops_at,  # noqa: B023
            )
            seen += made
            assert float(walk.place) == seen[-1]
            inside = {stop for stop in stops_at if before < stop < len(seen)}
            assert not inside, "the loop has to see to the step"
    assert seen == pytest.approx(expected, rel=1e-6)
    # Of `float` above as well
    assert gpu.waits.total() < 2 * (300 / LENGTH + 6 * (len(stops_at) + 60 / 7 + 1))


def test_a_group_is_one_launch_of_the_host() -> None:
    with pretend_cuda() as gpu:
        walk = Walk()
        steps = Captured(lambda n: [walk.step() for _ in range(n)] and None, walk.place.device)
        for n_steps in (3, LENGTH, LENGTH):
            steps.run(n_steps)
        gpu.reset()
        steps.run(LENGTH)
        assert (gpu.launches, gpu.waits.total()) == (1, 0) and gpu.kernels == 3 * LENGTH
        assert float(walk.place) == pytest.approx(places(3 + 3 * LENGTH)[-1], rel=1e-6)


def two_stages(x: Tensor) -> tuple[Stage, Stage]:
    pool = torch.cuda.graph_pool_handle()
    first = Stage(lambda: {"doubled": 2 * x, "same": x}, x.device, pool)
    return first, Stage(lambda: [(first.found["doubled"] + 1).square().sum()], x.device, pool)


def test_results_of_a_stage_stay_where_they_are() -> None:
    with pretend_cuda() as gpu:
        x = torch.arange(1000.0, device="cuda")
        before = gpu.live
        first, second = two_stages(x)
        for number in range(4):
            x.fill_(number)
            gpu.reset()
            first.run()
            second.run()
            if number == 0:
                doubled = first.found["doubled"]
            assert first.found["doubled"] is doubled and first.found["same"] is x
            assert float(second.found[0]) == 1000 * (2 * number + 1) ** 2
            # The second time they are captured.
            assert gpu.launches == (4 if number == 0 else 2)
        # What is found, and one memory for both graphs
        assert gpu.peak - before <= 4 * (1000 + 2 * 1000 + 2)
        del first, second, doubled
        gpu.reset()
        assert gpu.live == before, "nobody has to look for what is not used any more"


SELDOM: dict[str, Any] = {"points_per_decade": 1, "every": 0}
NODES = SELDOM | {"moved": 3, "ntg": False, "ntg_points": 0}
JOBS: dict[str, Callable[[], ResumedJob]] = {
    # Runs end at steps of all kinds.
    "gradient_descent": lambda: small_jobs.full_batch(
        record=SELDOM | {"activation_changes": True},
        axes={"width": [20], "n_train": [8], "rate_ratio": [0.1], "seed": [0, 1, 2]},
    ),
    "gradient_descent, diverging": lambda: small_jobs.full_batch(
        record=SELDOM, axes={"width": [20], "n_train": [12], "rate_ratio": [0.1], "seed": [0, 1]}
    ),
    "function_space": lambda: small_jobs.function_space(
        False, record=SELDOM | {"feature_map_neurons": 3}
    ),
    "node_scaled, three outputs": lambda: small_jobs.node_scaled(3, record=NODES),
    "function_space, diverging": lambda: small_jobs.function_space(
        False,
        record=SELDOM | {"feature_map_neurons": 3},
        learning_rate=1e5,
        activation="leaky_relu",
    ),
    "sgd": lambda: small_jobs.stochastic(record={"every": 3}),
    # Runs of one batch, which end one by one
    "gradient_flow": lambda: replace(
        small_jobs.flow(
            axes={"gamma_prime": [0.0], "gamma": [0.6, 1.0, 1.6], "width": [30], "seed": [0, 1]},
            snapshots=[1, 0.1, 0],
        ),
        caps=(10, 15),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_captured_steps_change_no_bit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, replays = JOBS[name](), 0
    run = Captured.run

    def counted(self: Captured, n_steps: int) -> None:
        nonlocal replays
        run(self, n_steps)
        replays += self._graph is not None

    def plainly(self: Captured, n_steps: int) -> None:
        self._make_steps(n_steps)

    with pretend_cuda():
        with monkeypatch.context() as patch:
            patch.setattr(captured, "LENGTH", 1)
            patch.setattr(Captured, "run", plainly)
            plain = job.run(job.cap, device="cuda")
            # and the states of a job up to a limit
            job.run(job.caps[1], tmp_path, device="cuda")
        monkeypatch.setattr(captured, "LENGTH", 8)
        monkeypatch.setattr(Captured, "run", counted)
        xr.testing.assert_identical(job.run(job.cap, device="cuda"), plain)
        assert replays or "diverging" in name
        # A job goes on from states of steps that were captured or not.
        xr.testing.assert_identical(job.run(job.cap, tmp_path, device="cuda"), plain)


def _with_a_number(network: FunctionSpaceNetwork) -> None:
    step(network)
    network.coefficients.mul_(network.errors.isfinite().all().item())


def _with_another_tensor(network: FunctionSpaceNetwork) -> None:
    step(network)
    network.errors = network.errors * 1.0


def _with_an_upload(network: FunctionSpaceNetwork) -> None:
    step(network)
    network.errors.mul_(network.errors.new_tensor([1.0]))


step = FunctionSpaceNetwork.step
FAULTS = {
    _with_a_number: "operation not permitted when stream is capturing",
    _with_another_tensor: "a tensor of the graph is still held",
    _with_an_upload: "operation not permitted when stream is capturing",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_step_that_cannot_be_captured_is_found(
    fault: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FunctionSpaceNetwork, "step", fault)
    job = JOBS["function_space"]()
    with pretend_cuda(), pytest.raises(RuntimeError, match=FAULTS[fault]):
        job.run(200, device="cuda")
