"""Table 1 of Razborov (2022): the main series, m = 100, 200, ..., 1000."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.razborov2022.comparison import beside_paper
from regimes.papers.razborov2022.paper import TABLE1, TABLE1_RUNS
from regimes.papers.razborov2022.typeset import draw_table
from regimes.plotting.style import mark_scale


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Table 1: of each quantity the smallest, largest and mean value, measured and the paper's.

    measures: those of one experiment, as made by `razborov2022.convergence`; the columns are those
    of `comparison.beside_paper`.
    """
    (runs,) = measures.values()
    return beside_paper(runs, TABLE1)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The table, typeset. measures: as for `table`; scale: marked below the paper's runs."""
    rows = table(measures)
    figure = draw_table(rows, panels=2)
    if (rows["runs"] < TABLE1_RUNS).any():
        mark_scale(figure, scale)
    return figure
