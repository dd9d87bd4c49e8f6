"""GELU, the exact one: z Phi(z), Phi the distribution function of the standard normal."""

import math

import torch
from torch import Tensor


def value_and_slope_(z: Tensor, slope: Tensor) -> None:
    """Overwrite z with z Phi(z), and `slope`, of the same shape, with Phi(z) + z phi(z).

    phi and Phi: the density and the distribution function of the standard normal.
    """
    torch.mul(z, math.sqrt(0.5), out=slope).erf_().add_(1).mul_(0.5)
    density_times_z = (z * z).mul_(-0.5).exp_().mul_(z).mul_(1 / math.sqrt(2 * math.pi))
    z.mul_(slope)
    slope.add_(density_times_z)


def curvature(z: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """act''(z) = (2 - z^2) phi(z)."""
    square = z * z
    density = (square * -0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
    return square.neg_().add_(2).mul_(density)


def scalar(z: float) -> tuple[float, float, float]:
    """act(z), act'(z) and act''(z) of a number."""
    below = 0.5 * (1 + math.erf(z * math.sqrt(0.5)))
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return z * below, below + z * density, (2 - z * z) * density
