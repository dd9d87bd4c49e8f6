"""The theorems of Caron et al. (2023), Sections 3 and 5: means over draws and closed forms."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regimes.papers.caron2023.means import pooled, relative
from regimes.papers.caron2023.paper import LARGEST_ERROR, RELU, TANH
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale

NEEDS = (RELU, TANH)
MARKERS = {RELU: "o", TANH: "s"}
NAMES = {RELU: "ReLU", TANH: "tanh"}
GREY = "0.35"
PRINTED: dict[str, Any] = {"color": "C4", "linestyle": ":", "linewidth": 1.8}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Means over initialisations beside the closed forms of Section 5.

    (a) Mean change of the weights over lambda_j by feature, with Theorem 5.1; (b) mean change of
    the kernel over sum lambda_j^2 by pair of points, with Theorem 5.2, corrected and as printed;
    (c) variance of the tangent Gram matrix over its closed form, with the limit (12).

    measures: those of both experiments, as made by `caron2023.first_update`; scale: marked when
    the standard errors are above what the claims ask for.
    """
    figure, axes = plt.subplots(
        1, 3, figsize=(13.5, 4.6), layout="constrained", gridspec_kw={"wspace": 0.06}
    )
    settings = list(measures[RELU]["node_scaling"].values)
    colours = {name: f"C{index}" for index, name in enumerate(settings)}
    _draw_weights(axes[0], measures, colours)
    _draw_kernel(axes[1], measures[TANH], colours)
    _draw_variance(axes[2], measures, colours)
    letter(axes)
    figure.legend(handles=_handles(measures, colours), loc="outside right upper", fontsize="small")
    draws = ", ".join(
        f"{NAMES[name]} {int(runs['draws'].min()) * runs.sizes['seed']:,}"
        for name, runs in measures.items()
    )
    width = int(measures[RELU]["width"])
    figure.supxlabel(
        f"$m = {width}$; mean and two standard errors; draws of a setting: {draws}",
        fontsize="small",
    )
    sns.despine(figure)
    if _largest_error(measures) > LARGEST_ERROR:
        mark_scale(figure, scale)
    return figure


def _largest_error(measures: Mapping[str, xr.Dataset]) -> float:
    names = ("scaled_weight_rate", "kernel_rate", "gram_deviation")
    errors = [
        relative(runs, name)[1].max()
        for runs in measures.values()
        for name in names
        if name in runs
    ]
    return float(np.nanmax(errors))


def _handles(measures: Mapping[str, xr.Dataset], colours: Mapping[str, str]) -> list[Line2D]:
    """Entries of the legend, common to all panels."""
    labels = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=_label(measures[RELU], name))
        for name, colour in colours.items()
    ]
    markers = [
        Line2D([], [], color=GREY, marker=MARKERS[name], mfc="none", linestyle="", label=label)
        for name, label in NAMES.items()
    ]
    return [
        *labels,
        *markers,
        Line2D([], [], color="0.2", label="closed form"),
        Line2D([], [], label="Theorem 5.2 as printed", **PRINTED),
        Line2D([], [], color=GREY, marker="_", linestyle="", markersize=12, label="limit (12)"),
    ]


def _label(runs: xr.Dataset, setting: str) -> str:
    gamma, alpha = (float(runs[name].sel(node_scaling=setting)) for name in ("gamma", "alpha"))
    return rf"$\gamma = {gamma:g}$" + ("" if np.isnan(alpha) else rf", $\alpha = {alpha:g}$")


def _draw_weights(
    axes: Axes, measures: Mapping[str, xr.Dataset], colours: Mapping[str, str]
) -> None:
    """The mean over all nodes, each with the weight lambda_j: all nodes have the same ratio."""
    for name, runs in measures.items():
        squares = runs["sum_of_squared_scales"]
        values, errors = pooled(
            runs["scaled_weight_rate"] / squares,
            runs["scaled_weight_rate_standard_error"] / squares,
        )
        closed = (runs["scaled_weight_rate_expected"] / squares).isel(node_scaling=0)
        _draw_steps(axes, closed.values)
        _draw_points(axes, values, errors, colours, MARKERS[name])
    features = np.arange(runs.sizes["feature"])
    axes.set_xticks(features, features + 1)
    axes.set(xlabel="feature $k$", ylabel=r"mean of $(dw_{jk}/dt) / \lambda_j$ at $t = 0$")
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)


def _draw_kernel(axes: Axes, runs: xr.Dataset, colours: Mapping[str, str]) -> None:
    squares = runs["sum_of_squared_scales"]
    values, errors = pooled(
        runs["kernel_rate"] / squares, runs["kernel_rate_standard_error"] / squares
    )
    _draw_steps(axes, (runs["kernel_rate_expected"] / squares).isel(node_scaling=0).values)
    printed = (runs["kernel_rate_printed"] / squares).isel(node_scaling=0).values
    _draw_steps(axes, printed, **PRINTED)
    _draw_points(axes, values, errors, colours, MARKERS[TANH])
    firsts, seconds = runs["pair_first"].values + 1, runs["pair_second"].values + 1
    pairs = [f"{first},{second}" for first, second in zip(firsts, seconds, strict=True)]
    axes.set_xticks(np.arange(runs.sizes["pair"]), pairs, fontsize="small")
    axes.set(
        xlabel="points $k, l$",
        ylabel=r"mean of $(d\Theta_m(x_k, x_l)/dt) / \Sigma\lambda_j^2$ at $t = 0$",
    )
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)


def _draw_variance(
    axes: Axes, measures: Mapping[str, xr.Dataset], colours: Mapping[str, str]
) -> None:
    axes.axhline(1, color="0.2", linewidth=1)
    for shift, (name, runs) in zip((-0.12, 0.12), measures.items(), strict=True):
        values, errors = relative(runs, "gram_deviation")
        for place, (setting, colour) in enumerate(colours.items()):
            axes.errorbar(
                place + shift,
                values.sel(node_scaling=setting),
                2 * errors.sel(node_scaling=setting),
                color=colour,
                marker=MARKERS[name],
                mfc="none",
                capsize=3,
            )
    limits = measures[RELU]["sum_of_squares_limit"] / measures[RELU]["sum_of_squared_scales"]
    places = np.arange(len(colours))
    axes.plot(places, limits.sel(node_scaling=list(colours)), "_", color=GREY, markersize=16)
    axes.set_xticks(places, [_label(measures[RELU], name).replace(", ", "\n") for name in colours])
    axes.set(
        ylim=(-0.08, 1.18),
        ylabel=r"mean of $|\Theta_m - \Theta^*|_F^2$ over $C_0\ \Sigma\lambda_j^2$",
    )


def _draw_points(
    axes: Axes,
    values: xr.DataArray,
    errors: xr.DataArray,
    colours: Mapping[str, str],
    marker: str,
) -> None:
    """Means by setting, side by side, with two standard errors."""
    shifts = np.linspace(-0.25, 0.25, len(colours))
    for shift, (setting, colour) in zip(shifts, colours.items(), strict=True):
        mean = values.sel(node_scaling=setting).values
        axes.errorbar(
            np.arange(len(mean)) + shift,
            mean,
            2 * errors.sel(node_scaling=setting).values,
            color=colour,
            marker=marker,
            markersize=4,
            markerfacecolor="none",
            linestyle="",
            capsize=2,
        )


def _draw_steps(axes: Axes, values: np.ndarray, **line: Any) -> None:
    """A short horizontal line at each value."""
    style: dict[str, Any] = {"color": "0.2", "linewidth": 1.0} | line
    for place, value in enumerate(values):
        axes.plot([place - 0.4, place + 0.4], [value, value], **style)
