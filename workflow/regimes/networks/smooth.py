"""Moves through an activation whose slope is continuous, such as tanh.

A share is the difference quotient of the activation between the ends of the move. Where the
neurons condense, they sit where the pulls of the points balance, and are pulled back to there by
far more than a step would allow that takes the slopes as they are. So shares are taken as linear in
the end of the move, share + bend * (change of z1), about the start in the first try and about the
end of the first in the second, and the first-layer weights are solved for: a system of equations
in d features for each neuron, sum over points i,

    (1 - sum_i pull_i bend_i x_i x_i^T) dw = sum_i pull_i share_i x_i.

Of the sum on the left only the terms that pull back (pull_i bend_i < 0) are kept. They are what the
step needs to be stable, and with them alone the matrix is positive definite for steps of any size.
"""

from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from regimes.networks.passages import Push, Shares


@dataclass
class SmoothShares(Shares):
    """bend: derivative of the shares in the end of the move, (E, n, m). moved: dw, (E, d, m)."""

    bend: Tensor
    moved: Tensor


class Smooth:
    """A `Passage`. activation: a module with `value_and_slope_` and `curvature`."""

    arrays = 2

    def __init__(self, activation: ModuleType):
        self.activation = activation

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        values, slope = z.clone(), torch.empty_like(z)
        self.activation.value_and_slope_(values, slope)
        return values, slope

    def forward_(self, z: Tensor, slope: Tensor) -> Tensor:
        self.activation.value_and_slope_(z, slope)
        return z

    def first(self, z: Tensor, values: Tensor, slope: Tensor, push: Push) -> SmoothShares:
        # The share of a short move: slope + curvature / 2 * change
        bend = self.activation.curvature(z, values, slope).mul_(0.5)
        moved, bent = _solved(push, bend, push.moved(slope))
        return SmoothShares(bent.add_(slope), bend, moved)

    def arrive_(
        self, z: Tensor, values: Tensor, slope: Tensor, end: Tensor, shares: SmoothShares
    ) -> Tensor:
        change = end - z
        end_slope = torch.empty_like(end)
        self.activation.value_and_slope_(end, end_slope)
        # Differences lose digits where there is next to no change; the mean of the slopes is as
        # exact where the third power of the change is a rounding of the activation.
        far = change.abs() > (12 * torch.finfo(change.dtype).eps) ** (1 / 3)
        quotient = torch.where(far, (end - values).div_(change), (slope + end_slope).mul_(0.5))
        # The derivative of the quotient in the end
        bend = torch.where(far, end_slope.sub_(quotient).div_(change), shares.bend)
        shares.values, shares.bend = quotient, bend
        return end

    def second(self, z: Tensor, slope: Tensor, push: Push, shares: SmoothShares) -> Tensor:
        missing = push.moved(shares.values).sub_(shares.moved)
        _, bent = _solved(push, shares.bend, missing)
        return bent.add_(shares.values)


def _solved(push: Push, bend: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    """Solution dw (E, d, m) of the module's equations for a right-hand side `moved`, and what the
    move adds to the shares by it, bend * X dw (E, n, m) of the terms that are kept.
    """
    pull = push.pull()
    kept = torch.where(pull * bend < 0, bend, 0.0)
    n_points, n_features = push.inputs.shape
    squares = push.inputs[:, :, None] * push.inputs[:, None, :]
    matrix = torch.matmul(squares.view(n_points, -1).T, pull.mul_(kept).neg_())
    matrix = matrix.view(len(bend), n_features, n_features, -1)
    matrix.diagonal(dim1=1, dim2=2).add_(1)
    solution = _solve_(matrix, moved)
    return solution, torch.matmul(push.inputs, solution).mul_(kept)


def _solve_(matrix: Tensor, values: Tensor) -> Tensor:
    """Solution of positive definite equations (E, d, d, m) for each neuron; overwrites both.

    By elimination, of all neurons at a time: a library's solver takes the small matrices one by
    one.
    """
    n_features = values.shape[1]
    for pivot in range(n_features):
        below = slice(pivot + 1, n_features)
        factors = matrix[:, below, pivot] / matrix[:, pivot, None, pivot]
        matrix[:, below, below] -= factors[:, :, None] * matrix[:, pivot, None, below]
        values[:, below] -= factors * values[:, pivot, None]
    for pivot in reversed(range(n_features)):
        values[:, pivot] /= matrix[:, pivot, pivot]
        values[:, :pivot] -= matrix[:, :pivot, pivot] * values[:, pivot, None]
    return values
