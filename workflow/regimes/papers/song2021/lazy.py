"""Measures of lazy training, Section 6 and Appendix F of Song et al. (2021)."""

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.kernels.near_isometry import Constants, smoothness
from regimes.papers.song2021.convergence import convergence
from regimes.papers.song2021.lemma3 import lazy_bound, output_norm_bound
from regimes.storage.layout import labelled

SIZES = ("n_features", "n_train", "width")
HISTORIES = ("train_loss", "linearised_train_loss", "gap")


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The distance from the linearised network, beside the bound (82), over scale_ratio and seed.

    runs: of one size, as made by `regimes.engines.gradient_descent.linearised`. data is not needed.
    Beside `convergence.convergence` there are

    - gap, train_loss, linearised_train_loss (scale_ratio, seed, step), largest_gap (scale_ratio,
      seed);
    - chi_84: sigma_max(V) by the second line of (84), and lazy_bound: the right side of (82),
      beta / nu^2, with it;
    - lazy_bound_start: the same with sigma_max(V_0) in place of (84);
    - first_scale, second_scale: omega_1 and omega_2; he_ratio: that of He.

    The attributes have the sizes. Raises DataError for runs of several sizes.
    """
    for name in SIZES:
        if runs.sizes[name] > 1:
            values = ", ".join(map(str, runs[name].values))
            raise DataError(f"axes.{name}: {values}: lazy training is measured at one size")
    if "scale_ratio" not in runs.dims:
        raise DataError("axes.scale_ratio is missing: lazy training is measured over it")
    sizes = {name: int(runs[name].item()) for name in SIZES}
    runs = runs.isel(dict.fromkeys(SIZES, 0), drop=True)
    result = convergence(runs)
    for name in HISTORIES:
        result[name] = runs[name]
    for name in ("first_scale", "second_scale"):
        # The same for all seeds.
        result[name] = runs[name].isel(seed=0, drop=True)
    mu, nu, input_norm = result["mu"], result["nu"], runs["input_norm"]
    start = Constants(mu, nu, result["beta"])
    chi = output_norm_bound(start, result["initial_loss"], result["initial_output_norm"])
    activation = runs.attrs["activation"]
    result["chi_84"] = labelled(chi, "bound (84) on sigma_max(V), up to its constant")
    for name, norm, what in (
        ("lazy_bound", chi, "(84)"),
        ("lazy_bound_start", result["initial_output_norm"], "sigma_max(V_0)"),
    ):
        found = Constants(mu, nu, smoothness(input_norm, activation, norm))
        result[name] = labelled(
            lazy_bound(found), f"beta / nu^2, the right side of (82), with chi_max from {what}"
        )
    he = float(np.sqrt(sizes["n_features"] / sizes["width"]))
    result["he_ratio"] = labelled(xr.DataArray(he), "omega_2 / omega_1 of He initialisation")
    return result.assign_attrs(sizes).transpose("scale_ratio", "seed", "step")
