"""Figure 2 of Caron et al. (2023): a panel of each of four regression sets."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.panels import (
    draw_ntg_change,
    draw_pruned,
    draw_transferred,
    draw_weight_change,
    finish,
    legend,
)
from regimes.papers.caron2023.paper import (
    AIRFOIL,
    CONCRETE,
    ENERGY,
    PLANT,
    REGRESSION,
    TITLES,
)
from regimes.papers.caron2023.selection import averaged, left_out, reductions
from regimes.plotting.panels import letter

NEEDS = REGRESSION


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """A panel for each of the four data sets.

    They show the weight change on concrete, the NTG change on energy, the training risk after
    pruning on airfoil and the test risk after transfer on plant.

    measures: those of the four experiments, as made by `caron2023.training`; scale: marked below
    the paper's size.
    """
    figure, axes = plt.subplots(1, 4, figsize=(14.5, 3.9), layout="constrained")
    draw_weight_change(axes[0], measures[CONCRETE])
    draw_ntg_change(axes[1], measures[ENERGY])
    draw_pruned(axes[2], measures[AIRFOIL], "pruned_train_risk", "training risk, pruned")
    draw_transferred(axes[3], measures[PLANT], "transfer_test_risk", "test risk, transferred")
    for axis, name in zip(axes, REGRESSION, strict=True):
        axis.set_title(TITLES[name], fontsize="medium")
    letter(axes)
    legend(figure, measures[CONCRETE])
    notes = [averaged(measures.values())]
    for name in REGRESSION:
        if out := left_out(measures[name], transfers=name == PLANT):
            notes.append(f"{TITLES[name]}: {out}")
    shown = {name: measures[name] for name in REGRESSION}
    finish(figure, notes, reductions(shown), scale)
    return figure
