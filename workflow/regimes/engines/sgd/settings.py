"""Settings of experiments that are trained by minibatch descent."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regimes.config.activations import ActivationName
from regimes.config.axes import (
    MOST_RECORDS,
    Name,
    PositiveAxis,
    SeedAxis,
    WidthAxis,
)
from regimes.config.base import Integer, Model, Number
from regimes.config.experiment import AxesSettings, SplitBy
from regimes.datasets.size import DataSize
from regimes.engines.common.memory import NUMBER_BYTES, Axes, n_runs
from regimes.engines.common.parameterised import (
    RATE_UNITS,
    ParameterAxes,
    ParameterisedExperiment,
    RateUnit,
    Record,
)
from regimes.engines.common.settings import (
    EngineSettings,
    NodeAxes,
    NodeScaling,
    check_first_node,
)
from regimes.probes.settings import PruningProbe

# Of the engine: bytes of a batch of networks on the CPU, and the number of classes of labels, which
# the data alone tell.
BATCH_BYTES, CLASSES = 512 * 1024**2, 10
# Their weights are float32, of which GPUs make more products.
GPU_GAIN = 40.0


class StochasticAxes(ParameterAxes):
    """The grid."""

    learning_rate: PositiveAxis | None = Field(
        default=None, description="Learning rates, in place of the key learning_rate."
    )
    width: WidthAxis = Field(description="Numbers of hidden neurons m.")
    seed: SeedAxis = Field(
        description="Random initialisations, and orders in which the points are taken."
    )


class StochasticRecord(Record):
    """What is recorded of a run beside losses, accuracies and distances, and when."""

    every: Integer = Field(
        default=1,
        ge=1,
        description="Every so many epochs networks are measured, beside the start and the end.",
    )


class StochasticDescentExperiment(ParameterisedExperiment):
    """An experiment trained by stochastic gradient descent on minibatches, without momentum.

    With a batch_size of all points it is gradient descent.
    """

    limit = ("epochs",)
    gpu_gain = GPU_GAIN

    engine: Literal["sgd"] = Field(description="How the networks are trained.")
    loss: Literal["half_mean", "mean_square", "cross_entropy"] = Field(
        default="half_mean",
        description="Mean over the points of a minibatch of 1/2 sum e^2 over the outputs, of the "
        "mean of e^2 over them, or of -log softmax(f) at the class; for the last one targets are "
        "labels, or one output for each class.",
    )
    learning_rate: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Learning rate, which the parameterisation's rates of the layers multiply; or "
        "an axis.",
    )
    rate_unit: RateUnit = Field(default="one", description=RATE_UNITS)
    batch_size: Integer = Field(
        ge=1, description="Points of a minibatch; the last one of an epoch may have fewer."
    )
    epochs: Integer = Field(
        ge=1, le=1_000_000, description="Number of passes through the training points."
    )
    record: StochasticRecord = Field(default=StochasticRecord(), description="What is recorded.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the weights."
    )
    axes: StochasticAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("width", "seed")

    def passes(self) -> float:
        """The epochs."""
        return self.epochs

    def memory(self, axes: Axes, data: DataSize) -> float:
        """A batch of networks, a minibatch, and what measures a network."""
        _, batch = _batch(self, axes, data)
        outputs = max(data.n_outputs, CLASSES if self.loss == "cross_entropy" else 1)
        width, number = max(axes["width"]), NUMBER_BYTES[self.precision]
        asked = (self.record.kernel, self.record.sharpness, self.rate_unit)
        rows = 0 if asked == ("never", "never", "one") else data.n_train * outputs
        return batch + number * (5 * rows**2 + 4 * width * (rows + data.n_train))

    def kept(self, axes: Axes, data: DataSize) -> float:
        """Histories."""
        return n_runs(axes) * (self.epochs / self.record.every + 2) * 12

    @model_validator(mode="after")
    def _consistent(self) -> "StochasticDescentExperiment":
        self.check_parameterisation()
        self.check_grids()
        self.check_learning_rate()
        if self.rate_unit == "stability_limit" and self.loss == "cross_entropy":
            raise ValueError("rate_unit: stability_limit is of squared losses, not cross_entropy")
        _check_records(self.epochs, self.record.every)
        return self


class MinibatchAxes(NodeAxes):
    """The grid."""

    seed: SeedAxis = Field(
        description="Random initialisations, and orders in which the points are taken."
    )


class MinibatchRecord(Model):
    """What is recorded of a run on minibatches, and when."""

    moved: Integer = Field(
        default=10,
        ge=1,
        le=100_000,
        description="Number of the nodes that move most whose distance from the start is kept "
        "along the run.",
    )
    every: Integer = Field(
        default=1,
        ge=1,
        description="Every so many epochs all points are evaluated, beside the start and the end.",
    )


class MinibatchProbes(Model):
    """What is done with the trained networks; a change here trains none of them again."""

    pruning: PruningProbe | None = Field(default=None, description="Prune nodes.")


class MinibatchExperiment(EngineSettings):
    """An experiment trained by stochastic gradient descent on minibatches, without momentum.

    Classification: the data's targets are labels, or one output for each class.
    """

    limit = ("epochs",)
    gpu_gain = GPU_GAIN

    engine: Literal["sgd.node_scaled"] = Field(description="How the networks are trained.")
    node_scalings: dict[Name, NodeScaling] = Field(
        min_length=1, description="Scales of the nodes, by name."
    )
    skip_first: bool = Field(
        default=False,
        description="The first node gets none of the Zipf law and the second the most, as in the "
        "authors' code.",
    )
    initial_variance: Number = Field(
        default=1.0,
        gt=0,
        description="Variance of the initial weights: 1 in the paper, 2 in the authors' code.",
    )
    activation: ActivationName = Field(default="relu", description="Activation function.")
    loss: Literal["cross_entropy", "mean_square"] = Field(
        default="cross_entropy",
        description="Mean over the points of a minibatch of -log softmax(f) at the label, or of "
        "the mean square over the outputs of f less the one-hot label.",
    )
    learning_rate: Number = Field(gt=0, description="Learning rate, the same throughout.")
    batch_size: Integer = Field(
        ge=1, description="Points of a minibatch; the last one of an epoch may have fewer."
    )
    epochs: Integer = Field(
        ge=1, le=1_000_000, description="Number of passes through the training points."
    )
    record: MinibatchRecord = Field(default=MinibatchRecord(), description="What is recorded.")
    precision: Literal["float64", "float32"] = Field(
        default="float32", description="Number format of the weights."
    )
    probes: MinibatchProbes = Field(
        default=MinibatchProbes(), description="What is done with trained networks."
    )
    axes: MinibatchAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("node_scaling",)

    def passes(self) -> float:
        """The epochs."""
        return self.epochs

    def memory(self, axes: Axes, data: DataSize) -> float:
        """A batch of networks, a minibatch, and the distances of all nodes along the runs."""
        runs, batch = _batch(self, axes, data)
        return batch + runs * max(axes["width"]) * 4 * 2 * (self.epochs / self.record.every + 2)

    def kept(self, axes: Axes, data: DataSize) -> float:
        """Weights at the end, and histories."""
        nodes = max(axes["width"]) * (data.n_features + CLASSES + 2)
        return n_runs(axes) * (nodes + _histories(self))

    @model_validator(mode="after")
    def _consistent(self) -> "MinibatchExperiment":
        (grid,) = self.check_grids()
        if len(grid["width"]) > 1 and "width" not in self.split_by:
            raise ValueError("several widths need width in split_by: a file holds weights of one")
        check_first_node(self.skip_first, grid["width"], self.node_scalings)
        if self.record.moved > min(grid["width"]):
            raise ValueError(
                f"record.moved: {self.record.moved} is more than the {min(grid['width'])} nodes of "
                "axes.width"
            )
        _check_records(self.epochs, self.record.every)
        return self


Loss = Literal["mean_square", "log_likelihood"]


class TeacherStudentAxes(AxesSettings):
    """The grid."""

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

    every: Integer = Field(
        default=1,
        ge=1,
        description="Every so many epochs all points are evaluated, beside the start and the end.",
    )


class TeacherStudentExperiment(EngineSettings):
    """Networks with biases, all trained by stochastic gradient descent without momentum.

    Classification: the data's targets are labels, or one output for each class.
    """

    limit = ("epochs",)
    gpu_gain = GPU_GAIN
    engine: Literal["sgd.teacher_student"] = Field(description="How the networks are trained.")
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
    split_by: SplitBy = ("loss", "seed")

    def passes(self) -> float:
        """The epochs."""
        return self.epochs

    def memory(self, axes: Axes, data: DataSize) -> float:
        """A batch of networks, and a minibatch."""
        return _batch(self, axes, data)[1]

    def kept(self, axes: Axes, data: DataSize) -> float:
        """Histories."""
        return n_runs(axes) * _histories(self)

    @model_validator(mode="after")
    def _consistent(self) -> "TeacherStudentExperiment":
        if len(set(self.axes.loss)) < len(self.axes.loss):
            raise ValueError("axes.loss names a loss twice")
        self.check_grids()
        _check_records(self.epochs, self.record.every)
        return self


def _check_records(epochs: int, every: int) -> None:
    if epochs / every > MOST_RECORDS:
        raise ValueError(
            f"record.every: {every} would record {epochs} epochs more than {MOST_RECORDS} times"
        )


def _batch(
    settings: StochasticDescentExperiment | MinibatchExperiment | TeacherStudentExperiment,
    axes: Axes,
    data: DataSize,
) -> tuple[int, float]:
    """Runs of the largest batch, and bytes of its networks and of a minibatch."""
    number, width = NUMBER_BYTES[settings.precision], max(axes["width"])
    weights = width * (data.n_features + max(data.n_outputs, CLASSES))
    runs = min(n_runs(axes), max(1, BATCH_BYTES // (3 * weights * number)))
    minibatch = min(settings.batch_size, data.n_train)
    # Weights are drawn in float64, and scaled.
    networks = runs * weights * (3 * 8 + 2 * number)
    points = data.n_points * data.n_features * number
    return runs, networks + points + 8 * width * minibatch * number


def _histories(settings: MinibatchExperiment | TeacherStudentExperiment) -> float:
    moved = getattr(settings.record, "moved", 0)
    return (settings.epochs / settings.record.every + 2) * (moved + 4)
