"""Figures 4 and 5 of Luo et al. (2021): a phase diagram, with slices that show its error bars."""

import json
from collections.abc import Mapping
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.paper import WIDTHS
from regimes.papers.luo2021.plane import draw_plane, edges, finish
from regimes.plotting.endings import mark_panel

TAKES = ("luo2021.phase_diagram",)
SLICE_COLOURS = "viridis"
# Slices that are named one by one; of more a colour bar tells them apart.
MOST_IN_LEGEND = 4
WRITTEN = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "gelu": "GELU"}


def draw(
    measures: Mapping[str, xr.Dataset],
    scale: str,
    *,
    data: Literal["four_points", "mnist"] = "four_points",
    other_activation: bool = False,
) -> Figure:
    """The phase diagram of one experiment, as measured by `luo2021.phase_diagram`.

    scale: marked below the paper's widths on these data, a key of `paper.WIDTHS`.
    other_activation: beyond the paper, whose boundary rests on act(c z) = c act(z): the activation
    is named, and the boundary is that of ReLU for comparison.
    """
    ((name, diagram),) = measures.items()
    figure, (plane, slices) = plt.subplots(
        1, 2, figsize=(9.6, 4.4), layout="constrained", width_ratios=(1.15, 1)
    )
    draw_plane(
        figure,
        plane,
        diagram,
        slope="slope_w",
        symbol="S_w",
        boundary="boundary_gamma",
        theory=boundary_gamma,
        theory_label="theory for ReLU" if other_activation else "theory",
    )
    if "boundary_gamma_widest" in diagram:
        plane.plot(
            diagram["gamma_prime"],
            diagram["boundary_gamma_widest"],
            "*",
            markersize=16,
            fillstyle="none",
            color="black",
            markeredgewidth=0.8,
        )
    _name_regimes(plane, diagram)
    _draw_slices(figure, slices, diagram)
    note = "the boundary moves with finite width: open stars, zeros of the two largest widths alone"
    note = note if "boundary_gamma_widest" in diagram else ""
    finish(figure, diagram, scale, plane, slices, paper_widths=WIDTHS[data], note=note)
    if other_activation:
        settings = json.loads(diagram.attrs["config"])["experiments"][name]
        figure.suptitle(f"activation: {_activation(settings)}", fontsize="medium")
    return figure


def _activation(settings: Mapping[str, Any]) -> str:
    """The name of an activation, with its expression if it has one."""
    expression = settings.get("activation_expression")
    name = WRITTEN.get(settings["activation"], settings["activation"])
    return f"{name}, {expression}" if expression else name


def _name_regimes(axes: Axes, diagram: xr.Dataset) -> None:
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "alpha": 0.8, "edgecolor": "none"}
    # The legend is in the lower right corner.
    for text, across, up in (("linear", 0.25, 0.12), ("condensed", 0.5, 0.85)):
        x = np.quantile(edges(diagram["gamma_prime"].values), across)
        y = np.quantile(edges(diagram["gamma"].values), up)
        axes.text(x, y, text, ha="center", va="center", bbox=box)


def _draw_slices(figure: Figure, axes: Axes, diagram: xr.Dataset) -> None:
    values = diagram["gamma_prime"].values
    norm = Normalize(values.min(), values.max() if len(values) > 1 else values.min() + 1)
    colours = plt.get_cmap(SLICE_COLOURS)
    for value in values:
        one = diagram.sel(gamma_prime=value)
        axes.errorbar(
            one["gamma"],
            one["slope_w"],
            yerr=one["slope_w_stderr"],
            color=colours(norm(value)),
            marker="o",
            markersize=3,
            linewidth=1,
            capsize=2,
            label=f"{value:g}",
        )
    mark_panel(axes, diagram)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel=r"$\gamma$", ylabel="slope $S_w$")
    if len(values) <= MOST_IN_LEGEND:
        axes.legend(title=r"$\gamma'$", fontsize="small")
    else:
        bar = figure.colorbar(plt.cm.ScalarMappable(norm, colours), ax=axes, ticks=values[::2])
        bar.ax.set_title(r"$\gamma'$")
    sns.despine(ax=axes)
