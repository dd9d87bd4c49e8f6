"""The formulas of the benchmarks' least times."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from regimes.activations import relu
from regimes.engines.function_space.descent import Descent
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.engines.gradient_flow.kinked import Kinked
from regimes.engines.gradient_flow.motion import Batch, Weights

M, N, D, K = 7, 5, 2, 3


@pytest.fixture
def roofline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """roofline, which is found beside the benchmarks alone."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    monkeypatch.delitem(sys.modules, "roofline", raising=False)
    return importlib.import_module("roofline")


def counted(work: Callable[[], object]) -> int:
    """Operations of the matrix products in it, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def test_the_longer_of_arithmetic_and_moving_counts(roofline):
    work = roofline.product(10, 20, 30)
    assert work.operations == counted(lambda: torch.ones(10, 20) @ torch.ones(20, 30)) == 12_000
    assert work.moved == 8 * (200 + 600 + 300)
    rates = {torch.float64: 1000.0, torch.float32: 2000.0}
    small, large = (roofline.Machine(rates, 100.0, cache) for cache in (work.kept - 1, work.kept))
    # What fits the cache is not moved.
    assert large.least_seconds(work) == 12.0
    assert small.least_seconds(work) == 88.0
    single = roofline.product(10, 20, 30, torch.float32) * 3
    assert large.least_seconds(single) == small.least_seconds(single) == 3 * 6.0
    assert work + work * 2 == work * 3


@pytest.mark.parametrize("both_layers", [False, True])
def test_a_step_on_weights_has_the_products_of_autograd(roofline, both_layers):
    layers = nn.Linear(D, M, bias=False), nn.Linear(M, K, bias=False)
    layers[1].requires_grad_(both_layers)
    student = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    work = roofline.weights_step(M, N, D, K, both_layers=both_layers, dtype=torch.float32)
    assert work.operations == counted(lambda: student(torch.ones(N, D)).sum().backward())


@pytest.mark.parametrize("in_weights", [False, True])
def test_descent_in_function_space(roofline, in_weights):
    rows = D if in_weights else N
    step, many = (
        of(M, N, rows, in_weights) for of in (roofline.function_space_step, roofline.multistep)
    )
    coefficients, basis, slopes = torch.ones(M, rows), torch.ones(rows, N), torch.ones(M, N)
    look = counted(lambda: coefficients @ basis)
    way = counted(lambda: slopes @ basis.T) if in_weights else 0
    assert step.operations == look + way + 4 * M * N
    assert many.operations == 3 * look + 3 * way
    if in_weights:
        assert step.operations == roofline.weights_step(M, N, D).operations

    embedding = torch.randn(N, D)
    network = FunctionSpaceNetwork(
        Embedded(embedding, embedding[:0]),
        torch.randn(M, N),
        torch.ones(M),
        torch.ones(N),
        relu,
        output_scale=1.0,
        step_factor=1.0,
        in_weights=in_weights,
    )
    result = Descent({}, plain_steps=3, multisteps=2, failed_multisteps=1)
    assert roofline.descent(network, result) == step * 3 + many * 3


def test_passes_of_gradient_flow(roofline):
    inputs, one = torch.randn(N, D), torch.ones(1, 1)
    weights = Weights(torch.randn(1, M), torch.randn(1, D, M))
    # Without an impulse no neuron meets a kink, which would take more.
    none, all_neurons = torch.zeros(1, N), [(slice(0, 1), slice(0, M))]
    batch = Batch(weights, weights, none, none, one, one, one, all_neurons)
    motion, work = Kinked(relu, inputs), roofline.flow_pass(M, N, D)
    _, ways = motion.predict(batch)
    upper_halves = 2 * M * N * (N - 1)
    assert work.operations == counted(lambda: motion.correct(batch, ways)) - upper_halves
    # A pass without Gram matrices, but with the gradient of the second layer
    evaluation = roofline.flow_evaluation(M, N, D)
    assert evaluation.operations == work.operations - 2 * M * N * (N + 1) + 2 * M * N


def test_rates_are_measured(roofline, monkeypatch):
    monkeypatch.setattr(roofline, "ROWS", (128,))
    monkeypatch.setattr(roofline, "COPIED", 1024**2)
    found = roofline.machine().record()
    assert set(found) == {"gflops_float64", "gflops_float32", "gigabytes_per_second"}
    assert min(found.values()) > 0
