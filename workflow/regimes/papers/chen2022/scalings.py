"""Experiment 3 of Chen et al. (2022): its curves, and the limit of its Gram matrix."""

import numpy as np
import xarray as xr

from regimes.kernels.gram import limiting_gram
from regimes.kernels.limiting_kernels import smallest_eigenvalue
from regimes.papers.chen2022 import curves

# The embedding and the activation of the experiment (Section 4.3, Appendix I.3).
EMBEDDING, ACTIVATION = "random_features", "relu"


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `curves`, and the smallest eigenvalue of the limiting Gram matrix.

    Beside the variables of `curves.measure`, this is:

    - limiting_gram_min_eigenvalue, over n_train and seed: lambda_min of the limit (23) of the Gram
      matrix for D to infinity, in closed form, of one layer of random ReLU features.

    data: those of the runs, with a `draw` for each seed or one for all.
    """
    result = curves.measure(runs, data)
    train = data["inputs"].isel(point=data["split"].values == 0)
    values = [
        [_limit(train, n_train, seed) for seed in runs["seed"].values]
        for n_train in runs["n_train"].values
    ]
    result["limiting_gram_min_eigenvalue"] = xr.DataArray(
        values,
        dims=("n_train", "seed"),
        attrs={
            "long_name": "smallest eigenvalue of the Gram matrix (23) for infinitely many features",
            "units": "1",
        },
    )
    return result


def _limit(train: xr.DataArray, n_train: int, seed: int) -> float:
    points = train.isel(draw=seed) if "draw" in train.dims else train
    inputs = np.asarray(points.isel(point=slice(int(n_train))).transpose("point", "feature"))
    return smallest_eigenvalue(limiting_gram(inputs, EMBEDDING, ACTIVATION))
