"""Quantities of the training points of the runs of Chen et al. (2022)."""

from collections.abc import Callable

import numpy as np
import xarray as xr

# Of the inputs (n, d) and the targets (n,) of a run.
Quantity = Callable[[np.ndarray, np.ndarray], float]


def of_training_points(runs: xr.Dataset, data: xr.Dataset, quantity: Quantity) -> xr.DataArray:
    """A quantity of the points that a run is trained on, over n_train and seed.

    data: those of the runs, with a `draw` for each seed or one for all.
    """
    train = data.isel(point=data["split"].values == 0)
    values = np.empty((runs.sizes["n_train"], runs.sizes["seed"]))
    for column, seed in enumerate(runs["seed"].values):
        points = train.isel(draw=int(seed)) if "draw" in train.dims else train
        inputs = points["inputs"].transpose("point", "feature").values
        for row, n_train in enumerate(runs["n_train"].values):
            values[row, column] = quantity(inputs[:n_train], points["targets"].values[:n_train])
    coords = {name: runs[name] for name in ("n_train", "seed")}
    return xr.DataArray(values, coords, ("n_train", "seed"))


def target_norm(_: np.ndarray, targets: np.ndarray) -> float:
    """|y| of the targets (n,)."""
    return float(np.linalg.norm(targets))


def variances(inputs: np.ndarray) -> np.ndarray:
    """Diagonal of G of (20), (n,): |x|^2 / d of inputs (n, d)."""
    return np.square(inputs).sum(1) / inputs.shape[1]
