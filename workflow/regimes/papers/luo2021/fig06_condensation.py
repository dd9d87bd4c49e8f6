"""Figure 6 of Luo et al. (2021): the condensation map."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regimes.figures.style import mark_scale
from regimes.papers.luo2021.theory import boundary_gamma

PAPER_WIDTHS = (1000, 10_000, 1_000_000)
# The paper's colours, from the smallest width to the largest.
COLOURS = ("tab:blue", "tab:red", "gold")
BOUNDARY_COLOUR = "blue"


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Scatter of (orientation, amplitude) after training, over gamma (across) and gamma' (up).

    measures: those of one experiment, as made by `luo2021.condensation`, of which the first seed
    is drawn: each occupied cell of the scatter is a dot, and cells are about as small as dots.
    scale: marked below the paper's widths.
    """
    (condensation,) = measures.values()
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
            _draw_box(axes[row, column], condensation.sel(gamma_prime=gamma_prime, gamma=gamma))
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
    figure.supxlabel(
        r"in each box: orientation of $\hat w$ from $-\pi$ to $\pi$ (across), $A / \max A$ from 0 "
        f"to 1 (up), first of {condensation.sizes['seed']} seeds\n"
        "numbers: share of the amplitude outside the ten heaviest of 360 angular bins, by width "
        "(1000 neurons drawn at random, mean over seeds)",
        fontsize="small",
    )
    if not set(PAPER_WIDTHS) <= set(widths):
        mark_scale(figure, scale)
    return figure


def _draw_box(axes: Axes, case: xr.Dataset) -> None:
    widths = case["width"].values
    angle, size = case["orientation"].values, case["relative_amplitude"].values
    # The largest width has the most dots: below the others, whose dots it would hide.
    for width, colour in list(zip(widths, _colours(len(widths)), strict=True))[::-1]:
        counts = case["neuron_count"].sel(width=width).isel(seed=0)
        i, j = np.nonzero(counts.transpose("orientation", "relative_amplitude").values)
        axes.scatter(angle[i], size[j], s=1.2, color=colour, linewidths=0, rasterized=True)
    outside = 1 - case["heaviest_bins_share"].mean("seed").values
    axes.set_title("   ".join(map(_short, outside)), fontsize="x-small", pad=2)
    axes.set(xlim=(-np.pi, np.pi), ylim=(0, 1.03), xticks=[], yticks=[])


def _mark_boundary(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set(color=BOUNDARY_COLOUR, linewidth=2.5)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _short(value: float) -> str:
    """Two digits after the point, or one significant digit of a small number."""
    if value == 0:
        return "0"
    return f"{value:.2f}" if value >= 0.095 else f"{value:.0e}".replace("e-0", "e-")


def _power(width: int) -> str:
    exponent = np.log10(width)
    return f"10^{{{exponent:.0f}}}" if exponent == round(exponent) else str(width)
