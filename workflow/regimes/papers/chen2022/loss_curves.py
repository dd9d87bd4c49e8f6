"""Figures 1 and 5 of Chen et al. (2022): training loss on random labels."""

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.chen2022.panels import (
    LOSS_LABEL,
    TICKS,
    beside_wanted,
    colours_of,
    draw_against_n,
    draw_curve,
    finish,
    over_runs,
)
from regimes.papers.chen2022.paper import FIGURES
from regimes.papers.chen2022.selection import reduction, seed_counts, shown_width
from regimes.plotting.panels import label_thousands, letter
from regimes.statistics import ran

TAKES = ("chen2022.curves",)


def draw(measures: Mapping[str, xr.Dataset], scale: str, *, number: Literal[1, 5]) -> Figure:
    """(a) training loss against steps for each n, (b) the rate of its decay and the theory's.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the size
    of the paper's figure of this number.
    """
    paper = FIGURES[number]
    (runs,) = measures.values()
    runs = runs.isel(model=0)
    (wanted,) = paper.widths
    width = shown_width(runs, wanted)
    runs = runs.sel(width=width)
    runs = runs.sel(n_train=ran(runs).any("seed"))
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained", width_ratios=(3, 2))
    for n, colour in colours_of(runs["n_train"].values.tolist()).items():
        one = runs["train_loss"].sel(n_train=n)
        draw_curve(axes[0], one, colour, label=f"$n = {n}$")
    axes[0].set(yscale="log", ylabel=LOSS_LABEL)
    label_thousands(axes[0], TICKS)
    axes[0].set_title(beside_wanted("m", width, wanted), fontsize="medium")
    if axes[0].get_legend_handles_labels()[0]:  # none where all runs diverged
        axes[0].legend(fontsize="small")
    _draw_rates(axes[1], runs)
    letter(axes)
    what = over_runs("(a) mean and range, (b) mean and standard deviation", seed_counts(runs))
    finish(figure, what, reduction(runs, paper), scale)
    return figure


def _draw_rates(axes: Axes, runs: xr.Dataset) -> None:
    rate = runs["fitted_rate"]
    if rate.notnull().any():
        draw_against_n(axes, rate, "black", label="measured")
    bound = runs["theory_rate"].where(runs["theory_rate"] > 0)
    if bound.notnull().any():
        draw_against_n(axes, bound, "0.6", marker="s", linestyle="", label="bound (50)")
    singular = runs["n_train"][(runs["theory_rate"].max("seed") == 0).values]
    if singular.size:
        text = f"no bound from $n = {int(singular.min())}$ on: $G$ singular"
        axes.set_title(text, fontsize="small")
    if rate.notnull().any() or bound.notnull().any():
        axes.set_yscale("log")
    axes.set(xlabel="number of points $n$", ylabel=r"decay of $\log L$ per step")
    axes.legend(fontsize="small")
