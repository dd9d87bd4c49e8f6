"""What Figures 4, 7 and 8 of Chen et al. (2022) share: curves and feature maps of three models."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.chen2022.panels import (
    COLOURS,
    STEP_LABEL,
    beside_wanted,
    colours_of,
    draw_curve,
    finish,
)
from regimes.papers.chen2022.selection import nearest_n_train, ran, reduction, seed_count
from regimes.papers.chen2022.sizes import MODELS, SCALINGS, Size

START, END = 0, 1
TRAINING_POINT, TEST_POINT = 0, 1


def draw_features(measures: Mapping[str, xr.Dataset], scale: str, paper: Size) -> Figure:
    """A column for each model; above, training loss and test error against steps for each m;
    below, h_i(x_1) and h_i(x_2) of the neurons i at start and end, at the largest m.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the
    paper's size.
    """
    (runs,) = measures.values()
    (wanted,) = paper.n_train
    n = nearest_n_train(runs, wanted)
    runs = runs.sel(n_train=n)
    runs = runs.sel(width=ran(runs).any(["model", "seed"]))
    models = [name for name in MODELS[SCALINGS] if name in runs["model"]]
    figure, axes = plt.subplots(
        2,
        len(models),
        figsize=(3.4 * len(models), 5.8),
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
    for colour, label in (("0.3", "training loss"), ("0.3", "test error")):
        style = "-" if label == "training loss" else "--"
        axes[0, 0].plot([], [], style, color=colour, label=label)
    axes[0, 0].legend(fontsize="x-small")
    what = f"{beside_wanted('n', n, wanted)}; above: mean and range of {seed_count(runs)} runs"
    finish(figure, f"{what}; below: one run", reduction(runs, paper), scale)
    return figure


def _draw_curves(axes: Axes, runs: xr.Dataset) -> None:
    for width, colour in colours_of(runs["width"].values.tolist()).items():
        one = runs.sel(width=width)
        draw_curve(axes, one["train_loss"], colour, label=f"$m = {width}$")
        draw_curve(axes, one["test_error"], colour, linestyle="--")
    axes.set(yscale="log", xlabel=STEP_LABEL)


def _draw_map(axes: Axes, runs: xr.Dataset, colour: str) -> None:
    """The feature map of the first seed of the largest width with a run that did not diverge."""
    whole = (runs["diverged"] == 0).any("seed")
    axes.axline((0, 0), slope=1, color="0.85", linewidth=0.8, zorder=0)
    axes.set(xlabel=r"$h_i(x_1)$, training point", ylabel=r"$h_i(x_2)$, test point")
    if not whole.any():
        return
    width = int(runs["width"][whole.values].max())
    features = runs.sel(width=width)["feature_map"]
    features = features.isel(seed=int((runs["diverged"].sel(width=width) == 0).argmax("seed")))
    features = features.transpose("moment", "map_point", "neuron").dropna("neuron", how="all")
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
    axes.set_title(f"$m = {width}$", fontsize="medium")
    axes.legend(fontsize="x-small", markerscale=3)
