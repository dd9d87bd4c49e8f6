"""Leaps: many steps of gradient descent at once."""

from pydantic import Field

from regimes.config.base import Model, Number


class Leaps(Model):
    """Many steps of gradient descent at once, where that is accurate."""

    enabled: bool = Field(default=True, description="false: every step is made by itself.")
    tolerance: Number = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Largest error of a leap: of its outputs over the residuals at its end, and of "
        "the way of the weights. Where leaps are no longer than they cost, steps are made.",
    )
