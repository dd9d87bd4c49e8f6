"""Where the boundary of the regimes lies: S_w along gamma, under any engines and on any data."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.lab.paper import GROWTH_WIDTH
from regimes.papers.overview.placement import settings_of
from regimes.plotting.panels import letter, listed_widths
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds, pluralise

EACH = ("lab.growth",)
ENGINES = {"gradient_flow": "gradient flow", "gradient_descent": "gradient descent", "sgd": "SGD"}
STYLES: dict[str, dict[str, Any]] = {
    "gradient_flow": {"color": "0.6", "linewidth": 3, "zorder": 1},
    "sgd": {"color": "C3", "linestyle": ":"},
}
# Of learning rates.
RATE_COLOURS = "viridis"


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """S_w along gamma: a row for each data set, a column for each gamma', a line for each engine.

    measures: of any experiments with the same gamma', as made by `lab.growth`. A row of crosses
    below a panel shows settings of which runs diverged, one row for each line. scale: marked below
    the widths of the default scale.
    """
    rows: dict[str, dict[str, xr.Dataset]] = {}
    for name, one in measures.items():
        rows.setdefault(settings_of(one, name)["dataset"], {})[name] = one
    columns = next(iter(measures.values()))["gamma_prime"].values
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(3.4 * len(columns) + 2, 3.2 * len(rows)),
        layout="constrained",
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    notes, small = [], False
    for row, (data, those) in zip(axes, rows.items(), strict=True):
        for axis, gamma_prime in zip(row, columns, strict=True):
            for index, (label, line, style) in enumerate(_lines(those)):
                _draw(axis, line.sel(gamma_prime=gamma_prime), index, label, style)
            theory = next(iter(those.values()))["theory_boundary_gamma"]
            axis.axvline(theory.sel(gamma_prime=gamma_prime), color="0.5", linestyle="--")
            axis.axhline(0, color="black", linewidth=0.8)
            axis.set_title(rf"{data}, $\gamma' = {gamma_prime:g}$", fontsize="medium")
        notes.append(_note(data, those))
        small |= min(int(one["width"].max()) for one in those.values()) < GROWTH_WIDTH
    for axis in axes[-1]:
        axis.set_xlabel(r"$\gamma$")
    for axis in axes[:, 0]:
        axis.set_ylabel("slope $S_w$")
    letter(axes.flat)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize="small")
    figure.supxlabel(
        "; ".join(notes) + "\nerror bars: standard error over seeds; dashed: the boundary under "
        "gradient flow for wide ReLU networks; crosses: runs diverged",
        fontsize="small",
    )
    sns.despine(figure)
    if small:
        mark_scale(figure, scale)
    return figure


def _lines(
    measures: Mapping[str, xr.Dataset],
) -> Iterator[tuple[str, xr.Dataset, dict[str, Any]]]:
    """Label, measures without an axis of learning rates, and style of each line."""
    for name, one in measures.items():
        settings = settings_of(one, name)
        engine = settings["engine"]
        label, style = ENGINES.get(engine, engine), STYLES.get(engine, {"color": "C0"})
        if "learning_rate" not in one.dims:
            yield label, one, style
            continue
        unit = " of the limit" if settings["rate_unit"] == "stability_limit" else ""
        rates = one["learning_rate"].values
        colours = plt.get_cmap(RATE_COLOURS)(np.linspace(0, 0.9, len(rates)))
        for rate, colour in zip(rates, colours, strict=True):
            yield f"{label},\n{rate:g}{unit}", one.sel(learning_rate=rate), {"color": colour}


def _draw(axes: Axes, line: xr.Dataset, index: int, label: str, style: dict[str, Any]) -> None:
    axes.errorbar(
        line["gamma"],
        line["slope_w"],
        yerr=line["slope_w_stderr"],
        marker="o",
        markersize=3,
        capsize=2,
        label=label,
        **({"linewidth": 1} | style),
    )
    lost = line["gamma"].values[line["diverged_share"].values > 0]
    axes.plot(
        lost,
        np.full(len(lost), 0.03 + 0.035 * index),
        "x",
        color=style["color"],
        markersize=4,
        transform=axes.get_xaxis_transform(),
    )


def _note(data: str, measures: Mapping[str, xr.Dataset]) -> str:
    one = next(iter(measures.values()))
    counts = [other["slope_w_n_seeds"].values.ravel() for other in measures.values()]
    seeds = one.sizes["seed"]
    widths = listed_widths(one["width"].values.tolist())
    fewer = fewer_seeds(np.concatenate(counts), seeds)
    return f"{data}: m = {widths}, {pluralise(seeds, 'seed')}{fewer}"
