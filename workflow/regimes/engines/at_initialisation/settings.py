"""Experiments on networks at their random start: nothing is trained."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from regimes.config.axes import CountAxis, Name, SeedAxis, WidthAxis
from regimes.config.base import Integer, Number
from regimes.config.experiment import AxesSettings, SplitBy
from regimes.datasets.size import DataSize
from regimes.engines.common.isometry_settings import NearIsometryExperiment, SphereAxes
from regimes.engines.common.memory import Axes, n_runs
from regimes.engines.common.settings import EngineSettings, NodeAxes, NodeScaling

# Of the engine: numbers of a batch of draws.
VALUES_AT_ONCE = 2**17


class FirstUpdateAxes(NodeAxes):
    """The grid of settings."""

    seed: SeedAxis = Field(description="Independent repetitions, each of `draws` draws.")


class FirstUpdateExperiment(EngineSettings):
    """Means over initialisations at the start of gradient flow: Section 5 and (12) of caron2023.

    The networks have scaled nodes, output weights -1 or 1 that stay as they are, and the loss
    1/2 sum e^2. Nothing is trained: gradient flow is looked at when it starts.
    """

    uses_gpu = False

    engine: Literal["at_initialisation.first_update"] = Field(
        description="How the networks are trained."
    )
    node_scalings: dict[Name, NodeScaling] = Field(
        min_length=1, description="Scales of the nodes by name."
    )
    activation: Literal["relu", "tanh", "softplus", "gelu"] = Field(
        default="relu",
        description="Activation function; with relu the change of the kernel is left out.",
    )
    draws: Integer = Field(
        ge=2,
        le=1_000_000_000,
        description="Number of random initialisations of a setting and seed.",
    )
    antithetic: bool = Field(
        default=True,
        description="Average each draw with the network of opposite output weights, which is as "
        "likely: the same means, with less noise.",
    )
    shown_nodes: Integer = Field(
        default=4,
        ge=1,
        le=100,
        description="Number of nodes, the first ones, whose mean updates are kept one by one.",
    )
    axes: FirstUpdateAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("node_scaling",)

    def memory(self, axes: Axes, data: DataSize) -> float:
        """A batch of draws, at least one, and the covariances of what is averaged."""
        a_draw = max(axes["width"]) * max(data.n_train, data.n_features)
        return 8 * (16 * max(VALUES_AT_ONCE, a_draw) + 3 * self._covariances(data))

    def kept(self, axes: Axes, data: DataSize) -> float:
        """Covariances, far more than the rest."""
        return n_runs(axes) * (self._covariances(data) + 1000)

    def _covariances(self, data: DataSize) -> int:
        return (self.shown_nodes * data.n_features) ** 2 + data.n_train**4

    @model_validator(mode="after")
    def _consistent(self) -> "FirstUpdateExperiment":
        (grid,) = self.check_grids()
        for width in grid["width"]:
            if width < self.shown_nodes:
                raise ValueError(
                    f"axes.width: {width} is less than shown_nodes: {self.shown_nodes}"
                )
        return self


class InitialSpectrumExperiment(NearIsometryExperiment):
    """Constants of Lemma 3 of song2021 at random starts; nothing is trained."""

    uses_gpu = False

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


class QuasirandomAxes(AxesSettings):
    """The grid of settings."""

    n_features: CountAxis = Field(
        description="Dimensions n: the first features of the data, points scaled to length 1."
    )
    n_train: CountAxis = Field(description="Numbers of points m, the first ones.")
    width: WidthAxis = Field(description="Numbers of hidden neurons S.")
    seed: SeedAxis = Field(
        description="Random initialisations; also the draws, of data sets that have several."
    )


class QuasirandomExperiment(EngineSettings):
    """Networks and points at random: Section 3.1, Appendices B and C of razborov2022."""

    takes_draws = True
    takes_outputs = False
    uses_gpu = False

    engine: Literal["at_initialisation.quasirandom"] = Field(
        description="How the networks are trained."
    )
    axes: QuasirandomAxes = Field(description="The grid of settings.")
    split_by: SplitBy = ("n_features",)

    @model_validator(mode="after")
    def _axes_exist(self) -> "QuasirandomExperiment":
        self.check_grids()
        return self
