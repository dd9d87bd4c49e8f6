"""Outputs, losses and accuracies of networks on points, and other numbers that are measured.

Shapes: k outputs, m neurons, d features, n points.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from regimes.activations.apply import activate_

# Points are worked through in parts whose pre-activations take about this many bytes.
PART_BYTES = 64 * 1024**2
# What is measured: a number, or one of float64 on a GPU, for which the host has not waited yet.
Number = float | Tensor


def number(value: Tensor) -> Number:
    """A single number: on a GPU it stays there until it is `fetched`."""
    return float(value) if value.device.type == "cpu" else value.double()


def fetched(measured: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was measured, by names, with the numbers that are on a GPU; the host waits once."""
    there = [one for of_run in measured for one in of_run.values() if isinstance(one, Tensor)]
    here = iter(torch.stack(there).tolist() if there else [])
    return [
        {name: next(here) if isinstance(one, Tensor) else one for name, one in of_run.items()}
        for of_run in measured
    ]


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


def accuracy(predicted: Tensor, targets: Tensor) -> Number:
    """Share of the points whose largest output is that of the largest target, both (k, n)."""
    return number((predicted.argmax(0) == targets.argmax(0)).double().mean())


def scores(predicted: Tensor, targets: Tensor, part: str) -> dict[str, Number]:
    """Return the loss, and with several outputs the accuracy, of outputs (k, n) on one part.

    `<part>_loss` is the mean over outputs and points of the squared residuals; `<part>_accuracy` is
    the share of the points that are classified correctly. Without points nothing is returned.
    """
    if not targets.shape[1]:
        return {}
    measured = {f"{part}_loss": number((predicted - targets).square().mean())}
    if len(targets) > 1:
        measured[f"{part}_accuracy"] = accuracy(predicted, targets)
    return measured
