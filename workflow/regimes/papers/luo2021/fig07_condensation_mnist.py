"""Figure 7 of Luo et al. (2021): the condensation map of MNIST."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.luo2021.condensation_map import draw_map

PAPER_WIDTHS = (1000, 10_000, 250_000)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The map of one experiment, measured by `luo2021.condensation_projected`."""
    (condensation,) = measures.values()
    return draw_map(
        condensation,
        scale,
        position="projection",
        limits=(-1.0, 1.0),
        across=r"projection $I = \hat w \cdot p$ from $-1$ to $1$",
        paper_widths=PAPER_WIDTHS,
    )
