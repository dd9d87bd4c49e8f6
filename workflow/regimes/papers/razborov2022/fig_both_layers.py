"""Both layers trained: steps to convergence over the ratio of the learning rates."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.plotting.style import mark_scale

TAKES = ("razborov2022.both_layers",)
# How a run ended: the variable that says so, marker and label.
ENDINGS = {
    "converged": ("o", "succeeded"),
    "aborted": ("x", "aborted"),
    "diverged": ("*", "diverged"),
    "capped": ("^", "stopped at the cap"),
}
CONDITIONS = {16: "C1", 17: "C2", 18: "C4"}
# Seeds from which on the figure is that of the default scale.
SEEDS = 3


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Stopping times against eta_z / eta_w, a panel for each S and m.

    The row below shows where the conditions (16) to (18) hold with all constants and logarithms at
    1.

    measures: those of one experiment, as made by `razborov2022.both_layers`.
    """
    (runs,) = measures.values()
    widths, sizes = runs["width"].values.tolist(), runs["n_train"].values.tolist()
    figure, axes = plt.subplots(
        len(widths),
        len(sizes),
        figsize=(3.4 * len(sizes), 2.6 * len(widths) + 0.5),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    ratios = runs["rate_ratio"].values
    for row, width in zip(axes, widths, strict=True):
        for axis, n_train in zip(row, sizes, strict=True):
            _draw_panel(axis, runs.sel(width=width, n_train=n_train), ratios)
            axis.set_title(f"$S = {width}$, $m = {n_train}$", fontsize="medium")
    for axis in axes[-1]:
        axis.set_xlabel(r"$\eta_z / \eta_w$")
    for axis in axes[:, 0]:
        axis.set_ylabel("steps $T$")
    handles, labels = _legend(axes[0, 0])
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small")
    sns.despine(figure)
    if runs.sizes["seed"] < SEEDS:
        mark_scale(figure, scale)
    return figure


def _draw_panel(axes: Axes, runs: xr.Dataset, ratios: np.ndarray) -> None:
    axes.set(xscale="log", yscale="log")
    time = runs["stopping_time"].transpose("rate_ratio", "seed")
    for name, (marker, _) in ENDINGS.items():
        ended = _ended(runs, name).transpose("rate_ratio", "seed")
        rows, columns = np.nonzero(ended.values)
        axes.plot(
            ratios[rows],
            time.values[rows, columns],
            marker,
            color="C3" if name != "converged" else "C0",
            markersize=4,
        )
    for index, (number, colour) in enumerate(CONDITIONS.items()):
        holds = runs[f"condition_{number}"].values == 1
        # In units of the axes' height, below the points.
        height = 0.02 + 0.035 * index
        for left, right in _stretches(holds, ratios):
            axes.axvspan(left, right, height, height + 0.025, color=colour, linewidth=0)


def _ended(runs: xr.Dataset, name: str) -> xr.DataArray:
    if name == "capped":
        known = runs["converged"] + runs["aborted"] + runs["diverged"]
        return known == 0
    return runs[name] == 1


def _stretches(holds: np.ndarray, ratios: np.ndarray) -> list[tuple[float, float]]:
    """Intervals around the ratios where a condition holds, halfway to the next ratios."""
    logs = np.log(ratios)
    halfway = (logs[1:] + logs[:-1]) / 2
    edges = np.exp(np.concatenate([logs[:1], halfway, logs[-1:]]))
    return [(edges[i], edges[i + 1]) for i in np.flatnonzero(holds)]


def _legend(axes: Axes) -> tuple[list, list[str]]:
    handles, labels = [], []
    for name, (marker, label) in ENDINGS.items():
        colour = "C3" if name != "converged" else "C0"
        handles += axes.plot([], [], marker, color=colour, markersize=4)
        labels.append(label)
    for number, colour in CONDITIONS.items():
        handles += axes.plot([], [], color=colour, linewidth=4)
        labels.append(f"condition ({number})")
    return handles, labels
