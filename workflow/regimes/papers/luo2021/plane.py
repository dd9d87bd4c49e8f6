"""Draw slopes over the plane of gamma and gamma' for the phase diagrams of Luo et al. (2021)."""

from collections.abc import Callable, Collection

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from regimes.papers.luo2021.paper import FOUR_POINTS, WIDTHS
from regimes.papers.luo2021.phase_diagram import ENDINGS
from regimes.plotting.endings import mark_cells
from regimes.plotting.panels import letter, listed_widths
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds

# Red for slopes below 0 (linear regime) and blue above, as in the paper; safe for colour blindness.
SLOPE_COLOURS = "RdBu"
# Slopes beyond this share a colour, so that those near the boundary can be told apart.
LARGEST_SLOPE = 1.0


def draw_plane(
    figure: Figure,
    axes: Axes,
    diagram: xr.Dataset,
    *,
    slope: str,
    symbol: str,
    boundary: str,
    theory: Callable[[xr.DataArray], xr.DataArray],
    theory_label: str = "theory",
) -> None:
    """A slope over gamma' (abscissa) and gamma, with its colour bar, zeros and the theory's line.

    diagram: measures as made by `luo2021.phase_diagram`. slope: name of the slope; symbol: how it
    is written, in LaTeX's mathematics; boundary: name of its zeros over gamma', which have a
    *_stderr; theory: from gamma' to where they should be, with its label in the legend.
    """
    gamma_prime, gamma = diagram["gamma_prime"].values, diagram["gamma"].values
    mesh = axes.pcolormesh(
        edges(gamma_prime),
        edges(gamma),
        diagram[slope].transpose("gamma", "gamma_prime").values,
        cmap=SLOPE_COLOURS,
        norm=CenteredNorm(0, LARGEST_SLOPE),
        edgecolors="face",
        linewidth=0.2,
    )
    bar = figure.colorbar(mesh, ax=axes, extend="both", ticks=np.linspace(-1, 1, 9))
    bar.ax.set_title(f"${symbol}$")
    over = ("gamma_prime", "gamma")
    mark_cells(
        axes,
        edges(gamma_prime),
        edges(gamma),
        diagram[slope].transpose(*over).values,
        {name: diagram[f"{name}_share"].transpose(*over).values for name in ENDINGS},
    )
    low, high = edges(gamma_prime)[[0, -1]]
    fine = xr.DataArray(np.linspace(low, high, 401))
    axes.plot(fine, theory(fine), "k--", linewidth=1.5, label=theory_label)
    axes.errorbar(
        gamma_prime,
        diagram[boundary],
        yerr=diagram[f"{boundary}_stderr"],
        fmt="*",
        markersize=11,
        color="gold",
        markeredgecolor="black",
        markeredgewidth=0.7,
        ecolor="black",
        capsize=3,
        label=f"${symbol} = 0$",
    )
    axes.set(
        xlabel=r"$\gamma'$",
        ylabel=r"$\gamma$",
        xlim=(low, high),
        ylim=edges(gamma)[[0, -1]],
    )
    # Above the plane, where it covers no cell.
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize="x-small", frameon=False
    )


def finish(
    figure: Figure,
    diagram: xr.Dataset,
    scale: str,
    *panels: Axes,
    slopes: Collection[str] = ("slope_w",),
    paper_widths: Collection[int] = WIDTHS[FOUR_POINTS],
    note: str = "",
) -> None:
    """Letter the panels, say what they are made of, and mark the scale below the paper's widths.

    slopes: names of those that are shown. note: a line below.
    """
    letter(panels)
    widths = diagram["width"].values.tolist()
    seeds = diagram.sizes["seed"]
    over = "over seeds" if seeds > 1 else "of the fit"
    counts = np.min([diagram[f"{slope}_n_seeds"] for slope in slopes], axis=0)
    figure.supxlabel(
        f"widths m = {listed_widths(widths)}; seeds: {seeds}; error bars: standard error {over}"
        f"{fewer_seeds(counts, seeds)}" + (f"\n{note}" if note else ""),
        fontsize="small",
    )
    if not set(paper_widths) <= set(widths):
        mark_scale(figure, scale)


def edges(centres: np.ndarray) -> np.ndarray:
    """Cell edges halfway between the centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    halfway = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - halfway[0], 2 * centres[-1] - halfway[-1]
    return np.concatenate([[first], halfway, [last]])
