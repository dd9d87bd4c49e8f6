"""Figures 1 and 3 of Razborov (2022): a quantity against m, a curve for each S."""

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import seaborn as sns
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.razborov2022.curves import draw_curve, draw_printed, finish, main_runs

TAKES = ("razborov2022.convergence",)
# For each quantity, a column of Table 1: its label, and the power of m that it is divided by.
SHOWN = {
    "kappa_h": (r"$\kappa_H = \lambda_{\min}(H_T) / \lambda_{\min}(H_0)$", 0.0),
    "weight_distance": (r"$\kappa_W = \|W_T - W_0\|_F / m^{1/2}$", 0.5),
}


def draw(
    measures: Mapping[str, xr.Dataset],
    scale: str,
    *,
    quantity: Literal["kappa_h", "weight_distance"],
) -> Figure:
    """Mean and range over the runs of each S, with the paper's means as circles.

    measures: those of one experiment, as made by `razborov2022.convergence`; scale: marked where
    the paper has more runs; quantity: one of SHOWN.
    """
    label, power = SHOWN[quantity]
    runs = main_runs(measures)
    figure, axes = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
    shown = runs[quantity] / runs["n_train"] ** power
    for index, width in enumerate(runs["width"].values.tolist()):
        colour = f"C{index}"
        draw_curve(axes, shown.sel(width=width), colour, f"$S = {width}$")
        draw_printed(axes, width, colour, f"{quantity}_mean", lambda means, m: means / m**power)
    axes.plot([], [], "o", color="0.4", markerfacecolor="none", label="Table 1 of the paper")
    axes.set(xlabel="number of points $m$", ylabel=label)
    axes.legend(fontsize="small")
    sns.despine(figure)
    finish(figure, runs, scale)
    return figure
