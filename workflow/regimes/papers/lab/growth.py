"""How the relative distance of the first layer grows with the width, under any engine."""

import numpy as np
import xarray as xr

from regimes import endings
from regimes.errors import DataError
from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.statistics import (
    error_of_zero,
    mean_and_error,
    power_law_slope,
    seeds_with,
    upward_zero,
)
from regimes.storage.layout import labelled

NEEDED = ("gamma", "gamma_prime", "width", "seed")
DISTANCE = "final_relative_distance_w"


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Slopes of the relative distance against the width, and where they vanish.

    runs: of any engine, over gamma, gamma_prime, width, seed and perhaps learning_rate. data is not
    needed. Returns relative_distance_w at the end, how the runs ended, slope_w (least squares over
    the widths for each seed, then the mean over seeds) of settings of which no width diverged, and
    boundary_gamma, where it rises through 0, with *_stderr and *_n_seeds; theory_boundary_gamma of
    gradient flow; diverged_share over the same axes as the slopes. Raises DataError when an axis is
    missing.
    """
    if missing := [name for name in NEEDED if name not in runs.dims]:
        raise DataError(
            f"lab.growth measures runs over {', '.join(NEEDED)}; the experiment's axes lack "
            f"{', '.join(missing)}"
        )
    flags = [name for name in endings.FLAGS if name in runs]
    result = runs[[DISTANCE, *flags]].rename({DISTANCE: "relative_distance_w"})
    whole = np.isfinite(runs[DISTANCE]).all("width")
    by_seed, fit_error = power_law_slope(runs[DISTANCE].where(whole))
    slope, error = mean_and_error(by_seed, fit_error)
    zero, zeros = upward_zero(slope), upward_zero(by_seed)
    _, zero_error = mean_and_error(zeros, error_of_zero(by_seed, fit_error))
    found = {
        "slope_w": (slope, "slope of log relative distance of the first layer against log width"),
        "slope_w_stderr": (error, "standard error of slope_w"),
        "slope_w_n_seeds": (seeds_with(by_seed), "number of seeds behind slope_w"),
        "boundary_gamma": (zero, "gamma at which slope_w rises through 0"),
        "boundary_gamma_stderr": (zero_error, "standard error of boundary_gamma"),
        "boundary_gamma_n_seeds": (seeds_with(zeros), "number of seeds behind boundary_gamma"),
        "theory_boundary_gamma": (
            boundary_gamma(runs["gamma_prime"]),
            "gamma at which slope_w vanishes in the limit of large width under gradient flow",
        ),
        "diverged_share": (
            runs[endings.DIVERGED].mean(("width", "seed")),
            "share of the runs that diverged",
        ),
    }
    for name, (values, text) in found.items():
        result[name] = labelled(values.astype(np.float64), text)
    return result.assign_attrs({})
