"""How cost grows: gradient flow over widths, points and runs at once; steps in function space.

Run with `pytest tests/benchmarks/test_growth.py --benchmark-enable`. Gradient flow is that of the
critical regime (gamma = 1, gamma' = 0) to R < 1e-6 R(0), on random points of the sphere with random
signs as targets; its number of steps depends on all sizes, and is part of the cost. The power is
that of a least-squares fit to all sizes; the one to the upper half of them is nearer to what larger
sizes would take, since at small ones constant costs count.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
import roofline
import torch
from gathered import Gathered, Seconds, timed
from problems import stack
from roofline import Work, flow_pass

from regimes.activations import relu
from regimes.engines.common.streams import stream
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.engines.gradient_flow.exponential import MOVES_PER_STEP
from regimes.engines.gradient_flow.initialisation import gaussian
from regimes.engines.gradient_flow.integrator import Limits, integrate
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.engines.gradient_flow.step_size import StepSizeControl
from regimes.parameterisations import normalised

GAMMA_PRIME, GAMMA = 0.0, 1.0
RELATIVE_LOSS, MAX_STEPS = 1e-6, 5000
CONTROL = StepSizeControl(0.03)
N_FEATURES = 16
WIDTH, N_POINTS = 1000, 8
FLOW = {
    "width m": [1000, 2000, 5000, 10_000, 20_000, 40_000],
    "points n": [4, 8, 16, 32, 64],
    "runs at once": [1, 2, 4, 8, 16, 32, 64],
}
STEPS, STEP_WIDTH, STEP_POINTS = 20, 1000, 100
DESCENT = {
    "width m": [500, 1000, 2000, 4000, 8000, 16_000],
    "points n": [50, 100, 200, 400, 800],
}
# All sizes are taken in turn; the fastest of each counts.
TURNS = 4


def points(n: int, n_features: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (n, d) on the sphere and targets (n,), -1 or 1."""
    random = stream(0, "benchmark", n)
    inputs = random.standard_normal((n, n_features))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    return torch.tensor(inputs), torch.tensor(2.0 * random.integers(0, 2, n) - 1)


def flow_problem(
    width: int, n_points: int, n_runs: int, n_features: int = N_FEATURES
) -> tuple[TwoLayerNetwork, Weights, torch.Tensor]:
    """Runs that differ in their draws: networks, initial weights and targets."""
    inputs, targets = points(n_points, n_features)
    scale = normalised.scales({"gamma_prime": GAMMA_PRIME, "gamma": GAMMA, "width": width})
    drawn = [
        gaussian(stream(seed, "benchmark", width), width, n_features) for seed in range(n_runs)
    ]
    initial = stack([Weights(*map(torch.tensor, weights)) for weights in drawn])
    network = TwoLayerNetwork(
        inputs,
        *(
            torch.full((n_runs,), value, dtype=inputs.dtype)
            for value in (scale.output, scale.rate_a, scale.rate_w)
        ),
        relu,
    )
    return network, initial, targets


def flow(width: int, n_points: int, n_runs: int) -> Callable[[], Work]:
    """Gradient flow of a batch of runs."""
    problem = flow_problem(width, n_points, n_runs)
    limits = Limits(RELATIVE_LOSS, MAX_STEPS, 1e30)

    def work() -> Work:
        result = integrate(*problem, CONTROL, limits, history_points=64)
        assert result.converged.all()
        steps = (result.accepted_steps + result.rejected_steps).sum()
        return flow_pass(width, n_points, N_FEATURES) * (MOVES_PER_STEP * steps + n_runs)

    return work


def descent(width: int, n_points: int) -> Callable[[], Work]:
    """Steps in function space on n points of as many dimensions, made one by one."""
    random = stream(0, "benchmark", width, n_points)
    embedding = torch.tensor(random.standard_normal((n_points, n_points)) / n_points**0.5)
    initial = torch.tensor(random.standard_normal((width, n_points)))
    signs = torch.tensor(2.0 * random.integers(0, 2, width) - 1)
    targets = torch.tensor(2.0 * random.integers(0, 2, n_points) - 1)

    def network() -> FunctionSpaceNetwork:
        return FunctionSpaceNetwork(
            Embedded(embedding, embedding[:0]),
            initial,
            signs,
            targets,
            relu,
            output_scale=1 / width,
            step_factor=1.0,
        )

    def work() -> Work:
        # Made anew each time: a network changes as it trains.
        trained = network()
        result = descend(trained, np.array([0, STEPS]), lambda network: {}, None)
        return roofline.descent(trained, result)

    return work


def measured(
    sizes: Sequence[int], make: Callable[[int], Callable[[], Work]]
) -> tuple[dict[int, Seconds], Work]:
    """The fastest of several turns at each size, and what was done at the last."""
    works = {size: make(size) for size in sizes}
    works[sizes[0]]()
    turns: dict[int, list[Seconds]] = {size: [] for size in sizes}
    for _ in range(TURNS):
        for size, work in works.items():
            done, spent = timed(work)
            turns[size].append(spent)
    return {size: Seconds.least(values) for size, values in turns.items()}, done


@pytest.mark.parametrize("over", FLOW)
def test_gradient_flow(benchmark, gathered: Gathered, over: str) -> None:
    arguments = {
        "width m": lambda size: (size, N_POINTS, 1),
        "points n": lambda size: (WIDTH, size, 1),
        "runs at once": lambda size: (WIDTH, N_POINTS, size),
    }[over]
    curve, done = benchmark.pedantic(
        partial(measured, FLOW[over], lambda size: flow(*arguments(size))), rounds=1
    )
    others = {"width m": f"m = {WIDTH}", "points n": f"n = {N_POINTS}", "runs at once": "one run"}
    fixed = ", ".join(text for name, text in others.items() if name != over)
    gathered.grow(f"gradient flow, {fixed}", over, FLOW[over], curve, done)
    # Larger is never much cheaper.
    assert curve[FLOW[over][-1]].cpu > curve[FLOW[over][0]].cpu


@pytest.mark.parametrize("over", DESCENT)
def test_steps_in_function_space(benchmark, gathered: Gathered, over: str) -> None:
    arguments = {
        "width m": lambda size: (size, STEP_POINTS),
        "points n": lambda size: (STEP_WIDTH, size),
    }[over]
    curve, done = benchmark.pedantic(
        partial(measured, DESCENT[over], lambda size: descent(*arguments(size))), rounds=1
    )
    fixed = f"n = {STEP_POINTS}" if over == "width m" else f"m = {STEP_WIDTH}"
    gathered.grow(f"{STEPS} steps in function space, {fixed}", over, DESCENT[over], curve, done)
    assert curve[DESCENT[over][-1]].cpu > curve[DESCENT[over][0]].cpu
