"""Figure 1 of Luo et al. (2021): the regimes, and where initialisations in use lie."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import sympy
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.initialisations import (
    BETA_EXPONENT,
    INITIALISATIONS,
    Initialisation,
    gamma,
    gamma_prime,
    parse,
)
from regimes.papers.luo2021.regime_map import E_ET_AL_LINEAR_ABOVE, regime

GAMMA_PRIME_RANGE = (-1.0, 1.25)
GAMMA_RANGE = (0.0, 2.25)
# Samples a side of the shading; the drawn boundary is thicker than one of them.
RESOLUTION = 900
# The hues of the slopes in Fig. 4: red in the linear regime, blue in the condensed one.
COLOURS = {"linear": "#f9ddcf", "condensed": "#d3e4f1"}
# Where a regime is named (gamma', gamma), and what the relative distance of w does in it.
NAMES = {
    "linear": (-0.55, 0.5, r"\to 0"),
    "condensed": (-0.3, 1.55, r"\to \infty"),
}
LINE_COLOUR = "#b2182b"
# A family's line is drawn up to here, outside the axes.
LARGEST_B = 3.0
# Area of the innermost marker at a point, in points^2; each further one is a ring around it.
MARKER_AREA = 36


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The plane of gamma and gamma' at infinite width: it needs no measures and has no scale."""
    figure, axes = plt.subplots(figsize=(5.4, 5.2), layout="constrained")
    shade(axes)
    draw_boundary(axes)
    for initialisation in INITIALISATIONS:
        if gamma(initialisation).free_symbols:
            _draw_family(axes, initialisation)
    _draw_points(axes)
    axes.set(
        xlabel=r"$\gamma'$",
        ylabel=r"$\gamma$",
        xlim=GAMMA_PRIME_RANGE,
        ylim=GAMMA_RANGE,
        aspect="equal",
        xticks=np.arange(-1, 1.1, 0.5),
        yticks=np.arange(0, 2.1, 0.5),
    )
    return figure


def shade(axes: Axes) -> None:
    """Colour the regimes of theory and name them."""
    across, up = (_centres(*limits) for limits in (GAMMA_PRIME_RANGE, GAMMA_RANGE))
    axes.imshow(
        regime(up[:, None], across) == "condensed",
        extent=(*GAMMA_PRIME_RANGE, *GAMMA_RANGE),
        origin="lower",
        cmap=ListedColormap([COLOURS["linear"], COLOURS["condensed"]]),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        zorder=0,
    )
    for name, (x, y, limit) in NAMES.items():
        axes.text(x, y, name, ha="center", va="bottom", fontsize="x-large")
        axes.text(x, y - 0.02, rf"$\mathrm{{RD}}(\theta_w) {limit}$", ha="center", va="top")


def draw_boundary(axes: Axes) -> None:
    """Draw the boundary of theory and name it."""
    # 0, where the boundary bends, is one of the points.
    across = xr.DataArray(np.union1d(GAMMA_PRIME_RANGE, 0.0))
    axes.plot(across, boundary_gamma(across), color="black", linewidth=2.2, zorder=2)
    axes.text(-0.55, 1.02, r"critical: $\mathrm{RD}(\theta_w) = O(1)$", ha="center", va="bottom")


def _draw_family(axes: Axes, family: Initialisation) -> None:
    """The line of a family of initialisations, b > 0: dashed where E et al. prove it linear."""
    place = sympy.lambdify(BETA_EXPONENT, (gamma_prime(family), gamma(family)))
    proved = float(E_ET_AL_LINEAR_ABOVE)
    for start, stop, style, label in (
        (proved, LARGEST_B, "--", rf"$b > {E_ET_AL_LINEAR_ABOVE}$, proved linear"),
        (0.0, proved, ":", rf"$b \leq {E_ET_AL_LINEAR_ABOVE}$"),
    ):
        axes.plot(
            *place(np.array([start, stop])),
            linestyle=style,
            linewidth=2,
            color=LINE_COLOUR,
            label=label,
            zorder=3,
        )
    axes.legend(
        title=rf"{family.name}, $\beta_1 = {sympy.latex(parse(family.beta1))}$",
        loc="upper left",
        alignment="left",
        frameon=True,
        framealpha=1,
    )


def _draw_points(axes: Axes) -> None:
    """A marker for each initialisation; one label for those that share a point."""
    groups: dict[tuple[float, float], list[str]] = {}
    for one in INITIALISATIONS:
        place = gamma_prime(one), gamma(one)
        if not any(value.free_symbols for value in place):
            groups.setdefault((float(place[0]), float(place[1])), []).append(one.name)
    for place, names in groups.items():
        for ring in range(len(names)):
            axes.scatter(
                *place,
                s=MARKER_AREA * (1 + 1.1 * ring) ** 2,
                facecolor="none" if ring else "black",
                edgecolor="black",
                linewidth=1.2,
                zorder=4,
            )
        axes.annotate(
            ", ".join(names),
            place,
            xytext=(9, -7),
            textcoords="offset points",
            va="top",
            zorder=5,
        )


def _centres(start: float, stop: float) -> np.ndarray:
    """Middles of RESOLUTION equal intervals."""
    return start + (stop - start) * (np.arange(RESOLUTION) + 0.5) / RESOLUTION
