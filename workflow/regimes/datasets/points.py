"""Data sets that the config gives point by point."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """The data set of given points.

    settings: `inputs` (n numbers, or n lists of d numbers), `targets` (n numbers) and `bias`
    (append a constant last feature of 1).
    Returns `inputs` (point, feature), `targets` (point) and `split` (point), all "train".
    """
    inputs = np.asarray(settings["inputs"], dtype=np.float64)
    if inputs.ndim == 1:
        inputs = inputs[:, None]
    preprocessing = "none"
    if settings["bias"]:
        inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
        preprocessing = "a constant last feature of 1 appended (bias)"
    targets = np.asarray(settings["targets"], dtype=np.float64)
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), inputs, _described("network inputs")),
            "targets": ("point", targets, _described("targets of the regression")),
            "split": ("point", ["train"] * len(targets), _described("part of the data set")),
        },
        coords={
            "point": ("point", np.arange(len(targets)), _described("index of the point")),
            "feature": ("feature", np.arange(inputs.shape[1]), _described("index of the feature")),
        },
        attrs={
            "data_source": "points given in the configuration",
            "licence": "none needed",
            "citation": "none",
            "preprocessing": preprocessing,
        },
    )


def _described(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
