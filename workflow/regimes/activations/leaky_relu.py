"""Leaky ReLU: z where z > 0, else 0.01 z."""

import torch
from torch import Tensor

NEGATIVE_SLOPE = 0.01


def slope(z: Tensor, out: Tensor | None = None) -> Tensor:
    """act'(z): 1 where z > 0, else NEGATIVE_SLOPE, in the number format of z."""
    positive = torch.gt(z, 0, out=torch.empty_like(z) if out is None else out)
    return positive.mul_(1 - NEGATIVE_SLOPE).add_(NEGATIVE_SLOPE)


def value(z: Tensor, slope: Tensor, out: Tensor | None = None) -> Tensor:
    """act(z) = act'(z) z."""
    return torch.mul(z, slope, out=out)
