"""Hyperbolic tangent."""

import math

import torch
from torch import Tensor


def value_and_slope_(z: Tensor, slope: Tensor) -> None:
    """Overwrite z with tanh(z), and `slope`, of the same shape, with 1 - tanh(z)^2."""
    z.tanh_()
    torch.mul(z, z, out=slope).neg_().add_(1)


def curvature(z: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """act''(z) where act and act' are `value` and `slope`: -2 act act'."""
    return (value * slope).mul_(-2)


def scalar(z: float) -> tuple[float, float, float]:
    """act(z), act'(z) and act''(z) of a number."""
    value = math.tanh(z)
    slope = 1 - value * value
    return value, slope, -2 * value * slope
