"""Both layers trained: convergence over the ratio of their learning rates."""

import numpy as np
import xarray as xr

from regimes.papers.razborov2022 import convergence

# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "final_output_weight_distance": "output_weight_distance",
    "final_invariant_drift": "invariant_drift",
}
LARGEST = {
    "weight_distance": "largest_weight_distance",
    "output_weight_distance": "largest_output_weight_distance",
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `convergence` over rate_ratio too, and the conditions of Theorem 2.3.

    The measures are those in KEPT; those in LARGEST, the largest values along the run; and
    decay_rate: the rate at which log |e_t| falls with t, by least squares over the second half of
    the recorded steps; NaN for fewer than three.

    condition_16, condition_17 and condition_18, over width, n_train and rate_ratio: 1 where the
    inequality of that number holds with all constants and logarithms set to 1.
    """
    result = convergence.measure(runs, data)
    for there, here in KEPT.items():
        result[here] = runs[there].transpose(*result["kappa_h"].dims)
    for there, here in LARGEST.items():
        # The end is not among the recorded steps.
        values = np.fmax(runs[there].max("step"), runs[f"final_{there}"])
        result[here] = values.transpose(*result["kappa_h"].dims).assign_attrs(
            long_name=f"largest {runs[there].attrs['long_name']}", units="1"
        )
    result["decay_rate"] = decay_rate(runs).transpose(*result["kappa_h"].dims)
    conditions = theorem_conditions(
        runs["width"], runs["n_train"], data.sizes["feature"], runs["rate_ratio"]
    )
    for number, holds in conditions.items():
        name = f"condition_{number}"
        long_name = f"1 where condition ({number}) holds with all constants and logarithms at 1"
        values = holds.transpose("width", "n_train", "rate_ratio").astype(np.int8)
        result[name] = values.assign_attrs(long_name=long_name, units="1")
    return result


def decay_rate(runs: xr.Dataset) -> xr.DataArray:
    """Rate at which log |e_t| falls with t over the second half of the recorded steps of runs."""
    loss, step = runs["train_loss"], runs["step"]
    late = loss.where((step >= runs["stopping_time"] / 2) & (loss > 0))
    logs = np.log(late) / 2
    times = step.where(logs.notnull())
    count = logs.count("step")
    centred = times - times.mean("step")
    slope = (centred * logs).sum("step") / (centred**2).sum("step").where(count >= 3)
    return (-slope).assign_attrs(
        long_name="rate at which log |e_t| falls with t, second half of the run", units="1"
    )


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
