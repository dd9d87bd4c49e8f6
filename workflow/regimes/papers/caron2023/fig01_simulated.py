"""Figure 1 of Caron et al. (2023): training on simulated data."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.panels import (
    bound_line,
    draw_simulated,
    finish,
    legend,
)
from regimes.papers.caron2023.paper import SIMULATED
from regimes.papers.caron2023.selection import averaged, left_out, reduction
from regimes.plotting.panels import letter

TAKES = ("caron2023.simulated",)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Training risk, change of weights and of the NTG, and its smallest eigenvalue.

    The bounds of Theorem 4.1 are drawn beside them.

    measures: those of one experiment, as made by `caron2023.simulated`; scale: marked below the
    paper's size.
    """
    (runs,) = measures.values()
    figure, axes = plt.subplots(1, 4, figsize=(14.5, 3.9), layout="constrained")
    draw_simulated(axes, runs)
    letter(axes)
    legend(figure, runs, [bound_line()])
    notes = [f"{averaged([runs])}; (b) the node that moved most by the end", left_out(runs)]
    finish(figure, notes, reduction(runs, SIMULATED), scale)
    return figure
