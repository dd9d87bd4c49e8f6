"""Asymmetrical node scaling in the configuration."""

from typing import Annotated

from pydantic import Field, model_validator

from regimes.config.base import Model, Number


class NodeScaling(Model):
    """Scales lambda_j of the nodes: (1) and (4) of caron2023."""

    gamma: Number = Field(
        ge=0, le=1, description="Share of the scales that is the same for all nodes."
    )
    alpha: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Exponent of the Zipf weights of the rest; not needed at gamma = 1.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "NodeScaling":
        if self.gamma < 1 and self.alpha is None:
            raise ValueError("alpha is missing: it is needed unless gamma = 1")
        return self
