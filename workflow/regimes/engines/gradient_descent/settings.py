"""Experiments that are trained by full-batch gradient descent."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from regimes.config.axes import (
    CountAxis,
    PositiveAxis,
    RatioAxis,
    SeedAxis,
    WidthAxis,
)
from regimes.config.base import Integer, Model, Number
from regimes.config.experiment import SplitBy
from regimes.datasets.size import DataSize
from regimes.engines.common.isometry_settings import NearIsometryExperiment, SphereAxes
from regimes.engines.common.memory import NUMBER_BYTES, Axes, largest
from regimes.engines.common.parameterised import (
    LOSSES,
    RATE_UNITS,
    ParameterAxes,
    ParameterisedExperiment,
    RateUnit,
    Record,
    SquaredLoss,
)

# Of the engine: bytes of a batch on the CPU.
BATCH_BYTES = 8 * 1024**2
# Steps of a run that ends by itself, about.
STEPS = 1000


class DescentAxes(ParameterAxes):
    """A grid of gradient descent."""

    learning_rate: PositiveAxis | None = Field(
        default=None, description="Learning rates, in place of the key learning_rate."
    )
    width: WidthAxis | None = Field(default=None, description="Numbers of hidden neurons m.")
    n_train: CountAxis | None = Field(
        default=None,
        description="Numbers of training points n, the first ones of the data; all by default.",
    )
    rate_ratio: RatioAxis | None = Field(
        default=None,
        description="Ratios eta_a / eta_w of the layers' learning rates, times that of the "
        "parameterisation, for `layers: both`.",
    )
    seed: SeedAxis | None = Field(
        default=None,
        description="Random initialisations; also the draws, of data sets that have several.",
    )


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
    relative_loss: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Converged when the loss is below this share of that at the start; by default "
        "never.",
    )
    abort_on_increase: bool = Field(
        default=False, description="End the run when |e| has grown in a step: aborted."
    )
    max_steps: Integer = Field(
        ge=1, le=1_000_000_000, description="Cap on the steps; the run keeps its values."
    )


class DescentRecord(Record):
    """What is recorded of a run of gradient descent, beside losses and distances."""

    points_per_decade: Integer = Field(
        default=8,
        ge=1,
        le=1000,
        description="Recorded steps for each factor of ten; they depend on max_steps alone.",
    )
    every: Integer = Field(
        default=0, ge=0, description="Besides, every so many steps are recorded; 0: none."
    )
    activation_changes: bool = Field(
        default=False,
        description="Count the pairs (neuron, point) whose activation ever left the initial one.",
    )


class GradientDescentExperiment(ParameterisedExperiment):
    """An experiment trained by full-batch gradient descent."""

    limit = ("stopping", "max_steps")
    takes_draws = True

    engine: Literal["gradient_descent"] = Field(description="How the networks are trained.")
    loss: SquaredLoss = Field(default="half_mean", description=LOSSES)
    learning_rate: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Learning rate, which the parameterisation's rates of the layers and "
        "rate_ratio, of the second layer, multiply; or an axis.",
    )
    learning_rate_exceptions: tuple[LearningRateException, ...] = Field(
        default=(), description="Learning rates of some runs: the first that applies counts."
    )
    rate_unit: RateUnit = Field(default="one", description=RATE_UNITS)
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
    split_by: SplitBy = ("width", "seed")

    def memory(self, axes: Axes, data: DataSize) -> float:
        """The largest network, or a batch of small ones: weights, slopes and values, the kernel."""
        number, n_train = NUMBER_BYTES[self.precision], largest(axes, "n_train", data.n_train)
        width = max(axes["width"])
        # Drawn in float64.
        weights = width * (data.n_features + data.n_outputs) * (3 * 8 + 3 * number)
        arrays = width * n_train * (2 * number + 2)
        kernel = 0
        without = ("never", "one", "random")
        if (self.record.kernel, self.rate_unit, self.labels) != without:
            rows = n_train * data.n_outputs
            kernel = number * (5 * rows**2 + 2 * width * (rows + n_train))
        return weights + arrays + kernel + 4 * BATCH_BYTES

    def passes(self) -> float:
        """The steps."""
        rule = self.stopping
        ends = rule.residual_norm or rule.relative_loss or rule.abort_on_increase
        return min(rule.max_steps, STEPS) if ends else rule.max_steps

    @model_validator(mode="after")
    def _consistent(self) -> "GradientDescentExperiment":
        self.check_parameterisation()
        grids = self.check_grids("width", "seed")
        if "rate_ratio" in grids[0] and self.layers != "both":
            raise ValueError(f"axes.rate_ratio is of both layers; layers is {self.layers}")
        self.check_learning_rate()
        if self.learning_rate is None and self.learning_rate_exceptions:
            raise ValueError("learning_rate_exceptions are of the key learning_rate, not the axis")
        if self.target_scale != "unit" and self.labels != "random":
            raise ValueError(
                f"target_scale: {self.target_scale} is of the data's targets, which labels: "
                f"{self.labels} replaces"
            )
        return self


def _positive(values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if value <= 0:
            raise ValueError(f"{value:g} is not greater than 0")
    return values


class DescentSphereAxes(SphereAxes):
    """The same with the ratio of the layers' initial scales."""

    scale_ratio: Annotated[RatioAxis, AfterValidator(_positive)] | None = Field(
        default=None,
        description="Ratios omega_2 / omega_1, their product as for scale_product; by default "
        "omega_1 is first_scale.",
    )


class LinearisedRecord(Model):
    """When a run and its linearisation are looked at."""

    points_per_decade: Integer = Field(
        default=16, ge=1, le=1000, description="Recorded steps for each factor of ten."
    )


class LinearisedDescentExperiment(NearIsometryExperiment):
    """Gradient descent of both layers at the theory's learning rate, and its linearisation."""

    limit = ("max_steps",)
    uses_gpu = False

    engine: Literal["gradient_descent.linearised"] = Field(
        description="How the networks are trained."
    )
    relative_loss: Number = Field(
        default=0.001, gt=0, lt=1, description="Stop when the loss is below this share of h_0."
    )
    max_steps: Integer = Field(
        ge=1, le=10_000_000, description="Cap on the steps; the run keeps its values."
    )
    record: LinearisedRecord = Field(default=LinearisedRecord(), description="What is recorded.")
    axes: DescentSphereAxes = Field(description="The grid of settings.")
