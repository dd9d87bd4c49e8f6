"""Figure 3 of Razborov (2022): how far the weights move."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.razborov2022.curves import draw_quantity


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """kappa_W against m for each S.

    measures: those of one experiment, as made by `razborov2022.convergence`; scale: marked where
    the paper has more runs.
    """
    return draw_quantity(
        measures,
        scale,
        lambda runs: runs["weight_distance"] / runs["n_train"] ** 0.5,
        "weight_distance_mean",
        lambda means, m: means / m**0.5,
        r"$\kappa_W = \|W_T - W_0\|_F / m^{1/2}$",
    )
