"""Sharpness along gradient descent in the three regimes, against 2 over the learning rate."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.lab.paper import PLANE_WIDTH, SHARPNESS
from regimes.plotting.endings import mark_panel
from regimes.plotting.panels import draw_band, has_positive_values, letter
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import pluralise

NEEDS = (SHARPNESS,)
COLOURS = "viridis"
# Of what diverges, values up to this are shown.
LARGEST = 100.0


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Sharpness times learning rate over 2 (top) and loss (below) against the step.

    One column for each gamma, one line for each learning rate: means over the runs under way, with
    their range. measures: as made by `lab.sharpness`; scale: marked below the width of the default
    scale.
    """
    runs = measures[SHARPNESS]
    gammas, rates = runs["gamma"].values, runs["learning_rate"].values
    figure, axes = plt.subplots(
        2,
        len(gammas),
        figsize=(3.8 * len(gammas), 5.6),
        layout="constrained",
        sharex="col",
        sharey="row",
        squeeze=False,
    )
    colours = plt.get_cmap(COLOURS)(np.linspace(0, 0.85, len(rates)))
    for column, gamma in zip(axes.T, gammas, strict=True):
        one = runs.sel(gamma=gamma)
        for rate, colour in zip(rates, colours, strict=True):
            of_rate = one.sel(learning_rate=rate, step=slice(1, None))
            lost = float(of_rate["diverged"].mean())
            label = f"{rate:g} of the limit" + (", diverged" if lost else "")
            for axis, name in zip(column, ("relative_sharpness", "relative_loss"), strict=True):
                shown = of_rate[name].where(of_rate[name] < LARGEST)
                draw_band(axis, shown, "step", colour, label=label, linewidth=1.2)
        column[0].axhline(1, color="black", linestyle="--", linewidth=0.8)
        column[0].set_title(rf"$\gamma = {gamma:g}$", fontsize="medium")
        mark_panel(column[0], one)
        column[1].set(xlabel="step", xscale="log")
        column[1].legend(fontsize="x-small")
    for row in axes:
        if any(map(has_positive_values, row)):
            row[0].set_yscale("log")
    axes[0, 0].set_ylabel(r"sharpness $\cdot\, \eta / 2$")
    axes[1, 0].set_ylabel("loss / initial loss")
    letter(axes.flat)
    figure.supxlabel(
        f"gradient descent, m = {runs.attrs['width']}, $\\gamma' = {runs.attrs['gamma_prime']:g}$, "
        f"{pluralise(runs.sizes['seed'], 'seed')}: mean and range; learning rates as shares of the "
        "stability limit at the start",
        fontsize="small",
    )
    sns.despine(figure)
    if runs.attrs["width"] < PLANE_WIDTH:
        mark_scale(figure, scale)
    return figure
