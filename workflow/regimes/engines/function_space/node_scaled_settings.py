"""Experiments with asymmetrically scaled nodes, trained by full-batch gradient descent."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regimes.config.activations import ActivationName
from regimes.config.axes import (
    MOST_RECORDS,
    ModuleName,
    Name,
    SeedAxis,
    WidthAxis,
    check_split,
)
from regimes.config.base import Integer, Model, Number
from regimes.engines.common.node_scaling_settings import NodeScaling, check_settings
from regimes.engines.function_space.multistep_settings import Leaps
from regimes.probes.settings import Probes


class NodeScaledAxes(Model):
    """The grid; each axis of numbers is a list or {start, stop, step}."""

    setting: tuple[Name, ...] | None = Field(
        default=None,
        min_length=1,
        description="Node scalings, keys of `node_scalings`; all by default.",
    )
    width: WidthAxis = Field(description="Numbers of hidden nodes m.")
    seed: SeedAxis = Field(
        description="Random initialisations, of a seed the same for all settings."
    )


class NodeScaledRecord(Model):
    """What is recorded of a run, and when."""

    points_per_decade: Integer = Field(
        default=8, ge=1, le=1000, description="Recorded steps for each factor of ten."
    )
    every: Integer = Field(
        default=0, ge=0, description="Besides, every so many steps are recorded; 0: none."
    )
    moved: Integer = Field(
        default=10,
        ge=1,
        le=100_000,
        description="Number of nodes, those that move most, whose way is kept at every record.",
    )
    ntg: bool = Field(
        default=True, description="Record the change and the smallest eigenvalue of the NTG matrix."
    )
    ntg_points: Integer = Field(
        default=0,
        ge=0,
        description="Training points of the NTG matrix, the first ones; 0: all. With several "
        "outputs it is that of the first.",
    )


class NodeScaledExperiment(Model):
    """An experiment with asymmetrically scaled nodes, trained by full-batch gradient descent.

    The first layer is trained; f(x) = sum_j lambda_j^(1/2) a_j act(w_j . x / d^(1/2)).
    """

    engine: Literal["function_space.node_scaled"] = Field(description="How networks are trained.")
    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Data, a key of `datasets`.")
    n_train: Annotated[Integer, Field(ge=1)] | None = Field(
        default=None, description="Training points, the first ones of the data; all by default."
    )
    node_scalings: dict[Name, NodeScaling] = Field(
        min_length=1, description="Node scalings by name."
    )
    skip_first: bool = Field(
        default=False,
        description="The first node gets none of the Zipf weights, as in the authors' code.",
    )
    initial_variance: Number = Field(
        default=1.0, gt=0, description="Variance of the initial weights: 1 (text) or 2 (code)."
    )
    activation: ActivationName = Field(default="relu", description="Activation function.")
    loss: Literal["mean", "half_sum"] = Field(
        default="mean",
        description="Mean of e^2 over points and outputs (authors' code), or 1/2 sum e^2 (text).",
    )
    learning_rate: Number = Field(default=1.0, gt=0, description="Learning rate.")
    max_steps: Integer = Field(ge=1, le=1_000_000_000, description="Number of steps.")
    leaps: Leaps = Field(default=Leaps(), description="Many steps at once, with one output.")
    record: NodeScaledRecord = Field(default=NodeScaledRecord(), description="What is recorded.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the weights."
    )
    probes: Probes = Field(default=Probes(), description="What is done with trained networks.")
    axes: NodeScaledAxes = Field(description="The grid of settings.")
    split_by: tuple[Literal["setting", "width", "seed"], ...] = Field(
        default=("setting",),
        description="Axes that separate jobs. Jobs start in the order of these axes.",
    )
    measure: ModuleName = Field(description="Module below regimes.papers that measures the runs.")

    def all_grids(self) -> list[dict[str, tuple]]:
        """The grid, as the only one of a list."""
        return [
            {
                "setting": self.axes.setting or tuple(self.node_scalings),
                "width": self.axes.width,
                "seed": self.axes.seed,
            }
        ]

    @model_validator(mode="after")
    def _consistent(self) -> "NodeScaledExperiment":
        (grid,) = self.all_grids()
        check_settings(grid["setting"], self.node_scalings)
        if len(grid["width"]) > 1 and "width" not in self.split_by:
            raise ValueError("several widths need width in split_by: a file holds weights of one")
        if self.record.moved > min(grid["width"]):
            raise ValueError(f"record.moved: there are only {min(grid['width'])} nodes")
        if self.record.every and self.max_steps / self.record.every > MOST_RECORDS:
            raise ValueError(
                f"record.every: {self.record.every} would record {self.max_steps} steps more than "
                f"{MOST_RECORDS} times"
            )
        transfer = self.probes.transfer
        if transfer and max(transfer.n_features) > min(grid["width"]):
            raise ValueError(
                f"probes.transfer.n_features: {max(transfer.n_features)} is more than the "
                f"{min(grid['width'])} nodes that there are"
            )
        check_split(self.split_by, list(grid))
        return self
