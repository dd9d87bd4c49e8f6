"""Experiments that are trained by gradient descent in function space."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regimes.config.axes import (
    LARGEST_WIDTH,
    MOST_RECORDS,
    CountAxis,
    ModuleName,
    Name,
    SeedAxis,
    WidthAxis,
    check_disjoint,
    check_split,
)
from regimes.config.base import Integer, Model, Number
from regimes.engines.function_space.multistep_settings import Leaps


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


class FeatureAxes(Model):
    """A grid of models; each axis of numbers is a list or {start, stop, step}."""

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

    def given(self) -> dict[str, tuple]:
        """The axes that have values."""
        return {name: values for name, values in dict(self).items() if values is not None}


class FeatureRecord(Model):
    """What is recorded of a run in function space, and when."""

    points_per_decade: Integer = Field(
        default=8, ge=1, le=1000, description="Recorded steps for each factor of ten."
    )
    every: Integer = Field(
        default=0, ge=0, description="Besides, every so many steps are recorded; 0: none."
    )
    feature_map_neurons: Integer = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Neurons of which h_i is kept at the first training point and the first test "
        "point, at the start and the end.",
    )


class FunctionSpaceExperiment(Model):
    """An experiment trained by full-batch gradient descent on the pre-activations.

    Networks whose first layer is a fixed embedding and whose last layer is fixed: a step needs
    the Gram matrix of the embedding alone. The loss is 1/(2n) sum e^2.
    """

    engine: Literal["function_space"] = Field(description="How networks are trained.")
    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Data, with test points, a key of `datasets`.")
    models: dict[Name, FeatureModel] = Field(min_length=1, description="Network models by name.")
    activation: Literal["relu", "leaky_relu", "tanh", "gelu", "softplus"] = Field(
        default="relu", description="Activation function, of random embeddings too."
    )
    learning_rate: Number = Field(
        default=1.0, gt=0, description="Step size delta; the scaling of a model multiplies it."
    )
    max_steps: Integer = Field(ge=1, le=1_000_000_000, description="Number of steps.")
    leaps: Leaps = Field(default=Leaps(), description="Many steps at once.")
    record: FeatureRecord = Field(default=FeatureRecord(), description="What is recorded.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the pre-activations."
    )
    axes: FeatureAxes = Field(default=FeatureAxes(), description="The grid of settings.")
    grids: tuple[FeatureAxes, ...] = Field(
        default=(),
        description="Several grids in place of one: each takes from `axes` what it does not name.",
    )
    split_by: tuple[Literal["model", "width", "n_train", "seed"], ...] = Field(
        default=("model", "width", "n_train"),
        description="Axes that separate jobs. Jobs start in the order of the grids, then of these "
        "axes, low values first.",
    )
    measure: ModuleName = Field(description="Module below regimes.papers that measures the runs.")

    def all_grids(self) -> list[dict[str, tuple]]:
        """The grids, each complete, their axes in the order of `FeatureAxes`."""
        shared = {"model": tuple(self.models)} | self.axes.given()
        merged = [shared | grid.given() for grid in self.grids or (FeatureAxes(),)]
        return [
            {name: grid[name] for name in FeatureAxes.model_fields if name in grid}
            for grid in merged
        ]

    @model_validator(mode="after")
    def _consistent(self) -> "FunctionSpaceExperiment":
        grids = self.all_grids()
        for grid in grids:
            for name in ("width", "n_train", "seed"):
                if name not in grid:
                    raise ValueError(f"axes.{name} is missing")
            for name in grid["model"]:
                if name not in self.models:
                    raise ValueError(
                        f"axes.model: {name!r} is no model; allowed: {', '.join(self.models)}"
                    )
                if grid["model"].count(name) > 1:
                    raise ValueError(f"axes.model: {name!r} is there twice")
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
        check_split(self.split_by, list(grids[0]))
        check_disjoint(grids)
        return self
