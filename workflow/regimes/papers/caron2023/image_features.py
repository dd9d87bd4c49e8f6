"""Figures 4 and 11 of Caron et al. (2023): four panels on features of CIFAR-10."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.panels import (
    draw_pruned,
    draw_risk,
    draw_weight_change,
    finish,
    legend,
)
from regimes.papers.caron2023.selection import averaged, experiment_of, left_out, reduction
from regimes.plotting.panels import letter

TAKES = ("caron2023.training",)


def draw(measures: Mapping[str, xr.Dataset], scale: str, *, size_of: str | None = None) -> Figure:
    """Test risk and weight change against mini-batch steps, test risk and accuracy after pruning.

    measures: those of one experiment, as made by `caron2023.training`; scale: marked below the
    size of the paper's experiment `size_of`, by default the one of the same name.
    """
    ((name, runs),) = measures.items()
    experiment = experiment_of(name, size_of)
    figure, axes = plt.subplots(1, 4, figsize=(14.5, 3.9), layout="constrained")
    draw_risk(axes[0], runs, "test")
    draw_weight_change(axes[1], runs)
    draw_pruned(axes[2], runs, "pruned_test_risk", "test risk, pruned")
    draw_pruned(axes[3], runs, "pruned_test_accuracy", "test accuracy, pruned")
    letter(axes)
    legend(figure, runs)
    backbone = runs.attrs.get("backbone")
    notes = [
        f"inputs from {backbone}" if backbone else None,
        f"{averaged([runs])}; a step is a mini-batch",
        left_out(runs),
    ]
    finish(figure, notes, reduction(runs, experiment), scale)
    return figure
