"""Figure 2 of Luo et al. (2021): functions learned from four points, and their neurons."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.luo2021.paper import TYPICAL_WIDTH
from regimes.plotting.endings import mark_panel
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds, pluralise
from regimes.statistics import seeds_with

TAKES = ("luo2021.typical_cases",)
# The colours of the paper's scatter plots.
INITIAL, FINAL = "darkturquoise", "crimson"
ANGLES = np.array([-1, -0.5, 0, 0.5, 1]) * np.pi
ANGLE_LABELS = [r"$-\pi$", r"$-\pi/2$", "$0$", r"$\pi/2$", r"$\pi$"]


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Learned functions (first row) and neurons before and after training (second row).

    measures: those of one experiment, as made by `luo2021.typical_cases`, of which the first
    gamma' and width are shown; scale: marked below the paper's width.
    """
    (cases,) = measures.values()
    cases = cases.isel(gamma_prime=0, width=0)
    figure, axes = plt.subplots(
        2,
        cases.sizes["gamma"],
        figsize=(3.1 * cases.sizes["gamma"], 5.2),
        layout="constrained",
        squeeze=False,
    )
    for column, gamma in enumerate(cases["gamma"].values):
        case = cases.sel(gamma=gamma)
        _draw_function(axes[0, column], case)
        _draw_neurons(axes[1, column], case)
        mark_panel(axes[0, column], case)
        mark_panel(axes[1, column], case.isel(seed=0))
        axes[0, column].set_title(rf"$\gamma = {gamma:g}$")
    letter(axes.flat)
    axes[0, 0].set_ylabel("$f(x)$")
    axes[1, 0].set_ylabel("amplitude $A$")
    _legend(figure, axes[0, 0], axes[1, 0])
    width = int(cases["width"])
    counts = seeds_with(cases["distance_to_linear_spline"].isel(snapshot=-1))
    figure.supxlabel(
        rf"$\gamma' = {float(cases['gamma_prime']):g}$, $m = {width}$; thin lines: "
        f"{pluralise(cases.sizes['seed'], 'seed')}\nnumbers: root mean square distance to the "
        "linear and to the cubic spline over the size of the targets, mean over seeds"
        f"{fewer_seeds(counts.values, cases.sizes['seed'])}",
        fontsize="small",
    )
    if width < TYPICAL_WIDTH:
        mark_scale(figure, scale)
    return figure


def _legend(figure: Figure, functions: Axes, neurons: Axes) -> None:
    entries = [axes.get_legend_handles_labels() for axes in (functions, neurons)]
    handles, labels = ([*first, *second] for first, second in zip(*entries, strict=True))
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=len(handles),
        fontsize="small",
        markerscale=1.5,
    )


def _draw_function(axes: Axes, case: xr.Dataset) -> None:
    final = case["function"].isel(snapshot=-1)
    axes.plot(case["x"], case["linear_spline"], ":", color="0.4", label="linear spline")
    axes.plot(case["x"], case["cubic_spline"], "--", color="0.4", linewidth=1, label="cubic spline")
    for seed in case["seed"].values:
        axes.plot(case["x"], final.sel(seed=seed), color=FINAL, linewidth=0.4, alpha=0.5)
    axes.plot(case["x"], final.isel(seed=0), color=FINAL, label="learned")
    axes.plot(case["training_input"], case["training_target"], "ko", label="training points")
    distances = [
        float(case[f"distance_to_{name}_spline"].isel(snapshot=-1).mean("seed"))
        for name in ("linear", "cubic")
    ]
    axes.text(
        0.03,
        0.03,
        "linear {:.2f}, cubic {:.2f}".format(*distances),
        transform=axes.transAxes,
        fontsize="x-small",
    )
    axes.set_xlabel("$x$")
    # Splines and jagged functions may shoot beyond the points.
    targets = case["training_target"].values
    room = 0.6 * (targets.max() - targets.min())
    axes.set_ylim(targets.min() - room, targets.max() + room)
    sns.despine(ax=axes)


def _draw_neurons(axes: Axes, case: xr.Dataset) -> None:
    for snapshot, colour, label in ((0, INITIAL, "initial"), (-1, FINAL, "final")):
        neurons = case.isel(snapshot=snapshot, seed=0)
        axes.scatter(
            neurons["orientation"],
            neurons["amplitude"],
            s=3,
            color=colour,
            label=label,
            linewidths=0,
            # Amplitudes of the initial weights stay visible where the final ones are the same.
            alpha=0.6,
            rasterized=True,
        )
    axes.set_xticks(ANGLES, ANGLE_LABELS)
    axes.set(xlabel=r"orientation of $\hat w$", xlim=(-np.pi, np.pi), ylim=(0, None))
    sns.despine(ax=axes)
