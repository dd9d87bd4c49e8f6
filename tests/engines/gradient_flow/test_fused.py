"""The fused passes against the reference: operations on arrays of all points and neurons."""

import builtins
import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from regimes.activations import leaky_relu, relu
from regimes.engines.gradient_flow import network
from regimes.engines.gradient_flow.everywhere import KinkedEverywhere
from regimes.engines.gradient_flow.fused import BLOCK, Fused
from regimes.engines.gradient_flow.kinked import Kinked
from regimes.engines.gradient_flow.motion import Batch, Weights

# Largest differences, relative to the largest value, in units of the number format's rounding.
ROUNDINGS = 1000


def batch(
    n: int, d: int, m: int, *, impulse: float = 0.3, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, Batch]:
    """Inputs, and three networks with rates of their own in two tiles of neurons."""
    rng = torch.Generator().manual_seed(n + 10 * d + 100 * m)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64).to(dtype)

    weights, initial = (Weights(normal(3, m), normal(3, d, m)) for _ in range(2))
    rates = [0.5 + torch.rand(3, 1, generator=rng, dtype=dtype) for _ in range(2)]
    half = max(1, m // 2)
    slices = [(slice(0, 3), slice(first, first + half)) for first in range(0, m, half)]
    total = impulse * normal(3, n) * n**-0.5
    return normal(n, d), Batch(weights, initial, total, total, *rates, rates[0], slices)


def assert_same_moves(
    activation: ModuleType, inputs: torch.Tensor, moved: Batch, *, sliding: bool = False
) -> None:
    """Both ways to compute a move agree in all that they return.

    sliding: some neurons end on a kink, so that rounding decides on which side their slope is.
    """
    reference, compiled = Kinked(activation, inputs), Fused(activation, inputs)
    allowed = ROUNDINGS * torch.finfo(inputs.dtype).eps
    sums, ways = reference.predict(moved)
    other, kept = compiled.predict(moved)
    for name in ("gram_a", "gram_w", "squares"):
        assert_close(getattr(other, name), getattr(sums, name), allowed)
    end, sums = reference.correct(moved, ways)
    other_end, other = compiled.correct(moved, kept)
    for name in ("gram_a", "squares", "outputs", *(() if sliding else ("gram_w",))):
        assert_close(getattr(other, name), getattr(sums, name), allowed)
    for name in ("a", "w"):
        assert_close(getattr(other_end, name), getattr(end, name), allowed)


def assert_close(one: torch.Tensor, other: torch.Tensor, allowed: float) -> None:
    assert one.dtype == other.dtype and one.shape == other.shape
    assert float((one - other).abs().max()) <= allowed * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("activation", [relu, leaky_relu], ids=["relu", "leaky_relu"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("n", "d", "m"),
    [(4, 2, 2 * BLOCK), (4, 2, BLOCK + 1), (1, 1, 7), (1, 5, 3), (9, 3, BLOCK - 1), (30, 30, 65)],
)
def test_moves_are_those_of_the_reference(
    activation: ModuleType, dtype: torch.dtype, n: int, d: int, m: int
) -> None:
    # The larger the impulse, the more neurons cross kinks, or slide along them.
    for impulse in (0.01, 0.1, 0.3):
        assert_same_moves(activation, *batch(n, d, m, impulse=impulse, dtype=dtype))


@pytest.mark.parametrize("activation", [relu, leaky_relu], ids=["relu", "leaky_relu"])
def test_dead_neurons_and_neurons_on_kinks(activation: ModuleType) -> None:
    inputs, moved = batch(4, 2, 100)
    inputs = torch.cat([inputs[:, :1].abs(), torch.ones(4, 1, dtype=inputs.dtype)], dim=1)
    moved.weights.w[:, :, :30] = -moved.weights.w[:, :, :30].abs()
    # On the kink of the first point, exactly, and at rest.
    moved.weights.w[:, 0, 30:60] = 1.0
    moved.weights.w[:, 1, 30:60] = -inputs[0, 0]
    moved.weights.w[:, :, 60:80] = 0.0
    moved.weights.a[:, 70:90] = 0.0
    assert_same_moves(activation, inputs, moved, sliding=True)


def test_a_network_does_not_depend_on_the_others() -> None:
    inputs, moved = batch(4, 2, 150)
    alone = Batch(
        moved.weights[1:2],
        moved.initial[1:2],
        *(
            getattr(moved, name)[1:2]
            for name in ("total", "moment", "rate_a", "rate_w", "tolerance")
        ),
        moved.slices,
    )
    compiled = Fused(relu, inputs)
    ends = []
    for one in (moved, alone):
        sums, ways = compiled.predict(one)
        ends.append((sums, *compiled.correct(one, ways)))
    (way, end, sums), (own_way, own_end, own_sums) = ends
    assert torch.equal(way.gram_w[1], own_way.gram_w[0])
    assert torch.equal(end.w[1], own_end.w[0])
    assert torch.equal(sums.outputs[1], own_sums.outputs[0])


def test_not_a_number_stays_one() -> None:
    inputs, moved = batch(4, 2, 70)
    moved.weights.a[0, 3] = torch.nan
    compiled = Fused(relu, inputs)
    sums, ways = compiled.predict(moved)
    end, ended = compiled.correct(moved, ways)
    assert end.a[0, 3].isnan() and ended.outputs[0].isnan().all()
    assert not (ended.outputs[1:].isnan().any() or sums.gram_a[1:].isnan().any())


def test_many_points_and_the_gpu_have_the_reference() -> None:
    few, many = torch.ones(4, 2), torch.ones(network.MOST_POINTS + 1, 2)
    assert type(network.motion(relu, few)) is Fused
    assert type(network.motion(relu, many)) is Kinked
    assert type(network.motion(relu, few.to("meta"))) is KinkedEverywhere


def test_without_numba_it_is_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "regimes.engines.gradient_flow.fused")
    find = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "numba":
            raise ImportError("no numba")
        return find(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.warns(UserWarning, match="numba cannot be loaded .no numba.: gradient flow takes"):
        found = network.motion(relu, torch.ones(4, 2))
    assert type(found) is Kinked
