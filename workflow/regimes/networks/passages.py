"""How the pre-activations of a two-layer network pass through its activation when they move.

The share of a move from z to z1 is its mean slope, (act(z1) - act(z)) / (z1 - z). It depends on z1,
which depends on it. There are two kinds of activations, each with a module that solves this:
`kinked` where the slope jumps at 0 and is constant elsewhere, `smooth` where it is continuous.

Shapes: E elements of a tile, n points, d features, m neurons.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass
class Push:
    """What a move does to the neurons of a tile: dw = step * sum_i points_i share_i x_i.

    inputs: x, (n, d). points: the impulses of the points, (E, n, 1). weights: (E, d, n), what they
    are to the first-layer weights; others: (E, n, n), to the pre-activations of all points; own:
    (E, n, 1), to those of their own. step: (E, m).
    """

    inputs: Tensor
    points: Tensor
    weights: Tensor
    others: Tensor
    own: Tensor
    step: Tensor

    def moved(self, shares: Tensor) -> Tensor:
        """dw (E, d, m) of a move with these shares (E, n, m)."""
        return torch.bmm(self.weights, shares).mul_(self.step[:, None])

    def change(self, shares: Tensor) -> Tensor:
        """The change X dw (E, n, m) of the pre-activations over a move with these shares."""
        return torch.bmm(self.others, shares).mul_(self.step[:, None])

    def kick(self, index: Tensor) -> Tensor:
        """What a share of 1 at a point adds to the change there, at flat indices."""
        return (self.own * self.step[:, None]).view(-1)[index]

    def pull(self) -> Tensor:
        """step * points (E, n, m)."""
        return self.points * self.step[:, None]


@dataclass
class Shares:
    """Shares (E, n, m) of the first try of a move, and what the second try needs of it."""

    values: Tensor


class Passage(Protocol):
    """What a network needs of its activation. All tensors but those of `Push` are (E, n, m).

    arrays: how many of them the shares of a first try keep.
    """

    arrays: int

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """act(z) and act'(z); z is kept."""

    def forward_(self, z: Tensor, slope: Tensor) -> Tensor:
        """act(z) in place of z, and act'(z) into `slope`."""

    def first(self, z: Tensor, values: Tensor, slope: Tensor, push: Push) -> Shares:
        """Shares of the first try of a move from z, where act and act' are `values` and `slope`."""

    def arrive_(
        self, z: Tensor, values: Tensor, slope: Tensor, end: Tensor, shares: Shares
    ) -> Tensor:
        """act(end), in place, where the first try ended; it may better the shares by that."""

    def second(self, z: Tensor, slope: Tensor, push: Push, shares: Shares) -> Tensor:
        """Shares of the second try, with another push."""
