"""Step-size control: each element of a batch has a step size of its own."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regimes.dynamics.exponential import Step, tame
from regimes.networks.two_layer import Weights

# Defects may be this many times larger against the residuals of the moment than against the
# targets. It keeps the tail of the loss curve monotone for a tenth more of steps.
RESIDUAL_SLACK = 10.0
# Displacements below this many roundings of the weights are noise: 1e-12 of them in float64.
ROUNDINGS = 4096


@dataclass(frozen=True)
class StepSizeControl:
    """Accepts a step whose error is at most 1 and proposes the next step's size.

    The error is the largest of these ratios over `tolerance`: the defect of the outputs over the
    scale of the targets, and over RESIDUAL_SLACK times the residuals at the start of the step; and
    in either layer, how far the second move of the step ends from the first over the displacement
    from the initial weights. On smooth stretches it falls as h^3 or faster, where neurons cross
    kinks more slowly, for which the exponent in h <- h * clip(safety * error^-1/2, shrink, grow)
    allows. Kinks limit any method to about first order in the weights themselves, but what is
    reported (outputs, distances) is smooth in them.

    tolerance: of all elements, or (E,), each its own.
    """

    tolerance: float | Tensor
    safety: float = 0.8
    shrink: float = 0.1
    grow: float = 3.0

    def __getitem__(self, index) -> "StepSizeControl":
        if not isinstance(self.tolerance, Tensor):
            return self
        return replace(self, tolerance=self.tolerance[index])

    def error(
        self, step: Step, initial: Weights, norms: tuple[Tensor, Tensor], scale: Tensor
    ) -> Tensor:
        """Error of a step (E,).

        norms: |a| and |w| of the initial weights, each (E,). scale: the norm that the defect is
        compared with, that of the targets.
        """
        moved = step.end.weights.distance(initial)
        residuals = torch.linalg.vector_norm(step.components, dim=1)
        errors = [step.defect / torch.minimum(scale, RESIDUAL_SLACK * residuals)]
        noise = ROUNDINGS * torch.finfo(scale.dtype).eps
        for correction, distance, norm in zip(step.corrections, moved, norms, strict=True):
            errors.append(correction / (distance + noise * norm))
        return torch.stack(errors).amax(dim=0) / self.tolerance

    def next_size(self, h: Tensor, error: Tensor) -> Tensor:
        """Size of the next try; an overflow (error inf or NaN) shrinks it most."""
        bounded = torch.nan_to_num(error, nan=1e12, posinf=1e12).clamp(1e-12, 1e12)
        return h * (self.safety * bounded.rsqrt()).clamp(self.shrink, self.grow)

    def first_size(self, kernel: Tensor) -> Tensor:
        """A tenth of the shortest time scale of the kernel (E, n, n)."""
        fastest = torch.linalg.eigvalsh(tame(kernel))[:, -1]
        return 0.1 / fastest.clamp(min=torch.finfo(kernel.dtype).tiny * 1e3)
