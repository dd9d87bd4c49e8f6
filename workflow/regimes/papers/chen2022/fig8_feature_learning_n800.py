"""Figure 8 of Chen et al. (2022): curves and feature maps under three scalings, n = 800."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.chen2022.feature_learning import draw_features
from regimes.papers.chen2022.paper import FIGURES


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Training loss and test error for each m, and the feature maps at start and end.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the
    paper's size.
    """
    return draw_features(measures, scale, FIGURES[8])
