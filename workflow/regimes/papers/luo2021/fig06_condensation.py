"""Figure 6 of Luo et al. (2021): the condensation map of the four-point problem."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.luo2021.condensation_map import draw_map

PAPER_WIDTHS = (1000, 10_000, 1_000_000)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The map of one experiment, measured by `luo2021.condensation`."""
    (condensation,) = measures.values()
    return draw_map(
        condensation,
        scale,
        position="orientation",
        limits=(-np.pi, np.pi),
        across=r"orientation of $\hat w$ from $-\pi$ to $\pi$",
        paper_widths=PAPER_WIDTHS,
    )
