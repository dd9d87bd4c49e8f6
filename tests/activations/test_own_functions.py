"""Activations that are functions of the user's own."""

import math
from types import ModuleType

import numpy as np
import pytest
import torch

from regimes.activations import tanh
from regimes.activations.own import from_functions
from regimes.errors import ConfigError


def tanh_numbers(z: float) -> tuple[float, float, float]:
    value = math.tanh(z)
    return value, 1 - value**2, -2 * value * (1 - value**2)


@pytest.fixture
def own() -> ModuleType:
    return from_functions("mine", torch.tanh, tanh_numbers)


def test_value_slope_and_curvature_are_those_of_the_function(own: ModuleType) -> None:
    z = torch.linspace(-4, 4, 33, dtype=torch.float64).reshape(3, 11)
    found, expected = [], []
    for module, parts in ((own, found), (tanh, expected)):
        value, slope = z.clone(), torch.empty_like(z)
        with torch.no_grad():
            module.value_and_slope_(value, slope)
            parts += [value, slope, module.curvature(z, value, slope)]
    for one, other in zip(found, expected, strict=True):
        assert not one.requires_grad
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12, atol=1e-15)
    assert own.scalar(0.3) == tanh.scalar(0.3)


def test_a_straight_line_has_no_curvature() -> None:
    line = from_functions("line", lambda z: 3 * z, lambda z: (3 * z, 3.0, 0.0))
    z = torch.ones(2)
    assert line.curvature(z, z, z).tolist() == [0.0, 0.0]
    assert not hasattr(from_functions("line", lambda z: 3 * z), "scalar")


@pytest.mark.parametrize(
    ("function", "numbers", "expected"),
    [
        (lambda z: z.sum(), None, "mine must return a tensor of the shape and dtype of z"),
        (lambda z: z.double(), None, "mine must return a tensor of the shape and dtype of z"),
        (torch.log, None, "the value of mine at z = -20 is no finite real number"),
        (torch.tanh, lambda z: math.tanh(z), "mine_numbers must return act, act' and act''"),
        (
            torch.tanh,
            lambda z: tuple(float(torch.tensor(x)) for x in tanh_numbers(z)),
            "mine_numbers cannot be compiled by Numba",
        ),
        (
            torch.tanh,
            lambda z: (math.tanh(z), 1.0, 0.0),
            "the derivative at z = -20 is 0 by mine and 1 by mine_numbers",
        ),
    ],
)
def test_functions_that_are_no_activation_are_refused(function, numbers, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        from_functions("mine", function, numbers)
