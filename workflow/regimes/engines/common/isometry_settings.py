"""Experiments on the theory of Song et al. (2021): constants at the start, and gradient descent."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from regimes.config.axes import (
    CountAxis,
    ModuleName,
    Name,
    RatioAxis,
    SeedAxis,
    WidthAxis,
    check_split,
)
from regimes.config.base import Integer, Model, Number


def _positive(values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if value <= 0:
            raise ValueError(f"{value:g} is not greater than 0")
    return values


class SphereAxes(Model):
    """The grid of settings; each axis is a list of numbers or {start, stop, step}."""

    n_features: CountAxis = Field(
        description="Dimensions d_0: the first features of the data, points scaled to length 1."
    )
    n_train: CountAxis = Field(description="Numbers of training points n, the first ones.")
    width: WidthAxis = Field(description="Numbers of hidden neurons d_1.")
    seed: SeedAxis = Field(
        description="Random initialisations; also the draws, of data sets that have several."
    )


class DescentSphereAxes(SphereAxes):
    """The same with the ratio of the layers' initial scales."""

    scale_ratio: Annotated[RatioAxis, AfterValidator(_positive)] | None = Field(
        default=None,
        description="Ratios omega_2 / omega_1, their product as for scale_product; by default "
        "omega_1 is first_scale.",
    )


class NearIsometryExperiment(Model):
    """What both kinds share: networks V act(W x), the loss |V act(W X) - Y|^2 with |Y| = 1."""

    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Training data, a key of `datasets`.")
    activation: Literal["gelu", "tanh", "softplus"] = Field(
        default="gelu", description="Activation function, with two derivatives."
    )
    scale_product: Number = Field(
        default=1.0,
        gt=0,
        description="omega_1 omega_2 = this / (d_0 d_1)^(1/2), omega_1 and omega_2 the standard "
        "deviations of the initial weights W and V.",
    )
    first_scale: Number = Field(
        default=1.0, gt=0, description="omega_1, where there is no axis scale_ratio."
    )
    split_by: tuple[Literal["scale_ratio", "n_features", "n_train", "width", "seed"], ...] = Field(
        default=("n_features", "n_train"),
        description="Axes that separate jobs. Jobs start in the order of these axes.",
    )
    measure: ModuleName = Field(description="Module below regimes.papers that measures the runs.")

    def all_grids(self) -> list[dict[str, Any]]:
        """The grid, as the only one of a list, its axes in the order of the files."""
        axes = dict(self.axes)
        names = ("scale_ratio", "n_features", "n_train", "width", "seed")
        return [{name: axes[name] for name in names if axes.get(name) is not None}]

    @model_validator(mode="after")
    def _axes_exist(self) -> "NearIsometryExperiment":
        check_split(self.split_by, list(self.all_grids()[0]))
        return self


class InitialSpectrumExperiment(NearIsometryExperiment):
    """Constants of Lemma 3 of song2021 at random starts; nothing is trained."""

    engine: Literal["at_initialisation.jacobian_spectrum"] = Field(
        description="How the networks are trained."
    )
    distances: tuple[Annotated[Number, Field(gt=0)], ...] = Field(
        default=(0.01, 0.1, 1.0),
        min_length=1,
        description="Distances of the second network of a pair, between which the change of the "
        "Jacobian is taken, over the norm of the weights that differ.",
    )
    axes: SphereAxes = Field(description="The grid of settings.")


class LinearisedDescentExperiment(NearIsometryExperiment):
    """Gradient descent of both layers at the theory's learning rate, and its linearisation."""

    engine: Literal["gradient_descent.linearised"] = Field(
        description="How the networks are trained."
    )
    relative_loss: Number = Field(
        default=0.001, gt=0, lt=1, description="Stop when the loss is below this share of h_0."
    )
    max_steps: Integer = Field(
        ge=1, le=10_000_000, description="Cap on the steps; the run keeps its values."
    )
    points_per_decade: Integer = Field(
        default=16, ge=1, le=1000, description="Recorded steps for each factor of ten."
    )
    axes: DescentSphereAxes = Field(description="The grid of settings.")
