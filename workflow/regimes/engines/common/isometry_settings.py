"""Settings that the experiments on the theory of Song et al. (2021) share."""

from typing import Any, Literal

from pydantic import Field, model_validator

from regimes.config.axes import (
    CountAxis,
    SeedAxis,
    WidthAxis,
)
from regimes.config.base import Number
from regimes.config.experiment import AxesSettings, SplitBy
from regimes.datasets.size import DataSize
from regimes.engines.common.memory import Axes
from regimes.engines.common.settings import EngineSettings


class SphereAxes(AxesSettings):
    """The grid of settings."""

    n_features: CountAxis = Field(
        description="Dimensions d_0: the first features of the data, points scaled to length 1."
    )
    n_train: CountAxis = Field(description="Numbers of training points n, the first ones.")
    width: WidthAxis = Field(description="Numbers of hidden neurons d_1.")
    seed: SeedAxis = Field(
        description="Random initialisations; also the draws, of data sets that have several."
    )


class NearIsometryExperiment(EngineSettings):
    """Base of both kinds: networks V act(W x), the loss |V act(W X) - Y|^2 with |Y| = 1."""

    takes_draws = True

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
    split_by: SplitBy = ("n_features", "n_train")

    def all_grids(self) -> list[dict[str, Any]]:
        """The grid, as the only one of a list, its axes in the order of the files."""
        (grid,) = super().all_grids()
        ratio = {"scale_ratio": grid.pop("scale_ratio")} if "scale_ratio" in grid else {}
        return [ratio | grid]

    def memory(self, axes: Axes, data: DataSize) -> float:
        """One network in float64: slopes of all outputs, and the tangent kernel of all outputs."""
        width, n_train = max(axes["width"]), max(axes["n_train"])
        weights = width * (max(axes["n_features"]) + data.n_outputs)
        of_points = width * n_train * (3 * data.n_outputs + 6)
        return 8 * (8 * weights + of_points + 5 * (n_train * data.n_outputs) ** 2)

    @model_validator(mode="after")
    def _axes_exist(self) -> "NearIsometryExperiment":
        self.check_grids()
        return self
