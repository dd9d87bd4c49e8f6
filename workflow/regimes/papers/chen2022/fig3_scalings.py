"""Figure 3 of Chen et al. (2022): test error under the three scalings."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.chen2022.error_against_n import draw_errors
from regimes.papers.chen2022.paper import FIGURES, MODELS, SCALINGS


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Test error at the last step against n for each model.

    measures: those of one experiment, as made by `chen2022.curves`; scale: marked below the
    paper's size.
    """
    return draw_errors(measures, scale, MODELS[SCALINGS], FIGURES[3])
