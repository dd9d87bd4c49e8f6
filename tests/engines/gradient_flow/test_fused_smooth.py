"""The compiled own steps of smooth neurons against operations on arrays of points and neurons."""

import builtins
import math
import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from regimes.activations import gelu, softplus, tanh
from regimes.activations.expression import from_expression
from regimes.activations.own import from_functions
from regimes.engines.gradient_flow import network, smooth
from regimes.engines.gradient_flow.fused_smooth import BLOCK, FusedSmooth
from regimes.engines.gradient_flow.motion import Batch, Weights
from regimes.engines.gradient_flow.smooth import Smooth

# Largest differences, relative to the largest value, in units of the number format's rounding:
# more where neurons leave an unstable balance.
ROUNDINGS = 1000


def exponential_unit(z: torch.Tensor) -> torch.Tensor:
    return torch.where(z > 0, z, torch.expm1(z.clamp(max=0)))


def exponential_unit_numbers(z: float) -> tuple[float, float, float]:
    return (z, 1.0, 0.0) if z > 0 else (math.expm1(z), math.exp(z), math.exp(z))


ACTIVATIONS = {
    "tanh": tanh,
    "gelu": gelu,
    "softplus": softplus,
    **{
        text: from_expression(text)
        for text in ("z * sigmoid(z)", "softplus(2 * z) + erf(z)", "sin(z) + log(1 + z ** 2)")
    },
    "own": from_functions("exponential_unit", exponential_unit, exponential_unit_numbers),
}


def batch(
    n: int, d: int, m: int, *, impulse: float = 1.0, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, Batch]:
    """Inputs, and three networks with rates of their own in two tiles of neurons."""
    rng = torch.Generator().manual_seed(n + 10 * d + 100 * m)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64).to(dtype)

    weights, initial = (Weights(normal(3, m), normal(3, d, m)) for _ in range(2))
    rates = [0.5 + torch.rand(3, 1, generator=rng, dtype=dtype) for _ in range(2)]
    half = max(1, m // 2)
    slices = [(slice(0, 3), slice(first, first + half)) for first in range(0, m, half)]
    total, moment = impulse * normal(3, n) * n**-0.5, 0.1 * impulse * normal(3, n) * n**-0.5
    tolerance = torch.full_like(rates[0], 0.03)
    return normal(n, d) * d**-0.5, Batch(weights, initial, total, moment, *rates, tolerance, slices)


def in_float64(moved: Batch) -> Batch:
    weights, initial = (
        Weights(one.a.double(), one.w.double()) for one in (moved.weights, moved.initial)
    )
    names = ("total", "moment", "rate_a", "rate_w", "tolerance")
    return Batch(weights, initial, *(getattr(moved, name).double() for name in names), moved.slices)


def both(motion: Smooth, moved: Batch) -> dict[str, torch.Tensor]:
    """All that a move returns."""
    way, kept = motion.predict(moved)
    end, sums = motion.correct(moved, kept)
    return {
        **{f"way {name}": getattr(way, name) for name in ("gram_a", "gram_w", "squares")},
        **{name: getattr(sums, name) for name in ("gram_a", "gram_w", "squares", "outputs")},
        "a": end.a,
        "w": end.w,
    }


def assert_close(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], allowed: float
) -> None:
    for name, one in found.items():
        other = expected[name]
        assert one.shape == other.shape
        off = float((one.double() - other).abs().max())
        assert off <= allowed * max(1.0, float(other.abs().max())), name


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("n", "d", "m"),
    [(4, 2, 2 * BLOCK), (4, 2, BLOCK + 1), (1, 1, 7), (1, 5, 1), (9, 3, BLOCK - 1), (30, 30, 65)],
)
def test_moves_are_those_of_the_reference(
    activation: ModuleType,
    dtype: torch.dtype,
    n: int,
    d: int,
    m: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The larger the impulse, the more neurons take steps of their own.
    for impulse in (0.01, 0.3, 1.0):
        inputs, moved = batch(n, d, m, impulse=impulse, dtype=dtype)
        found = both(FusedSmooth(activation, inputs), moved)
        assert all(one.dtype == dtype for one in found.values())
        # The reference in float64, but with the noise that it expects in this format.
        eps = torch.finfo(dtype).eps
        with monkeypatch.context() as patch:
            patch.setattr(smooth, "ROUNDINGS", smooth.ROUNDINGS * eps * 2**52)
            expected = both(Smooth(activation, inputs.double()), in_float64(moved))
        assert_close(found, expected, ROUNDINGS * eps)


def test_neurons_that_are_held_or_driven_away() -> None:
    inputs, moved = batch(4, 2, 200, impulse=2.0)
    moved.weights.a[:, ::2] *= 100
    # At rest, and where nothing acts.
    moved.weights.w[:, :, 3] = 0.0
    moved.weights.a[:, 5] = 0.0
    moved.initial.w[:, :, 7] = moved.weights.w[:, :, 7]
    for activation in ACTIVATIONS.values():
        expected = both(Smooth(activation, inputs), moved)
        assert_close(both(FusedSmooth(activation, inputs), moved), expected, ROUNDINGS * 2.0**-52)


def test_a_network_does_not_depend_on_the_others() -> None:
    inputs, moved = batch(4, 2, 300)
    names = ("total", "moment", "rate_a", "rate_w", "tolerance")
    alone = Batch(
        moved.weights[1:2],
        moved.initial[1:2],
        *(getattr(moved, name)[1:2] for name in names),
        moved.slices,
    )
    motion = FusedSmooth(tanh, inputs)
    own, all_of_them = both(motion, alone), both(motion, moved)
    for name, values in own.items():
        others = all_of_them[name]
        of_element = others[:, 1:2] if "squares" in name else others[1:2]
        assert torch.equal(values, of_element), name


def test_inputs_need_not_be_contiguous() -> None:
    inputs, moved = batch(9, 3, 50)
    apart = torch.stack([inputs, inputs], dim=-1)[..., 0]
    assert not apart.is_contiguous()
    expected = both(FusedSmooth(tanh, inputs), moved)
    found = both(FusedSmooth(tanh, apart), moved)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_not_a_number_stays_one() -> None:
    inputs, moved = batch(4, 2, 200)
    moved.weights.a[0, 3] = torch.nan
    moved.weights.w[1, 0, 190] = torch.inf
    found = both(FusedSmooth(tanh, inputs), moved)
    assert found["a"].isnan().nonzero().tolist() == [[0, 3], [1, 190]]
    assert found["outputs"].isnan().all(dim=1).tolist() == [True, True, False]
    assert found["way squares"][0].isnan().tolist() == [True, True, False]
    assert all(found[name][2].isfinite().all() for name in ("outputs", "way gram_a", "gram_w"))


def test_neurons_with_too_many_steps_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, moved = batch(4, 2, 200, impulse=1.0)
    monkeypatch.setattr(smooth, "MOST_TRIES", 6)
    expected = Smooth(tanh, inputs).correct(moved, None)[0]
    found = FusedSmooth(tanh, inputs).correct(moved, None)[0]
    assert 10 < int(expected.a.isnan().sum()) < 590
    assert torch.equal(found.a.isnan(), expected.a.isnan())
    kept = ~expected.a.isnan()
    torch.testing.assert_close(found.a[kept], expected.a[kept], rtol=1e-10, atol=1e-10)


def test_the_gpu_has_the_reference() -> None:
    few, many = torch.ones(4, 2), torch.ones(10 * network.MOST_POINTS, 2)
    assert type(network.motion(gelu, few)) is FusedSmooth
    assert type(network.motion(gelu, many)) is FusedSmooth
    assert type(network.motion(gelu, few.to("meta"))) is Smooth


def test_without_numba_it_is_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "regimes.engines.gradient_flow.fused_smooth")
    find = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "numba":
            raise ImportError("no numba")
        return find(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.warns(UserWarning, match="numba cannot be loaded .no numba.: gradient flow takes"):
        found = network.motion(gelu, torch.ones(4, 2))
    assert type(found) is Smooth
