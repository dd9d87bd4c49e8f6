"""Figure 3 of Luo et al. (2021): growth of the relative distance with the width."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, NullFormatter

from regimes.papers.luo2021.paper import FAMILIES, FOUR_POINTS, WIDTHS
from regimes.plotting.endings import mark_panel
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds, pluralise

NEEDS = FAMILIES
SHOWN_GAMMAS = (0.5, 1.0, 1.75)
STYLES = {
    "growth_unit": (r"$\beta_1 = \beta_2 = 1$", "o"),
    "growth_inverse_root": (r"$\beta_1 = \beta_2 = m^{-1/2}$", "s"),
    "growth_inverse": (r"$\beta_1 = \beta_2 = m^{-1}$", "^"),
}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Relative distance against width for three gamma (a-c), slopes of three families (d).

    measures: those of the experiments in FAMILIES, as made by `luo2021.growth`; scale: marked
    below the paper's widths.
    """
    families = {name: measures[name].isel(gamma_prime=0) for name in FAMILIES}
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
    first = families["growth_unit"]
    for axis, gamma in zip(axes, SHOWN_GAMMAS, strict=False):
        _draw_growth(axis, first.sel(gamma=gamma, method="nearest"))
    _draw_slopes(axes[3], families)
    letter(axes)
    seeds = first.sizes["seed"]
    over = "over seeds" if seeds > 1 else "of the fit"
    counts = np.concatenate([family["slope_w_n_seeds"].values for family in families.values()])
    figure.supxlabel(
        rf"$\gamma' = {float(first['gamma_prime']):g}$; (a-c): $\beta_1 = \beta_2 = 1$, one dot "
        f"for each of {pluralise(seeds, 'seed')}; error bars: standard error {over}"
        f"{fewer_seeds(counts, seeds)}",
        fontsize="small",
    )
    if not set(WIDTHS[FOUR_POINTS]) <= set(first["width"].values.tolist()):
        mark_scale(figure, scale)
    return figure


def _draw_growth(axes: Axes, growth: xr.Dataset) -> None:
    width = growth["width"].values
    distance = growth["relative_distance_w"].transpose("width", "seed").values
    axes.loglog(width, distance, "o", color="C0", markersize=4)
    slope = float(growth["slope_w"])
    present = distance[np.isfinite(distance)]
    if len(present):
        logs = np.log(growth["relative_distance_w"])
        centre = float((logs - slope * np.log(growth["width"])).mean())
        axes.loglog(width, np.exp(centre) * width**slope, color="0.5", zorder=0)
        # Room for the text; and a flat line fills no axis with noise.
        middle = np.sqrt(present.min() * present.max())
        half = max(np.sqrt(present.max() / present.min()), np.sqrt(2))
        axes.set_ylim(middle / half / 1.2, middle * half**1.8)
    error = float(growth["slope_w_stderr"])
    axes.text(
        0.5,
        0.97,
        rf"$\gamma = {float(growth['gamma']):g}$" + f"\nslope ${slope:.3f} \\pm {error:.3f}$",
        transform=axes.transAxes,
        ha="center",
        va="top",
        fontsize="small",
    )
    mark_panel(axes, growth)
    # Labels between powers of ten would run into each other.
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(
        LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(1, 0.4))
    )
    axes.set_xlabel("width $m$")
    axes.set_ylabel(r"$\mathrm{RD}(\theta_w^*)$")
    sns.despine(ax=axes)


def _draw_slopes(axes: Axes, families: Mapping[str, xr.Dataset]) -> None:
    for name, (label, marker) in STYLES.items():
        family = families[name]
        axes.errorbar(
            family["gamma"],
            family["slope_w"],
            yerr=family["slope_w_stderr"],
            label=label,
            marker=marker,
            markersize=4,
            markerfacecolor="none",
            linewidth=1,
            capsize=2,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel=r"$\gamma$", ylabel="slope $S_w$")
    axes.legend(fontsize="x-small")
    sns.despine(ax=axes)
