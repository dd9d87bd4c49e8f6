"""The measures behind Figure 3 of Luo et al. (2021): growth of the relative distance."""

import numpy as np
import xarray as xr

from regimes import endings
from regimes.statistics import mean_and_error, power_law_slope, seeds_with

# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "final_relative_distance_w": "relative_distance_w",
    "converged": "converged",
    "stationary": "stationary",
    "capped": "capped",
    "diverged": "diverged",
    "flow_time": "flow_time",
    "solver_steps": "solver_steps",
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Slopes of the relative distance of the first layer's weights against the width.

    runs: variables of KEPT over gamma_prime, gamma, width, seed; data is not needed. Adds slope_w
    (equation (19), mean over seeds) with its standard error slope_w_stderr, slope_w_n_seeds (how
    many seeds have a slope) and slope_w_by_seed.
    """
    result = runs[list(KEPT)].rename(KEPT)
    by_seed, fit_error = power_law_slope(result["relative_distance_w"])
    slope, error = mean_and_error(by_seed, fit_error)
    what = "slope of log relative distance of the first-layer weights against log width"
    for name, values, long_name in (
        ("slope_w_by_seed", by_seed, f"{what}, by seed"),
        ("slope_w", slope, what),
        ("slope_w_stderr", error, "standard error of slope_w"),
        ("slope_w_n_seeds", seeds_with(by_seed), "number of seeds behind slope_w"),
    ):
        result[name] = values.astype(np.float64).assign_attrs(
            long_name=long_name, units="1", comment=endings.USED
        )
    result.attrs = {}
    return result
