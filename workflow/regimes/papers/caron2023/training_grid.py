"""Figures 6 to 10 of Caron et al. (2023): nine panels on one data set."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.panels import (
    draw_eigenvalue,
    draw_ntg_change,
    draw_pruned,
    draw_risk,
    draw_transferred,
    draw_weight_change,
    finish,
    legend,
)
from regimes.papers.caron2023.paper import TITLES
from regimes.papers.caron2023.selection import averaged, experiment_of, left_out, reduction
from regimes.plotting.panels import letter

TAKES = ("caron2023.training",)


def draw(measures: Mapping[str, xr.Dataset], scale: str, *, size_of: str | None = None) -> Figure:
    """Training, pruning and transfer of all settings of one experiment.

    Training and test risk, weight and NTG change and smallest eigenvalue of the NTG against steps;
    training and test risk after pruning, and after transfer.

    measures: those of one experiment, as made by `caron2023.training`; scale: marked below the
    size of the paper's experiment `size_of`, by default the one of the same name.
    """
    ((name, runs),) = measures.items()
    experiment = experiment_of(name, size_of)
    figure, axes = plt.subplots(3, 3, figsize=(11.5, 9.6), layout="constrained")
    panels = axes.ravel()
    draw_risk(panels[0], runs, "train")
    draw_risk(panels[1], runs, "test")
    draw_weight_change(panels[2], runs)
    draw_ntg_change(panels[3], runs)
    draw_eigenvalue(panels[4], runs)
    draw_pruned(panels[5], runs, "pruned_train_risk", "training risk, pruned")
    draw_pruned(panels[6], runs, "pruned_test_risk", "test risk, pruned")
    draw_transferred(panels[7], runs, "transfer_train_risk", "training risk, transferred")
    draw_transferred(panels[8], runs, "transfer_test_risk", "test risk, transferred")
    letter(panels)
    legend(figure, runs)
    least = float(runs["least_train_risk"]) if "least_train_risk" in runs else 0.0
    n_ntg = int(runs.attrs.get("n_ntg", runs.attrs["n_train"]))
    notes = [
        f"{TITLES.get(experiment, experiment)}: {averaged([runs])}",
        f"NTG of the first {n_ntg} training points" if n_ntg < runs.attrs["n_train"] else None,
        "grey: the least training risk of any function, since inputs repeat with other targets"
        if least > 0
        else None,
        left_out(runs),
    ]
    finish(figure, notes, reduction(runs, experiment), scale)
    return figure
