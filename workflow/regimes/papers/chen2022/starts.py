"""Lemmas 2 and 3 of Chen et al. (2022): the loss and the active neurons at random starts."""

import numpy as np
import xarray as xr
from scipy.stats import binom

from regimes.engines.function_space.active_region import ACTIVE_REGIONS, ActiveRegion
from regimes.papers.chen2022.bounds import least_share, middle_share
from regimes.papers.chen2022.points import of_training_points, target_norm, variances
from regimes.storage.layout import described, labelled

# delta of both lemmas.
DELTA = 0.1
# Regions I of Lemma 3: those in use, and one far from 0, where few neurons are. act' is free.
REGIONS = {
    "(-1, 1)": ACTIVE_REGIONS["tanh"],
    "(0, 1)": ACTIVE_REGIONS["relu"],
    "(5, 6)": ActiveRegion(5.0, 6.0, 1.0),
}
FORMS = ("printed", "corrected")


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Both lemmas at the starts of runs, with c^ = 1.

    Over width, n_train and seed:

    - diverged; initial_loss_ratio: L_0 / |y|^2, at most 1 by Lemma 2;
    - lemma_2_constant (width, n_train): m |y|^2 / (G_max ln(n / DELTA)), the constant with which
      the lemma's condition on m holds.

    In closed form, of one point with G = 1 over REGIONS and FORMS of the exponent in K:

    - middle_share, least_share: the share of the normal law in the middle third of I, and K, which
      half of it is to exceed;
    - failing_share: chance that no more than a share K of the neurons is there at the least m of
      the lemma, ln(1 / DELTA) / (2 K^2); at most DELTA by it.

    data: those of the runs, with one draw.
    """
    runs = runs.isel(model=0, drop=True)
    norm = of_training_points(runs, data, target_norm)
    largest = of_training_points(runs, data, lambda inputs, _: float(variances(inputs).max()))
    loss = runs["n_train"] * runs["train_loss"].isel(step=0, drop=True)
    constant = runs["width"] * norm**2 / (largest * np.log(runs["n_train"] / DELTA))
    result = xr.Dataset(
        {
            "diverged": runs["diverged"].astype(np.float64).assign_attrs(runs["diverged"].attrs),
            "initial_loss_ratio": labelled(loss / norm**2, "L_0 / |y|^2"),
            "lemma_2_constant": labelled(
                constant.isel(seed=0, drop=True), "m |y|^2 / (G_max ln(n/delta))"
            ),
        }
    )
    return result.merge(_lemma_3()).transpose("width", "n_train", "seed", ...)


def _lemma_3() -> xr.Dataset:
    middle = [float(middle_share(region, 1.0)) for region in REGIONS.values()]
    least = np.array(
        [
            [least_share(region, 1.0, 1.0, form == "printed") for form in FORMS]
            for region in REGIONS.values()
        ]
    )
    width = np.ceil(np.log(1 / DELTA) / (2 * least**2))
    failing = binom.cdf(np.floor(least * width), width, np.array(middle)[:, None])
    dims = ("region", "form")
    return xr.Dataset(
        {
            "middle_share": ("region", middle, described("share in the middle third of I")),
            "least_share": (dims, least, described("K of Lemma 3 for G = 1")),
            "failing_share": (dims, failing, described("chance that the lemma's bound is missed")),
        },
        {
            "region": ("region", list(REGIONS), described("active region I")),
            "form": ("form", list(FORMS), described("form of the exponent of K")),
        },
    )
