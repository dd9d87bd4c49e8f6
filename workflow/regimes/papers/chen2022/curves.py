"""The measures of Section 4 of Chen et al. (2022), run by run."""

import numpy as np
import xarray as xr

from regimes.papers.chen2022.bounds import (
    active_fraction_bound,
    least_decay_ratio,
    rate_bound,
    slope_rate_bound,
)
from regimes.papers.chen2022.decay import fitted_rate

AXES = ("model", "width", "n_train", "seed")
# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "train_loss": "train_loss",
    "test_loss": "test_error",
    "feature_movement": "feature_movement",
    "function_movement": "function_movement",
    "weight_distance": "weight_distance",
    "active_fraction": "active_fraction",
    "gram_smallest_eigenvalue": "gram_min_eigenvalue",
    "gram_largest_eigenvalue": "gram_max_eigenvalue",
    "initial_middle_fraction": "middle_fraction",
    "interval_slope": "interval_slope",
    "interval_length": "interval_length",
    "mean_square_slope": "mean_square_slope",
    "step_size": "learning_rate",
    "diverged": "diverged",
    "plain_steps": "plain_steps",
    "multisteps": "multisteps",
}
# Variables that only some experiments record.
OPTIONAL = ("feature_map", "kernel_change")


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Measures of each run: its curves, fitted rates and bounds.

    These are the variables of KEPT over AXES (and `step`), and

    - fitted_rate: of the training loss, see `decay.fitted_rate`;
    - theory_rate, least_decay_ratio: the rate of (50) per step, and the least decay over it;
    - slope_rate: the rate of the line before in (37), which is sharper;
    - active_fraction_bound, active_fraction_bound_printed, over `step` too: Lemma 1's bound (19),
      with the constant of its proof and with the printed one.

    runs: by gradient descent on the mean L = 1/(2n) sum e^2; NaN where nothing
    was run, or a run diverged. data is not needed.
    """
    names = [*KEPT, *(name for name in OPTIONAL if name in runs)]
    result = runs[names].rename(KEPT)
    result["diverged"] = runs["diverged"].astype(np.float64).assign_attrs(runs["diverged"].attrs)
    shares = [active_fraction_bound(runs, printed) for printed in (False, True)]
    for name, values, long_name in (
        (
            "fitted_rate",
            fitted_rate(runs["train_loss"]),
            "decay of log loss per step, over the middle of the decay",
        ),
        ("theory_rate", rate_bound(runs), "lower bound (50) on the decay per step"),
        ("slope_rate", slope_rate_bound(runs), "lower bound of (37) on the decay per step"),
        (
            "least_decay_ratio",
            least_decay_ratio(runs),
            "least decay of log loss between recorded steps over its lower bound (50)",
        ),
        (
            "active_fraction_bound",
            shares[0],
            "lower bound (19) on active_fraction, with the constant of its proof",
        ),
        (
            "active_fraction_bound_printed",
            shares[1],
            "lower bound (19) on active_fraction, with the printed constant",
        ),
    ):
        result[name] = values.astype(np.float64).assign_attrs(long_name=long_name, units="1")
    result.attrs = {}
    return result.transpose(*AXES, ..., "step")
