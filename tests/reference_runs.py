"""The solver on the problems of tests/data/flow_references.csv."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import torch
from flow_references import RELATIVE_LOSS, Problem, Reference
from problems import four_points, relative_distances, stack

from regimes.engines.gradient_flow.integrator import Limits, integrate
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.engines.gradient_flow.step_size import StepSizeControl
from regimes.parameterisations import normalised

# What the solver promises on determined references: the largest relative error of the distances of
# w and of a, by tolerance.
BOUNDS = {0.03: {"w": 0.015, "a": 0.03}, 0.003: {"w": 0.002, "a": 0.005}}
# A run with saturated neurons of tanh takes 15 000 steps on one processor, 22 000 on another.
MAX_STEPS = 40_000
# Problems on which it does not keep them, and why. The solver is to stay below EXCEPTION times the
# bounds there.
EXCEPTION = 4
EXCEPTIONS = {
    Problem("gelu", -1.0, 1.6, 1000, 2): (
        "many neurons come to w = 0 together and leave to one side or the other: targets that "
        "differ by 1 % move the RD_w of this flow by up to 2.9 %, those of seed 0 by 0.4 %"
    ),
    Problem("tanh", -1.0, 1.0, 1000, 0): (
        "neurons leave the plateau one by one, and errors jump with what each does, up to 0.4 % "
        "of RD_w and 0.5 % of RD_a at tolerances from 0.003 to 0.0003"
    ),
    Problem("tanh", -1.0, 2.2, 60, 1): (
        "errors jump from tolerance to tolerance, from -0.5 % to 0.4 % of RD_w between 0.01 and "
        "0.0003, and with the processor; targets that differ by 1 % move it by up to 0.3 %"
    ),
}


@dataclass(frozen=True)
class Run:
    """The solver on one problem.

    error_w, error_a: relative errors of the relative distances; infinite where the run did not
    converge. steps: accepted and rejected.
    """

    reference: Reference
    error_w: float
    error_a: float
    accepted: int
    rejected: int

    def __str__(self) -> str:
        row = self.reference
        return (
            f"{row.activation}, gamma' = {row.gamma_prime:g}, gamma = {row.gamma:g}, "
            f"m = {row.width}, seed {row.seed}: RD_w {100 * self.error_w:+.2f} %, "
            f"RD_a {100 * self.error_a:+.2f} %"
        )

    def within(self, bounds: dict[str, float]) -> bool:
        """Whether both errors are below their bounds, those of EXCEPTIONS below EXCEPTION times."""
        factor = EXCEPTION if self.reference.problem in EXCEPTIONS else 1
        return abs(self.error_w) < factor * bounds["w"] and abs(self.error_a) < factor * bounds["a"]


def regime(gamma_prime: float, gamma: float) -> str:
    """Regime of a setting in the limit of large width."""
    boundary = 1 + max(gamma_prime, 0)
    if gamma == boundary:
        return "critical"
    return "linear" if gamma < boundary else "condensed"


def batch(rows: Sequence[Reference]) -> tuple[TwoLayerNetwork, Weights]:
    """Networks and initial weights of problems with one activation and one width."""
    inputs, _ = four_points()
    scales = [
        normalised.scales({"gamma_prime": row.gamma_prime, "gamma": row.gamma, "width": row.width})
        for row in rows
    ]
    starts = [row.problem.start() for row in rows]
    network = TwoLayerNetwork(
        inputs,
        inputs.new_tensor([scale.output for scale in scales]),
        inputs.new_tensor([scale.rate_a for scale in scales]),
        inputs.new_tensor([scale.rate_w for scale in scales]),
        import_module(f"regimes.activations.{rows[0].activation}"),
    )
    a, w = (torch.tensor(np.stack(values)) for values in zip(*starts, strict=True))
    return network, Weights(a, w)


def solve(rows: Sequence[Reference], tolerance: float) -> list[Run]:
    """Runs of the solver on problems with one activation and one width, in one batch."""
    network, initial = batch(rows)
    _, targets = four_points()
    limits = Limits(RELATIVE_LOSS, MAX_STEPS, 1e30)
    flow = integrate(network, initial, targets, StepSizeControl(tolerance), limits, 8)
    found = relative_distances(initial, stack(flow.weights))
    runs = []
    for place, row in enumerate(rows):
        errors = [
            float(found[layer][place]) / getattr(row, f"relative_distance_{layer}") - 1
            if flow.converged[place]
            else np.inf
            for layer in ("w", "a")
        ]
        steps = flow.accepted_steps[place], flow.rejected_steps[place]
        runs.append(Run(row, *errors, *map(int, steps)))
    return runs


def by_width(rows: Iterable[Reference]) -> list[list[Reference]]:
    """Rows of one activation in batches of one width each, narrow ones first."""
    rows = list(rows)
    return [
        [row for row in rows if row.width == width] for width in sorted({row.width for row in rows})
    ]
