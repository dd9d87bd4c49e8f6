"""Figure 2 of Razborov (2022): how many activations change, beside the theory."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.razborov2022.curves import draw_curve, draw_printed, finish, main_runs

TAKES = ("razborov2022.convergence",)
THEORY_COLOUR = "C2"


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """kappa_D = |D| / (m S) against m, a panel for each S, with (m / (n S))^(1/3).

    measures: those of one experiment, as made by `razborov2022.convergence`; scale: marked where
    the paper has more runs.
    """
    runs = main_runs(measures)
    widths = runs["width"].values.tolist()
    columns = min(len(widths), 2)
    rows = -(-len(widths) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.6 * columns, 2.6 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, width in zip(axes.flat, widths, strict=False):
        one = runs.sel(width=width)
        draw_curve(axis, one["change_density"], "C0", r"$\kappa_D = |D| / (m S)$")

        def density(means: np.ndarray, m: np.ndarray, width: int = width) -> np.ndarray:
            return means / (m * width)

        draw_printed(axis, width, "C0", "activation_changes_mean", density)
        axis.plot([], [], "o", color="C0", markerfacecolor="none", label="Table 1 of the paper")
        theory = one["theory_change_density"]
        axis.plot(theory["n_train"], theory, color=THEORY_COLOUR, label="$(m / (n S))^{1/3}$")
        axis.set_title(f"$S = {width}$")
    for axis in axes.flat[len(widths) :]:
        axis.set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("number of points $m$")
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].legend(fontsize="x-small")
    figure.supylabel("density of changes", fontsize="medium")
    sns.despine(figure)
    finish(figure, runs, scale)
    return figure
