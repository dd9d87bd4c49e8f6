"""The control quantities of Razborov (2022) with the smallest eigenvalue along each run."""

import numpy as np
import xarray as xr

from regimes.papers.razborov2022 import convergence


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `convergence`, and the course of the smallest eigenvalue.

    Over `step` too, where the runs recorded it,

    - smallest_eigenvalue_history: lambda_min(H_t);

    and, as shares of these,

    - eigenvalue_dip: how far lambda_min(H_t) falls below the smaller of lambda_min(H_0) and
      lambda_min(H_T); 0 if it does not;
    - distance_bulge: how far |W_t - W_0| rises above |W_T - W_0|; 0 if it does not.
    """
    result = convergence.measure(runs, data)
    history = runs["smallest_eigenvalue"]
    result["smallest_eigenvalue_history"] = history
    ends = np.minimum(result["initial_smallest_eigenvalue"], result["smallest_eigenvalue"])
    # The end is not among the recorded steps. NaN where there is no run, or it diverged.
    dip = (1 - history.min("step") / ends).clip(min=0)
    result["eigenvalue_dip"] = dip.transpose(*result["kappa_h"].dims).assign_attrs(
        long_name="fall of lambda_min(H_t) below the smaller of its ends, as a share of that",
        units="1",
    )
    bulge = (runs["weight_distance"].max("step") / result["weight_distance"] - 1).clip(min=0)
    result["distance_bulge"] = bulge.transpose(*result["kappa_h"].dims).assign_attrs(
        long_name="rise of |W_t - W_0| above |W_T - W_0|, as a share of that", units="1"
    )
    return result
