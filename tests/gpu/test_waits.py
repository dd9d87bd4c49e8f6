"""How often the host waits for a GPU in a step: each wait costs as much as many launches."""

from typing import Any

import pytest
import small_jobs
from pretend_cuda import PretendGpu, pretend_cuda
from resumed_jobs import ResumedJob

from regimes.engines.common.captured import LENGTH
from regimes.engines.function_space import descent

FLOWS = {"gamma_prime": [0.0], "width": [30], "seed": [0, 1]}
SELDOM = {"points_per_decade": 1, "every": 0}
NODES = SELDOM | {"moved": 3, "ntg": False, "ntg_points": 0}
# Jobs that record no steps between two limits; these limits, with as many steps left over at the
# end of a group; batches of runs that come one after the other; and waits in a step of a batch.
JOBS: dict[str, tuple[ResumedJob, tuple[int, int], int, float]] = {
    # The stopping rule looks at each step.
    "gradient_descent": (
        small_jobs.full_batch(
            record=SELDOM,
            learning_rate=1e-3,
            axes={"width": [20], "n_train": [8], "rate_ratio": [0.1], "seed": [0, 1]},
        ), (150, 150 + 10 * LENGTH), 1, 1 / LENGTH
    ),
    "function_space": (
        small_jobs.function_space(False, record=SELDOM | {"feature_map_neurons": 3}),
        (150, 150 + 10 * LENGTH), 2, 1 / LENGTH
    ),
    "function_space.node_scaled, three outputs": (
        small_jobs.node_scaled(3, record=NODES), (150, 150 + 10 * LENGTH), 6, 1 / LENGTH
    ),
    # In place of a step an epoch, which waits for the order of its points
    "sgd": (small_jobs.stochastic(record={"every": 1000}), (2, 4), 1, 1),
    "sgd.node_scaled": (small_jobs.minibatches(record={"every": 1000, "moved": 3}), (2, 4), 1, 1),
    "sgd.teacher_student": (small_jobs.students(record={"every": 1000}), (2, 4), 2, 1),
}  # fmt: skip


def run(job: ResumedJob, limit: int) -> PretendGpu:
    """What a job up to a limit does on a pretend GPU."""
    with pretend_cuda() as gpu:
        job.run(limit, device="cuda")
    return gpu


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_waits_in_a_step(name: str) -> None:
    job, limits, n_batches, most = JOBS[name]
    short, long = (run(job, limit) for limit in limits)
    assert long.waits.total() - short.waits.total() <= most * n_batches * (limits[1] - limits[0])
    # Of four minibatches in an epoch three are captured, of other steps all.
    share = 0.4 if name.startswith("sgd") else 0.05
    assert long.launches - short.launches < share * (long.kernels - short.kernels)


# A scale, and waits in a step: two eigenvalue problems, and all that the host decides by.
# Smooth neurons wait further, in each of two moves: how many are late, and up to seven times who is
# through. Launches in a step: of neurons with a kink three graphs, and what is made of two kernels
# beside their eigenvectors.
FLOW: dict[str, tuple[float, int, float]] = {
    "relu": (1.0, 3, 21),
    "leaky_relu": (1.0, 3, 21),
    "tanh": (1.6, 3 + 2 * 8, float("inf")),
}


@pytest.mark.slow
@pytest.mark.parametrize("activation", FLOW)
def test_waits_and_launches_in_a_step_of_gradient_flow(activation: str) -> None:
    gamma, waits, launches = FLOW[activation]
    job = small_jobs.flow(axes=FLOWS | {"gamma": [gamma]}, activation=activation)
    short, long = (run(job, limit) for limit in (2, 12))
    assert long.waits.total() - short.waits.total() <= 10 * waits
    assert long.launches - short.launches <= 10 * launches
    # Each of the four points is seen to by operations of its own.
    assert long.kernels - short.kernels > 10 * 500


@pytest.mark.slow
def test_waits_in_a_multistep(monkeypatch: pytest.MonkeyPatch) -> None:
    job = small_jobs.function_space(True, record=SELDOM | {"feature_map_neurons": 3})
    steps, multistep = [0], descent.multistep

    def counted(*arguments: Any) -> Any:
        steps[-1] += 1
        return multistep(*arguments)

    monkeypatch.setattr(descent, "multistep", counted)
    waits = []
    for limit in (2000, 3000):
        steps.append(0)
        waits.append(run(job, limit).waits.total())
    _, few, many = steps
    assert many >= few + 8
    # The eigenvalue problem, two estimates of the error, and whether the end is finite
    assert waits[1] - waits[0] <= 4 * (many - few)


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "most"), [("never", 1), ("steps", 2)])
def test_waits_at_a_recorded_step(kernel: str, most: int) -> None:
    axes = {"width": [20], "n_train": [8], "rate_ratio": [0.1], "seed": [0, 1, 2]}
    settings = {"axes": axes, "learning_rate": 1e-3}
    record = {"activation_changes": True, "kernel": kernel, "invariant": True}
    waits = []
    for every in (0, 8):
        job = small_jobs.full_batch(**settings, record=record | SELDOM | {"every": every})
        waits.append(run(job, 96).waits.total())
    # Twelve steps more, with a group of steps up to each
    assert waits[1] - waits[0] <= 12 * (most + 1)
