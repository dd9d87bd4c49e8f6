"""Outputs, losses and accuracies of networks on points.

Shapes: k outputs, m neurons, d features, n points.
"""

from types import ModuleType

import torch
from torch import Tensor

from regimes.activations.apply import activate_

# Points are worked through in parts whose pre-activations take about this many bytes.
PART_BYTES = 64 * 1024**2


def features(hidden: Tensor, inputs: Tensor, activation: ModuleType) -> Tensor:
    """Return act(W X^T) (m, n) of weights (m, d) and inputs (n, d)."""
    values = hidden @ inputs.mT
    activate_(activation, values, torch.empty_like(values))
    return values


def outputs(hidden: Tensor, output: Tensor, inputs: Tensor, activation: ModuleType) -> Tensor:
    """Return sum_j z_j act(w_j . x) (k, n) of weights (m, d) and (k, m), and inputs (n, d)."""
    n_points = max(1, PART_BYTES // (len(hidden) * hidden.element_size()))
    parts = [output @ features(hidden, part, activation) for part in inputs.split(n_points)]
    return torch.cat(parts, dim=1) if parts else output.new_zeros(len(output), 0)


def accuracy(predicted: Tensor, targets: Tensor) -> float:
    """Share of the points whose largest output is that of the largest target, both (k, n)."""
    return float((predicted.argmax(0) == targets.argmax(0)).double().mean())


def scores(predicted: Tensor, targets: Tensor, part: str) -> dict[str, float]:
    """Return the loss, and with several outputs the accuracy, of outputs (k, n) on one part.

    `<part>_loss` is the mean over outputs and points of the squared residuals; `<part>_accuracy` is
    the share of the points that are classified correctly. Without points nothing is returned.
    """
    if not targets.shape[1]:
        return {}
    measured = {f"{part}_loss": float((predicted - targets).square().mean())}
    if len(targets) > 1:
        measured[f"{part}_accuracy"] = accuracy(predicted, targets)
    return measured
