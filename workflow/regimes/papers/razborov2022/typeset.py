"""The tables of Razborov (2022), typeset: measured values above the paper's."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.razborov2022.paper_values import QUANTITIES

# Heading and number format of each quantity.
PRINTED = {
    "stopping_time": ("$T$", ".0f"),
    "kappa_h": (r"$\kappa_H$", ".2f"),
    "activation_changes": ("$|D|$", ".0f"),
    "weight_distance": (r"$\|W_T - W_0\|_F$", ".2f"),
}
# Height of a row and width of a panel, in inches.
ROW, PANEL = 0.19, 6.4
NOTE = "smallest, largest and mean value; in grey the paper's"


def draw_table(table: pd.DataFrame, panels: int) -> Figure:
    """A table as made by `comparison.beside_paper`, its rows spread over panels side by side."""
    parts = np.array_split(np.arange(len(table)), panels)
    height = ROW * (2 * max(map(len, parts)) + 3)
    figure, axes = plt.subplots(
        1, panels, figsize=(PANEL * panels, height), squeeze=False, layout="constrained"
    )
    for axis, rows in zip(axes[0], parts, strict=True):
        _draw_part(axis, table.iloc[rows], 2 * max(map(len, parts)) + 1)
    figure.supxlabel(NOTE, fontsize="small")
    return figure


def _draw_part(axes: Axes, rows: pd.DataFrame, lines: int) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(lines, 0))
    # Right edges of S, m, the number of runs, and the quantities.
    edges = [0.06, 0.13, 0.2, 0.38, 0.58, 0.8, 1.0]
    headings = ["$S$", "$m$", "runs", *(heading for heading, _ in PRINTED.values())]
    style = {"ha": "right", "va": "center", "fontsize": 8}
    for edge, heading in zip(edges, headings, strict=True):
        axes.text(edge, 0.4, heading, **style)
    axes.axhline(0.95, color="black", linewidth=0.7)
    for index, (_, row) in enumerate(rows.iterrows()):
        line = 2 * index + 1.5
        measured = [f"{row['width']:.0f}", f"{row['n_train']:.0f}", f"{row['runs']:.0f}"]
        measured += [_range(row, quantity) for quantity in QUANTITIES]
        for edge, text in zip(edges, measured, strict=True):
            axes.text(edge, line, text, **style)
        for edge, quantity in zip(edges[3:], QUANTITIES, strict=True):
            axes.text(edge, line + 0.95, _range(row, f"paper_{quantity}"), color="0.5", **style)


def _range(row: pd.Series, column: str) -> str:
    number = PRINTED[column.removeprefix("paper_")][1]
    low, high, mean = (row[f"{column}_{statistic}"] for statistic in ("min", "max", "mean"))
    if np.isnan(mean):
        return "\N{EN DASH}"
    return f"{low:{number}}\N{EN DASH}{high:{number}}; {mean:{number}}"
