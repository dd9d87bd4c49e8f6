"""Two-layer networks at random starts with the data that Song et al. (2021) assume.

Assumption 2: points of length 1 and targets of norm |Y| <= 1. Starts (17): W ~ N(0, omega_1^2),
V ~ N(0, omega_2^2), with the product of (19), omega_1 omega_2 = scale_product / (d_0 d_1)^(1/2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr

from regimes.engines.common.draws import initial_weights
from regimes.engines.common.engine import Engine, Job
from regimes.engines.common.points import Points
from regimes.errors import DataError

if TYPE_CHECKING:
    from regimes.engines.common.isometry_settings import NearIsometryExperiment


@dataclass(frozen=True)
class Start:
    """A network at its start, and its data.

    inputs: X (d_0, n). targets: Y (d_2, n). weights: W (d_1, d_0). output_weights: V (d_2, d_1).
    first_scale, second_scale: omega_1 and omega_2 of (17).
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    output_weights: np.ndarray
    first_scale: float
    second_scale: float


class NearIsometryRuns(Engine["NearIsometryExperiment"]):
    """Networks of a job at their start, one by one; data may have draws, one for each seed."""

    AXES: ClassVar = {
        "scale_ratio": "ratio omega_2 / omega_1 of the layers' initial scales",
        "n_features": "dimension d_0 of the inputs",
        "n_train": "number of training points n",
        "width": "number of hidden neurons d_1",
        "seed": "index of the random initialisation and of the draw of the data",
    }

    def __init__(self, job: Job["NearIsometryExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        self.points = Points(data, job.dataset)

    def attributes(self) -> dict[str, Any]:
        """The name of the activation."""
        return {"activation": self.settings.activation}

    def start(self, setting: Mapping[str, Any]) -> Start:
        """The start of one setting of AXES; scale_ratio may be missing.

        Inputs are the first d_0 features of the first n points, scaled to length 1, so that points
        uniform on a sphere are so for each d_0; targets are scaled to |Y| = 1. Starts that differ
        in scale_ratio alone have the same numbers, scaled. Raises DataError when the data are too
        small, or have a point that cannot be scaled.
        """
        inputs, targets = self._data(setting)
        width, n_features = setting["width"], setting["n_features"]
        names = [name for name in self.AXES if name != "scale_ratio"]
        weights, output_weights = initial_weights(
            self.job.stream(*(setting[name] for name in names)),
            width,
            n_features,
            targets.shape[1],
            "gaussian",
        )
        first, second = self._scales(n_features, width, setting.get("scale_ratio"))
        return Start(
            np.ascontiguousarray(inputs.T),
            np.ascontiguousarray(targets.T),
            first * weights,
            second * output_weights,
            first,
            second,
        )

    def _data(self, setting: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        n_train, n_features = setting["n_train"], setting["n_features"]
        self.points.require(seed=setting["seed"])
        self.points.require(n_train=n_train, n_features=n_features)
        inputs, targets = self.points.of(setting["seed"], n_train)
        inputs = inputs[:, :n_features].astype(np.float64)
        targets = targets.astype(np.float64)
        lengths, size = np.linalg.norm(inputs, axis=1, keepdims=True), np.linalg.norm(targets)
        if not (lengths > 0).all() or not size > 0:
            raise DataError(
                f"the data set {self.job.dataset} has points, or targets, of length 0, which "
                "cannot be scaled to 1"
            )
        return inputs / lengths, targets / size

    def _scales(self, n_features: int, width: int, ratio: float | None) -> tuple[float, float]:
        """omega_1 and omega_2: from their product and ratio, or omega_1 = first_scale."""
        product = self.settings.scale_product / np.sqrt(n_features * width)
        if ratio is None:
            return self.settings.first_scale, product / self.settings.first_scale
        return float(np.sqrt(product / ratio)), float(np.sqrt(product * ratio))
