"""Experiments that are trained by full-batch gradient descent."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regimes.config.activations import ActivationName
from regimes.config.axes import (
    CountAxis,
    ModuleName,
    Name,
    RatioAxis,
    SeedAxis,
    WidthAxis,
    check_disjoint,
    check_split,
)
from regimes.config.base import Integer, Model, Number


class DescentAxes(Model):
    """A grid of gradient descent; each axis is a list of numbers or {start, stop, step}."""

    width: WidthAxis | None = Field(default=None, description="Numbers of hidden neurons m.")
    n_train: CountAxis | None = Field(
        default=None,
        description="Numbers of training points n, the first ones of the data; all by default.",
    )
    rate_ratio: RatioAxis | None = Field(
        default=None,
        description="Ratios eta_z / eta_w of the layers' learning rates, for `layers: both`.",
    )
    seed: SeedAxis | None = Field(
        default=None,
        description="Random initialisations; also the draws, of data sets that have several.",
    )

    def given(self) -> dict[str, tuple]:
        """The axes that have values."""
        return {name: values for name, values in dict(self).items() if values is not None}


class LearningRateException(Model):
    """A learning rate for some of the runs."""

    width: Annotated[Integer, Field(ge=1)] | None = Field(
        default=None, description="Only for this number of neurons; for all by default."
    )
    n_train_from: Integer = Field(
        default=0, ge=0, description="Only from this number of training points on."
    )
    rate: Number = Field(gt=0, description="The learning rate, in place of learning_rate.")


class StoppingRule(Model):
    """When a run of gradient descent ends."""

    residual_norm: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Converged when the norm |e| of the residuals is below this; by default never.",
    )
    abort_on_increase: bool = Field(
        default=False, description="End the run when |e| has grown in a step: aborted."
    )
    max_steps: Integer = Field(
        ge=1, le=1_000_000_000, description="Cap on the steps; the run keeps its values."
    )


class DescentRecord(Model):
    """What is recorded of a run of gradient descent, beside losses and distances."""

    points_per_decade: Integer = Field(
        default=8,
        ge=1,
        le=1000,
        description="Recorded steps for each factor of ten; they depend on max_steps alone.",
    )
    activation_changes: bool = Field(
        default=True,
        description="Count the pairs (neuron, point) whose activation ever left the initial one.",
    )
    smallest_eigenvalue: Literal["never", "ends", "steps"] = Field(
        default="never",
        description="Smallest eigenvalue of the tangent kernel: never, at both ends of the run, "
        "or at the recorded steps too.",
    )
    invariant: bool = Field(
        default=False,
        description="Drift of eta_z |w_j|^2 - eta_w |z_j|^2, which gradient flow conserves.",
    )


class GradientDescentExperiment(Model):
    """An experiment trained by full-batch gradient descent."""

    engine: Literal["gradient_descent"] = Field(description="How the networks are trained.")
    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Training data, a key of `datasets`.")
    activation: ActivationName = Field(default="relu", description="Activation function.")
    loss: Literal["half_sum", "half_mean", "mean"] = Field(
        default="half_sum",
        description="1/2 sum e^2; the same over n points, 1/(2n) sum e^2; or the mean of e^2 over "
        "points and outputs.",
    )
    layers: Literal["first", "second", "both"] = Field(
        default="first", description="Layers that are trained."
    )
    learning_rate: Number = Field(
        gt=0,
        description="Learning rate of the first layer, of the second if only that is trained; of "
        "both, the second has rate_ratio times this.",
    )
    learning_rate_exceptions: tuple[LearningRateException, ...] = Field(
        default=(), description="Learning rates of some runs: the first that applies counts."
    )
    rate_unit: Literal["one", "inverse_kernel_norm"] = Field(
        default="one",
        description="Unit of the learning rates; inverse_kernel_norm: 1 over the largest "
        "eigenvalue of the tangent kernel at the start, so that 2 is the limit of stability.",
    )
    output_weights: Literal["rademacher", "gaussian"] = Field(
        default="rademacher",
        description="Distribution of the initial output weights: -1 or 1, or standard normal. "
        "Those of the first layer are standard normal.",
    )
    target_scale: Literal["unit", "sqrt_width"] = Field(
        default="unit",
        description="sqrt_width: the data's targets times the root of the width.",
    )
    labels: Literal["random", "low_spectrum", "high_spectrum", "local"] = Field(
        default="random",
        description="The data's targets, or targets made so that the residuals at the start are "
        "along the smallest eigenvector of the tangent kernel, along X^T x_1, or all on the first "
        "point.",
    )
    stopping: StoppingRule = Field(description="When a run ends.")
    record: DescentRecord = Field(default=DescentRecord(), description="What is recorded.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the weights."
    )
    axes: DescentAxes = Field(default=DescentAxes(), description="The grid of settings.")
    grids: tuple[DescentAxes, ...] = Field(
        default=(),
        description="Several grids in place of one: each takes from `axes` what it does not name.",
    )
    split_by: tuple[Literal["width", "n_train", "rate_ratio", "seed"], ...] = Field(
        default=("width", "seed"),
        description="Axes that separate jobs. Jobs start in the order of the grids, then of these "
        "axes, low values first.",
    )
    measure: ModuleName = Field(description="Module below regimes.papers that measures the runs.")

    def all_grids(self) -> list[dict[str, tuple]]:
        """The grids, each complete, their axes in the order of `DescentAxes`."""
        merged = [self.axes.given() | grid.given() for grid in self.grids or (DescentAxes(),)]
        names = DescentAxes.model_fields
        return [{name: grid[name] for name in names if name in grid} for grid in merged]

    @model_validator(mode="after")
    def _consistent(self) -> "GradientDescentExperiment":
        grids = self.all_grids()
        if len({tuple(grid) for grid in grids}) > 1:
            raise ValueError("grids must have the same axes, their own or those of `axes`")
        for name in ("width", "seed"):
            if name not in grids[0]:
                raise ValueError(f"axes.{name} is missing")
        if (self.layers == "both") != ("rate_ratio" in grids[0]):
            raise ValueError("axes.rate_ratio is needed for layers: both, and only for that")
        check_split(self.split_by, list(grids[0]))
        check_disjoint(grids)
        if self.record.invariant and self.activation not in ("relu", "leaky_relu"):
            raise ValueError(f"record.invariant is not conserved with activation {self.activation}")
        return self
