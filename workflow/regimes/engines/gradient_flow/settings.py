"""Experiments that are trained by gradient flow."""

import itertools
from importlib import import_module
from typing import Annotated, ClassVar, Literal

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
from regimes.engines.common.settings import EngineSettings

PARAMETERISATIONS = "regimes.engines.gradient_flow.parameterisations"
# Of the engine: bytes of a batch, and of an array of points x neurons in a tile.
BATCH_BYTES, TILE_BYTES = 1024**3, 4 * 1024**2
# From so many points on the kernel is what takes the time: on one core these seconds for each of
# its entries and each neuron in a step. Noisy data take about so many steps.
MANY_POINTS, SECONDS_PER_KERNEL_ENTRY, STEPS = 500, 1.3e-9, 200
# Of Numba, which compiles the own steps of neurons whose activation has a continuous slope.
COMPILER_BYTES = 100 * 1024**2


class FlowAxes(AxesSettings):
    """The grid of an experiment."""

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
        default=5000, ge=1, description="Cap on the tried steps; a run that hits it is capped."
    )
    max_time: Number = Field(default=1e30, gt=0, le=1e30, description="Cap on the flow time.")
    precision: Literal["float64", "float32"] = Field(
        default="float64", description="Number format of the weights and of the solver."
    )


class GradientFlowExperiment(EngineSettings):
    """An experiment trained by gradient flow."""

    limit = ("solver", "max_steps")
    against_divergence = "a smaller solver.tolerance, or data of order 1 (standardise)"
    followed = True
    modules_by_key: ClassVar = {"parameterisation": PARAMETERISATIONS}

    engine: Literal["gradient_flow"] = Field(description="How the networks are trained.")
    parameterisation: Literal["normalised", "alpha_beta"] = Field(
        default="normalised", description="Form in which the scalings enter the network."
    )
    exponents: Exponents = Field(
        default=Exponents(), description="Scalings of `parameterisation: alpha_beta`."
    )
    activation: ActivationName = Field(default="relu", description="Activation function.")
    antisymmetric_initialisation: Literal["auto", "always", "never"] = Field(
        default="auto", description="Start from f = 0; `auto` means where gamma <= 1/2."
    )
    axes: FlowAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("gamma_prime", "seed")
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

    def memory(self, axes: Axes, data: DataSize) -> float:
        """The largest batch: weights at several points of a step, what a path keeps, tiles.

        Where the slope is continuous a tile has a matrix of features x features for each neuron,
        and all neurons of the batch may need own steps, for which they are copied.
        """
        number, n_train = NUMBER_BYTES[self.solver.precision], data.n_train
        kinked = self.activation in ("relu", "leaky_relu")
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
            own = 8 * weights + 2 * path + copied + kernels
            of_width.append(runs * own + in_tile * tile)
        return max(of_width) + (0 if kinked else COMPILER_BYTES)

    def seconds(self, axes: Axes, data: DataSize) -> float | None:
        """Of the kernels of many points: sums over the neurons (n, n), in each step."""
        if data.n_train < MANY_POINTS:
            return None
        runs = n_runs(axes) / len(axes["width"])
        return STEPS * SECONDS_PER_KERNEL_ENTRY * data.n_train**2 * runs * sum(axes["width"])

    def kept(self, axes: Axes, data: DataSize) -> float:
        """The loss along the runs, and snapshots of the weights."""
        of_neuron = 3 if self.snapshot_content == "projections" else self._rank(data) + 1
        snapshots = len(self.snapshots or ()) * of_neuron * max(axes["width"])
        return n_runs(axes) * (2 * self.history_points + snapshots + 20)

    def _rank(self, data: DataSize) -> int:
        return min(data.n_train, data.n_features) if self.reduce_inputs else data.n_features

    def check(self) -> None:
        """Raise ConfigError when the parameterisation leaves a setting's scales open."""
        parameterisation = import_module(f"{PARAMETERISATIONS}.{self.parameterisation}")
        exponents = self.exponents.model_dump(exclude_none=True)
        (grid,) = self.all_grids()
        axes = {name: values for name, values in grid.items() if name != "seed"}
        for values in itertools.product(*axes.values()):
            setting = dict(zip(axes, values, strict=True))
            parameterisation.scales({**setting, "exponents": exponents})

    @model_validator(mode="after")
    def _consistent(self) -> "GradientFlowExperiment":
        axes = self.axes.given()
        if self.parameterisation == "normalised":
            for name in ("gamma_prime", "gamma"):
                if name not in axes:
                    raise ValueError(f"axes.{name} is missing: parameterisation is normalised")
            if any(value is not None for value in dict(self.exponents).values()):
                raise ValueError("exponents are only for parameterisation alpha_beta")
        self.check_grids()
        if self.snapshots is not None:
            if list(self.snapshots) != sorted(set(self.snapshots), reverse=True):
                raise ValueError("snapshots must fall from value to value, as the loss does")
            if len(self.axes.width) > 1 and "width" not in self.split_by:
                raise ValueError(
                    "snapshots need width in split_by: a file holds the weights of one width"
                )
        if self.antisymmetric_initialisation != "never":
            for width in self.axes.width:
                if width % 2:
                    raise ValueError(
                        f"axes.width: {width} is odd; antisymmetric initialisation needs pairs of "
                        "neurons (even widths, or antisymmetric_initialisation: never)"
                    )
        return self
