"""Widths that slopes must be taken over before they are compared with Luo et al. (2021)."""

from collections.abc import Collection

import xarray as xr

from regimes.claims.core import TooSmallError
from regimes.papers.luo2021.paper import (
    FOUR_POINTS,
    MNIST,
    PHASE_DIAGRAM,
    PHASE_DIAGRAM_MNIST,
    WIDTHS,
)

# On MNIST without the largest: the largest of the others is of the paper's order.
WIDTHS_NEEDED = {PHASE_DIAGRAM: WIDTHS[FOUR_POINTS], PHASE_DIAGRAM_MNIST: WIDTHS[MNIST][:-1]}


def need_widths(diagram: xr.Dataset, least: Collection[int]) -> None:
    """Raise TooSmallError while slopes over the widths are not yet those of the limit."""
    widths = diagram["width"].values.tolist()
    if max(widths) < max(least) or len(widths) < len(least):
        raise TooSmallError(
            f"{len(widths)} widths up to {max(widths)}, needs {len(least)} up to {max(least)}"
        )
