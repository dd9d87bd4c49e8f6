"""Experiments that are trained by gradient descent in function space, or with scaled nodes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from regimes.config.activations import ActivationName
from regimes.config.axes import (
    LARGEST_WIDTH,
    MOST_RECORDS,
    CountAxis,
    Name,
    SeedAxis,
    WidthAxis,
)
from regimes.config.base import Integer, Model, Number
from regimes.config.experiment import AxesSettings, SplitBy
from regimes.datasets.size import DataSize
from regimes.engines.common.memory import NUMBER_BYTES, Axes, n_records, n_runs
from regimes.engines.common.settings import (
    EngineSettings,
    NodeAxes,
    NodeScaling,
    check_first_node,
)
from regimes.probes.settings import Probes

# Time of all steps, one by one, over that with multisteps, of the shipped experiments.
MULTISTEPS_SAVE = 20


class MultistepSettings(Model):
    """Many steps of gradient descent at once, where that is accurate."""

    enabled: bool = Field(default=True, description="false: every step is made by itself.")
    tolerance: Number = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Largest error of a multistep: of its outputs over the residuals at its end, "
        "and of the way of the weights. Where they are no longer than they cost, steps are made.",
    )


class FeatureModel(Model):
    """A network on an embedding: f(x) = s sum_i c_i act(h_i(x)), h_i linear in Phi(x)."""

    embedding: Literal["identity", "quadratic", "random_features", "random_layers"] = Field(
        description="Phi: x itself; vec(x x^T); one random layer (a partially trained network of "
        "three layers); or the random layers of a deeper one."
    )
    depth: Integer = Field(
        default=3,
        ge=3,
        le=100,
        description="Number of layers of the whole network, of embedding: random_layers.",
    )
    embedding_width: Annotated[Integer, Field(ge=1, le=LARGEST_WIDTH)] | None = Field(
        default=None,
        description="Dimension D of a random embedding; by default the number of neurons.",
    )
    scaling: Literal["ours", "ntk", "mean_field"] = Field(
        default="ours",
        description="Scales of the outputs, of h and of the learning rate (Table 1 of chen2022).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "FeatureModel":
        if self.depth != 3 and self.embedding != "random_layers":
            raise ValueError("depth is only for embedding: random_layers")
        if self.embedding_width is not None and not self.embedding.startswith("random"):
            raise ValueError("embedding_width is only for random embeddings")
        return self

    def dimension(self, width: int, n_features: int) -> int:
        """Dimension D of the embedding of n_features numbers."""
        if self.embedding == "identity":
            return n_features
        if self.embedding == "quadratic":
            return n_features**2
        return self.embedding_width or width


class FeatureAxes(AxesSettings):
    """A grid of models."""

    model: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="Models, keys of `models`; all by default."
    )
    width: WidthAxis | None = Field(default=None, description="Numbers of hidden neurons m.")
    n_train: CountAxis | None = Field(
        default=None, description="Numbers of training points n, the first ones of the data."
    )
    seed: SeedAxis | None = Field(
        default=None,
        description="Random initialisations; also the draws, of data sets that have several.",
    )


class FeatureRecord(Model):
    """What is recorded of a run in function space, and when."""

    points_per_decade: Integer = Field(
        default=8, ge=1, le=1000, description="Recorded steps for each factor of ten."
    )
    every: Integer = Field(
        default=0, ge=0, description="Besides, every so many steps are recorded; 0: none."
    )
    kernel: Literal["never", "steps"] = Field(
        default="never",
        description="Tangent kernel on the training points at the recorded steps: its relative "
        "change, alignment with the targets, largest and smallest eigenvalue.",
    )
    feature_map_neurons: Integer = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Neurons of which h_i is kept at the first training point and the first test "
        "point, at the start and the end.",
    )


class FunctionSpaceExperiment(EngineSettings):
    """An experiment trained by full-batch gradient descent on the pre-activations.

    Networks whose first layer is a fixed embedding and whose last layer is fixed: a step needs
    the Gram matrix of the embedding alone. The loss is 1/(2n) sum e^2.
    """

    limit = ("max_steps",)
    takes_draws = True
    engine: Literal["function_space"] = Field(description="How networks are trained.")
    models: dict[Name, FeatureModel] = Field(min_length=1, description="Network models by name.")
    activation: Literal["relu", "leaky_relu", "tanh", "gelu", "softplus"] = Field(
        default="relu", description="Activation function, of random embeddings too."
    )
    learning_rate: Number = Field(
        default=1.0, gt=0, description="Step size delta; the scaling of a model multiplies it."
    )
    max_steps: Integer = Field(ge=1, le=1_000_000_000, description="Number of steps.")
    multistep: MultistepSettings = Field(
        default=MultistepSettings(), description="Many steps at once."
    )
    record: FeatureRecord = Field(default=FeatureRecord(), description="What is recorded.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the pre-activations."
    )
    axes: FeatureAxes = Field(default=FeatureAxes(), description="The grid of settings.")
    grids: tuple[FeatureAxes, ...] = Field(
        default=(),
        description="Several grids in place of one: each takes from `axes` what it does not name.",
    )
    split_by: SplitBy = ("model", "width", "n_train")

    @classmethod
    def modules(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        """The embeddings of the models too."""
        return super().modules(settings) | {
            f"models.{name}.embedding": "regimes.engines.function_space.embeddings."
            + model["embedding"]
            for name, model in settings["models"].items()
        }

    def passes(self) -> float:
        """The steps, of which multisteps save most."""
        return self.max_steps / (MULTISTEPS_SAVE if self.multistep.enabled else 1)

    def products(self, width: int, n_train: int, data: DataSize) -> float:
        """Of the pre-activations with the Gram matrix."""
        return width * n_train**2

    def memory(self, axes: Axes, data: DataSize) -> float:
        """The largest network: embedded points, pre-activations and what a multistep compares."""
        number = NUMBER_BYTES[self.precision]
        n_train, width = max(axes["n_train"]), max(axes["width"])
        n_points = n_train + data.n_test
        dimension = max(
            self.models[name].dimension(width, data.n_features) for name in axes["model"]
        )
        # Drawn in float64.
        embedded = n_points * dimension * 3 * 8
        initial = width * n_points * (2 * 8 + number)
        moving = width * n_train * 12 * number
        return embedded + initial + moving + 8 * n_train * n_points * number

    def kept(self, axes: Axes, data: DataSize) -> float:
        """Histories, and feature maps."""
        record = self.record
        records = n_records(record.points_per_decade, record.every, self.max_steps)
        return n_runs(axes) * (10 * records + 4 * record.feature_map_neurons)

    @model_validator(mode="after")
    def _consistent(self) -> "FunctionSpaceExperiment":
        for grid in self.check_grids("width", "n_train", "seed"):
            for name in grid["model"]:
                if self.models[name].scaling == "ntk" and any(m % 2 for m in grid["width"]):
                    raise ValueError(
                        f"axes.width: model {name} starts from pairs of neurons (scaling: ntk), so "
                        "that widths must be even"
                    )
        if self.record.every and self.max_steps / self.record.every > MOST_RECORDS:
            raise ValueError(
                f"record.every: {self.record.every} would record {self.max_steps} steps more than "
                f"{MOST_RECORDS} times"
            )
        return self


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


class NodeScaledExperiment(EngineSettings):
    """An experiment with asymmetrically scaled nodes, trained by full-batch gradient descent.

    The first layer is trained; f(x) = sum_j lambda_j^(1/2) a_j act(w_j . x / d^(1/2)).
    """

    limit = ("max_steps",)
    engine: Literal["function_space.node_scaled"] = Field(description="How networks are trained.")
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
    loss: Literal["mean_square", "half_sum"] = Field(
        default="mean_square",
        description="Mean of e^2 over points and outputs (authors' code), or 1/2 sum e^2 (text).",
    )
    learning_rate: Number = Field(default=1.0, gt=0, description="Learning rate.")
    max_steps: Integer = Field(ge=1, le=1_000_000_000, description="Number of steps.")
    multistep: MultistepSettings = Field(
        default=MultistepSettings(), description="Many steps at once, with one output."
    )
    record: NodeScaledRecord = Field(default=NodeScaledRecord(), description="What is recorded.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the weights."
    )
    probes: Probes = Field(default=Probes(), description="What is done with trained networks.")
    axes: NodeAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("node_scaling",)

    def passes(self) -> float:
        """The steps; what multisteps save differs too much between data."""
        return self.max_steps

    def memory(self, axes: Axes, data: DataSize) -> float:
        """The largest network: weights, arrays of nodes x points, the NTG matrix."""
        number, width = NUMBER_BYTES[self.precision], max(axes["width"])
        n_train = self.n_train or data.n_train
        # Drawn in float64.
        weights = width * data.n_features * (8 + 6 * number)
        # Of several outputs steps are made one by one.
        moving = width * n_train * number * (14 if data.n_outputs == 1 else 4)
        ntg = 0
        if self.record.ntg:
            n_points = self.record.ntg_points or n_train
            ntg = number * (3 * width * n_points + 5 * n_points**2)
        # The distances of all nodes along the run, with what of them is kept.
        distances = 3 * 8 * self._records() * width
        return weights + moving + ntg + distances

    def kept(self, axes: Axes, data: DataSize) -> float:
        """Weights at the end, and histories."""
        nodes = max(axes["width"]) * (data.n_features + data.n_outputs + 2)
        return n_runs(axes) * (nodes + self._records() * (self.record.moved + 8))

    def _records(self) -> float:
        record = self.record
        return n_records(record.points_per_decade, record.every, self.max_steps)

    @model_validator(mode="after")
    def _consistent(self) -> "NodeScaledExperiment":
        (grid,) = self.check_grids()
        if len(grid["width"]) > 1 and "width" not in self.split_by:
            raise ValueError("several widths need width in split_by: a file holds weights of one")
        check_first_node(self.skip_first, grid["width"], self.node_scalings)
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
        return self
