"""Runs of gradient descent beside Theorem 2 of Song et al. (2021): condition (9) and rate (14)."""

import numpy as np
import xarray as xr

from regimes.kernels.near_isometry import ALPHA_F, Constants
from regimes.papers.song2021.lemma3 import locality, rate_bound
from regimes.storage.layout import labelled

# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "mu": "mu",
    "nu": "nu",
    "beta": "beta",
    "chi": "chi",
    "radius": "radius",
    "initial_output_norm": "initial_output_norm",
    "largest_output_norm": "largest_output_norm",
    "initial_smallest_singular_value": "initial_smallest_singular_value",
    "initial_largest_singular_value": "initial_largest_singular_value",
    "step_size": "step_size",
    "stopping_time": "stopping_time",
    "converged": "converged",
    "diverged": "diverged",
    "initial_loss": "initial_loss",
    "final_loss": "final_loss",
    "slowest_decay": "slowest_decay",
    "r_squared": "r_squared",
    "final_distance": "distance",
    "farthest_distance": "farthest_distance",
    "path_length": "path_length",
    "isometry_ratio": "isometry_ratio",
    "largest_gap": "largest_gap",
}


def convergence(runs: xr.Dataset) -> xr.Dataset:
    """Measures of each run of `regimes.engines.gradient_descent.linearised`.

    These are the variables of KEPT, and

    - locality: h(Theta_0) over the right side of (9), whose constant is 1 here;
    - decay_ratio: the slowest decay of the loss, least of ln(h_0 / h_i) / i over all steps i, over
      that of (14), -ln(1 - C eta alpha_f mu^2) with C = 1/4 and the mu of Lemma 3: the loss stays
      under (14) if it is at least 1; NaN where mu = 0, with which (14) says nothing;
    - isometry_decay_ratio: the same with sigma_min of the Jacobian's adjoint in place of mu, the
      largest mu of Definition 1;
    - chi_ratio: the largest sigma_max(V) of the run over the bound that beta and the learning rate
      were made with; ball_ratio and farthest_ratio: |Theta - Theta_0| at the end and at its largest
      over the radius of the ball;
    - length_ratio: the length of the way over nu h_0^(1/2) / (mu^2 alpha_f^(1/2)) of Lemma 2.
    """
    found = runs[list(KEPT)].rename(KEPT)
    constants = Constants(found["mu"], found["nu"], found["beta"])
    found["locality"] = labelled(
        locality(constants, found["initial_loss"]),
        "h(Theta_0) over alpha_f mu^6 / (beta^2 nu^2), the right side of (9) without its constant",
    )
    found["decay_ratio"] = labelled(
        _decay_ratio(found, found["mu"]), "slowest decay of the loss over that of (14)"
    )
    found["isometry_decay_ratio"] = labelled(
        _decay_ratio(found, found["initial_smallest_singular_value"]),
        "slowest decay of the loss over that of (14) with sigma_min of the Jacobian's adjoint",
    )
    found["chi_ratio"] = labelled(
        found["largest_output_norm"] / found["chi"],
        "largest sigma_max(V) of the run over its bound in the ball of Lemma 1",
    )
    found["ball_ratio"] = labelled(
        found["distance"] / found["radius"].where(found["radius"] > 0),
        "|Theta - Theta_0| at the end over the radius of the ball of Lemma 1",
    )
    found["farthest_ratio"] = labelled(
        found["farthest_distance"] / found["radius"].where(found["radius"] > 0),
        "largest |Theta - Theta_0| over the radius of the ball of Lemma 1",
    )
    scale = found["nu"] * np.sqrt(found["initial_loss"] / ALPHA_F) / found["mu"] ** 2
    found["length_ratio"] = labelled(
        found["path_length"] / scale.where(found["mu"] > 0),
        "length of the way over nu h_0^(1/2) / (mu^2 alpha_f^(1/2)) of Lemma 2",
    )
    return found.assign_attrs(runs.attrs)


def _decay_ratio(found: xr.Dataset, mu: xr.DataArray) -> xr.DataArray:
    bound = -np.log(rate_bound(Constants(mu, np.nan, np.nan), found["step_size"]))
    return found["slowest_decay"] / bound.where(bound > 0)
