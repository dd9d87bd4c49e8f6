"""The two passes of a step of gradient flow, compiled, beside the reference in operations of torch.

Run with `pytest tests/benchmarks/test_flow_passes.py --benchmark-enable`. Both make the move of the
twentieth step that the solver tries on the flow of the growth benchmark, in turn, in one process,
on one core. Seconds are those of both passes for each neuron.
"""

from collections.abc import Callable

import pytest
import torch
from gathered import PACKAGE, Gathered, Measured, Seconds, timed
from roofline import flow_pass
from test_growth import CONTROL, N_FEATURES, RELATIVE_LOSS, flow_problem

from regimes.activations import relu
from regimes.engines.gradient_flow.fused import Fused
from regimes.engines.gradient_flow.integrator import Limits, integrate
from regimes.engines.gradient_flow.kinked import Kinked
from regimes.engines.gradient_flow.motion import Batch, Motion, Sums

WIDTH = 40_000
N_POINTS = [4, 16, 64, 128]
STEPS, TURNS = 20, 5
METHODS: dict[str, tuple[Callable[..., Motion], str]] = {
    "compiled passes": (Fused, PACKAGE),
    "operations of torch": (Kinked, ""),
}


def late_move(n_points: int, n_features: int) -> tuple[torch.Tensor, Batch]:
    """Inputs, and what drives the neurons in the last of STEPS tried steps."""
    network, initial, targets = flow_problem(WIDTH, n_points, 1, n_features)
    tried: list[Batch] = []
    predict = network.motion.predict

    def seen(batch: Batch) -> tuple[Sums, object]:
        tried.append(batch)
        return predict(batch)

    network.motion.predict = seen
    integrate(network, initial, targets, CONTROL, Limits(RELATIVE_LOSS, STEPS, 1e30), 2)
    return network.inputs, tried[-1]


@pytest.mark.parametrize("n_points", N_POINTS)
def test_passes(benchmark, gathered: Gathered, n_points: int) -> None:
    n_features = min(n_points, N_FEATURES)
    inputs, batch = late_move(n_points, n_features)
    motions = {name: make(relu, inputs) for name, (make, _) in METHODS.items()}
    outputs: dict[str, torch.Tensor] = {}
    seconds: dict[str, list[Seconds]] = {name: [] for name in METHODS}

    def move(motion: Motion) -> torch.Tensor:
        _, ways = motion.predict(batch)
        return motion.correct(batch, ways)[1].outputs

    def turn() -> None:
        for name, motion in motions.items():
            outputs[name], spent = timed(lambda motion=motion: move(motion))
            seconds[name].append(spent * (1 / WIDTH))

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    work = flow_pass(WIDTH, n_points, n_features) * (2 / WIDTH)
    rows = [
        Measured(name, Seconds.least(seconds[name]), role, work=work)
        for name, (_, role) in METHODS.items()
    ]
    problem = f"two passes, n = {n_points}, d = {n_features}, m = {WIDTH}, per neuron"
    gathered.compare("luo2021", problem, rows)
    torch.testing.assert_close(*outputs.values(), rtol=1e-6, atol=0)
