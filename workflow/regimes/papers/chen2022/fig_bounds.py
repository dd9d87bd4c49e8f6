"""The bounds of Chen et al. (2022), Section 3, beside the three experiments."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regimes.papers.chen2022.panels import COLOURS, STEP_LABEL, draw_curve, finish, over_runs
from regimes.papers.chen2022.paper import (
    EXPERIMENTS,
    FIGURES,
    MODELS,
    QUADRATIC_EMBEDDING,
    RANDOM_LABELS,
    SCALINGS,
    Size,
)
from regimes.papers.chen2022.selection import reduction, seed_counts, shown_width
from regimes.plotting.panels import letter
from regimes.statistics import ran

NEEDS = EXPERIMENTS
MARKERS = {RANDOM_LABELS: "o", QUADRATIC_EMBEDDING: "s", SCALINGS: "^"}
TITLES = {
    RANDOM_LABELS: "random labels",
    QUADRATIC_EMBEDDING: "quadratic embedding",
    SCALINGS: "three scalings",
}
SIZES: dict[str, Size] = {
    RANDOM_LABELS: FIGURES[1],
    QUADRATIC_EMBEDDING: FIGURES[2],
    SCALINGS: FIGURES[3],
}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Measured decay of the loss and active neurons beside their bounds.

    (a) Measured decay of log loss per step against the bound (50), run by run; (b) to (d) the share
    of active neurons (18) along the runs of each experiment, with Lemma 1's bound (19).

    measures: those of the three experiments, as made by `chen2022.curves`; scale: marked below the
    paper's sizes.
    """
    figure, axes = plt.subplots(1, 4, figsize=(15.5, 3.7), layout="constrained")
    reduced, counts = {}, []
    for axis, name in zip(axes[1:], EXPERIMENTS, strict=True):
        runs = measures[name]
        _draw_rates(axes[0], runs, name)
        counts += seed_counts(_draw_active(axis, runs, name))
        reduced[name] = reduction(runs, SIZES[name])
    _finish_rates(axes[0])
    letter(axes)
    figure.legend(handles=_handles(), loc="outside right upper", fontsize="small")
    lines = [f"{TITLES[name]}: {text}" for name, text in reduced.items() if text is not None]
    what = f"(a) every run with a bound; (b-d) {over_runs('mean and range', counts)}"
    finish(figure, what, "\n".join(lines) or None, scale)
    return figure


def _handles() -> list[Line2D]:
    """Entries of the legend, common to all panels."""
    models = [
        Line2D([], [], color=COLOURS[model], marker=MARKERS[name], mfc="none", label=label)
        for name in EXPERIMENTS
        for model, label in MODELS[name].items()
    ]
    return [
        *models,
        Line2D([], [], color="0.6", linewidth=1, label="(a) equal"),
        Line2D([], [], color="0.3", linestyle="--", label="(b-d) bound (19)"),
        Line2D([], [], color="0.3", linestyle=":", label="(19) as printed"),
    ]


def _draw_rates(axes: Axes, runs: xr.Dataset, name: str) -> None:
    for model, label in MODELS[name].items():
        if model not in runs["model"]:
            continue
        one = runs.sel(model=model)
        bound, rate = one["theory_rate"].values.ravel(), one["fitted_rate"].values.ravel()
        known = (bound > 0) & (rate > 0)
        if known.any():
            axes.plot(
                bound[known],
                rate[known],
                MARKERS[name],
                color=COLOURS[model],
                markersize=4,
                markerfacecolor="none",
                label=label,
            )


def _finish_rates(axes: Axes) -> None:
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="lower bound (50) on the decay",
        ylabel=r"measured decay of $\log L$ per step",
    )
    if axes.lines:
        values = np.concatenate([np.ravel(line.get_xydata()) for line in axes.lines])
        ends = [values.min() / 2, values.max() * 2]
        axes.plot(ends, ends, color="0.6", linewidth=1, zorder=0, label="equal")


def _draw_active(axes: Axes, runs: xr.Dataset, name: str) -> xr.Dataset:
    """The widest runs at the smallest n, where G is farthest from singular; returns them."""
    width = shown_width(runs, max(SIZES[name].widths))
    runs = runs.sel(width=width)
    n = int(runs["n_train"][ran(runs).any(["model", "seed"]).values].min())
    runs = runs.sel(n_train=n)
    for model, label in MODELS[name].items():
        if model not in runs["model"]:
            continue
        one, colour = runs.sel(model=model), COLOURS[model]
        draw_curve(axes, one["active_fraction"], colour, label=label)
        draw_curve(axes, one["active_fraction_bound"], colour, linestyle="--")
        draw_curve(axes, one["active_fraction_bound_printed"], colour, linestyle=":")
    axes.set_xscale("symlog", linthresh=1)
    axes.set(ylim=(-0.03, 1.03), xlabel=STEP_LABEL, ylabel=r"share of active neurons $\eta^t$")
    axes.set_title(f"{TITLES[name]}\n$m = {width}$, $n = {n}$", fontsize="medium")
    return runs
