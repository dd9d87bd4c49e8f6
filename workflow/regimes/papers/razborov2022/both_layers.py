"""Both layers trained: convergence over the ratio of their learning rates."""

import numpy as np
import xarray as xr

from regimes.papers.razborov2022 import convergence

# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "final_output_weight_distance": "output_weight_distance",
    "final_invariant_drift": "invariant_drift",
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `convergence` over rate_ratio too, and the conditions of Theorem 2.3.

    The measures are those in KEPT.

    condition_16, condition_17 and condition_18, over width, n_train and rate_ratio: 1 where the
    inequality of that number holds with all constants and logarithms set to 1.
    """
    result = convergence.measure(runs, data)
    for there, here in KEPT.items():
        result[here] = runs[there].transpose(*result["kappa_h"].dims)
    conditions = theorem_conditions(
        runs["width"], runs["n_train"], data.sizes["feature"], runs["rate_ratio"]
    )
    for number, holds in conditions.items():
        name = f"condition_{number}"
        long_name = f"1 where condition ({number}) holds with all constants and logarithms at 1"
        values = holds.transpose("width", "n_train", "rate_ratio").astype(np.int8)
        result[name] = values.assign_attrs(long_name=long_name, units="1")
    return result


def theorem_conditions(
    width: xr.DataArray, n_train: xr.DataArray, n_features: int, rate_ratio: xr.DataArray
) -> dict[int, xr.DataArray]:
    """Whether each of (16), (17) and (18) holds with all constants and logarithms at 1, by number.

    width: S; n_train: m; n_features: n; rate_ratio: eta_z / eta_w.
    """
    few_points = n_train <= n_features * width**0.25
    return {
        16: few_points & (rate_ratio <= width / n_train),
        17: few_points & (rate_ratio >= n_train**2 / (n_features * width)),
        18: rate_ratio >= 1 + n_train / n_features + 0 * width,
    }
