"""Places of the runs of Razborov (2022) in the plane of Luo et al. (2021)."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from regimes.papers.overview.placement import FIRST_LAYER_ALONE, Marker, Placement, placements

PAPER = "razborov2022"
MARKER = Marker("o", "Razborov")
# f = relu(W X)^T z with weights of order one: kappa = 1.
GAMMA = 0.0


def place(measures: Mapping[str, xr.Dataset]) -> Iterator[Placement]:
    """Placements by number of points and, with both layers trained, by ratio of their rates.

    The learning rates of the normalised form are as 1/kappa' to kappa', so that eta_z/eta_w =
    kappa'^-2 = m^(2 gamma'). measures: with `weight_distance`, by experiment.
    """
    for experiment, runs in measures.items():
        # |W_0| is that of width x n_features standard normal weights, but for fluctuations.
        start = np.sqrt(runs["width"].astype(float) * float(runs["n_features"]))
        distance = (runs["weight_distance"] / start).where(runs["diverged"] == 0)
        label = "m = {n_train}"
        gamma_prime: float | xr.DataArray = FIRST_LAYER_ALONE
        if "rate_ratio" in runs.dims:
            label += ", eta_z/eta_w = {rate_ratio:g}"
            gamma_prime = np.log(runs["rate_ratio"]) / (2 * np.log(runs["width"]))
        yield from placements(
            distance,
            paper=PAPER,
            experiment=experiment,
            label=label,
            gamma=GAMMA,
            gamma_prime=gamma_prime,
        )
