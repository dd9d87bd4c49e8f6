"""Step-size control: each element of a batch has a step size of its own."""

from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor

from regimes.engines.gradient_flow.exponential import GROWTH, Step

# Defects may be this many times larger against the residuals of the moment than against the
# targets. It keeps the tail of the loss curve monotone for a tenth more of steps.
RESIDUAL_SLACK = 10.0
# Differences of distances may be this share of the tolerance: unlike defects, of which the next
# step corrects most, they add up over the steps.
DISTANCE_SHARE = 0.3
# Displacements below this many roundings of the weights are noise: 1e-12 of them in float64.
ROUNDINGS = 4096


@dataclass(frozen=True)
class StepSizeControl:
    """Accepts a step whose error is at most 1 and proposes the next step's size.

    The error is the largest of these ratios over `tolerance`: the defect of the outputs over the
    scale of the targets, and over RESIDUAL_SLACK times the residuals at the start of the step; and
    for either layer, the difference that the second move of the step makes to the distance from
    the initial weights, over DISTANCE_SHARE of that distance. On smooth stretches it falls as h^2
    or faster, where neurons cross kinks more slowly, for which the exponent in
    h <- h * clip(safety * error^-1/2, shrink, grow) allows. It is what is reported that is
    controlled: kinks limit any method to about first order in the single weights, and outputs and
    distances, sums over many neurons, are smooth in them.

    tolerance: (E,), or one for all elements.
    """

    tolerance: float | Tensor
    safety: float = 0.8
    shrink: float = 0.1
    grow: ClassVar[float] = GROWTH

    def __getitem__(self, index) -> "StepSizeControl":
        # After `spread` it has an element for each run.
        return replace(self, tolerance=cast(Tensor, self.tolerance)[index])

    def spread(self, like: Tensor) -> "StepSizeControl":
        """The same control with a tolerance for each element of `like` (E, ...), of its dtype."""
        tolerance = torch.as_tensor(self.tolerance, dtype=like.dtype, device=like.device)
        return replace(self, tolerance=tolerance.expand(len(like)))

    def error(self, step: Step, norms: Tensor, scale: Tensor) -> Tensor:
        """Error of a step (E,).

        norms: |a| and |w| of the initial weights (2, E). scale: the norm that the defect is
        compared with, that of the targets (E,).
        """
        residuals = torch.linalg.vector_norm(step.components, dim=1)
        defect = step.defect / torch.minimum(scale, RESIDUAL_SLACK * residuals)
        noise = ROUNDINGS * torch.finfo(scale.dtype).eps
        differences = (step.differences / (step.distances + noise * norms)).amax(dim=0)
        return torch.maximum(defect, differences / DISTANCE_SHARE) / self.tolerance

    def next_size(self, h: Tensor, error: Tensor) -> Tensor:
        """Size of the next try; an overflow (error inf or NaN) shrinks it most."""
        bounded = torch.nan_to_num(error, nan=1e12, posinf=1e12).clamp(1e-12, 1e12)
        return h * (self.safety * bounded.rsqrt()).clamp(self.shrink, self.grow)

    def first_size(self, eigenvalues: Tensor) -> Tensor:
        """A tenth of the shortest time scale of the kernel, from its eigenvalues (E, n)."""
        return 0.1 / eigenvalues.amax(dim=1).clamp(min=torch.finfo(eigenvalues.dtype).tiny * 1e3)
