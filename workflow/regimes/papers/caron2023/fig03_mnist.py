"""Figure 3 of Caron et al. (2023): test accuracy on MNIST after pruning and after transfer."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.panels import (
    draw_pruned,
    draw_transferred,
    finish,
    legend,
)
from regimes.papers.caron2023.paper import MNIST
from regimes.papers.caron2023.selection import averaged, left_out, reduction
from regimes.plotting.panels import letter

TAKES = ("caron2023.training",)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Test accuracy of pruned networks, and of networks trained on the most important features.

    measures: those of one experiment, as made by `caron2023.training`; scale: marked below the
    paper's size.
    """
    (runs,) = measures.values()
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.9), layout="constrained")
    draw_pruned(axes[0], runs, "pruned_test_accuracy", "test accuracy, pruned")
    draw_transferred(axes[1], runs, "transfer_test_accuracy", "test accuracy, transferred")
    letter(axes)
    legend(figure, runs)
    notes = [averaged([runs]), left_out(runs)]
    finish(figure, notes, reduction(runs, MNIST), scale)
    return figure
