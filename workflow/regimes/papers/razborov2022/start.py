"""What holds of random points and networks at the start, as the engine measured it."""

import xarray as xr

from regimes.engines.at_initialisation.quasirandom import Runs


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The variables of `at_initialisation.quasirandom`, over its axes.

    data: not read; runs tell the number of features.
    """
    result = runs[list(Runs.VARIABLES)]
    result.attrs = {}
    return result.transpose(*Runs.AXES)
