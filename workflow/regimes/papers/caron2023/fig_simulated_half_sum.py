"""Simulated data of Caron et al. (2023) under the mean-square and the half-sum loss."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.panels import bound_line, draw_simulated, finish, legend
from regimes.papers.caron2023.paper import SIMULATED, SIMULATED_HALF_SUM
from regimes.papers.caron2023.selection import averaged, left_out, reductions
from regimes.plotting.panels import letter

NEEDS = (SIMULATED, SIMULATED_HALF_SUM)
LOSSES = {
    SIMULATED: "mean of the squares",
    SIMULATED_HALF_SUM: "half their sum, as in (5)",
}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The panels of Figure 1, a row for each loss.

    A step on half the sum of squares goes n/2 times as far in the time t of the flow.

    measures: those of both experiments, as made by `caron2023.simulated`; scale: marked below the
    paper's size.
    """
    figure, axes = plt.subplots(2, 4, figsize=(14.5, 7.2), layout="constrained")
    notes = [averaged(measures.values())]
    for row, (name, loss) in zip(axes, LOSSES.items(), strict=True):
        runs = measures[name]
        draw_simulated(row, runs)
        row[0].set_title(loss, fontsize="medium")
        if out := left_out(runs):
            notes.append(f"{loss}: {out}")
    letter(axes.ravel())
    legend(figure, measures[SIMULATED], [bound_line()])
    times = " and ".join(f"{float(measures[name]['flow_time'][-1]):.4g}" for name in LOSSES)
    notes.append(f"training ends at t = {times} of the flow of (5)")
    finish(figure, notes, reductions(measures), scale)
    return figure
