"""Figure 8 of Caron et al. (2023): airfoil."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.nine_panels import draw_nine
from regimes.papers.caron2023.paper import AIRFOIL


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Risks, change of weights and NTG, its smallest eigenvalue, pruning and transfer.

    measures: those of one experiment, as made by `caron2023.training`; scale: marked below the
    paper's size.
    """
    return draw_nine(measures, scale, AIRFOIL)
