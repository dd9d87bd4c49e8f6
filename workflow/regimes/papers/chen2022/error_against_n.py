"""Figures 2 and 3 of Chen et al. (2022): test error after training against n."""

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.chen2022.panels import (
    COLOURS,
    beside_wanted,
    draw_against_n,
    finish,
    over_runs,
)
from regimes.papers.chen2022.paper import FIGURES, MODELS
from regimes.papers.chen2022.selection import reduction, seed_counts, shown_width
from regimes.plotting.wording import pluralise

TAKES = ("chen2022.curves", "chen2022.scalings")


def draw(measures: Mapping[str, xr.Dataset], scale: str, *, number: Literal[2, 3]) -> Figure:
    """Test error at the last step against n, a curve for each model.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the size
    of the paper's figure of this number.
    """
    paper = FIGURES[number]
    (runs,) = measures.values()
    (wanted,) = paper.widths
    width = shown_width(runs, wanted)
    runs = runs.sel(width=width)
    figure, axes = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
    models = MODELS[paper.experiment]
    for beside, model in enumerate(one for one in models if one in runs["model"]):
        error = runs["test_error"].sel(model=model).isel(step=-1)
        draw_against_n(axes, error, COLOURS[model], beside=beside, label=models[model])
    axes.set(yscale="log", xlabel="number of training points $n$", ylabel="test error")
    axes.set_title(beside_wanted("m", width, wanted), fontsize="medium")
    axes.legend(fontsize="small")
    after = f"after {pluralise(int(runs['step'].max()), 'step')}"
    what = over_runs("mean and standard deviation", seed_counts(runs))
    finish(figure, f"{after}; {what}", reduction(runs, paper), scale)
    return figure
