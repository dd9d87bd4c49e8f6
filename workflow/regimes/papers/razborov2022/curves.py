"""Curves of a quantity against m for each S, for Figures 1 to 3 of Razborov (2022)."""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.razborov2022.comparison import summary
from regimes.papers.razborov2022.paper import LARGEST_N_TRAIN, TABLE1, TABLE1_RUNS, main_series
from regimes.plotting.panels import draw_band
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds, pluralise


def main_runs(measures: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The runs of one experiment, without those of Table 2 alone."""
    (runs,) = measures.values()
    return runs.sel(n_train=runs["n_train"] <= LARGEST_N_TRAIN)


def draw_curve(axes: Axes, values: xr.DataArray, colour: str, label: str) -> None:
    """Mean over seeds with the range from the smallest to the largest, where something was run."""
    values = values.dropna("n_train", how="all")
    draw_band(axes, values, "n_train", colour, marker=".", markersize=4, label=label)


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


def finish(figure: Figure, runs: xr.Dataset, scale: str) -> None:
    """Say what the bands are, and mark the scale where the paper has more runs."""
    # Of runs that diverged there are no values.
    counts = (runs["diverged"] == 0).sum("seed").values
    most = int(counts.max())
    figure.supxlabel(
        f"mean and range of {pluralise(most, 'run')}{fewer_seeds(counts, most)}; "
        f"$n = {int(runs['n_features'])}$ features",
        fontsize="small",
    )
    if (summary(runs, main_series())["runs"] < TABLE1_RUNS).any():
        mark_scale(figure, scale)
