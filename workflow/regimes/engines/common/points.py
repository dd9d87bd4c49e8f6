"""The points that a run is trained on, or tested on: a part of a data set as arrays."""

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.storage.layout import PARTS


class Points:
    """The training, test or validation points of a data set, in their order.

    inputs: (n, d), targets: (n, k), in the number format of the file; with `has_draws` both have
    the draws as a first dimension, one for each seed.
    """

    def __init__(self, data: xr.Dataset, name: str, part: str = "train"):
        """name: of the data set, for errors. part: one of PARTS of the layout."""
        self.name, self.part = name, part
        self.has_draws = "draw" in data.dims
        points = data.isel(point=data["split"].values == PARTS.index(part))
        self.has_outputs = "output" in points["targets"].dims
        dims = ["point", *(["output"] if self.has_outputs else [])]
        self.inputs = points["inputs"].transpose(..., "point", "feature").values
        self.targets = points["targets"].transpose(..., *dims).values
        if not self.has_outputs:
            self.targets = self.targets[..., None]
        self.n_points, self.n_features = self.inputs.shape[-2:]
        self.n_outputs = self.targets.shape[-1]

    def of(self, seed: int = 0, n_points: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, d) and targets (n, k) of a seed, the first n_points of them or all."""
        inputs, targets = self.inputs, self.targets
        if self.has_draws:
            inputs, targets = inputs[seed], targets[seed]
        return inputs[:n_points], targets[:n_points]

    def require_points(self) -> None:
        """Raise DataError when there are none."""
        if not self.n_points:
            raise DataError(f"the data set {self.name} has no {self._part} points")

    def require_one_output(self) -> None:
        """Raise DataError when the targets have a dimension of outputs."""
        if self.has_outputs:
            raise DataError(f"the data set {self.name} has several outputs, not one")

    def require(
        self, *, n_train: int | None = None, n_features: int | None = None, seed: int | None = None
    ) -> None:
        """Raise DataError unless the data have what the axes of a grid, at their largest, need."""
        if n_train is not None and n_train > self.n_points:
            self._refuse("n_train", n_train, f"{self.n_points} {self._part} points")
        if n_features is not None and n_features > self.n_features:
            self._refuse("n_features", n_features, f"{self.n_features} features")
        if seed is not None and self.has_draws and seed >= len(self.inputs):
            self._refuse("seed", seed, f"the draws 0 to {len(self.inputs) - 1}")

    @property
    def _part(self) -> str:
        return "training" if self.part == "train" else self.part

    def _refuse(self, name: str, value: int, what: str) -> None:
        raise DataError(f"{name} = {value} but the data set {self.name} has only {what}")


def part_of(
    data: xr.Dataset, part: str, n_points: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n, d) and targets (n, k) of a part of the data, its first n_points or all."""
    return Points(data, "", part).of(n_points=n_points)
