"""Tables 1 and 2 of Razborov (2022): measured values above the paper's.

Table 1 is of the main series, Table 2 of up to m = 5000 points with S = 100 neurons.
"""

from collections.abc import Mapping
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.razborov2022.comparison import beside_paper
from regimes.papers.razborov2022.paper import QUANTITIES, TABLE1, TABLE1_RUNS, TABLE2, TABLE2_RUNS
from regimes.plotting.style import mark_scale

TAKES = ("razborov2022.convergence",)
# Heading and number format of each quantity.
PRINTED = {
    "stopping_time": ("$T$", ".0f"),
    "kappa_h": (r"$\kappa_H$", ".2f"),
    "activation_changes": ("$|D|$", ".0f"),
    "weight_distance": (r"$\|W_T - W_0\|_F$", ".2f"),
}
# Height of a row and width of a character, in inches; characters between two columns.
ROW, CHARACTER, GAP = 0.19, 0.068, 3
NOTE = "smallest, largest and mean value; in grey the paper's"
HEADINGS = ["$S$", "$m$", "runs", *(heading for heading, _ in PRINTED.values())]


# By the table's number.
PRINTED_TABLES = {1: TABLE1, 2: TABLE2}
PANELS = {1: 2, 2: 1}


def table(measures: Mapping[str, xr.Dataset], *, number: Literal[1, 2]) -> pd.DataFrame:
    """A table: of each quantity the smallest, largest and mean value, measured and the paper's.

    measures: those of one experiment, as made by `razborov2022.convergence`; the columns are those
    of `comparison.beside_paper`.
    """
    (runs,) = measures.values()
    return beside_paper(runs, PRINTED_TABLES[number])


def draw(measures: Mapping[str, xr.Dataset], scale: str, *, number: Literal[1, 2]) -> Figure:
    """The table, typeset. measures: as for `table`; scale: marked below the paper's runs."""
    rows = table(measures, number=number)
    figure = _draw_table(rows, PANELS[number])
    runs = TABLE1_RUNS if number == 1 else rows["n_train"].map(TABLE2_RUNS)
    if (rows["runs"] < runs).any():
        mark_scale(figure, scale)
    return figure


def _draw_table(table: pd.DataFrame, panels: int) -> Figure:
    """The rows of a table, spread over panels side by side."""
    parts = np.array_split(np.arange(len(table)), panels)
    texts = [_texts(row) for _, row in table.iterrows()]
    columns = zip(*(line for pair in texts for line in pair), ["runs"] * len(HEADINGS), strict=True)
    # Right edges of the columns, in characters
    edges = np.cumsum([max(map(len, column)) + GAP for column in columns])
    lines = 2 * max(map(len, parts)) + 1
    figure, axes = plt.subplots(
        1,
        panels,
        figsize=(CHARACTER * edges[-1] * panels, ROW * (lines + 2)),
        squeeze=False,
        layout="constrained",
    )
    for axis, rows in zip(axes[0], parts, strict=True):
        _draw_part(axis, [texts[row] for row in rows], edges / edges[-1], lines)
    figure.supxlabel(NOTE, fontsize="small")
    return figure


def _draw_part(axes: Axes, rows: list[tuple], edges: np.ndarray, lines: int) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(lines, 0))
    style: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": 8}
    for edge, heading in zip(edges, HEADINGS, strict=True):
        axes.text(edge, 0.4, heading, **style)
    axes.axhline(0.95, color="black", linewidth=0.7)
    for index, (measured, printed) in enumerate(rows):
        line = 2 * index + 1.5
        for edge, ours, paper in zip(edges, measured, printed, strict=True):
            axes.text(edge, line, ours, **style)
            if paper:
                axes.text(edge, line + 0.95, paper, color="0.5", **style)


def _texts(row: pd.Series) -> tuple[list[str], list[str]]:
    """Texts of a row by column: the measured values, and the paper's."""
    sizes = [f"{row[name]:.0f}" for name in ("width", "n_train", "runs")]
    measured = sizes + [_range(row, quantity) for quantity in QUANTITIES]
    paper = ["", "", "", *(_range(row, f"paper_{quantity}") for quantity in QUANTITIES)]
    return measured, paper


def _range(row: pd.Series, column: str) -> str:
    number = PRINTED[column.removeprefix("paper_")][1]
    low, high, mean = (row[f"{column}_{statistic}"] for statistic in ("min", "max", "mean"))
    if np.isnan(mean):
        return "\N{EN DASH}"
    if low == high == mean:  # a single run
        return f"{mean:{number}}"
    return f"{low:{number}}\N{EN DASH}{high:{number}}; {mean:{number}}"
