"""The configuration: every key, its type, its default and what it means.

These models are the single source of `workflow/config.schema.json`. Texts after `description=`
are shown to users.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from regimes.config.axes import (
    LARGEST_WIDTH,
    MOST_RECORDS,
    CountAxis,
    ExponentAxis,
    FigureName,
    ModuleName,
    Name,
    RatioAxis,
    SeedAxis,
    ToleranceAxis,
    WidthAxis,
    check_block_axes,
    check_disjoint,
)
from regimes.config.base import Integer, Model, Number
from regimes.config.datasets import DatasetSettings, ImageFeaturesDataset
from regimes.config.first_update import FirstUpdateExperiment
from regimes.config.leaps import Leaps
from regimes.config.minibatch import MinibatchExperiment
from regimes.config.near_isometry import InitialSpectrumExperiment, LinearisedDescentExperiment
from regimes.config.node_scaled import NodeScaledExperiment

Scale = Literal["laptop", "smoke", "paper"]
SCALES: tuple[str, ...] = get_args(Scale)
# Papers are targets beside these rules.
RULES = ("all", "data", "features", "train", "probe", "measure", "claims", "table", "figure")


class Paper(Model):
    """A paper whose results are reproduced."""

    title: str = Field(description="Title, also the category of its figures in the report.")
    citation: str = Field(description="Full citation, written to the files as `references`.")


class Axes(Model):
    """The grid of an experiment; each axis is a list of numbers or {start, stop, step}."""

    gamma_prime: ExponentAxis | None = Field(
        default=None, description="Exponents gamma' of the ratio of the layers' learning rates."
    )
    gamma: ExponentAxis | None = Field(
        default=None, description="Exponents gamma of the output scale."
    )
    solver_tolerance: ToleranceAxis | None = Field(
        default=None, description="Tolerances of the solver, in place of solver.tolerance."
    )
    width: WidthAxis = Field(description="Numbers of hidden neurons.")
    seed: SeedAxis = Field(description="Random initialisations.")


AxisName = Literal["gamma_prime", "gamma", "solver_tolerance", "width", "seed"]


class Exponents(Model):
    """Scalings of the unnormalised parameterisation as powers of the width m."""

    alpha: Number | None = Field(default=None, description="alpha = m^(this number).")
    beta1: Number | None = Field(default=None, description="beta1 = m^(this number).")
    beta2: Number | None = Field(default=None, description="beta2 = m^(this number).")


class FlowSolver(Model):
    """The solver of gradient flow."""

    tolerance: Number = Field(
        default=0.03,
        gt=0,
        lt=1,
        description="Largest error of a step: relative defect of its outputs, and distance "
        "between its two moves over the way from the initial weights.",
    )
    relative_loss: Number = Field(
        default=1e-6, gt=0, lt=1, description="Stop when the loss falls below this share of R(0)."
    )
    max_steps: Integer = Field(
        default=5000, ge=1, description="Cap on the steps; a run that hits it is not converged."
    )
    max_time: Number = Field(default=1e30, gt=0, le=1e30, description="Cap on the flow time.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the weights and of the solver."
    )


class GradientFlowExperiment(Model):
    """An experiment trained by gradient flow."""

    training: Literal["gradient_flow"] = Field(description="How the networks are trained.")
    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Training data, a key of `datasets`.")
    parameterisation: Literal["normalised", "alpha_beta"] = Field(
        default="normalised", description="Form in which the scalings enter the network."
    )
    exponents: Exponents = Field(
        default=Exponents(), description="Scalings of `parameterisation: alpha_beta`."
    )
    activation: Literal["relu"] = Field(default="relu", description="Activation function.")
    antisymmetric_initialisation: Literal["auto", "always", "never"] = Field(
        default="auto", description="Start from f = 0; `auto` means where gamma <= 1/2."
    )
    axes: Axes = Field(description="The grid of settings.")
    block_axes: tuple[AxisName, ...] = Field(
        default=("gamma_prime", "seed"),
        description="Axes that separate jobs; the others are trained as one batch. Jobs start in "
        "the order of these axes, low values first: put first the axis whose low values are slow.",
    )
    solver: FlowSolver = Field(default=FlowSolver(), description="The solver of gradient flow.")
    history_points: Integer = Field(
        default=64,
        ge=2,
        le=100_000,
        description="Number of log-spaced times at which the loss is recorded.",
    )
    snapshots: tuple[Annotated[Number, Field(ge=0, le=1)], ...] | None = Field(
        default=None,
        min_length=1,
        description="Shares of the initial loss at which the weights are kept in the runs' files: "
        "1 is the start, 0 the end of training.",
    )
    snapshot_content: Literal["weights", "projections"] = Field(
        default="weights",
        description="What a snapshot keeps of the first layer: its weights, or of each neuron the "
        "norm and the projection on the unit vector of equal entries.",
    )
    reduce_inputs: bool = Field(
        default=True,
        description="Train in the span of the inputs where they are fewer than the features; the "
        "results are the same but for rounding.",
    )
    measure: ModuleName = Field(description="Module below regimes.papers that measures the runs.")

    def all_grids(self) -> list[dict[str, tuple]]:
        """The grid, as the only one of a list."""
        return [{name: values for name, values in dict(self.axes).items() if values is not None}]

    @model_validator(mode="after")
    def _consistent(self) -> "GradientFlowExperiment":
        axes = [name for name in get_args(AxisName) if getattr(self.axes, name) is not None]
        if self.parameterisation == "normalised":
            for name in ("gamma_prime", "gamma"):
                if name not in axes:
                    raise ValueError(f"axes.{name} is missing: parameterisation is normalised")
            if any(value is not None for value in dict(self.exponents).values()):
                raise ValueError("exponents are only for parameterisation alpha_beta")
        check_block_axes(self.block_axes, axes)
        if self.snapshots is not None:
            if list(self.snapshots) != sorted(set(self.snapshots), reverse=True):
                raise ValueError("snapshots must fall from value to value, as the loss does")
            if len(self.axes.width) > 1 and "width" not in self.block_axes:
                raise ValueError(
                    "snapshots need width in block_axes: a file holds the weights of one width"
                )
        if self.antisymmetric_initialisation != "never":
            for width in self.axes.width:
                if width % 2:
                    raise ValueError(
                        f"axes.width: {width} is odd; antisymmetric initialisation needs pairs of "
                        "neurons (even widths, or antisymmetric_initialisation: never)"
                    )
        return self


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

    training: Literal["gradient_descent"] = Field(description="How the networks are trained.")
    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Training data, a key of `datasets`.")
    activation: Literal["relu", "leaky_relu", "tanh", "gelu", "softplus"] = Field(
        default="relu", description="Activation function."
    )
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
    block_axes: tuple[Literal["width", "n_train", "rate_ratio", "seed"], ...] = Field(
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
        check_block_axes(self.block_axes, list(grids[0]))
        check_disjoint(grids)
        if self.record.invariant and self.activation not in ("relu", "leaky_relu"):
            raise ValueError(f"record.invariant is not conserved with activation {self.activation}")
        return self


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

    training: Literal["function_space_descent"] = Field(description="How networks are trained.")
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
    block_axes: tuple[Literal["model", "width", "n_train", "seed"], ...] = Field(
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
        check_block_axes(self.block_axes, list(grids[0]))
        check_disjoint(grids)
        return self


Experiment = Annotated[
    GradientFlowExperiment
    | GradientDescentExperiment
    | FunctionSpaceExperiment
    | NodeScaledExperiment
    | MinibatchExperiment
    | FirstUpdateExperiment
    | InitialSpectrumExperiment
    | LinearisedDescentExperiment,
    Field(discriminator="training"),
]


class FigureSettings(Model):
    """A figure; its key is its path below figures/, without suffix."""

    draw: ModuleName = Field(description="Module below regimes.papers that draws it.")
    paper: Name = Field(description="Paper that the figure belongs to, a key of `papers`.")
    measures: tuple[Name, ...] = Field(
        default=(), description="Experiments whose measures it shows."
    )
    table: bool = Field(
        default=False,
        description="Write it as CSV too: the module has a function `table` beside `draw`.",
    )
    caption: str = Field(description="Caption in the report (reStructuredText).")
    labels: dict[str, str] = Field(default={}, description="Columns of its row in the report.")


class ClaimsSettings(Model):
    """The claims of a paper."""

    measures: tuple[Name, ...] = Field(
        min_length=1, description="Experiments whose measures are compared with the paper."
    )


# Trainings that can take data of its own for each seed.
WITH_DRAWS = (
    "gradient_descent",
    "function_space_descent",
    "initial_spectrum",
    "linearised_descent",
)


def _check_draws(key: str, experiment: Experiment, dataset: DatasetSettings) -> None:
    """Raise ValueError unless a data set has the draws and points that an experiment asks for."""
    draws = getattr(dataset, "draws", 1)
    has_draws = dataset.kind == "unit_sphere" or draws > 1
    if experiment.training not in WITH_DRAWS:
        if has_draws:
            raise ValueError(
                f"{key}.dataset has draws, which training: {experiment.training} does not use"
            )
        return
    size = "n_points" if dataset.kind == "unit_sphere" else "n_train"
    n_points = getattr(dataset, size, None)
    for grid in experiment.all_grids():
        if has_draws and max(grid["seed"]) >= draws:
            raise ValueError(
                f"{key}: seed {max(grid['seed'])} needs a draw of its own, but "
                f"{experiment.dataset} has draws: {draws}"
            )
        if n_points is not None and max(grid.get("n_train", (1,))) > n_points:
            raise ValueError(
                f"{key}: n_train {max(grid['n_train'])} is more than {experiment.dataset} has, "
                f"{size}: {n_points}"
            )
        n_features = getattr(dataset, "n_features", None)
        if n_features is not None and max(grid.get("n_features", (1,))) > n_features:
            raise ValueError(
                f"{key}: n_features {max(grid['n_features'])} is more than {experiment.dataset} "
                f"has, n_features: {n_features}"
            )


def _check_images(key: str, features: ImageFeaturesDataset, datasets: dict[str, Any]) -> None:
    """Raise ValueError unless the data set that features are made from has images as bytes."""
    images = datasets.get(features.images)
    if getattr(images, "kind", None) != "cifar10" or images.pixels != "raw":
        allowed = [
            name for name, one in datasets.items() if one.kind == "cifar10" and one.pixels == "raw"
        ]
        raise ValueError(
            f"{key}.images = {features.images!r} is no data set of kind cifar10 with pixels: raw; "
            f"allowed: {', '.join(allowed) or 'none yet'}"
        )


class Config(Model):
    """Configuration of the whole workflow."""

    scale: Scale = Field(
        default="laptop", description="Size of the experiments: overlay in workflow/scales/."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where networks are trained; does not change results' names."
    )
    root_seed: Integer = Field(
        default=2021, ge=0, description="Seed from which all random streams are derived."
    )
    data_mirror: str | None = Field(
        default=None,
        min_length=1,
        description="Folder with data files that are not shipped (mnist/, cifar10/, ...), looked "
        "into before any download; REGIMES_DATA in the environment does the same. Changes no "
        "result's name.",
    )
    papers: dict[Name, Paper] = Field(description="Papers by name.")
    datasets: dict[Name, DatasetSettings] = Field(description="Data sets by name.")
    experiments: dict[Name, Experiment] = Field(description="Experiments by name.")
    figures: dict[FigureName, FigureSettings] = Field(default={}, description="Figures by path.")
    claims: dict[Name, ClaimsSettings] = Field(default={}, description="Claims to check, by paper.")

    @model_validator(mode="after")
    def _references_exist(self) -> "Config":
        for name in self.papers:
            if name in RULES:
                raise ValueError(f"papers: {name!r} is the name of a rule; use another")

        def check(key: str, names: tuple[str, ...], allowed: dict[str, Any], what: str) -> None:
            known = ", ".join(allowed)
            for name in names:
                if name not in allowed:
                    raise ValueError(f"{key} = {name!r} is no {what}; allowed: {known}")

        for name, dataset in self.datasets.items():
            if isinstance(dataset, ImageFeaturesDataset):
                _check_images(f"datasets.{name}", dataset, self.datasets)
        for name, experiment in self.experiments.items():
            key = f"experiments.{name}"
            check(f"{key}.dataset", (experiment.dataset,), self.datasets, "data set")
            check(f"{key}.paper", (experiment.paper,), self.papers, "paper")
            transfer = getattr(getattr(experiment, "probes", None), "transfer", None)
            if transfer and transfer.dataset is not None:
                named = (transfer.dataset,)
                check(f"{key}.probes.transfer.dataset", named, self.datasets, "data set")
            dataset = self.datasets[experiment.dataset]
            # Features have as many points as there are images.
            sized = self.datasets[getattr(dataset, "images", experiment.dataset)]
            _check_draws(key, experiment, sized)
        for name, figure in self.figures.items():
            key = f"figures.{name}"
            check(f"{key}.paper", (figure.paper,), self.papers, "paper")
            check(f"{key}.measures", figure.measures, self.experiments, "experiment")
        for name, claims in self.claims.items():
            check(f"claims.{name}", (name,), self.papers, "paper")
            check(f"claims.{name}.measures", claims.measures, self.experiments, "experiment")
        return self
