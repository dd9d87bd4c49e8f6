"""Tables as figures: axes without a frame in units of lines, rules, and rows of text."""

from collections.abc import Iterable

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def page(width: float, lines: float, inches_per_line: float) -> tuple[Figure, Axes]:
    """A figure with one page: from 0 to 1 across, and from line 0 down to `lines`.

    width: in inches. Two lines more are left for a note below.
    """
    figure, axes = plt.subplots(
        figsize=(width, inches_per_line * (lines + 2)), layout="constrained"
    )
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(lines, 0))
    return figure, axes


def write(axes: Axes, line: float, edges: Iterable[float], cells: Iterable[str], **style) -> None:
    """Write cells from their left edges on, centred on a height."""
    for edge, cell in zip(edges, cells, strict=True):
        axes.text(edge, line, cell, va="center", **style)


def rule(axes: Axes, line: float, width: float) -> None:
    """A horizontal rule across the page."""
    axes.axhline(line, color="black", linewidth=width, clip_on=False)
