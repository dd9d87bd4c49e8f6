"""2000 steps of one run of Experiment 3 of Chen et al. (2022), m = D = 1024 and n = 400, four ways.

Run with `pytest tests/benchmarks/test_function_space.py --benchmark-enable -s`; it prints one table
and takes some minutes. All start from the same weights, in one process, on one core: a plain
autograd loop with torch.optim.SGD on the m x D weights, the same step written by hand, steps in
function space, and multisteps. Test errors are not computed by any. The errors are the largest ones
of the loss, in decades, and of the weights' way, against steps in function space, at the recorded
steps. All steps on the weights take the same time, so that only the first tenth of them is made and
its time multiplied.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import roofline
import torch
from gathered import PACKAGE, PYTORCH, Gathered, Measured, Seconds, timed
from roofline import Work
from torch import Tensor

from regimes.activations import relu
from regimes.datasets import xor_with_noise
from regimes.engines.common.recording import log_spaced_steps
from regimes.engines.common.streams import stream
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.embeddings import random_features
from regimes.engines.function_space.multistep import MultistepControl, break_even_steps
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.parameterisations.feature_scalings import SCALINGS

WIDTH, N_TRAIN, N_STEPS = 1024, 400, 2000
# Steps on the weights
FIRST_STEPS = N_STEPS // 10
STEPS = np.unique(np.append(log_spaced_steps(8, N_STEPS), N_STEPS))
Curve = dict[str, np.ndarray]


class Problem:
    """Embedding Phi/D^(1/2) (n, D), targets (n,), weights W (m, D), signs c (m,) and scales."""

    def __init__(self, scaling: str):
        settings = {"n_train": N_TRAIN, "n_test": 1, "n_features": 50, "seed": 0}
        data = xor_with_noise.build(settings)
        random = stream(0, "benchmark", scaling)
        psi = random_features.embed(
            data["inputs"].values, {"embedding_width": WIDTH, "activation": "relu"}, random
        )
        self.psi = torch.tensor(psi)
        self.targets = torch.tensor(data["targets"].values[:N_TRAIN])
        self.scaling = SCALINGS[scaling]
        free = WIDTH // 2 if self.scaling.symmetrised else WIDTH
        weights = torch.tensor(random.standard_normal((free, WIDTH)))
        signs = torch.tensor(2.0 * random.integers(0, 2, free) - 1)
        if self.scaling.symmetrised:
            weights, signs = torch.cat([weights, weights]), torch.cat([signs, -signs])
        self.weights, self.signs = weights, signs
        # h = hidden W Psi^T, Psi being Phi/D^(1/2)
        self.hidden = self.scaling.hidden_scale(WIDTH) * WIDTH**0.5
        self.output = self.scaling.output_scale(WIDTH)
        self.rate = self.scaling.rate(WIDTH, WIDTH, 1.0)


# Of all steps, though not all are made.
STEPS_ON_WEIGHTS = roofline.weights_step(WIDTH, N_TRAIN, WIDTH) * N_STEPS


def by_autograd(problem: Problem) -> tuple[Curve, Work]:
    """As one writes it."""
    weights = problem.weights.clone().requires_grad_()
    optimiser = torch.optim.SGD([weights], lr=problem.rate)
    psi = problem.psi[:N_TRAIN]
    losses, ways = [], []
    for step in range(FIRST_STEPS + 1):
        values = torch.relu(problem.hidden * weights @ psi.T)
        loss = (problem.output * problem.signs @ values - problem.targets).square().mean() / 2
        if step in STEPS:
            losses.append(float(loss.detach()))
            ways.append(float((weights.detach() - problem.weights).norm()))
        optimiser.zero_grad()
        loss.backward()
        if step < FIRST_STEPS:
            optimiser.step()
    return {"loss": np.array(losses), "way": np.array(ways)}, STEPS_ON_WEIGHTS


def by_hand(problem: Problem) -> tuple[Curve, Work]:
    """The same steps with gradients by hand and buffers kept."""
    weights, psi = problem.weights.clone(), problem.psi[:N_TRAIN].contiguous()
    hidden, slopes = (torch.empty(WIDTH, N_TRAIN, dtype=weights.dtype) for _ in range(2))
    gradient = torch.empty_like(weights)
    factor = (-problem.rate * problem.output * problem.hidden / N_TRAIN * problem.signs)[:, None]
    losses, ways = [], []
    for step in range(FIRST_STEPS + 1):
        torch.mm(weights, psi.T, out=hidden).mul_(problem.hidden)
        torch.gt(hidden, 0, out=slopes)
        errors = problem.output * (problem.signs @ hidden.mul_(slopes)) - problem.targets
        if step in STEPS:
            losses.append(float(errors.square().mean()) / 2)
            ways.append(float((weights - problem.weights).norm()))
        if step < FIRST_STEPS:
            torch.mm(slopes.mul_(errors), psi, out=gradient)
            weights.addcmul_(gradient, factor)
    return {"loss": np.array(losses), "way": np.array(ways)}, STEPS_ON_WEIGHTS


def in_function_space(problem: Problem, multisteps: bool) -> tuple[Curve, Work]:
    """Of this package; making the Gram matrix is counted."""
    initial: Tensor = problem.hidden * problem.weights @ problem.psi.T
    network = FunctionSpaceNetwork(
        Embedded(problem.psi[:N_TRAIN], problem.psi[N_TRAIN:]),
        initial,
        problem.signs,
        problem.targets,
        relu,
        output_scale=problem.output,
        step_factor=problem.scaling.step_factor(WIDTH, WIDTH, 1.0),
    )
    control = MultistepControl(0.01, break_even_steps(network)) if multisteps else None
    factor = 1 / problem.hidden

    def observe(network: FunctionSpaceNetwork) -> dict[str, float]:
        return {
            "loss": float(network.errors.square().mean()) / 2,
            "way": factor * network.coordinate_distance(),
        }

    result = descend(network, STEPS, observe, control)
    return result.history, roofline.descent(network, result)


METHODS: dict[str, Callable[[Problem], tuple[Curve, Work]]] = {
    "autograd, SGD": by_autograd,
    "weights, by hand": by_hand,
    "function space": lambda problem: in_function_space(problem, multisteps=False),
    "function space, multisteps": lambda problem: in_function_space(problem, multisteps=True),
}


ON_WEIGHTS = ("autograd, SGD", "weights, by hand")
ROLES = {"autograd, SGD": PYTORCH, "function space, multisteps": PACKAGE}


@pytest.mark.parametrize("scaling", SCALINGS)
def test_two_thousand_steps(benchmark, gathered: Gathered, scaling: str) -> None:
    problem = Problem(scaling)
    seconds: dict[str, Seconds] = {}
    curves: dict[str, Curve] = {}
    works: dict[str, Work] = {}

    def turn() -> None:
        for name, run in METHODS.items():
            (curves[name], works[name]), seconds[name] = timed(partial(run, problem))

    benchmark.pedantic(turn, rounds=1)
    for name in ON_WEIGHTS:
        seconds[name] *= N_STEPS / FIRST_STEPS
    rows = []
    for name, curve in curves.items():
        exact = {key: values[: len(curve[key])] for key, values in curves["function space"].items()}
        decades = abs(np.log10(curve["loss"] / exact["loss"])).max()
        way = abs(curve["way"][1:] / exact["way"][1:] - 1).max()
        error = f"{decades:.1g} decades, {way:.1%}" if "multisteps" in name else ""
        rows.append(Measured(name, seconds[name], ROLES.get(name, ""), error, works[name]))
        assert decades < (0.05 if "multisteps" in name else 1e-6)
        assert way < (0.01 if "multisteps" in name else 1e-6)
    gathered.compare("chen2022", f"{N_STEPS} steps, n = {N_TRAIN}, m = {WIDTH}, {scaling}", rows)
