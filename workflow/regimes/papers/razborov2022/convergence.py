"""The control quantities of Razborov (2022), Section 4, run by run."""

import numpy as np
import xarray as xr

AXES = ("width", "n_train", "rate_ratio", "seed")
# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "stopping_time": "stopping_time",
    "activation_changes": "activation_changes",
    "final_weight_distance": "weight_distance",
    "converged": "converged",
    "aborted": "aborted",
    "diverged": "diverged",
    "step_size": "step_size",
    "initial_residual_norm": "initial_residual_norm",
    "final_residual_norm": "residual_norm",
    "initial_smallest_eigenvalue": "initial_smallest_eigenvalue",
    "initial_largest_eigenvalue": "initial_largest_eigenvalue",
    "final_smallest_eigenvalue": "smallest_eigenvalue",
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Measures of each run: stopping time, eigenvalues, changes of weights and activations.

    These are the variables of KEPT over the axes of the runs, and

    - kappa_h: lambda_min(H_T) / lambda_min(H_0);
    - change_density: |D| / (m S), the share of pairs (neuron, point) that changed activation;
    - theory_change_density, over width and n_train: (m / (n S))^(1/3), from (62).

    runs: by gradient descent, with `record.kernel` and `record.activation_changes`;
    NaN where a grid has no run. data: tells n, the number of features.
    """
    result = runs[list(KEPT)].rename(KEPT)
    n_features = data.sizes["feature"]
    eigenvalues = runs["final_smallest_eigenvalue"] / runs["initial_smallest_eigenvalue"]
    pairs = runs["width"] * runs["n_train"]
    theory = (runs["n_train"] / (n_features * runs["width"])) ** (1 / 3)
    for name, values, long_name in (
        ("kappa_h", eigenvalues, "lambda_min(H_T) / lambda_min(H_0)"),
        (
            "change_density",
            runs["activation_changes"] / pairs,
            "share of the pairs (neuron, point) whose activation ever left the initial one",
        ),
        (
            "theory_change_density",
            theory,
            "(m / (n S))^(1/3) of m points, S neurons and n features",
        ),
        ("n_features", xr.DataArray(n_features), "number of features n"),
    ):
        result[name] = values.astype(np.float64).assign_attrs(long_name=long_name, units="1")
    result.attrs = {}
    return result.transpose(*(name for name in AXES if name in result.dims), ...)
