"""Figure 4 of Luo et al. (2021): the phase diagram of the four-point problem."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.luo2021.diagram import draw_diagram
from regimes.papers.luo2021.paper import FOUR_POINTS, WIDTHS


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The phase diagram of one experiment."""
    (diagram,) = measures.values()
    return draw_diagram(diagram, scale, WIDTHS[FOUR_POINTS])
