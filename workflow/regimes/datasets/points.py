"""Data sets that the config gives point by point."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.storage.layout import assemble, train_then_test, with_bias


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """The data set of given points.

    settings: `inputs` (n numbers, or n lists of d numbers), `targets` (n numbers) and `bias`
    (append a constant last feature of 1).
    Returns `inputs` (point, feature), `targets` (point) and `split` (point), all for training.
    """
    inputs = np.asarray(settings["inputs"], dtype=np.float64)
    if inputs.ndim == 1:
        inputs = inputs[:, None]
    preprocessing = "None."
    if settings["bias"]:
        inputs = with_bias(inputs)
        preprocessing = "A constant last feature of 1 was appended."
    return assemble(
        inputs,
        np.asarray(settings["targets"], dtype=np.float64),
        train_then_test(len(inputs), 0),
        licence="none needed",
        citation="none",
        preprocessing=preprocessing,
        data_source="points given in the configuration",
    )
