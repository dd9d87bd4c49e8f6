"""Experiments that are trained by gradient flow."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from regimes.config.activations import ActivationName
from regimes.config.axes import (
    ExponentAxis,
    SeedAxis,
    ToleranceAxis,
    WidthAxis,
)
from regimes.config.base import Integer, Model, Number
from regimes.config.experiment import AxesSettings, SplitBy
from regimes.datasets.size import DataSize
from regimes.engines.common.memory import NUMBER_BYTES, Axes, n_runs
from regimes.engines.common.parameterised import (
    LOSSES,
    ParameterAxes,
    ParameterisedExperiment,
    Record,
    SquaredLoss,
)
from regimes.engines.common.settings import EngineSettings
from regimes.errors import ConfigError

# Of the engine: bytes of a batch, and of an array of points x neurons in a tile.
BATCH_BYTES, TILE_BYTES = 1024**3, 4 * 1024**2
# Seconds of one core for each neuron in a step: for each point, more where the slope is continuous,
# and for each entry of the kernel, which from so many points on no longer fits into the cache. Its
# eigenvectors take as much as so many neurons more. Noisy data take about so many steps.
SECONDS_PER_POINT, OF_SMOOTH = 1e-8, 10
MANY_POINTS, SECONDS_PER_KERNEL_ENTRY, OF_EIGENVECTORS, STEPS = 500, (4e-10, 1.6e-9), 45, 200
# Of kernels (n, n), beside what the engine counts, measured at 2000 and 6366 points.
MORE_KERNELS, MORE_BYTES = 2, 250 * 1024**2
# Of the first gammas of a search.
NEAREST_START = 0.05
# Of its engine: gammas that are tried at most.
MOST_GAMMAS = 32
# Of Numba, which compiles the own steps of neurons whose activation has a continuous slope.
COMPILER_BYTES = 100 * 1024**2
KINKED = ("relu", "leaky_relu")


class FlowAxes(ParameterAxes):
    """The grid of an experiment."""

    solver_tolerance: ToleranceAxis | None = Field(
        default=None, description="Tolerances of the solver, in place of solver.tolerance."
    )
    width: WidthAxis = Field(description="Numbers of hidden neurons.")
    seed: SeedAxis = Field(description="Random initialisations.")


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
        default=5000, ge=1, description="Cap on the tried steps; a run that hits it is capped."
    )
    max_time: Number = Field(default=1e30, gt=0, le=1e30, description="Cap on the flow time.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the weights and of the solver."
    )


class FlowRecord(Record):
    """What is recorded of a run of gradient flow beside losses and distances, and when.

    Where the data have test points, test scores are recorded at the levels.
    """

    levels: tuple[Annotated[Number, Field(ge=0, le=1)], ...] = Field(
        default=(1, 0.5, 0.2, 0.1, 0.03, 0.01, 0.001, 0.0001, 0),
        description="Shares of the initial loss at which networks are measured, as the loss falls; "
        "the first is 1, the start, the last 0, the end.",
    )


class GradientFlowExperiment(ParameterisedExperiment):
    """An experiment trained by gradient flow."""

    limit = ("solver", "max_steps")
    takes_outputs = False
    takes_numbers = True
    against_divergence = "a smaller solver.tolerance, or data of order 1 (standardise)"

    engine: Literal["gradient_flow"] = Field(description="How the networks are trained.")
    loss: SquaredLoss = Field(default="half_mean", description=LOSSES)
    axes: FlowAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("gamma_prime", "seed")
    solver: FlowSolver = Field(default=FlowSolver(), description="The solver of gradient flow.")
    record: FlowRecord = Field(default=FlowRecord(), description="What is recorded.")
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

    def memory(self, axes: Axes, data: DataSize) -> float:
        """The largest batch: weights at several points of a step, what a path keeps, tiles.

        Where the slope is continuous a tile has a matrix of features x features for each neuron,
        and all neurons of the batch may need own steps, for which they are copied.
        """
        number, n_train = NUMBER_BYTES[self.solver.precision], data.n_train
        kinked = self.activation in KINKED
        rank = self._rank(data)
        of_width = []
        for width in axes["width"]:
            weights = width * (rank + 1) * number
            path = width * n_train * number if kinked else 0
            copied = 0 if kinked else 8 * width * (16 * n_train + 8 * (rank + 1) + 20)
            kernels = 10 * n_train**2 * number
            room = max(1, BATCH_BYTES // (4 * weights + path + kernels))
            runs = min(room, n_runs(axes) // len(axes["width"]))
            tile = min(TILE_BYTES, runs * width * n_train * number)
            in_tile = 20 if kinked else 20 + 3 * rank**2 / n_train
            kept = len(self.record.levels) * width * (data.n_features + rank + 2) * number
            own = 8 * weights + 2 * path + copied + kernels + self._is_measured(data) * kept
            of_width.append(runs * own + in_tile * tile)
        more = 0 if kinked else COMPILER_BYTES
        if n_train >= MANY_POINTS:
            more += MORE_KERNELS * n_train**2 * number + MORE_BYTES
        return max(of_width) + more

    def _is_measured(self, data: DataSize) -> bool:
        """Whether networks are kept at levels of the loss."""
        record = self.record
        asked = {record.kernel, record.sharpness} != {"never"} or record.invariant
        return data.n_points > data.n_train or asked

    def seconds(self, axes: Axes, data: DataSize) -> float:
        """Of arrays of neurons x points, and of the kernel: sums over the neurons (n, n)."""
        n_train, runs = data.n_train, n_runs(axes) / len(axes["width"])
        of_point = SECONDS_PER_POINT * (1 if self.activation in KINKED else OF_SMOOTH)
        of_entry = SECONDS_PER_KERNEL_ENTRY[n_train >= MANY_POINTS]
        neurons = sum(axes["width"])
        of_kernel = of_entry * n_train**2 * (neurons + OF_EIGENVECTORS * len(axes["width"]))
        return STEPS * runs * (of_point * n_train * neurons + of_kernel)

    def kept(self, axes: Axes, data: DataSize) -> float:
        """The loss along the runs, and snapshots of the weights."""
        of_neuron = 3 if self.snapshot_content == "projections" else self._rank(data) + 1
        snapshots = len(self.snapshots or ()) * of_neuron * max(axes["width"])
        return n_runs(axes) * (2 * self.history_points + snapshots + 20)

    def _rank(self, data: DataSize) -> int:
        return min(data.n_train, data.n_features) if self.reduce_inputs else data.n_features

    @model_validator(mode="after")
    def _consistent(self) -> "GradientFlowExperiment":
        self.check_parameterisation()
        self.check_grids()
        _check_falling("snapshots", self.snapshots or ())
        _check_falling("record.levels", self.record.levels)
        if self.record.levels[:1] != (1,) or self.record.levels[-1:] != (0,):
            raise ValueError("record.levels must begin with 1, the start, and end with 0, the end")
        if self.snapshots and len(self.axes.width) > 1 and "width" not in self.split_by:
            raise ValueError(
                "snapshots need width in split_by: a file holds the weights of one width"
            )
        return self


class BoundaryAxes(AxesSettings):
    """The grid of an experiment."""

    gamma_prime: ExponentAxis = Field(
        description="Exponents gamma' of the ratio of the layers' learning rates."
    )
    width_low: WidthAxis | None = Field(
        default=None,
        description="Numbers of hidden neurons, even ones, each a pair with width_ratio times as "
        "many, in the place of `widths`.",
    )


class BoundaryExperiment(EngineSettings):
    """An experiment that searches the boundary of the regimes along gamma, for each gamma'.

    Its networks are those of gradient_flow in the normalised parameterisation.
    """

    takes_outputs = False
    takes_numbers = True
    against_divergence = GradientFlowExperiment.against_divergence

    engine: Literal["gradient_flow.boundary"] = Field(description="How the networks are trained.")
    axes: BoundaryAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("gamma_prime",)
    activation: ActivationName = Field(default="relu", description="Activation function.")
    antisymmetric_initialisation: Literal["auto", "always", "never"] = Field(
        default="auto", description="Start from f = 0; `auto` means at gamma <= 1/2."
    )
    widths: WidthAxis = Field(
        default=(1000, 6000, 40000),
        description="Numbers of hidden neurons, even ones, over which S_w is fitted.",
    )
    width_ratio: Integer = Field(
        default=10, ge=2, le=1000, description="The larger width of a pair over the smaller one."
    )
    standard_error: Number = Field(
        default=0.005,
        gt=0,
        lt=1,
        description="Standard error of the boundary, over seeds, at which the search ends.",
    )
    start: tuple[
        Annotated[Number, Field(ge=0, le=5)],
        Annotated[Number, Field(ge=0, le=5)],
    ] = Field(
        default=(0.75, 1.25),
        description="The first two gammas; they are moved until the boundary is between them.",
    )
    min_seeds: Integer = Field(
        default=5, ge=2, le=1000, description="Smallest number of random initialisations."
    )
    max_seeds: Integer = Field(
        default=20, ge=2, le=1000, description="Largest number of random initialisations."
    )
    solver: FlowSolver = Field(default=FlowSolver(), description="The solver of gradient flow.")

    def widths_at(self, axes: Mapping[str, Any]) -> list[int]:
        """The widths over which S_w is fitted, at a setting or for the largest of some axes."""
        low = axes.get("width_low")
        if low is None:
            return list(self.widths)
        largest = low if isinstance(low, int) else max(low)
        return [largest, self.width_ratio * largest]

    def flow(self, axes: Mapping[str, Any]) -> GradientFlowExperiment:
        """The settings of some of the networks."""
        shared = {
            key: getattr(self, key)
            for key in ("paper", "dataset", "measure", "activation", "antisymmetric_initialisation")
        }
        return GradientFlowExperiment(
            engine="gradient_flow",
            solver=self.solver,
            axes=FlowAxes(**axes),
            split_by=(),
            **shared,
        )

    def memory(self, axes: Axes, data: DataSize) -> float:
        """Of the largest batch of networks."""
        of_flow = self._of_flow(axes) | self._seeds()
        return self.flow(of_flow).memory(of_flow, data)

    def seconds(self, axes: Axes, data: DataSize) -> float:
        """Of the networks of the least number of seeds, at one gamma, and half as many more."""
        of_flow = self._of_flow(axes) | {"seed": list(range(self.min_seeds))}
        return 1.5 * self.flow(of_flow).seconds(of_flow, data)

    def kept(self, axes: Axes, data: DataSize) -> float:
        """The relative distances."""
        return n_runs(axes) * MOST_GAMMAS * self.max_seeds * len(self.widths_at(axes))

    def _seeds(self) -> dict[str, list[int]]:
        return {"seed": list(range(self.max_seeds))}

    def _of_flow(self, axes: Axes) -> dict[str, Any]:
        """The axes of the largest networks."""
        own = {"gamma_prime": axes["gamma_prime"], "gamma": [1.0]}
        return own | {"width": self.widths_at(axes)}

    @model_validator(mode="after")
    def _consistent(self) -> "BoundaryExperiment":
        self.check_grids()
        if len(self.widths) < 2:
            raise ValueError("widths: S_w needs at least two widths")
        if self.start[1] - self.start[0] < NEAREST_START:
            raise ValueError(
                f"start must be two gammas, the smaller one first, at least {NEAREST_START} apart"
            )
        if self.min_seeds > self.max_seeds:
            raise ValueError(f"min_seeds: {self.min_seeds} is more than max_seeds")
        return self

    def check(self) -> None:
        """Raise ConfigError for odd widths where the search may need pairs of neurons."""
        if self.antisymmetric_initialisation == "never":
            return
        key = "axes.width_low" if self.axes.width_low else "widths"
        for width in self.axes.width_low or self.widths:
            if width % 2:
                raise ConfigError(
                    f"{key}: {width} is odd; antisymmetric initialisation needs pairs of neurons "
                    "(even widths, or antisymmetric_initialisation: never)"
                )


def _check_falling(name: str, levels: tuple[float, ...]) -> None:
    if list(levels) != sorted(set(levels), reverse=True):
        raise ValueError(f"{name} must fall from value to value, as the loss does")
