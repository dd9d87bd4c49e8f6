"""The condensation maps of Luo et al. (2021), Figures 6 and 7: a scatter for each setting."""

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.paper import CONDENSATION_WIDTHS, FOUR_POINTS, MNIST
from regimes.plotting.endings import mark_panel
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds
from regimes.statistics import seeds_with

TAKES = ("luo2021.condensation", "luo2021.condensation_projected")
# The paper's colours, from the smallest width to the largest.
COLOURS = ("tab:blue", "tab:red", "gold")
BOUNDARY_COLOUR = "blue"


@dataclass(frozen=True)
class Position:
    """Position of a neuron across its box: in words, its range, and the paper's widths."""

    across: str
    limits: tuple[float, float]
    widths: tuple[int, ...]


# By the dimension of the measures.
POSITIONS = {
    "orientation": Position(
        r"orientation of $\hat w$ from $-\pi$ to $\pi$",
        (-np.pi, np.pi),
        CONDENSATION_WIDTHS[FOUR_POINTS],
    ),
    "projection": Position(
        r"projection $I = \hat w \cdot p$ from $-1$ to $1$",
        (-1.0, 1.0),
        CONDENSATION_WIDTHS[MNIST],
    ),
}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Scatter of (position, amplitude) after training, over gamma (across) and gamma' (up).

    measures: those of one experiment, as made by `luo2021.condensation` or
    `luo2021.condensation_projected`, of which the first seed is drawn: each occupied cell of the
    scatter is a dot, and cells are about as small as dots. scale: marked below the paper's widths.
    """
    (condensation,) = measures.values()
    (position,) = (name for name in POSITIONS if name in condensation.dims)
    limits = POSITIONS[position].limits
    gammas = condensation["gamma"].values
    gamma_primes = condensation["gamma_prime"].values[::-1]
    figure, axes = plt.subplots(
        len(gamma_primes),
        len(gammas),
        figsize=(1.0 + 1.9 * len(gammas), 1.2 + 1.6 * len(gamma_primes)),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for row, gamma_prime in enumerate(gamma_primes):
        for column, gamma in enumerate(gammas):
            case = condensation.sel(gamma_prime=gamma_prime, gamma=gamma)
            _draw_box(axes[row, column], case, position, limits)
            if np.isclose(gamma, boundary_gamma(xr.DataArray(gamma_prime))):
                _mark_boundary(axes[row, column])
        axes[row, 0].set_ylabel(rf"$\gamma' = {gamma_prime:g}$")
    for column, gamma in enumerate(gammas):
        axes[-1, column].set_xlabel(rf"$\gamma = {gamma:g}$")
    widths = condensation["width"].values.tolist()
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=f"$m = {_power(width)}$")
        for width, colour in zip(widths, _colours(len(widths)), strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    counts = seeds_with(condensation["heaviest_bins_share"])
    figure.supxlabel(
        f"in each box: {POSITIONS[position].across} (across), "
        rf"$A / \max A$ from 0 to 1 (up), {_seeds(condensation)}"
        f"\nnumbers: share of the amplitude outside the ten heaviest of "
        f"{condensation.sizes[position]} bins of the position, by width (1000 neurons drawn at "
        f"random, mean over seeds{fewer_seeds(counts.values, condensation.sizes['seed'])})",
        fontsize="small",
    )
    if not set(POSITIONS[position].widths) <= set(widths):
        mark_scale(figure, scale)
    return figure


def _seeds(condensation: xr.Dataset) -> str:
    count = condensation.sizes["seed"]
    return "one seed" if count == 1 else f"first of {count} seeds"


def _draw_box(axes: Axes, case: xr.Dataset, position: str, limits: tuple[float, float]) -> None:
    widths = case["width"].values
    place, size = case[position].values, case["relative_amplitude"].values
    # The largest width has the most dots: below the others, whose dots it would hide.
    for width, colour in list(zip(widths, _colours(len(widths)), strict=True))[::-1]:
        counts = case["neuron_count"].sel(width=width).isel(seed=0)
        i, j = np.nonzero(counts.transpose(position, "relative_amplitude").values)
        axes.scatter(place[i], size[j], s=1.2, color=colour, linewidths=0, rasterized=True)
    outside = 1 - case["heaviest_bins_share"].mean("seed").values
    axes.set_title("   ".join(map(_short, outside)), fontsize="x-small", pad=2)
    axes.set(xlim=limits, ylim=(0, 1.03), xticks=[], yticks=[])
    mark_panel(axes, case.isel(seed=0))


def _mark_boundary(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set(color=BOUNDARY_COLOUR, linewidth=2.5)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _short(value: float) -> str:
    """Two digits after the point, or one significant digit of a small number; a dash for none."""
    if np.isnan(value):
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    return f"{value:.2f}" if value >= 0.095 else f"{value:.0e}".replace("e-0", "e-")


def _power(width: int) -> str:
    """A width in LaTeX: 10^{6}, 2.5 x 10^{5}, or 500."""
    exponent = int(np.log10(width))
    mantissa = width / 10**exponent
    if exponent < 3:
        return str(width)
    return ("" if mantissa == 1 else rf"{mantissa:g} \times ") + f"10^{{{exponent}}}"
