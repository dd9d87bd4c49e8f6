"""Figure 1 of Razborov (2022): the smallest eigenvalue of the tangent kernel after training."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.razborov2022.curves import draw_quantity


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """kappa_H against m for each S.

    measures: those of one experiment, as made by `razborov2022.convergence`; scale: marked where
    the paper has more runs.
    """
    return draw_quantity(
        measures,
        scale,
        lambda runs: runs["kappa_h"],
        "kappa_h_mean",
        lambda means, m: means,
        r"$\kappa_H = \lambda_{\min}(H_T) / \lambda_{\min}(H_0)$",
    )
