"""Measure networks along their training: at log-spaced steps and at the end."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights
from regimes.kernels.tangent_kernel import smallest_eigenvalue, tangent_kernel


def invariants(weights: Weights, rates: Rates) -> tuple[Tensor, Tensor]:
    """Invariants eta_z |w_j|^2 - eta_w sum_k z_kj^2 of the neurons, and both terms' sum, (E, m).

    Gradient flow conserves the first if the activation is positively homogeneous (Razborov, 2022,
    Appendix F).
    """
    through_hidden = rates.output[:, None] * weights.hidden.square().sum(2)
    through_output = rates.hidden[:, None] * weights.output.square().sum(1)
    return through_hidden - through_output, through_hidden + through_output


@dataclass(frozen=True)
class Observer:
    """Measures networks along their training.

    The measurements have these names:

    - weight_distance and output_weight_distance, |W - W_0|_F and |z - z_0|, of the trained layers;
    - invariant_drift, if wanted: how far the invariants have moved, norm over the neurons, over
      the norm of the sum of their two terms at the start;
    - smallest_eigenvalue, of the tangent kernel of the trained layers: never, at the two ends of a
      run, or at all recorded steps.

    initial: the weights at the start. steps: the recorded steps; the first is 0.
    """

    initial: Weights
    steps: np.ndarray
    eigenvalue: Literal["never", "ends", "steps"] = "never"
    invariant: bool = False

    def names(self, networks: ShallowNetworks) -> list[str]:
        """Names of the measured quantities."""
        wanted = {
            "weight_distance": networks.trained != "second",
            "output_weight_distance": networks.trained != "first",
            "invariant_drift": self.invariant,
            "smallest_eigenvalue": self.eigenvalue != "never",
        }
        return [name for name in wanted if wanted[name]]

    def observe(
        self, networks: ShallowNetworks, position: int, run: int, *, is_end: bool
    ) -> dict[str, float]:
        """Measure one network; NaN stands for an eigenvalue that is not wanted here.

        position: its index in `networks`; run: its index in `initial`. is_end: whether it is at
        one of the two ends of its run.
        """
        start, now = self.initial[[run]], networks.weights[[position]]
        measured = dict.fromkeys(self.names(networks), np.nan)
        if "weight_distance" in measured:
            measured["weight_distance"] = _norm(now.hidden - start.hidden)
        if "output_weight_distance" in measured:
            measured["output_weight_distance"] = _norm(now.output - start.output)
        if self.invariant:
            rates = networks.rates[[position]]
            (before, terms), (after, _) = invariants(start, rates), invariants(now, rates)
            measured["invariant_drift"] = _norm(after - before) / _norm(terms)
        if self.eigenvalue == "steps" or (self.eigenvalue == "ends" and is_end):
            measured["smallest_eigenvalue"] = smallest_eigenvalue(
                tangent_kernel(
                    now.hidden[0],
                    now.output[0],
                    networks.inputs_of(position),
                    networks.activation,
                    first=float(networks.trained != "second"),
                    second=float(networks.trained != "first"),
                    output_scale=networks.output_scale,
                )
            )
        return measured


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values))
