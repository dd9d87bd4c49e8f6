"""Leaky ReLU: z where z > 0, else 0.01 z."""

import torch
from torch import Tensor

from regimes.activations.relu import active_share

NEGATIVE_SLOPE = 0.01


def slope(z: Tensor, out: Tensor | None = None) -> Tensor:
    """act'(z): 1 where z > 0, else NEGATIVE_SLOPE, in the number format of z."""
    positive = torch.gt(z, 0, out=torch.empty_like(z) if out is None else out)
    return positive.mul_(1 - NEGATIVE_SLOPE).add_(NEGATIVE_SLOPE)


def value(z: Tensor, slope: Tensor, out: Tensor | None = None) -> Tensor:
    """act(z) = act'(z) z."""
    return torch.mul(z, slope, out=out)


def apply_(z: Tensor) -> Tensor:
    """act(z), in place."""
    return torch.nn.functional.leaky_relu_(z, NEGATIVE_SLOPE)


def mean_slope(z: Tensor, slope: Tensor, change: Tensor, kick: Tensor) -> Tensor:
    """Mean slope on a step of a pre-activation that may cross its kink, NEGATIVE_SLOPE to 1.

    z: pre-activation at the start; slope: act'(z); change: its change over the step if its slope
    stays that; kick: what a slope of 1 adds to the change. The activation is a straight line and
    1 - NEGATIVE_SLOPE of relu, so that relu's solution serves, with so much of the kick.

    All tensors have the same shape. Overwrites `change`.
    """
    positive = (slope > NEGATIVE_SLOPE).to(slope)
    above = active_share(z, positive, change, kick * (1 - NEGATIVE_SLOPE))
    return above.mul_(1 - NEGATIVE_SLOPE).add_(NEGATIVE_SLOPE)
