"""The four panels of Figure 1 of Caron et al. (2023)."""

from collections.abc import Sequence

import xarray as xr
from matplotlib.axes import Axes

from regimes.papers.caron2023.panels import (
    draw_eigenvalue,
    draw_ntg_change,
    draw_risk,
    draw_weight_change,
)


def draw_panels(panels: Sequence[Axes], runs: xr.Dataset) -> None:
    """Training risk, weight change, NTG change and smallest eigenvalue of the NTG against steps.

    panels: four; runs: measures as made by `caron2023.simulated`.
    """
    draw_risk(panels[0], runs, "train")
    draw_weight_change(panels[1], runs)
    draw_ntg_change(panels[2], runs)
    draw_eigenvalue(panels[3], runs)
