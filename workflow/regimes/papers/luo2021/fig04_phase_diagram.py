"""Figure 4 of Luo et al. (2021): the phase diagram, with slices that show its error bars."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from regimes.figures.style import mark_scale
from regimes.papers.luo2021.theory import boundary_gamma

# Red for slopes below 0 (linear regime) and blue above, as in the paper; safe for colour blindness.
SLOPE_COLOURS = "RdBu"
SLICE_COLOURS = "viridis"
PAPER_WIDTHS = (1000, 5000, 10_000, 20_000, 40_000)
# Slopes beyond this share a colour, so that those near the boundary can be told apart.
LARGEST_SLOPE = 1.0


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The phase diagram. measures: those of one experiment, as made by
    `luo2021.phase_diagram`; scale: marked below the paper's widths.
    """
    (diagram,) = measures.values()
    figure, (plane, slices) = plt.subplots(
        1, 2, figsize=(9.6, 4.4), layout="constrained", width_ratios=(1.15, 1)
    )
    _draw_plane(figure, plane, diagram)
    _draw_slices(figure, slices, diagram)
    for axes, letter in ((plane, "a"), (slices, "b")):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")
    widths = ", ".join(f"{width:,}".replace(",", "\N{THIN SPACE}") for width in _widths(diagram))
    seeds = diagram.sizes["seed"]
    over = "over seeds" if seeds > 1 else "of the fit"
    figure.supxlabel(
        f"widths m = {widths}; seeds: {seeds}; error bars: standard error {over}", fontsize="small"
    )
    if not set(PAPER_WIDTHS) <= set(_widths(diagram)):
        mark_scale(figure, scale)
    return figure


def _widths(diagram: xr.Dataset) -> list[int]:
    return diagram["width"].values.tolist()


def _draw_plane(figure: Figure, axes: Axes, diagram: xr.Dataset) -> None:
    gamma_prime, gamma = diagram["gamma_prime"].values, diagram["gamma"].values
    mesh = axes.pcolormesh(
        _edges(gamma_prime),
        _edges(gamma),
        diagram["slope_w"].transpose("gamma", "gamma_prime").values,
        cmap=SLOPE_COLOURS,
        norm=CenteredNorm(0, LARGEST_SLOPE),
        edgecolors="face",
        linewidth=0.2,
    )
    bar = figure.colorbar(mesh, ax=axes, extend="both", ticks=np.linspace(-1, 1, 9))
    bar.ax.set_title("$S_w$")
    _hatch_unfinished(axes, diagram)
    fine = xr.DataArray(np.linspace(*_edges(gamma_prime)[[0, -1]], 401))
    axes.plot(fine, boundary_gamma(fine), "k--", linewidth=1.5, label="theory")
    axes.errorbar(
        gamma_prime,
        diagram["boundary_gamma"],
        yerr=diagram["boundary_gamma_stderr"],
        fmt="*",
        markersize=11,
        color="gold",
        markeredgecolor="black",
        markeredgewidth=0.7,
        ecolor="black",
        capsize=3,
        label="$S_w = 0$",
    )
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "alpha": 0.8, "edgecolor": "none"}
    # The legend is in the lower right corner.
    for text, across, up in (("linear", 0.25, 0.12), ("condensed", 0.5, 0.85)):
        place = np.quantile(_edges(gamma_prime), across), np.quantile(_edges(gamma), up)
        axes.text(*place, text, ha="center", va="center", bbox=box)
    axes.set(
        xlabel=r"$\gamma'$",
        ylabel=r"$\gamma$",
        xlim=_edges(gamma_prime)[[0, -1]],
        ylim=_edges(gamma)[[0, -1]],
    )
    axes.legend(loc="lower right", frameon=True, framealpha=1)


def _hatch_unfinished(axes: Axes, diagram: xr.Dataset) -> None:
    """Hatch the cells with runs that hit a cap before they converged."""
    left, bottom = _edges(diagram["gamma_prime"].values), _edges(diagram["gamma"].values)
    share = diagram["converged_share"].transpose("gamma_prime", "gamma").values
    label = "not converged"
    for i, j in np.argwhere(share < 1):
        cell = Rectangle(
            (left[i], bottom[j]),
            left[i + 1] - left[i],
            bottom[j + 1] - bottom[j],
            fill=False,
            hatch="////",
            edgecolor="0.25",
            linewidth=0,
            label=label,
        )
        axes.add_patch(cell)
        label = None  # one entry in the legend


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
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel=r"$\gamma$", ylabel="slope $S_w$")
    bar = figure.colorbar(plt.cm.ScalarMappable(norm, colours), ax=axes, ticks=values[::2])
    bar.ax.set_title(r"$\gamma'$")
    sns.despine(ax=axes)


def _edges(centres: np.ndarray) -> np.ndarray:
    """Cell edges halfway between the centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    halfway = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - halfway[0], 2 * centres[-1] - halfway[-1]
    return np.concatenate([[first], halfway, [last]])
