"""What is measured of the runs."""

import numpy as np
import xarray as xr

from regimes.statistics import power_law_slope
from regimes.storage.layout import labelled


def growth(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """How far training moves the first layer, and how that changes with the width.

    runs: all runs of the experiment over its axes (docs/runs.md has their variables). data: the
    training points. Every variable that is returned needs a long name and units, as `labelled`
    adds them; NaN stands where a run diverged.
    """
    distance = runs["final_relative_distance_w"]
    slope, _ = power_law_slope(distance, "width")
    return xr.Dataset(
        {
            "distance": labelled(
                np.exp(np.log(distance).mean("seed")), "|w(T) - w(0)| / |w(0)|, mean over seeds"
            ),
            "slope": labelled(slope.mean("seed"), "slope of log distance against log width"),
        }
    )
