"""Figure 5 of Chen et al. (2022): training loss on random labels, m = 4096."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.chen2022.loss_curves import draw_losses
from regimes.papers.chen2022.paper import FIGURES


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Training loss against steps for each n, and the rate of its decay beside the theory's.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the
    paper's size.
    """
    return draw_losses(measures, scale, FIGURES[5])
