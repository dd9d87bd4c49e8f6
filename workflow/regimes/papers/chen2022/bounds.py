"""The bounds of Chen et al. (2022), Section 3 and Appendix D, with their constants.

They are of gradient flow on the sum (6) of the squared errors. One step of gradient descent on the
mean over n points is a time delta / n of that flow, delta being `learning_rate`.

All three scalings of Table 1 obey (14), from which the bounds follow. Mean field differs from ours
in h^0 alone. |c_i| = 1 throughout, but a network of ours with |c_i| = c^ is one of |c_i| = 1 whose
targets are c^ times as small, in c^2 times the time; and a network with NTK scaling, f = m^(-1/2)
sum_i c_i act(h_i), is one of ours with c^ = m^(1/2), in 1/m of its time. So c^2 t is delta k / n
after k steps for all of them.
"""

import numpy as np
import xarray as xr
from scipy.stats import norm

from regimes.engines.function_space.active_region import ActiveRegion
from regimes.papers.chen2022.decay import above_rounding
from regimes.parameterisations.feature_scalings import SCALINGS

# kappa of Lemma 1 is one of these over lambda_min K / lambda_max, times or over the length of I.
KAPPA_PRINTED, KAPPA_OF_PROOF = 9 / 2, 9 / np.sqrt(2)


def output_weight(runs: xr.Dataset) -> xr.DataArray:
    """c^ of Assumption 1 that a run has beside ours, over model and width.

    It is m^(1/2) with NTK scaling, and 1 otherwise. Models are named by their scaling, or are ours.
    """
    ntk = [
        name in SCALINGS and SCALINGS[name].symmetrised for name in runs["model"].values.tolist()
    ]
    pairs = xr.DataArray(ntk, {"model": runs["model"]}, "model")
    return xr.where(pairs, np.sqrt(runs["width"].astype(np.float64)), 1.0)


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

    It is max(0, eta~^0^(3/2) - kappa (L_0^(1/2) - L_t^(1/2)) / c^)^(2/3), with L the sum (6).

    printed: with kappa = 9 lambda_max (I_r - I_l) / (2 lambda_min K) as the lemma prints it.
    Otherwise with 9 lambda_max / (2^(1/2) lambda_min K (I_r - I_l)), to which its proof comes:
    C_2 has xi = (I_r - I_l) / 3 in its denominator, and L' L^(-1/2) is 2 (L^(1/2))', where the
    last step of (52), with L' < 0, has (2 L)^(1/2)'. NaN where G is singular, which the lemma
    excludes.
    """
    smallest = smallest_eigenvalue(runs)
    smallest = smallest.where(smallest > 0)
    length = runs["interval_length"]
    factor = KAPPA_PRINTED * length if printed else KAPPA_OF_PROOF / length
    kappa = factor * runs["gram_largest_eigenvalue"] / (smallest * runs["interval_slope"])
    root = np.sqrt(runs["n_train"] * runs["train_loss"])
    lost = kappa * (root.isel(step=0, drop=True) - root) / output_weight(runs)
    return (runs["initial_middle_fraction"] ** 1.5 - lost).clip(min=0) ** (2 / 3)


def middle_share(region: ActiveRegion, variance: np.ndarray | float) -> np.ndarray:
    """pi(I_0; G_aa): the share of a normal law of mean 0 in the middle third of I."""
    left, right = region.middle
    deviation = np.sqrt(variance)
    # Of the upper tail, which has no rounding far out.
    return np.asarray(norm.sf(left / deviation) - norm.sf(right / deviation))


def least_share(region: ActiveRegion, smallest: float, largest: float, printed: bool) -> float:
    """K(I, G_min, G_max) of Lemma 3, below half of every pi(I_0; G_aa).

    smallest, largest: the ends of the diagonal of G. printed: with the exponent
    -max(abs(I_l), abs(I_r)) / G_min^2 that the lemma has; otherwise with -max(I_l^2, I_r^2) /
    (2 G_min), that of the normal law.
    """
    farthest = max(abs(region.left), abs(region.right))
    exponent = farthest / smallest**2 if printed else farthest**2 / (2 * smallest)
    length = region.right - region.left
    return float(length * np.exp(-exponent) / (6 * np.sqrt(2 * np.pi * largest)))


def theorem(
    runs: xr.Dataset,
    *,
    active_share: xr.DataArray,
    eigenvalues: tuple[xr.DataArray, xr.DataArray],
    target_norm: xr.DataArray,
    kappa_factor: float,
    rate_factor: float,
) -> xr.Dataset:
    """The hypothesis and the conclusion of Theorem 1 or 2 with the constants of their proofs.

    active_share: K, which Lemma 3 bounds the middle share by. eigenvalues: the smallest and the
    largest one of G or of its limit. target_norm: |y|. kappa_factor: how many times kappa |y| /
    K^(3/2) the least c^ is; rate_factor: r over K_act'^2 K. Beside the variables of `runs`:

    - weight_ratio: c^ over the least that the theorem asks for, (58) or (80), with the kappa of the
      proof of Lemma 1;
    - initial_loss_ratio: L_0 / |y|^2, at most 1 where Lemma 2 holds;
    - theorem_rate: r lambda_min delta / n, the least decay of ln L per step, (61) or (83);
    - theorem_ratio: least of ln(L_0 / L_t) over all recorded steps, over this rate.
    """
    smallest, largest = eigenvalues
    slope = runs["interval_slope"]
    kappa = KAPPA_OF_PROOF * largest / (smallest * slope * runs["interval_length"])
    least = kappa_factor * kappa * target_norm / active_share**1.5
    rate = rate_factor * slope**2 * active_share * smallest * runs["step_size"] / runs["n_train"]
    later = runs["train_loss"].isel(step=slice(1, None))
    first = runs["train_loss"].isel(step=0, drop=True)
    fallen = np.log(first / later.where(later > 0, np.finfo(float).tiny))
    ratio = (fallen / (rate * later["step"].astype(np.float64))).min("step", skipna=False)
    found = {
        "weight_ratio": (output_weight(runs) / least, "c^ over the least that the theorem asks"),
        "initial_loss_ratio": (
            runs["n_train"] * first / target_norm**2,
            "L_0 / |y|^2, at most 1 by Lemma 2",
        ),
        "theorem_rate": (rate, "least decay of ln L per step by the theorem"),
        "theorem_ratio": (ratio, "least decay of ln L from the start over that of the theorem"),
    }
    return xr.Dataset(
        {
            name: values.astype(np.float64).assign_attrs(long_name=long_name, units="1")
            for name, (values, long_name) in found.items()
        }
    )
