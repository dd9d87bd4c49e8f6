"""Figure 4 of Caron et al. (2023): features of CIFAR-10."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.four_images import draw_images
from regimes.papers.caron2023.paper import CIFAR10


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Test risk, weight change, and test risk and accuracy after pruning.

    measures: those of one experiment, as made by `caron2023.training`; scale: marked below the
    paper's size.
    """
    return draw_images(measures, scale, CIFAR10)
