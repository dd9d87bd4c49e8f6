"""Settings of the experiment of Song et al. (2021), trained by minibatch descent."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regimes.config.activations import ActivationName
from regimes.config.axes import (
    MOST_RECORDS,
    ModuleName,
    Name,
    PositiveAxis,
    SeedAxis,
    WidthAxis,
    check_split,
)
from regimes.config.base import Integer, Model, Number

Loss = Literal["mean_square", "log_likelihood"]


class TeacherStudentAxes(Model):
    """The grid; each axis of numbers is a list or {start, stop, step}."""

    loss: tuple[Loss, ...] = Field(
        default=("mean_square", "log_likelihood"),
        min_length=1,
        description="Losses, means over the points of a minibatch: the mean square over the "
        "outputs of f less the one-hot label (the paper's text), or the negative log likelihood "
        "-log softmax(f) at the label (the authors' runs).",
    )
    omega_2: PositiveAxis = Field(
        description="Standard deviations omega_2 of the initial output weights."
    )
    width: WidthAxis = Field(description="Numbers of hidden neurons m.")
    seed: SeedAxis = Field(
        description="Random initialisations, and orders in which the points are taken."
    )


class TeacherStudentRecord(Model):
    """When a student is looked at."""

    every_epochs: Integer = Field(
        default=1,
        ge=1,
        description="Every so many epochs all points are evaluated, beside the start and the end.",
    )


class TeacherStudentExperiment(Model):
    """Networks with biases, all trained by stochastic gradient descent without momentum.

    Classification: the data's targets are labels, or one output for each class.
    """

    engine: Literal["sgd.teacher_student"] = Field(description="How the networks are trained.")
    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Training data, a key of `datasets`.")
    product: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="omega_1 omega_2, product of the standard deviations of the initial weights of "
        "the two layers; by default that of He's initialisation, sqrt(2/d) sqrt(2/m).",
    )
    activation: ActivationName = Field(
        default="gelu", description="Activation function of the students."
    )
    learning_rate: Number = Field(
        default=0.01, gt=0, description="Learning rate, the same throughout."
    )
    batch_size: Integer = Field(
        default=128,
        ge=1,
        description="Points of a minibatch; the last one of an epoch may have fewer.",
    )
    epochs: Integer = Field(
        ge=1, le=1_000_000, description="Number of passes through the training points."
    )
    record: TeacherStudentRecord = Field(
        default=TeacherStudentRecord(), description="What is recorded."
    )
    precision: Literal["float64", "float32"] = Field(
        default="float32", description="Number format of the weights."
    )
    axes: TeacherStudentAxes = Field(description="The grid of settings.")
    split_by: tuple[Literal["loss", "omega_2", "width", "seed"], ...] = Field(
        default=("loss", "seed"),
        description="Axes that separate jobs. Jobs start in the order of these axes, low values "
        "first.",
    )
    measure: ModuleName = Field(description="Module below regimes.papers that measures the runs.")

    def all_grids(self) -> list[dict[str, tuple]]:
        """The grid, as the only one of a list."""
        return [dict(self.axes)]

    @model_validator(mode="after")
    def _consistent(self) -> "TeacherStudentExperiment":
        if len(set(self.axes.loss)) < len(self.axes.loss):
            raise ValueError("axes.loss names a loss twice")
        check_split(self.split_by, list(dict(self.axes)))
        if self.epochs / self.record.every_epochs > MOST_RECORDS:
            raise ValueError(
                f"record.every_epochs: {self.record.every_epochs} would record {self.epochs} "
                f"epochs more than {MOST_RECORDS} times"
            )
        return self
