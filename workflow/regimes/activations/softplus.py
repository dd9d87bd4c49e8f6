"""Softplus: log(1 + exp(z)), a smooth ReLU."""

import math

import torch
from torch import Tensor


def value_and_slope_(z: Tensor, slope: Tensor) -> None:
    """Overwrite z with log(1 + exp(z)), and `slope` with its derivative, the logistic function.

    Both have the same shape.
    """
    torch.sigmoid(z, out=slope)
    torch.logaddexp(z, z.new_zeros(()), out=z)


def curvature(z: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """act''(z) where act' is `slope`: act' (1 - act')."""
    return slope - slope * slope


def scalar(z: float) -> tuple[float, float, float]:
    """act(z), act'(z) and act''(z) of a number."""
    slope = 1 / (1 + math.exp(-z))
    return max(z, 0.0) + math.log1p(math.exp(-abs(z))), slope, slope * (1 - slope)
