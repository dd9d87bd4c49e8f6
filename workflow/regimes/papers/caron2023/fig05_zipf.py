"""Figure 5 of Caron et al. (2023): sum of the squared Zipf weights against alpha."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.caron2023.paper import WIDTH
from regimes.parameterisations.node_scaling import node_scales, zipf_sum_of_squares

ALPHAS = np.linspace(0.01, 0.99, 197)
FINITE_ALPHAS = np.arange(0.05, 1.0, 0.05)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """zeta(2/alpha)/zeta(1/alpha)^2, and sum_j lambda_mj^2 at gamma = 0 and the paper's width.

    measures: not looked at, since both are functions of alpha; scale: not marked for the same
    reason.
    """
    figure, axes = plt.subplots(figsize=(4.8, 3.6), layout="constrained")
    limits = [zipf_sum_of_squares(alpha) for alpha in ALPHAS]
    axes.plot(ALPHAS, limits, color="C0", label=r"$\zeta(2/\alpha) / \zeta(1/\alpha)^2$")
    finite = [np.sum(node_scales(WIDTH, 0.0, alpha) ** 2) for alpha in FINITE_ALPHAS]
    label = rf"$\sum_j \lambda_{{m,j}}^2$, $\gamma=0$, $m = {WIDTH}$"
    axes.plot(FINITE_ALPHAS, finite, "o", color="C1", markersize=4, label=label)
    axes.set(
        xlabel=r"$\alpha$",
        ylabel=r"$\sum_j \tilde{\lambda}_j^2$",
        xlim=(0, 1),
        ylim=(0, 1.05),
    )
    axes.legend(fontsize="small")
    sns.despine(figure)
    return figure
