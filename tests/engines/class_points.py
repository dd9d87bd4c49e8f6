"""Points of several classes, made up."""

import numpy as np
import xarray as xr


def class_points(
    n_train: int = 50,
    n_test: int = 20,
    n_validation: int = 0,
    n_features: int = 7,
    n_classes: int = 4,
) -> xr.Dataset:
    """Normal points, of which a linear map decides the class."""
    random = np.random.default_rng(0)
    parts = [n_train, n_test, n_validation]
    inputs = random.standard_normal((sum(parts), n_features))
    labels = (inputs @ random.standard_normal((n_features, n_classes))).argmax(axis=1)
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), inputs),
            "targets": (("point", "output"), np.eye(n_classes)[labels]),
            "split": ("point", np.repeat([0, 1, 2], parts).astype(np.int8)),
        }
    )
