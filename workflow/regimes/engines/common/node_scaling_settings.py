"""The scales of a network's nodes (Caron et al., 2023)."""

from typing import Annotated

from pydantic import Field, model_validator

from regimes.config.base import Model, Number


class NodeScaling(Model):
    """Asymmetrical node scaling, (1) and (4) of the paper."""

    gamma: Number = Field(
        ge=0, le=1, description="Share of the scales that is the same for all nodes."
    )
    alpha: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Exponent of the Zipf law, j^(-1/alpha), of the other share; needed unless "
        "gamma is 1.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "NodeScaling":
        if self.gamma < 1 and self.alpha is None:
            raise ValueError(f"alpha is missing: it is needed for gamma = {self.gamma:g}")
        return self


def check_settings(names: tuple[str, ...], node_scalings: dict[str, NodeScaling]) -> None:
    """Raise ValueError unless the names are node scalings, each once."""
    for name in names:
        if name not in node_scalings:
            raise ValueError(
                f"axes.setting: {name!r} is no node scaling; allowed: {', '.join(node_scalings)}"
            )
        if names.count(name) > 1:
            raise ValueError(f"axes.setting: {name!r} is there twice")
