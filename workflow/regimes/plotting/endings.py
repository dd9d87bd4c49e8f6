"""How figures show that runs ended otherwise than they were to: the same way in all of them."""

import textwrap
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from regimes import endings
from regimes.plotting.wording import pluralise

# Of cells without a value: no colour of a colour map that has white, or a colour, at 0.
NO_VALUE = "0.72"
# Label and hatch of a cell. One with runs of several of these endings is marked by the first.
MARKS = {
    endings.DIVERGED: ("diverged", "xxxx"),
    endings.CAPPED: ("capped", "////"),
    endings.ABORTED: ("aborted", "\\\\\\\\"),
    endings.STATIONARY: ("stationary", ".."),
}
LETTERS_PER_INCH = 16


def mark_cells(
    axes: Axes,
    x_edges: np.ndarray,
    y_edges: np.ndarray,
    values: np.ndarray,
    shares: Mapping[str, np.ndarray],
) -> None:
    """Mark the cells of a plane, with entries for its legend, by how their runs ended.

    Cells without a value are grey: it is not 0. Hatches tell diverged, capped, aborted and
    stationary runs apart; a cell without any run is grey and has none.

    values: of the cells (x, y). shares: of the runs of a cell that ended so, by ending, each (x, y)
    and NaN where there was no run.
    """
    labelled = set()
    for i, j in np.ndindex(values.shape):
        lost = not np.isfinite(values[i, j])
        here = [name for name in MARKS if name in shares and shares[name][i, j] > 0]
        label, hatch = MARKS[here[0]] if here else ("no value", "")
        if not here and all(np.isnan(share[i, j]) for share in shares.values()):
            label = "not run"
        if not here and not lost:
            continue
        axes.add_patch(
            Rectangle(
                (float(x_edges[i]), float(y_edges[j])),
                x_edges[i + 1] - x_edges[i],
                y_edges[j + 1] - y_edges[j],
                facecolor=NO_VALUE if lost else "none",
                hatch=hatch,
                edgecolor="0.25",
                linewidth=0,
                label=None if label in labelled else label,
            )
        )
        labelled.add(label)


def mark_panel(axes: Axes, runs: xr.Dataset) -> None:
    """Write into the middle of a panel why it is empty, if none of its runs has values."""
    found = endings.endings(runs)
    known = runs[endings.DIVERGED].notnull()
    if bool((known & ~found[endings.DIVERGED]).any()):
        return
    axes.text(
        0.5,
        0.5,
        "diverged" if bool(known.any()) else "not run",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize="small",
        color="C3",
    )


def note_endings(figure: Figure, measures: Mapping[str, xr.Dataset]) -> None:
    """Say below a figure how many runs behind it did not end as they were to; nothing if all did.

    measures: by experiment, with the attribute `endings.ATTRIBUTE`.
    """
    notes = []
    for name, one in measures.items():
        counts = endings.of_measures(one)
        others = [
            f"{number} {ending}"
            for ending, number in counts.items()
            if ending not in endings.AS_WANTED
        ]
        if others:
            total = pluralise(sum(counts.values()), "run")
            notes.append(f"of {total} of {name}: {', '.join(others)}")
    if notes:
        width = int(LETTERS_PER_INCH * figure.get_size_inches()[0])
        # Outside of the figure, which is cut out with what lies around it: over nothing else.
        figure.text(
            0.5,
            -0.01,
            textwrap.fill("; ".join(notes), width),
            ha="center",
            va="top",
            fontsize="x-small",
        )
