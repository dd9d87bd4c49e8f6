"""When a run of gradient descent ends, and how."""

import math
from dataclasses import dataclass
from enum import IntEnum


class Ending(IntEnum):
    """How a run ended."""

    CONVERGED = 1
    ABORTED = 2
    CAPPED = 3
    DIVERGED = 4


@dataclass(frozen=True)
class StoppingRule:
    """Says when a run ends.

    A run ends

    - when |e| is not finite: diverged;
    - when |e| < residual_norm or |e|^2 < relative_loss times that of the start (unless these are
      None): converged;
    - with abort_on_increase, when |e| has grown in a step: aborted;
    - after max_steps steps: capped.
    """

    max_steps: int
    residual_norm: float | None = None
    relative_loss: float | None = None
    abort_on_increase: bool = False

    def ending(self, step: int, norm: float, previous: float, first: float) -> Ending | None:
        """How a run with |e| = norm after `step` steps ends, None if it goes on.

        previous: |e| a step before, infinite at the start; first: |e| at the start.
        """
        if not math.isfinite(norm):
            return Ending.DIVERGED
        if self.residual_norm is not None and norm < self.residual_norm:
            return Ending.CONVERGED
        if self.relative_loss is not None and norm < self.relative_loss**0.5 * first:
            return Ending.CONVERGED
        if self.abort_on_increase and norm > previous:
            return Ending.ABORTED
        if step >= self.max_steps:
            return Ending.CAPPED
        return None
