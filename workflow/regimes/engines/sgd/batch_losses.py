"""Losses, means over the points of a minibatch, with their gradients by hand.

Shapes: outputs (..., k, n) of k classes on n points, labels (..., n), whole numbers below k; or k
outputs and targets (..., n, k), real numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchLoss:
    """A loss, of labels or of targets.

    values: of each point, (..., n). gradient_: overwrites the outputs with the gradient of the sum
    of the values.
    """

    values: Callable[[Tensor, Tensor], Tensor]
    gradient_: Callable[[Tensor, Tensor], Tensor]


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return -log softmax(f)_label of each point."""
    return torch.logsumexp(outputs, -2) - outputs.gather(-2, _rows(outputs, labels)).squeeze(-2)


def cross_entropy_gradient_(outputs: Tensor, labels: Tensor) -> Tensor:
    """softmax(f) less the one-hot label."""
    # The largest output first, so that nothing overflows.
    outputs.sub_(outputs.amax(-2, keepdim=True)).exp_()
    outputs.div_(outputs.sum(-2, keepdim=True))
    return _subtract_one_hot_(outputs, labels)


def mean_square(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean over the outputs of (f - y)^2 of each point, y the one-hot label."""
    return _subtract_one_hot_(outputs.clone(), labels).square_().mean(-2)


def mean_square_gradient_(outputs: Tensor, labels: Tensor) -> Tensor:
    """2 (f - y) over the number of outputs."""
    return _subtract_one_hot_(outputs, labels).mul_(2 / outputs.shape[-2])


LOSSES: dict[str, BatchLoss] = {
    "cross_entropy": BatchLoss(cross_entropy, cross_entropy_gradient_),
    "mean_square": BatchLoss(mean_square, mean_square_gradient_),
}


# Of targets.
TARGET_LOSSES: dict[str, BatchLoss] = {
    # 1/2 of the sum over the outputs of (f - y)^2
    "half_mean": BatchLoss(
        lambda outputs, targets: (outputs - targets.mT).square_().sum(-2) / 2,
        lambda outputs, targets: outputs.sub_(targets.mT),
    ),
    # The mean over the outputs of (f - y)^2
    "mean_square": BatchLoss(
        lambda outputs, targets: (outputs - targets.mT).square_().mean(-2),
        lambda outputs, targets: outputs.sub_(targets.mT).mul_(2 / outputs.shape[-2]),
    ),
    # -log softmax(f) at the class, of one-hot targets
    "cross_entropy": BatchLoss(
        lambda outputs, targets: -(torch.log_softmax(outputs, -2) * targets.mT).sum(-2),
        lambda outputs, targets: outputs.copy_(torch.softmax(outputs, -2)).sub_(targets.mT),
    ),
}


def _subtract_one_hot_(outputs: Tensor, labels: Tensor) -> Tensor:
    rows = _rows(outputs, labels)
    return outputs.scatter_add_(-2, rows, outputs.new_full((), -1.0).expand_as(rows))


def _rows(outputs: Tensor, labels: Tensor) -> Tensor:
    """Labels (..., n) as indices (..., 1, n) of rows of the outputs."""
    return labels.unsqueeze(-2).expand(*outputs.shape[:-2], 1, -1)
