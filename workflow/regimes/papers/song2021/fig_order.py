"""How wide a network must be for linear convergence, and the rate (14) (Song et al., 2021)."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from regimes.papers.song2021.paper import LAZY, ORDER
from regimes.papers.song2021.sizes import few_runs
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale

NEEDS = (ORDER, LAZY)
MARKERS = "os^Dv<>"
THEORY: dict[str, Any] = {"color": "0.5", "linestyle": "--", "linewidth": 1.2}
NAMES = {ORDER: "runs of (a, b)", LAZY: "runs over $\\omega_2 / \\omega_1$"}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Smallest width at which training converges linearly, and its rate.

    The smallest width against (a) n and (b) d_0, with n^(3/2)/d_0; (c) decay of the loss over that
    of (14), against how far condition (9) is from holding.

    measures: as made by `song2021.order` and `song2021.lazy`; scale: marked below
    100 runs with mu > 0.
    """
    runs = measures[ORDER]
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    _draw_widths(axes[0], runs, "n_train", "n_features", "$d_0 = {}$", "number of points $n$")
    _draw_widths(axes[1], runs, "n_features", "n_train", "$n = {}$", "dimension $d_0$")
    axes[0].plot(runs["n_train"], runs["n_train"], color="0.2", linestyle=":", linewidth=1)
    axes[0].legend(
        handles=[
            *_handles(axes[0]),
            Line2D([], [], label=r"$n^{3/2} / d_0$", **THEORY),
            Line2D([], [], color="0.2", linestyle=":", label="$d_1 = n$"),
        ],
        fontsize="small",
    )
    # Above the panel: wherever inside, it would cover some of the points.
    axes[1].legend(
        handles=_handles(axes[1]),
        fontsize="small",
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=runs.sizes["n_train"],
        columnspacing=1,
        handlelength=1.2,
        borderaxespad=0.2,
    )
    axes[1].sharey(axes[0])
    _draw_rates(axes[2], measures)
    letter(axes)
    constant, power, dimension = runs["fit"].sel(term=["constant", "n_train", "n_features"]).values
    fitted = ""
    if np.isfinite(constant):
        fitted = (
            f"; fit: $d_1 = {np.exp(constant):.2g}\\, n^{{{power:.2f}}} d_0^{{{dimension:.2f}}}$"
        )
    figure.supxlabel(
        f"(a, b) GELU, $\\omega_1 = 1$; until $h_i < {runs.attrs['relative_loss']:g}\\, h_0$ "
        f"within {runs.attrs['max_steps']} steps; geometric mean and range of "
        f"{runs.sizes['seed']} seeds{_arrows(runs)}{fitted}",
        fontsize="small",
    )
    sns.despine(figure)
    if few_runs(measures):
        mark_scale(figure, scale)
    return figure


def _arrows(runs: xr.Dataset) -> str:
    """Explain the arrows, if there are any."""
    if runs["smallest_width"].notnull().all():
        return ""
    return f"; arrows: more than ${int(runs['width'].max())}$ for some"


def _handles(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if not str(line.get_label()).startswith("_")]


def _draw_widths(
    axes: Axes, runs: xr.Dataset, along: str, other: str, label: str, xlabel: str
) -> None:
    widest = float(runs["width"].max())
    for place, value in enumerate(runs[other].values):
        colour, marker = f"C{place}", MARKERS[place % len(MARKERS)]
        widths = runs["smallest_width"].sel({other: value}).transpose(along, "seed")
        mean = np.exp(np.log(widths).mean("seed", skipna=False))
        # A little aside, so that equal widths do not hide each other.
        at = widths[along].values * 1.04 ** (place - (runs.sizes[other] - 1) / 2)
        axes.plot(
            at,
            mean,
            color=colour,
            marker=marker,
            markerfacecolor="none",
            linewidth=1,
            label=label.format(value),
        )
        axes.vlines(at, widths.min("seed"), widths.max("seed"), color=colour, linewidth=1)
        unknown = mean.isnull().values
        shown = np.full(unknown.sum(), widest * 1.15)
        axes.plot(at[unknown], shown, color=colour, marker=r"$\uparrow$", linestyle="")
        theory = runs["theory_width"].sel({other: value})
        axes.plot(theory[along], theory, **(THEORY | {"color": colour}))
    ticks = runs[along].values
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="smallest width $d_1$")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _draw_rates(axes: Axes, measures: Mapping[str, xr.Dataset]) -> None:
    for place, (name, label) in enumerate(NAMES.items()):
        runs = measures[name]
        axes.plot(
            runs["locality"].where(runs["mu"] > 0).values.ravel(),
            runs["decay_ratio"].values.ravel(),
            "os"[place],
            color=f"C{4 + place}",
            markersize=3.5,
            markerfacecolor="none",
            label=label,
        )
    axes.axhline(1, color="0.5", linestyle="--", linewidth=1, label="bound (14)")
    axes.axvline(1, color="0.5", linestyle=":", linewidth=1, label="condition (9)")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"$h(\Theta_0)\ \beta_\Phi^2 \nu_\Phi^2 / (\alpha_f \mu_\Phi^6)$",
        ylabel="slowest decay of the loss over (14)",
    )
    axes.legend(fontsize="small")
