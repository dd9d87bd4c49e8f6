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
from regimes.engines.common.settings import EngineSettings

PARAMETERISATIONS = "regimes.engines.gradient_flow.parameterisations"


class Axes(AxesSettings):
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
    axes: Axes = Field(description="The grid of settings.")
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
