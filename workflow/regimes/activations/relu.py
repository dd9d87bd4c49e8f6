"""ReLU: its slope and value, and how long a pre-activation is active on a step.

What a two-layer network needs of an activation with act(z) = act'(z) z and a kink at 0.
"""

import torch
from torch import Tensor


def slope(z: Tensor, out: Tensor | None = None) -> Tensor:
    """act'(z): 1 where z > 0, else 0, in the number format of z."""
    return torch.gt(z, 0, out=torch.empty_like(z) if out is None else out)


def value(z: Tensor, slope: Tensor, out: Tensor | None = None) -> Tensor:
    """act(z) = act'(z) z."""
    return torch.mul(z, slope, out=out)


def apply_(z: Tensor) -> Tensor:
    """act(z), in place."""
    return z.clamp_(min=0)


def mean_slope(z: Tensor, slope: Tensor, change: Tensor, kick: Tensor) -> Tensor:
    """Mean slope on a step: the share of it on which it is active, see `active_share`."""
    return active_share(z, slope, change, kick)


def active_share(z: Tensor, slope: Tensor, change: Tensor, kick: Tensor) -> Tensor:
    """Share s of a step during which a pre-activation that may cross its kink is positive.

    z: pre-activation at the start; slope: act'(z); change: its change over the step if its slope
    stays that; kick: what being active adds to the change. On the straight way from z to z1 the
    active part is s = (relu(z1) - relu(z)) / (z1 - z), the discrete gradient of relu, and z1
    depends on s. Eliminating s leaves a quadratic in the way y beyond the kink, with one positive
    root. Where both sides push towards the kink, this is Filippov's sliding solution, z1 = 0;
    taking act' at the ends of the step instead makes such a neuron chatter.

    All tensors have the same shape; returns s in [0, 1] in that shape. Overwrites `change`.
    """
    side = slope * 2 - 1
    # The product of distance and change must not underflow, not even on the kink.
    distance = (side * z).clamp_(min=torch.finfo(z.dtype).tiny ** 0.5)
    # y^2 + b y + c = 0; c < 0 where the kink is crossed
    away = change.mul_(side).add_(distance)
    b = (away + distance).sub_(kick)
    c = away.mul_(distance).clamp_(max=0)
    half = torch.addcmul(c * -4, b, b).sqrt_().add_(b.abs()).mul_(0.5)
    beyond = torch.where(b > 0, c / -half, half)
    share_beyond = beyond / distance.add_(beyond)
    share_beyond.masked_fill_(c == 0, 0)
    return slope - side.mul_(share_beyond)
