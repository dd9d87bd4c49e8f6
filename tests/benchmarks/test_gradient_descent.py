"""A step of gradient descent beside the same step with autograd and torch.optim.SGD, and beside the
two matrix products that neither can do without.

Run with `pytest tests/benchmarks --benchmark-enable`; it prints one table. All take the same steps
of the same runs (n = 100 features, half the sum of squares, first layer trained), in turn, in one
process, on one core. Both stop by the norm of the residuals; autograd is timed with and without
counting the changes of activations, which the package always counts here.
"""

from collections.abc import Callable

import pytest
import torch
from gathered import PACKAGE, PYTORCH, Gathered, Measured, Seconds, timed
from roofline import product, weights_step
from torch import Tensor

from regimes.activations import relu
from regimes.engines.common.draws import initial_weights
from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights
from regimes.engines.common.streams import stream

# S and m of Razborov (2022)
SIZES = [(100, 500), (500, 900), (1000, 1000)]
N_FEATURES = 100
RATE = 2e-4
# Steps of a turn, and turns of each method
STEPS, TURNS = 20, 7
Step = Callable[[], float]


def problem(width: int, n_points: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W (m, d), z (m,), X (d, n) and y (n,)."""
    random = stream(0, "benchmark", width, n_points)
    hidden, output = initial_weights(random, width, N_FEATURES, 1, "rademacher")
    inputs = torch.tensor(random.standard_normal((N_FEATURES, n_points)))
    targets = torch.tensor(random.standard_normal(n_points)) * width**0.5
    return torch.tensor(hidden), torch.tensor(output[0]), inputs / inputs.norm(dim=0), targets


def by_package(width: int, n_points: int) -> Step:
    """A step of this package, the norm included; changes of activations are counted."""
    hidden, output, inputs, targets = problem(width, n_points)
    rate = torch.full((1,), RATE, dtype=hidden.dtype)
    networks = ShallowNetworks(
        inputs, Weights(hidden[None], output[None, None]), Rates(rate, 0 * rate), relu
    )
    errors = networks.evaluate() - targets

    def step() -> float:
        torch.sub(networks.move(errors), targets, out=errors)
        return torch.linalg.vector_norm(errors, dim=(1, 2)).tolist()[0]

    return step


def by_autograd(width: int, n_points: int, counting: bool) -> Step:
    """A step as one writes it."""
    hidden, output, inputs, targets = problem(width, n_points)
    hidden.requires_grad_()
    optimiser = torch.optim.SGD([hidden], lr=RATE)
    initially = (hidden @ inputs > 0).detach()
    changed = torch.zeros_like(initially)
    norm = [0.0]

    def step() -> float:
        optimiser.zero_grad()
        z = hidden @ inputs
        errors = output @ torch.relu(z) - targets
        (errors @ errors / 2).backward()
        optimiser.step()
        norm.append(float(errors.detach().norm()))
        if counting:
            with torch.no_grad():
                changed.logical_or_((z > 0) != initially)
        return norm[-1]

    return step


def by_products(width: int, n_points: int) -> Step:
    """The two matrix products of a step, and nothing else."""
    hidden, _, inputs, _ = problem(width, n_points)
    z, gradient = hidden @ inputs, torch.empty_like(hidden)

    def step() -> float:
        torch.mm(hidden, inputs, out=z)
        torch.mm(z, inputs.mT, out=gradient)
        return 0.0

    return step


METHODS = {
    "this package": by_package,
    "autograd, SGD, counting changes": lambda *size: by_autograd(*size, counting=True),
    "autograd, SGD": lambda *size: by_autograd(*size, counting=False),
    "two matrix products": by_products,
}


ROLES = {"this package": PACKAGE, "autograd, SGD, counting changes": PYTORCH}


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_step(benchmark, gathered: Gathered, size: tuple[int, int]) -> None:
    steps = {name: make(*size) for name, make in METHODS.items()}
    seconds: dict[str, list[Seconds]] = {name: [] for name in METHODS}
    norms: dict[str, float] = {}
    turns = []

    def turn() -> None:
        turns.append(1)
        for name, step in steps.items():
            for _ in range(STEPS):
                norms[name], spent = timed(step)
                seconds[name].append(spent)

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    best = {name: Seconds.least(values) for name, values in seconds.items()}
    step = weights_step(*size, N_FEATURES)
    works = {"two matrix products": product(size[0], N_FEATURES, size[1]) * 2}
    rows = [
        Measured(name, value, ROLES.get(name, ""), work=works.get(name, step))
        for name, value in best.items()
    ]
    gathered.compare("razborov2022", f"a step, S = {size[0]}, m = {size[1]}", rows)
    # The same runs: autograd's norm is that before its step.
    reference = METHODS["autograd, SGD"](*size)
    for _ in range(STEPS * len(turns) + 1):
        expected = reference()
    assert norms["this package"] == pytest.approx(expected, rel=1e-9)
    assert best["this package"].cpu < best["autograd, SGD, counting changes"].cpu
