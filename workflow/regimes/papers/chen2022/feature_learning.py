"""Figures 4, 7 and 8 of Chen et al. (2022): curves and feature maps of three models."""

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regimes.papers.chen2022.panels import (
    COLOURS,
    TICKS,
    beside_wanted,
    colours_of,
    draw_curve,
    finish,
    over_runs,
)
from regimes.papers.chen2022.paper import FIGURES, MODELS, SCALINGS
from regimes.papers.chen2022.selection import nearest_n_train, reduction, seed_counts
from regimes.plotting.panels import label_thousands
from regimes.statistics import ran

START, END = 0, 1
TRAINING_POINT, TEST_POINT = 0, 1


TAKES = ("chen2022.scalings",)


def draw(measures: Mapping[str, xr.Dataset], scale: str, *, number: Literal[4, 7, 8]) -> Figure:
    """Training curves, and features before and after training, in a column for each model.

    Above, training loss and test error against steps for each m; below, h_i(x_1) and h_i(x_2) of
    the neurons i at the start and at the end, at the largest m.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the size
    of the paper's figure of this number.
    """
    paper = FIGURES[number]
    (runs,) = measures.values()
    (wanted,) = paper.n_train
    n = nearest_n_train(runs, wanted)
    runs = runs.sel(n_train=n)
    runs = runs.sel(width=ran(runs).any(["model", "seed"]))
    models = [name for name in MODELS[SCALINGS] if name in runs["model"]]
    figure, axes = plt.subplots(
        2,
        len(models),
        figsize=(3.3 * len(models) + 1.2, 5.8),
        squeeze=False,
        layout="constrained",
        height_ratios=(4, 5),
    )
    for column, model in enumerate(models):
        top, bottom = axes[:, column]
        if column:
            top.sharey(axes[0, 0])
        _draw_curves(top, runs.sel(model=model))
        top.set_title(MODELS[SCALINGS][model])
        _draw_map(bottom, runs.sel(model=model), COLOURS[model])
    axes[0, 0].set_ylabel("training loss, test error")
    handles = [
        Line2D([], [], color=colour, label=f"$m = {width}$")
        for width, colour in colours_of(runs["width"].values.tolist()).items()
    ]
    handles.append(Line2D([], [], color="0.3", label="training loss"))
    handles.append(Line2D([], [], color="0.3", linestyle="--", label="test error"))
    figure.legend(handles=handles, loc="outside right upper", fontsize="small")
    above = over_runs("mean and range", seed_counts(runs))
    what = f"{beside_wanted('n', n, wanted)}; above: {above}; below: 1 run"
    finish(figure, what, reduction(runs, paper), scale)
    return figure


def _draw_curves(axes: Axes, runs: xr.Dataset) -> None:
    for width, colour in colours_of(runs["width"].values.tolist()).items():
        one = runs.sel(width=width)
        draw_curve(axes, one["train_loss"], colour, label=f"$m = {width}$")
        draw_curve(axes, one["test_error"], colour, linestyle="--")
    axes.set_yscale("log")
    label_thousands(axes, TICKS)


def _draw_map(axes: Axes, runs: xr.Dataset, colour: str) -> None:
    """The feature map of the first seed of the largest width with a run that did not diverge."""
    whole = (runs["diverged"] == 0).any("seed")
    axes.axline((0, 0), slope=1, color="0.85", linewidth=0.8, zorder=0)
    axes.set(xlabel=r"$h_i(x_1)$, training point", ylabel=r"$h_i(x_2)$, test point")
    if not whole.any():
        return
    width = int(runs["width"][whole.values].max())
    runs = runs.sel(width=width)
    run = runs.isel(seed=int((runs["diverged"] == 0).argmax("seed")))
    features = (
        run["feature_map"].transpose("moment", "map_point", "neuron").dropna("neuron", how="all")
    )
    for moment, label, shade in ((START, "start", "0.6"), (END, "end", colour)):
        one = features.sel(moment=moment)
        axes.plot(
            one.sel(map_point=TRAINING_POINT),
            one.sel(map_point=TEST_POINT),
            ".",
            color=shade,
            markersize=2.5,
            alpha=0.6,
            label=label,
            rasterized=True,
        )
    axes.set_aspect("equal", adjustable="datalim")
    moved = float(run["feature_movement"].isel(step=-1))
    axes.set_title(f"$m = {width}$; mean movement {moved:.2g}", fontsize="medium")
    axes.legend(fontsize="x-small", markerscale=3)
