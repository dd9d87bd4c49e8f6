"""Figure 6 of Chen et al. (2022): curves with and without quadratic embedding at two widths."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.chen2022.panels import (
    COLOURS,
    TICKS,
    draw_curve,
    finish,
    over_runs,
)
from regimes.papers.chen2022.paper import FIGURES, MODELS, QUADRATIC_EMBEDDING
from regimes.papers.chen2022.selection import nearest, reduction, seed_counts
from regimes.plotting.panels import label_thousands
from regimes.statistics import ran

TAKES = ("chen2022.curves",)
LARGEST_COLUMNS = 4
# Exponent of ten at the lower end of the axes, unless all curves end above it.
LOWEST_EXPONENT = -8


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Training loss and test error against steps, two widths in each panel.

    There is a row for each model and a column for each n (some of them, evenly chosen).

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the
    paper's size.
    """
    (runs,) = measures.values()
    known = runs["width"][ran(runs).any(["model", "n_train", "seed"]).values]
    widths = _two_widths(known.values.tolist())
    runs = runs.sel(width=widths)
    # Numbers of points at which all of these widths were run, if there are any.
    present = ran(runs).any(["model", "seed"])
    everywhere = present.all("width")
    runs = runs.sel(n_train=everywhere if everywhere.any() else present.any("width"))
    shown = np.linspace(0, runs.sizes["n_train"] - 1, min(LARGEST_COLUMNS, runs.sizes["n_train"]))
    sizes = runs["n_train"].values[np.rint(shown).astype(int)].tolist()
    models = [name for name in MODELS[QUADRATIC_EMBEDDING] if name in runs["model"]]
    figure, axes = plt.subplots(
        len(models),
        len(sizes),
        figsize=(2.7 * len(sizes) + 0.8, 2.4 * len(models) + 0.7),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    cut = False
    for row, model in zip(axes, models, strict=True):
        for axis, n in zip(row, sizes, strict=True):
            for index, width in enumerate(widths):
                one = runs.sel(model=model, n_train=n, width=width)
                # The narrower network's curve is seen on both sides of the wider one's.
                wide = index == len(widths) - 1
                style = {"linewidth": 1.2 if wide else 4, "alpha": 1 if wide else 0.35}
                draw_curve(axis, one["train_loss"], COLOURS[model], **style)
                dashes = "--" if wide else "-"  # dashes as thick would not look like dashes
                draw_curve(axis, one["test_error"], "0.2", linestyle=dashes, **style)
            axis.set_yscale("log")
            axis.set_title(f"$n = {n}$", fontsize="medium")
        # Losses fall to rounding; on such an axis the test errors could not be told apart.
        lowest = 10.0**LOWEST_EXPONENT
        if row[0].get_ylim()[0] < lowest:
            row[0].set_ylim(bottom=lowest)
            cut = True
        row[0].set_ylabel(f"{MODELS[QUADRATIC_EMBEDDING][model]}\nloss or error")
        row[0].plot([], [], color=COLOURS[model], label="training loss")
        row[0].plot([], [], "--", color="0.2", label="test error")
        row[0].legend(fontsize="x-small", loc="center right")
    for axis in axes[-1]:
        label_thousands(axis, TICKS)
    which = "thin" if len(widths) == 1 else "thick and thin"
    values = " and ".join(f"$m = {width}$" for width in widths)
    what = f"{which}: {values}; {over_runs('mean and range', seed_counts(runs))}"
    if cut:
        what += f"; losses below $10^{{{LOWEST_EXPONENT}}}$ are not shown"
    finish(figure, what, reduction(runs, FIGURES[6]), scale)
    return figure


def _two_widths(known: list[int]) -> list[int]:
    """The widths nearest to the paper's two, in ascending order; one if there is but one."""
    narrow, wide = FIGURES[6].widths
    widest = nearest(known, wide)
    others = [width for width in known if width != widest]
    return sorted([widest, nearest(others, narrow)] if others else [widest])
