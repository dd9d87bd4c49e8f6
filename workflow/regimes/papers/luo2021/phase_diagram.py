"""The measures behind the phase diagrams of Luo et al. (2021): Figures 3 (d), 4, 5 and 10."""

import numpy as np
import xarray as xr

from regimes import endings
from regimes.errors import DataError
from regimes.kernels.limiting_kernels import gram_a, gram_w, smallest_eigenvalue
from regimes.papers.luo2021.boundaries import boundary_gamma, boundary_gamma_a, boundary_gamma_theta
from regimes.statistics import (
    error_of_zero,
    mean_and_error,
    power_law_slope,
    ran,
    seeds_with,
    upward_zero,
)

AXES = ("gamma_prime", "gamma", "width", "seed")
LAYERS = {
    "w": "first-layer weights",
    "a": "output weights",
    "theta": "weights of both layers",
}
# For each layer: the name of its boundary, and the boundary of the theory.
BOUNDARIES = {
    "w": ("boundary_gamma", boundary_gamma),
    "a": ("boundary_gamma_a", boundary_gamma_a),
    "theta": ("boundary_gamma_theta", boundary_gamma_theta),
}
# How runs end, and how that is put into words.
ENDINGS = {
    endings.CONVERGED: "converged",
    endings.STATIONARY: "ended where no loss was left to gain",
    endings.CAPPED: "hit a cap",
    endings.DIVERGED: "diverged",
}
# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "final_relative_distance_w": "relative_distance_w",
    "final_relative_distance_a": "relative_distance_a",
    "final_relative_distance_theta": "relative_distance_theta",
    "initial_loss": "initial_loss",
    "final_loss": "final_loss",
    **{name: name for name in ENDINGS},
    "flow_time": "flow_time",
    "solver_steps": "solver_steps",
    "rejected_steps": "rejected_steps",
}
# Exponents of the decay's bound below this are not compared: there the loss falls by rounding.
SMALLEST_EXPONENT = 1e-6
# Number of the recorded times at which the loss is kept.
LOSS_POINTS = 33


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Growth of the relative distances with the width, where it vanishes, and the loss's decay.

    runs: variables of KEPT over gamma_prime, gamma, width, seed; train_loss over these and
    checkpoint, with its `time`. data: `inputs` (point, feature), the bias's constant feature among
    them, of the data set that they were trained on.
    Adds, over gamma_prime and gamma, slope_w, slope_a and slope_theta (equation (19), by least
    squares over the widths for each seed, then the mean over seeds) with *_stderr (over seeds;
    with one seed, of the fit) and *_n_seeds (how many have a slope), converged_share,
    stationary_share, capped_share and diverged_share of n_runs runs; over gamma_prime,
    boundary_gamma, boundary_gamma_a and boundary_gamma_theta, where slope_w, slope_a and
    slope_theta vanish, with *_stderr and *_n_seeds (how many have a zero), and the theory's
    theory_boundary_gamma and so on; boundary_gamma_widest, that of the two largest widths alone,
    with *_stderr, where there are more than two;
    smallest_eigenvalue_a and smallest_eigenvalue_w of the limiting Gram matrices (34), n_train;
    over the axes of the runs, decay_rate_ratio (see `_decay_rate_ratio`); of the largest width
    train_loss, with the coordinate `time`, over gamma_prime, gamma, seed and checkpoint (see
    `_losses`). Runs that hit a cap are kept.
    """
    missing = [name for name in AXES if name not in runs.dims]
    if missing:
        raise DataError(
            f"luo2021.phase_diagram measures runs over {', '.join(AXES)}; the experiment's axes "
            f"lack {', '.join(missing)}"
        )
    result = runs[list(KEPT)].rename(KEPT).transpose(*AXES)
    for layer, name in LAYERS.items():
        by_seed, fit_error = power_law_slope(result[f"relative_distance_{layer}"])
        slope, error = mean_and_error(by_seed, fit_error)
        result[f"slope_{layer}"] = _described(
            slope, f"slope of log relative distance of the {name} against log width", endings.USED
        )
        result[f"slope_{layer}_stderr"] = _described(
            error, f"standard error of slope_{layer}", endings.USED
        )
        result[f"slope_{layer}_n_seeds"] = _described(
            seeds_with(by_seed), f"number of seeds behind slope_{layer}"
        )
        boundary, theory = BOUNDARIES[layer]
        zero = upward_zero(slope)
        zeros = upward_zero(by_seed)
        _, zero_error = mean_and_error(zeros, error_of_zero(by_seed, fit_error))
        result[boundary] = _described(
            zero, f"gamma at which slope_{layer} rises through 0", endings.USED
        )
        result[f"{boundary}_stderr"] = _described(
            zero_error, f"standard error of {boundary}", endings.USED
        )
        result[f"{boundary}_n_seeds"] = _described(
            seeds_with(zeros), f"number of seeds behind {boundary}_stderr"
        )
        result[f"theory_{boundary}"] = _described(
            theory(result["gamma_prime"]),
            f"gamma at which slope_{layer} vanishes in the limit of large width, by the theory",
        )
    if result.sizes["width"] > 2:
        result = result.assign(_widest(result["relative_distance_w"]))
    for ending, words in ENDINGS.items():
        result[f"{ending}_share"] = _described(
            result[ending].mean(("width", "seed")), f"share of the runs that {words}"
        )
    result["n_runs"] = _described(
        ran(result).sum(("width", "seed")), "number of runs behind the shares"
    )
    train = data.isel(point=(data["split"] == 0).values)
    eigenvalues = []
    for layer, gram in (("a", gram_a), ("w", gram_w)):
        eigenvalues.append(smallest_eigenvalue(gram(train["inputs"].values)))
        result[f"smallest_eigenvalue_{layer}"] = _described(
            xr.DataArray(eigenvalues[-1]),
            f"smallest eigenvalue of the Gram matrix of the {LAYERS[layer]} at infinite width",
        )
    result["n_train"] = _described(
        xr.DataArray(float(train.sizes["point"])), "number of training points n"
    )
    ratio = _decay_rate_ratio(runs, min(eigenvalues), train.sizes["point"])
    result["decay_rate_ratio"] = _described(
        ratio.transpose(*AXES),
        "smallest ratio, along the run, of the loss's mean rate of decay to the rate of the theory",
    )
    result = result.assign(_losses(runs))
    result.attrs = {}
    return result


def _widest(distance: xr.DataArray) -> dict[str, xr.DataArray]:
    """The boundary as the two largest widths alone have it, which finite width moves least."""
    by_seed, _ = power_law_slope(distance.sortby("width").isel(width=slice(-2, None)))
    zeros = upward_zero(by_seed)
    # Two widths lie on a line: without a second seed there is no error.
    _, error = mean_and_error(zeros, xr.full_like(zeros, np.nan))
    text = "gamma at which slope_w, of the two largest widths alone, rises through 0"
    return {
        "boundary_gamma_widest": _described(upward_zero(by_seed.mean("seed")), text, endings.USED),
        "boundary_gamma_widest_stderr": _described(
            error, "standard error of boundary_gamma_widest", endings.USED
        ),
    }


def _losses(runs: xr.Dataset) -> xr.Dataset:
    """The loss over time of the runs of the largest width, float32.

    It is kept at LOSS_POINTS of the recorded, log-spaced times of each run, the first and the last
    included.
    """
    widest = runs[["train_loss"]].sel(width=runs["width"].max(), drop=True)
    count = runs.sizes["checkpoint"]
    chosen = np.linspace(0, count - 1, min(count, LOSS_POINTS)).round().astype(int)
    kept = widest.isel(checkpoint=chosen).drop_vars("checkpoint", errors="ignore")
    kept = kept.transpose("gamma_prime", "gamma", "seed", "checkpoint").astype(np.float32)
    width = int(runs["width"].max())
    kept["time"] = kept["time"].astype(np.float32)
    kept["train_loss"].attrs |= {"long_name": f"training loss R(t) along the run, m = {width}"}
    kept["time"].attrs |= {"long_name": f"times of train_loss, m = {width}"}
    return kept


def _decay_rate_ratio(runs: xr.Dataset, eigenvalue: float, n_points: int) -> xr.DataArray:
    """Smallest [-log(R(t) / R(0)) / t] / (2 m kappa^2 lambda / n) over the recorded times t.

    eigenvalue: lambda, the smaller of those of the limiting Gram matrices (33). Theorem 6 (b),
    equation (38), holds along a run if it is 1 or more. The times are those of the normalised
    system (26). Returns values over the axes of the runs, NaN where a run diverged.
    """
    kappa = runs["width"].astype(float) ** -runs["gamma"]
    rate = 2 * runs["width"] * kappa**2 * eigenvalue / n_points
    exponent = rate * runs["time"]
    decay = -np.log(runs["train_loss"] / runs["initial_loss"])
    ratio = decay / exponent.where(exponent > SMALLEST_EXPONENT)
    return ratio.min("checkpoint").where(runs["diverged"] == 0)


def _described(values: xr.DataArray, long_name: str, comment: str = "") -> xr.DataArray:
    attributes = {"long_name": long_name, "units": "1"} | ({"comment": comment} if comment else {})
    return values.astype(np.float64).assign_attrs(attributes)
