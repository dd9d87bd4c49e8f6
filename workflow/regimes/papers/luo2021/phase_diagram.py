"""The measures behind the phase diagrams of Luo et al. (2021): Figures 3 (d), 4, 5 and 10."""

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.measures.growth import error_of_zero, mean_and_error, power_law_slope, upward_zero
from regimes.papers.luo2021.theory import boundary_gamma

AXES = ("gamma_prime", "gamma", "width", "seed")
LAYERS = {
    "w": "first-layer weights",
    "a": "output weights",
    "theta": "weights of both layers",
}
# What is taken over from the runs as it is.
KEPT = (
    "relative_distance_w",
    "relative_distance_a",
    "relative_distance_theta",
    "initial_loss",
    "final_loss",
    "converged",
    "diverged",
    "flow_time",
    "solver_steps",
    "rejected_steps",
)


def measure(runs: xr.Dataset) -> xr.Dataset:
    """Growth of the relative distances with the width, and the boundary where it vanishes.

    runs: variables of KEPT over gamma_prime, gamma, width, seed. Adds, over gamma_prime and gamma,
    slope_w, slope_a and slope_theta (equation (19), by least squares over the widths for each
    seed, then the mean over seeds) with *_stderr (over seeds; with one seed, of the fit) and
    converged_share; over gamma_prime, boundary_gamma with its stderr and theory_boundary_gamma.
    Runs that hit a cap are kept.
    """
    missing = [name for name in AXES if name not in runs.dims]
    if missing:
        raise DataError(
            f"luo2021.phase_diagram measures runs over {', '.join(AXES)}; the experiment's axes "
            f"lack {', '.join(missing)}"
        )
    result = runs[list(KEPT)].transpose(*AXES)
    for layer, name in LAYERS.items():
        by_seed, fit_error = power_law_slope(result[f"relative_distance_{layer}"])
        slope, error = mean_and_error(by_seed, fit_error)
        result[f"slope_{layer}"] = _described(
            slope, f"slope of log relative distance of the {name} against log width"
        )
        result[f"slope_{layer}_stderr"] = _described(error, f"standard error of slope_{layer}")
        if layer == "w":
            zero = upward_zero(slope)
            _, zero_error = mean_and_error(upward_zero(by_seed), error_of_zero(by_seed, fit_error))
    result["boundary_gamma"] = _described(zero, "gamma at which slope_w rises through 0")
    result["boundary_gamma_stderr"] = _described(zero_error, "standard error of boundary_gamma")
    result["theory_boundary_gamma"] = _described(
        boundary_gamma(result["gamma_prime"]), "gamma of the boundary in the limit of large width"
    )
    result["converged_share"] = _described(
        result["converged"].mean(("width", "seed")), "share of the runs that converged"
    )
    result.attrs = {}
    return result


def _described(values: xr.DataArray, long_name: str) -> xr.DataArray:
    return values.astype(np.float64).assign_attrs(long_name=long_name, units="1")
