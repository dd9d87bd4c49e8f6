"""Asymmetrical node scalings, which several kinds of experiments train."""

from typing import Annotated

from pydantic import Field, model_validator

from regimes.config.base import Model, Number


class NodeScaling(Model):
    """A node scaling: (1) and (4) of Caron et al. (2023)."""

    gamma: Number = Field(ge=0, le=1, description="Share of the scales that all nodes have alike.")
    alpha: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Exponent of the Zipf law of the rest: the smaller, the faster it falls. Not "
        "needed with gamma 1.",
    )

    @model_validator(mode="after")
    def _alpha_where_needed(self) -> "NodeScaling":
        if self.gamma < 1 and self.alpha is None:
            raise ValueError("alpha is missing: a number between 0 and 1, unless gamma is 1")
        return self
