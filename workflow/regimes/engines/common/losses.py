"""The losses of networks, from outputs f and targets y, both (k, n): k outputs, n points.

Measures need the factors alone, so that torch is imported where a loss is computed by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Losses that are a factor times the sum of the squared residuals, by name: the factor between the
# loss's gradient in the outputs and the residuals e = f - y, from k and n.
FACTORS: dict[str, Callable[[int, int], float]] = {
    # 1/2 sum e^2
    "half_sum": lambda n_outputs, n_points: 1.0,
    # 1/(2 n) sum e^2
    "half_mean": lambda n_outputs, n_points: 1.0 / n_points,
    # 1/(n k) sum e^2
    "mean_square": lambda n_outputs, n_points: 2.0 / (n_outputs * n_points),
}


def gradient_factor(loss: str, n_outputs: int, n_points: int) -> float:
    """Return the factor c: the gradient in the outputs is c e, and the loss is c |e|^2 / 2."""
    return FACTORS[loss](n_outputs, n_points)


@dataclass(frozen=True)
class Loss:
    """A loss on some points.

    value: of outputs and targets, in float64. gradient: in the outputs, (k, n). curvature: the
    product of the Hessian in the outputs, at outputs and targets, with a change (k, n) of them.
    """

    value: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]
    curvature: Callable[[Tensor, Tensor, Tensor], Tensor]


def loss_of(name: str, n_outputs: int, n_points: int) -> Loss:
    """The loss of a name: one of FACTORS, or cross_entropy of targets that are one-hot."""
    if name == "cross_entropy":
        return _cross_entropy(n_points)
    factor = gradient_factor(name, n_outputs, n_points)
    return Loss(
        lambda outputs, targets: (outputs - targets).square().sum().double() * (factor / 2),
        lambda outputs, targets: factor * (outputs - targets),
        lambda outputs, targets, change: factor * change,
    )


def _cross_entropy(n_points: int) -> Loss:
    """Mean over the points of -log softmax(f) at the label."""
    import torch

    def value(outputs: Tensor, targets: Tensor) -> Tensor:
        return -(torch.log_softmax(outputs, 0) * targets).sum().double() / n_points

    def gradient(outputs: Tensor, targets: Tensor) -> Tensor:
        return (torch.softmax(outputs, 0) - targets) / n_points

    def curvature(outputs: Tensor, targets: Tensor, change: Tensor) -> Tensor:
        shares = torch.softmax(outputs, 0)
        return shares * (change - (shares * change).sum(0)) / n_points

    return Loss(value, gradient, curvature)
