"""Colours, curves and notes that the figures of Chen et al. (2022) share."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.plotting.panels import Colour, draw_band
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import pluralise
from regimes.statistics import seeds_with

# Colour of each model in every figure.
COLOURS = {
    "shallow": "C0",
    "ours": "C0",
    "ntk": "C1",
    "mean_field": "C2",
    "plain": "C3",
    "quadratic": "C4",
}
STEP_LABEL = "number of steps"
# Intervals of an abscissa of steps, at most.
TICKS = 6
# Of curves, as a share of the axis.
APART = 0.008
LOSS_LABEL = r"training loss $\frac{1}{2n} \sum_a (f(x_a) - y_a)^2$"


def colours_of(values: Sequence[int]) -> dict[int, tuple[float, ...]]:
    """A colour for each of several n or m, from dark to light as they grow."""
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.88, max(len(values), 2)))
    return {value: tuple(shade) for value, shade in zip(values, shades, strict=False)}


def draw_curve(axes: Axes, values: xr.DataArray, colour: Colour, **line: Any) -> None:
    """Mean over seeds against steps, with the range from the smallest to the largest.

    values: over seed and step; runs that were not run or diverged are left out, and nothing is
    drawn without any.
    """
    draw_band(axes, values.transpose("seed", "step").dropna("seed"), "step", colour, 0.15, **line)


def draw_against_n(
    axes: Axes, values: xr.DataArray, colour: Colour, *, beside: int = 0, **line: Any
) -> None:
    """Mean against n, and standard deviation over seeds if there are several.

    values: over n_train and seed; where one seed alone has a value there is no deviation. beside:
    how many curves it is drawn to the right of, so that no error bar hides another.
    """
    values = values.transpose("n_train", "seed").dropna("n_train", how="all")
    several = seeds_with(values) > 1
    axes.errorbar(
        values["n_train"] + beside * APART * np.ptp(values["n_train"].values),
        values.mean("seed"),
        yerr=values.std("seed", ddof=1).where(several) if several.any() else None,
        color=colour,
        markersize=4,
        capsize=2,
        **({"marker": "o"} | line),
    )


def beside_wanted(symbol: str, value: int, wanted: int) -> str:
    """Such as '$n = 600$', with the paper's value if it is another."""
    text = f"${symbol} = {value}$"
    return text if value == wanted else f"{text} (paper: ${symbol} = {wanted}$)"


def over_runs(what: str, counts: Sequence[int]) -> str:
    """Such as 'mean and range of 5 runs', or 'of 3 to 5 runs'; of one run alone just '1 run'.

    what: of the runs is shown; counts: of runs, at each place with any.
    """
    if not counts:
        return "all runs diverged"
    least, most = min(counts), max(counts)
    if most == 1:
        return pluralise(1, "run")
    return f"{what} of {pluralise(most, 'run') if least == most else f'{least} to {most} runs'}"


def finish(figure: Figure, what: str, reduced: str | None, scale: str) -> None:
    """Say below the panels what is shown and what the paper has more, and mark the scale then."""
    sns.despine(figure)
    # The mark has the last line for itself.
    note = what if reduced is None else f"{what}\n{reduced}\n"
    figure.supxlabel(note, fontsize="small")
    if reduced is not None:
        mark_scale(figure, scale)
