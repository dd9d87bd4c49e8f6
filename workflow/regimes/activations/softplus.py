"""Softplus: log(1 + exp(z)), a smooth ReLU."""

import torch
from torch import Tensor


def value_and_slope_(z: Tensor, slope: Tensor) -> None:
    """log(1 + exp(z)) in place of z, and its derivative, the logistic function, into `slope`.

    Both have the same shape.
    """
    torch.sigmoid(z, out=slope)
    torch.logaddexp(z, z.new_zeros(()), out=z)


def curvature(z: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """act''(z) where act' is `slope`: act' (1 - act')."""
    return slope - slope * slope
