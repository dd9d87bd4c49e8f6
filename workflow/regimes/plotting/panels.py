"""Parts of panels that several papers share: letters, bands over seeds, thousands of steps."""

from collections.abc import Iterable
from string import ascii_lowercase
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

Colour = str | tuple[float, ...]


def letter(panels: Iterable[Axes], letters: str = ascii_lowercase) -> None:
    """Name the panels (a), (b), ..."""
    for axes, name in zip(panels, letters, strict=False):
        axes.set_title(f"({name})", loc="left", fontweight="bold")


def draw_band(
    axes: Axes,
    values: xr.DataArray,
    along: str,
    colour: Colour,
    shade: float = 0.2,
    *,
    deviation: bool = False,
    **line: Any,
) -> None:
    """Mean over the seeds that have a value there, and the range from the smallest to the largest.

    values: over seed and `along`; nothing is drawn without any. shade: opacity of the range.
    deviation: one standard deviation of the seeds on both sides in place of the range.
    """
    values = values.transpose("seed", along)
    if not values.size:
        return
    at = values[along].values
    if values.sizes["seed"] > 1:
        low, high = values.min("seed"), values.max("seed")
        if deviation:
            mean, spread = values.mean("seed"), values.std("seed")
            low, high = mean - spread, mean + spread
        axes.fill_between(at, low, high, color=colour, alpha=shade, linewidth=0)
    axes.plot(at, values.mean("seed"), color=colour, **line)


def label_thousands(axes: Axes, ticks: int) -> None:
    """Label the steps on the abscissa in thousands. ticks: at most so many intervals."""
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, place: f"{steps / 1000:g}"))
    axes.set_xlabel("thousands of steps")


def has_positive_values(axes: Axes) -> bool:
    """Whether a line of the axes has a value that a logarithmic ordinate could show."""
    return any(np.any(np.asarray(line.get_ydata(), dtype=float) > 0) for line in axes.lines)


def listed_widths(widths: Iterable[int]) -> str:
    """Widths with thin spaces between thousands, such as '1 000, 10 000'."""
    return ", ".join(f"{width:,}".replace(",", "\N{THIN SPACE}") for width in widths)
