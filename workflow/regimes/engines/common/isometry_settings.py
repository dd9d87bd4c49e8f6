"""What the experiments on the theory of Song et al. (2021) share."""

from typing import Any, Literal

from pydantic import Field, model_validator

from regimes.config.axes import (
    CountAxis,
    ModuleName,
    Name,
    SeedAxis,
    WidthAxis,
    check_split,
)
from regimes.config.base import Model, Number
from regimes.engines.common.settings import EngineSettings


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


class NearIsometryExperiment(EngineSettings):
    """What both kinds share: networks V act(W x), the loss |V act(W X) - Y|^2 with |Y| = 1."""

    takes_draws = True

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
