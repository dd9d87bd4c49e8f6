"""How often the host waits for a GPU in a step: each wait costs as much as many launches."""

from collections.abc import Callable

import pytest
import small_jobs
from pretend_cuda import pretend_cuda
from resumed_jobs import ResumedJob

from regimes.engines.common.shallow import ShallowNetworks
from regimes.engines.function_space import descent
from regimes.engines.function_space.network import FunctionSpaceNetwork
from regimes.engines.gradient_flow import exponential
from regimes.engines.sgd.network import Group

# What makes a step, or several at once.
STEPS = (
    (ShallowNetworks, "move"),
    (FunctionSpaceNetwork, "step"),
    (descent, "multistep"),
    (exponential, "step"),
    (Group, "step"),
)
FLOWS = {"gamma_prime": [0.0], "width": [30], "seed": [0, 1]}
SELDOM = {"points_per_decade": 1, "every": 0}


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Callable[[ResumedJob, int], tuple[int, int]]:
    """A function of a job and a limit: the numbers of waits and of steps."""
    steps = 0

    def counted(function: Callable) -> Callable:
        def step(*arguments: object) -> object:
            nonlocal steps
            steps += 1
            return function(*arguments)

        return step

    for place, name in STEPS:
        monkeypatch.setattr(place, name, counted(getattr(place, name)))

    def run(job: ResumedJob, limit: int) -> tuple[int, int]:
        nonlocal steps
        steps = 0
        with pretend_cuda() as gpu:
            job.run(limit, device="cuda")
        return gpu.waits.total(), steps

    return run


# Jobs that record no steps between two limits, these limits, and waits in a step.
JOBS: dict[str, tuple[ResumedJob, tuple[int, int], float]] = {
    # The stopping rule looks at each step.
    "gradient_descent": (
        small_jobs.full_batch(record=SELDOM, learning_rate=1e-3), (20, 60), 1
    ),
    "function_space": (
        small_jobs.function_space(False, record=SELDOM | {"feature_map_neurons": 3}), (20, 60), 1
    ),
    # The eigenvalue problem, two estimates of the error, and whether the end is finite
    "function_space, multisteps": (
        small_jobs.function_space(True, record=SELDOM | {"feature_map_neurons": 3}), (2000, 3000), 4
    ),
    "function_space.node_scaled, three outputs": (
        small_jobs.node_scaled(
            3, record=SELDOM | {"moved": 3, "ntg": False, "ntg_points": 0}
        ), (20, 60), 1
    ),
    # Two eigenvalue problems, and all that the host decides by; more where a run ends
    "gradient_flow": (
        small_jobs.flow(axes=FLOWS | {"gamma": [1.0]}), (2, 12), 3
    ),
    # Further, in each of two moves: how many neurons are late, and up to seven times who is through
    "gradient_flow, smooth": (
        small_jobs.flow(axes=FLOWS | {"gamma": [1.6]}, activation="tanh"), (2, 12), 3 + 2 * 8
    ),
    # Four steps in an epoch, which waits for the order of its points
    "sgd": (small_jobs.stochastic(record={"every": 1000}), (2, 4), 0.25),
    "sgd.node_scaled": (small_jobs.minibatches(record={"every": 1000, "moved": 3}), (2, 4), 0.25),
    "sgd.teacher_student": (small_jobs.students(record={"every": 1000}), (2, 4), 0.25),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_waits_in_a_step(name: str, count: Callable[[ResumedJob, int], tuple[int, int]]) -> None:
    job, limits, most = JOBS[name]
    (waits, steps), (more_waits, more_steps) = (count(job, limit) for limit in limits)
    assert more_steps >= steps + 8
    assert more_waits - waits <= most * (more_steps - steps)
