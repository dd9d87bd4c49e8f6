"""Panels, legend and note that the figures of Caron et al. (2023) share."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from regimes.papers.caron2023.node_settings import NodeSetting, shown_settings
from regimes.papers.caron2023.selection import positive
from regimes.plotting.panels import draw_band, has_positive_values, label_thousands
from regimes.plotting.style import mark_scale

WEIGHT_LABEL = r"weight change $\|w_{tj} - w_{0j}\|$"
NTG_LABEL = r"NTG change $\|\Theta_t - \Theta_0\|_2$"
EIGENVALUE_LABEL = "smallest eigenvalue of the NTG"
KEPT_LABEL = "share of nodes kept"
FEATURES_LABEL = "number $k$ of features"
# Eigenvalues below this share of the norm of the matrix are rounding.
ROUNDING = 1e-13
# Intervals of an abscissa of steps, at most.
TICKS = 5
# A bound may stretch an axis by at most this factor.
STRETCH = 30
# Letters that the mark of the scale takes, on both sides of a centred note.
MARK_LETTERS = 28
LETTERS_PER_INCH = 15
INCHES_PER_LINE = 0.16


def draw_history(axes: Axes, runs: xr.Dataset, name: str, label: str, *, log: bool = False) -> None:
    """A quantity over `step` of each setting: mean and deviation, of runs that did not diverge.

    The deviation is one standard deviation of the runs, as in the paper's figures.
    """
    for setting in shown_settings(runs):
        values = runs[name].sel(node_scaling=setting.name)
        _draw_curve(axes, positive(values) if log else values, "step", setting.colour)
    if log:
        _set_log(axes)
    axes.set_ylabel(label)
    _label_steps(axes)


def draw_risk(axes: Axes, runs: xr.Dataset, part: str) -> None:
    """Draw a risk against steps.

    The least possible risk and the bound of Theorem 4.1 are added if they are known. part: 'train'
    or 'test'.
    """
    title = {"train": "training", "test": "test"}[part]
    draw_history(axes, runs, f"{part}_risk", f"{title} risk", log=True)
    if part == "test":
        return
    if "least_train_risk" in runs and float(runs["least_train_risk"]) > 0:
        axes.axhline(float(runs["least_train_risk"]), color="0.6", linewidth=1, zorder=0)
    if "risk_bound" in runs:
        _draw_bounds(axes, runs, "risk_bound")


def draw_weight_change(axes: Axes, runs: xr.Dataset) -> None:
    """Distance of the weights of a node from the start, of the node that moved most by the end.

    It is another one in each run, as in the paper's figures.
    """
    for setting in shown_settings(runs):
        one = runs["weight_change"].sel(node_scaling=setting.name).isel(neuron=0)
        _draw_curve(axes, one, "step", setting.colour)
    axes.set_ylabel(WEIGHT_LABEL)
    axes.set_ylim(bottom=0)
    _label_steps(axes)


def draw_ntg_change(axes: Axes, runs: xr.Dataset) -> None:
    """Distance of the NTG from its start in the spectral norm."""
    draw_history(axes, runs, "ntg_change", NTG_LABEL)
    axes.set_ylim(bottom=0)


def draw_eigenvalue(axes: Axes, runs: xr.Dataset) -> None:
    """Smallest eigenvalue of the NTG where it is more than rounding.

    The bound of Theorem 4.1 is drawn if there is one; settings for which the eigenvalue is rounding
    throughout are named.
    """
    eigenvalue = runs["ntg_min_eigenvalue"].where(runs["diverged"] == 0)
    known = eigenvalue.where(eigenvalue > ROUNDING * runs["ntg_norm"])
    for setting in shown_settings(runs):
        # Step by step: the curve of a run that reaches rounding stops there.
        _draw_known(axes, known.sel(node_scaling=setting.name), "step", setting.colour)
    _set_log(axes)
    if "eigenvalue_bound" in runs:
        bounds = runs["eigenvalue_bound"].expand_dims(step=runs["step"])
        _draw_bounds(axes, runs.assign(eigenvalue_bound=bounds), "eigenvalue_bound")
    singular = [
        setting.label
        for setting in shown_settings(runs)
        if eigenvalue.sel(node_scaling=setting.name).notnull().any()
        and known.sel(node_scaling=setting.name).isnull().all()
    ]
    if singular:
        which = (
            "all settings" if len(singular) == len(shown_settings(runs)) else "; ".join(singular)
        )
        axes.set_title(f"0 but for rounding: {which}", fontsize="x-small")
        if len(singular) == len(shown_settings(runs)):
            # No curve is there to give the axes a scale.
            axes.set_xlim(0, float(runs["step"].max()))
            axes.set_yticks([])
    axes.set_ylabel(EIGENVALUE_LABEL)
    _label_steps(axes)


def draw_pruned(axes: Axes, runs: xr.Dataset, name: str, label: str) -> None:
    """A risk (on a logarithmic axis) or an accuracy against the share of nodes that are kept."""
    _draw_probe(axes, runs, name, label, "kept")
    axes.set_xlabel(KEPT_LABEL)
    # Fewer nodes are kept to the right.
    axes.invert_xaxis()


def draw_transferred(axes: Axes, runs: xr.Dataset, name: str, label: str) -> None:
    """A risk (on a logarithmic axis) or an accuracy against the number of transferred features."""
    _draw_probe(axes, runs, name, label, "n_transfer_features")
    axes.set_xlabel(FEATURES_LABEL)


def draw_simulated(panels: Sequence[Axes], runs: xr.Dataset) -> None:
    """Draw the four panels of Figure 1 against steps.

    They are training risk, weight change, NTG change and smallest eigenvalue of the NTG. runs:
    measures as made by `caron2023.simulated`.
    """
    draw_risk(panels[0], runs, "train")
    draw_weight_change(panels[1], runs)
    draw_ntg_change(panels[2], runs)
    draw_eigenvalue(panels[3], runs)


def legend(figure: Figure, runs: xr.Dataset, further: Sequence[Line2D] = ()) -> None:
    """One legend for all panels, above them."""
    handles = [_line(setting) for setting in shown_settings(runs)]
    handles += [*further]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize="small")


def bound_line() -> Line2D:
    """Entry of the legend for the bounds of Theorem 4.1."""
    return Line2D([], [], color="0.3", linestyle=":", linewidth=1, label="bound of Theorem 4.1")


def finish(figure: Figure, notes: Sequence[str | None], reduced: str | None, scale: str) -> None:
    """Say below the panels what is shown and what is less than in the paper; mark the scale then.

    notes: sentences, None for one that does not apply.
    """
    sns.despine(figure)
    # The mark of the scale has room beside the last line.
    width = round(LETTERS_PER_INCH * figure.get_figwidth()) - MARK_LETTERS
    lines = ["; ".join(note for note in notes if note), *(reduced or "").split("\n")]
    wrapped = [textwrap.fill(line, width, break_long_words=False) for line in lines if line]
    text = "\n".join(wrapped)
    # A long note does not press the panels together.
    figure.set_figheight(figure.get_figheight() + INCHES_PER_LINE * text.count("\n"))
    figure.supxlabel(text, fontsize="small")
    if reduced is not None:
        mark_scale(figure, scale)


def _draw_curve(axes: Axes, values: xr.DataArray, along: str, colour: str, **line: Any) -> None:
    """Mean and deviation over seeds; runs without a value somewhere are left out."""
    values = values.transpose("seed", along).dropna(along, how="all").dropna("seed")
    draw_band(axes, values, along, colour, deviation=True, **line)


def _draw_known(axes: Axes, values: xr.DataArray, along: str, colour: str, **line: Any) -> None:
    """Mean and deviation over those seeds that have a value there."""
    values = values.dropna(along, how="all").sortby(along)
    draw_band(axes, values, along, colour, deviation=True, **line)


def _draw_probe(axes: Axes, runs: xr.Dataset, name: str, label: str, along: str) -> None:
    log = name.endswith("risk")
    marks: dict[str, Any] = {"marker": "o", "markersize": 3, "zorder": 3}
    for setting in shown_settings(runs):
        values = runs[name].sel(node_scaling=setting.name)
        values = positive(values) if log else values.where(np.isfinite(values))
        _draw_known(axes, values, along, setting.colour, **marks)
    if log:
        _set_log(axes)
    axes.set_ylabel(label)


def _draw_bounds(axes: Axes, runs: xr.Dataset, name: str) -> None:
    """Bounds over `step` where gamma > 0, without stretching the axis far for them."""
    if not axes.lines:
        return
    low, high = axes.get_ylim()
    for setting in shown_settings(runs):
        bound = runs[name].sel(node_scaling=setting.name)
        bound = bound.mean("seed") if "seed" in bound.dims else bound
        if float(runs["gamma"].sel(node_scaling=setting.name)) > 0 and bound.notnull().any():
            axes.plot(bound["step"], bound, ":", color=setting.colour, linewidth=1, zorder=2)
    stretched = axes.get_ylim()
    axes.set_ylim(max(stretched[0], low / STRETCH), min(stretched[1], high * STRETCH))


def _set_log(axes: Axes) -> None:
    """A logarithmic ordinate, if there is anything to show on it."""
    if has_positive_values(axes):
        axes.set_yscale("log")


def _label_steps(axes: Axes) -> None:
    """Steps on the abscissa, in thousands where they are many."""
    largest = max((float(np.max(line.get_xdata())) for line in axes.lines), default=0.0)
    if largest >= 5000:
        label_thousands(axes, TICKS)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(TICKS, steps=[1, 2, 5, 10]))
        axes.set_xlabel("number of steps")


def _line(setting: NodeSetting) -> Line2D:
    return Line2D([], [], color=setting.colour, linewidth=1.8, label=setting.label)
