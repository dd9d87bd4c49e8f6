"""The bounds of Chen et al. (2022), Section 3 and Appendix D, with their constants.

They are of gradient flow on the sum (6) of the squared errors. One step of gradient descent on the
mean over n points is a time delta / n of that flow, delta being `learning_rate`.

All three scalings of Table 1 obey (14), from which the bounds follow. Mean field differs from ours
in h^0 alone. With NTK scaling f = m^(-1/2) sum_i c_i act(h_i) and dh_i/dt has a factor m^(-1/2)
more than (11); together they are the 1/m of (13). |c_i| = 1 throughout.
"""

import numpy as np
import xarray as xr

from regimes.papers.chen2022.decay import above_rounding


def smallest_eigenvalue(runs: xr.Dataset) -> xr.DataArray:
    """lambda_min(G), 0 where it is rounding beside lambda_max(G), as with more points than D."""
    smallest, largest = runs["gram_smallest_eigenvalue"], runs["gram_largest_eigenvalue"]
    rounding = runs["n_train"] * np.finfo(np.float64).eps * largest
    return xr.where(smallest.isnull() | (smallest > rounding), smallest, 0.0)


def rate_bound(runs: xr.Dataset) -> xr.DataArray:
    """Lower bound on -d log L per step: 2 lambda_min(G) K^2 min_t eta^t delta / n, from (50).

    runs: `active_fraction` is eta^t over `step`, `interval_slope` the least slope K of the
    activation on the interval I. 0, and no bound, where G is singular or eta^t vanishes.
    """
    active = runs["active_fraction"].min("step")
    slope = runs["interval_slope"]
    rate = 2 * smallest_eigenvalue(runs) * slope**2 * active
    return rate * runs["step_size"] / runs["n_train"]


def slope_rate_bound(runs: xr.Dataset) -> xr.DataArray:
    """Lower bound on -d log L per step from the third line of (37), without the interval I.

    It is 2 lambda_min(G) min_t min_a (1/m) sum_i act'(h_i(x_a))^2 delta / n.
    """
    slopes = runs["mean_square_slope"].min("step")
    return 2 * smallest_eigenvalue(runs) * slopes * runs["step_size"] / runs["n_train"]


def least_decay_ratio(runs: xr.Dataset) -> xr.DataArray:
    """Smallest decay of log L per step between recorded steps, over `rate_bound`.

    The smallest eta^t of the run stands for that between the two steps, since between recorded
    steps it is not known. Pairs with a loss of rounding are left out. NaN where there is no bound.
    """
    loss = np.log(above_rounding(runs["train_loss"]))
    decay = -loss.diff("step") / runs["step"].astype(np.float64).diff("step")
    rate = rate_bound(runs)
    return (decay / rate.where(rate > 0)).min("step")


def active_fraction_bound(runs: xr.Dataset, printed: bool) -> xr.DataArray:
    """Lower bound (19) of Lemma 1 on the share eta^t of active neurons, over `step`.

    It is max(0, eta~^0^(3/2) - kappa (L_0^(1/2) - L_t^(1/2)))^(2/3), with L the sum (6).

    printed: with kappa = 9 lambda_max (I_r - I_l) / (2 lambda_min K) as the lemma prints it.
    Otherwise with 9 lambda_max / (2^(1/2) lambda_min K (I_r - I_l)), to which its proof comes:
    C_2 has xi = (I_r - I_l) / 3 in its denominator, and L' L^(-1/2) is 2 (L^(1/2))', where the
    last step of (52), with L' < 0, has (2 L)^(1/2)'. With NTK scaling h moves m^(-1/2) times as
    fast, and both hold all the more. NaN where G is singular, which the lemma excludes.
    """
    smallest = smallest_eigenvalue(runs)
    smallest = smallest.where(smallest > 0)
    length = runs["interval_length"]
    factor = length / 2 if printed else 1 / (np.sqrt(2) * length)
    kappa = 9 * factor * runs["gram_largest_eigenvalue"] / (smallest * runs["interval_slope"])
    root = np.sqrt(runs["n_train"] * runs["train_loss"])
    lost = kappa * (root.isel(step=0, drop=True) - root)
    return (runs["initial_middle_fraction"] ** 1.5 - lost).clip(min=0) ** (2 / 3)
