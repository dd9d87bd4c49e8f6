"""Experiments that average the first update of training over random initialisations."""

from typing import Literal

from pydantic import Field, model_validator

from regimes.config.axes import ModuleName, Name, SeedAxis, WidthAxis, check_split
from regimes.config.base import Integer, Model
from regimes.engines.common.node_scaling_settings import NodeScaling, check_settings


class FirstUpdateAxes(Model):
    """The grid of settings; each axis of numbers is a list or {start, stop, step}."""

    setting: tuple[Name, ...] | None = Field(
        default=None,
        min_length=1,
        description="Node scalings, keys of `node_scalings`; all by default.",
    )
    width: WidthAxis = Field(description="Numbers of hidden nodes m.")
    seed: SeedAxis = Field(description="Independent repetitions, each of `draws` draws.")


class FirstUpdateExperiment(Model):
    """Means over initialisations at the start of gradient flow: Section 5 and (12) of caron2023.

    The networks have scaled nodes, output weights -1 or 1 that stay as they are, and the loss
    1/2 sum e^2. Nothing is trained: gradient flow is looked at when it starts.
    """

    engine: Literal["at_initialisation.first_update"] = Field(
        description="How the networks are trained."
    )
    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Data with few training points, a key of `datasets`.")
    node_scalings: dict[Name, NodeScaling] = Field(
        min_length=1, description="Scales of the nodes by name."
    )
    activation: Literal["relu", "tanh", "softplus", "gelu"] = Field(
        default="relu",
        description="Activation function; with relu the change of the kernel is left out.",
    )
    draws: Integer = Field(
        ge=2,
        le=1_000_000_000,
        description="Number of random initialisations of a setting and seed.",
    )
    antithetic: bool = Field(
        default=True,
        description="Average each draw with the network of opposite output weights, which is as "
        "likely: the same means, with less noise.",
    )
    shown_nodes: Integer = Field(
        default=4,
        ge=1,
        le=100,
        description="Number of nodes, the first ones, whose mean updates are kept one by one.",
    )
    axes: FirstUpdateAxes = Field(description="The grid of settings.")
    split_by: tuple[Literal["setting", "width", "seed"], ...] = Field(
        default=("setting",),
        description="Axes that separate jobs. Jobs start in the order of these axes.",
    )
    measure: ModuleName = Field(description="Module below regimes.papers that measures the runs.")

    def all_grids(self) -> list[dict[str, tuple]]:
        """The grid, as the only one of a list."""
        axes = dict(self.axes) | {"setting": self.axes.setting or tuple(self.node_scalings)}
        return [{name: axes[name] for name in FirstUpdateAxes.model_fields}]

    @model_validator(mode="after")
    def _consistent(self) -> "FirstUpdateExperiment":
        (grid,) = self.all_grids()
        check_settings(grid["setting"], self.node_scalings)
        for width in grid["width"]:
            if width < self.shown_nodes:
                raise ValueError(
                    f"axes.width: {width} is less than shown_nodes: {self.shown_nodes}"
                )
        check_split(self.split_by, list(grid))
        return self
