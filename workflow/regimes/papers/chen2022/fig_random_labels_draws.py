"""Experiment 1 of Chen et al. (2022) with fresh data for each seed: training loss, run by run."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.chen2022.panels import LOSS_LABEL, TICKS, finish
from regimes.papers.chen2022.paper import FIGURES
from regimes.papers.chen2022.selection import reduction, shown_width
from regimes.plotting.panels import label_thousands
from regimes.plotting.wording import pluralise
from regimes.statistics import ran

TAKES = ("chen2022.curves",)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Training loss against steps, one panel for each n and one line for each seed.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the
    paper's size.
    """
    (runs,) = measures.values()
    runs = runs.isel(model=0)
    width = shown_width(runs, *FIGURES[5].widths)
    runs = runs.sel(width=width)
    runs = runs.sel(n_train=ran(runs).any("seed"))
    sizes = runs["n_train"].values.tolist()
    figure, axes = plt.subplots(
        1,
        len(sizes),
        figsize=(2.3 * len(sizes) + 0.8, 3),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, n in zip(axes[0], sizes, strict=True):
        for index, seed in enumerate(runs["seed"].values.tolist()):
            loss = runs["train_loss"].sel(n_train=n, seed=seed).dropna("step")
            axis.plot(loss["step"], loss, color=f"C{index}", linewidth=1, label=f"data {seed}")
        axis.set_title(f"$n = {n}$", fontsize="medium")
        axis.set(yscale="log")
        label_thousands(axis, TICKS)
    axes[0, 0].set_ylabel(LOSS_LABEL)
    axes[0, 0].legend(fontsize="small")
    sets = pluralise(int(ran(runs).sum("seed").max()), "data set")
    what = f"$m = {int(width)}$; {sets}, one initialisation each"
    finish(figure, what, reduction(runs, FIGURES[5]), scale)
    return figure
