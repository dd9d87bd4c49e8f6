"""What Figures 1 to 3 of Razborov (2022) share: a quantity against m, a curve for each S."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.razborov2022.comparison import summary
from regimes.papers.razborov2022.paper import LARGEST_N_TRAIN, TABLE1, TABLE1_RUNS, main_series
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import pluralise


def main_runs(measures: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The runs of one experiment, without those of Table 2 alone."""
    (runs,) = measures.values()
    return runs.sel(n_train=runs["n_train"] <= LARGEST_N_TRAIN)


def draw_curve(axes: Axes, values: xr.DataArray, colour: str, label: str) -> None:
    """Mean over seeds with the range from the smallest to the largest, where something was run."""
    values = values.dropna("n_train", how="all")
    m = values["n_train"].values
    low, high = values.min("seed"), values.max("seed")
    axes.fill_between(m, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(m, values.mean("seed"), color=colour, marker=".", markersize=4, label=label)


def draw_printed(
    axes: Axes,
    width: int,
    colour: str,
    column: str,
    scaled: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """The paper's means of Table 1; scaled: from means and m to what is shown."""
    rows = TABLE1[TABLE1["width"] == width]
    m = rows["n_train"].to_numpy()
    axes.plot(
        m, scaled(rows[column].to_numpy(), m), "o", color=colour, markerfacecolor="none", zorder=3
    )


def draw_quantity(
    measures: Mapping[str, xr.Dataset],
    scale: str,
    values: Callable[[xr.Dataset], xr.DataArray],
    column: str,
    scaled: Callable[[np.ndarray, np.ndarray], np.ndarray],
    label: str,
) -> Figure:
    """A curve for each S, with the paper's means as circles.

    values: from the runs to what is shown; column, scaled: the same from Table 1, see
    `draw_printed`; label: of the ordinate.
    """
    runs = main_runs(measures)
    figure, axes = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
    shown = values(runs)
    for index, width in enumerate(runs["width"].values.tolist()):
        colour = f"C{index}"
        draw_curve(axes, shown.sel(width=width), colour, f"$S = {width}$")
        draw_printed(axes, width, colour, column, scaled)
    axes.plot([], [], "o", color="0.4", markerfacecolor="none", label="Table 1 of the paper")
    axes.set(xlabel="number of points $m$", ylabel=label)
    axes.legend(fontsize="small")
    sns.despine(figure)
    finish(figure, runs, scale)
    return figure


def finish(figure: Figure, runs: xr.Dataset, scale: str) -> None:
    """Say what the bands are, and mark the scale where the paper has more runs."""
    figure.supxlabel(
        f"mean and range of {pluralise(runs.sizes['seed'], 'run')}; "
        f"$n = {int(runs['n_features'])}$ features",
        fontsize="small",
    )
    if (summary(runs, main_series())["runs"] < TABLE1_RUNS).any():
        mark_scale(figure, scale)
