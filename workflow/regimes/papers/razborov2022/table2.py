"""Table 2 of Razborov (2022): up to m = 5000 points with S = 100 neurons."""

from collections.abc import Mapping

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.razborov2022.comparison import beside_paper
from regimes.papers.razborov2022.paper import TABLE2, TABLE2_RUNS
from regimes.papers.razborov2022.typeset import draw_table
from regimes.plotting.style import mark_scale


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Table 2: of each quantity the smallest, largest and mean value, measured and the paper's.

    measures: those of one experiment, as made by `razborov2022.convergence`; the columns are those
    of `comparison.beside_paper`.
    """
    (runs,) = measures.values()
    return beside_paper(runs, TABLE2)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The table, typeset. measures: as for `table`; scale: marked below the paper's runs."""
    rows = table(measures)
    figure = draw_table(rows, panels=1)
    if (rows["runs"] < rows["n_train"].map(TABLE2_RUNS)).any():
        mark_scale(figure, scale)
    return figure
