"""Active regions of activation functions: Assumption 2 of Chen et al. (2022).

An interval I on which |act'| is at least K. The theory asks for a finite one; any will do.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ActiveRegion:
    """The interval I = (left, right) and the lower bound K of |act'| on it."""

    left: float
    right: float
    slope: float

    @property
    def middle(self) -> tuple[float, float]:
        """The middle third of I, as in (18)."""
        return (2 * self.left + self.right) / 3, (self.left + 2 * self.right) / 3


ACTIVE_REGIONS = {
    "relu": ActiveRegion(0.0, 1.0, 1.0),
    "leaky_relu": ActiveRegion(0.0, 1.0, 1.0),
    "tanh": ActiveRegion(-1.0, 1.0, 1 - math.tanh(1.0) ** 2),
    # Their slopes rise from 1/2 at 0.
    "gelu": ActiveRegion(0.0, 1.0, 0.5),
    "softplus": ActiveRegion(0.0, 1.0, 0.5),
}
