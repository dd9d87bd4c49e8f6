"""Lazy training of Song et al. (2021), Section 6 and Appendix F."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from regimes.papers.song2021.paper import LAZY
from regimes.papers.song2021.sizes import few_ratios
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds
from regimes.statistics import seeds_with

NEEDS = (LAZY,)
COLOURS = "viridis"
RATIO_LABEL = r"$\omega_2 / \omega_1$"
GAP = r"$\|\Phi(\Theta_i) - \tilde\Phi(\tilde\Theta_i)\| / \|\Phi(\Theta_i)\|$"


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Distance between a network and its linearisation, by ratio of the initial scales.

    (a) Along gradient descent; (b) the largest along the run, and (c) the bound (82), against the
    ratio.

    measures: as made by `song2021.lazy`; scale: marked below five
    ratios over three decades, or three seeds.
    """
    runs = measures[LAZY]
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 3.6), layout="constrained")
    _draw_histories(figure, axes[0], runs)
    _draw_range(axes[1], runs["largest_gap"], color="C0", marker="o")
    axes[1].set(ylabel=f"largest {GAP}")
    _draw_range(
        axes[2], runs["lazy_bound"], color="C1", marker="s", label=r"$\chi_{\max}$ from (84)"
    )
    _draw_range(
        axes[2],
        runs["lazy_bound_start"],
        color="C2",
        marker="^",
        label=r"$\chi_{\max} = \sigma_{\max}(V_0)$",
    )
    axes[2].set(ylabel=r"bound (82), $\beta_\Phi / \nu_\Phi^2$")
    he = float(runs["he_ratio"])
    for axis in axes[1:]:
        axis.axvline(he, color="0.5", linestyle=":", linewidth=1, label="He")
        axis.set(xscale="log", yscale="log", xlabel=RATIO_LABEL)
        axis.legend(fontsize="small")
    letter(axes)
    sizes = ", ".join(
        f"${name} = {runs.attrs[key]}$"
        for name, key in (("d_0", "n_features"), ("d_1", "width"), ("n", "n_train"))
    )
    share = f"{runs.attrs['relative_loss']:g}"
    capped = int(((runs["converged"] == 0) & (runs["diverged"] == 0)).sum())
    ended = f"; {capped} runs stopped at {runs.attrs['max_steps']} steps before" if capped else ""
    counts = seeds_with(runs["largest_gap"]).values
    figure.supxlabel(
        f"GELU, {sizes}; geometric mean of {runs.sizes['seed']} seeds, in (b, c) with their range; "
        f"until $h_i < {share}\\, h_0${ended}{fewer_seeds(counts, runs.sizes['seed'])}",
        fontsize="small",
    )
    sns.despine(figure)
    if few_ratios(measures):
        mark_scale(figure, scale)
    return figure


def _draw_histories(figure: Figure, axes: Axes, runs: xr.Dataset) -> None:
    ratios = runs["scale_ratio"].values
    norm = LogNorm(ratios.min(), ratios.max())
    colours = plt.colormaps[COLOURS]
    for ratio in ratios:
        # At the start the gap is rounding alone. The mean ends with the first run that ends.
        gap = runs["gap"].sel(scale_ratio=ratio, step=slice(1, None))
        mean = np.exp(np.log(gap.where(gap > 0)).mean("seed", skipna=False))
        axes.plot(mean["step"], mean, color=colours(norm(ratio)), linewidth=1.4)
    axes.set(xscale="log", yscale="log", xlabel="step $i$", ylabel=GAP)
    mapping = plt.cm.ScalarMappable(norm, colours)
    bar = figure.colorbar(mapping, ax=axes)
    bar.ax.set_title(RATIO_LABEL, fontsize="medium")


def _draw_range(axes: Axes, values: xr.DataArray, **line: Any) -> None:
    """Geometric mean over seeds, and from the smallest to the largest."""
    mean = np.exp(np.log(values).mean("seed"))
    axes.plot(mean["scale_ratio"], mean, markerfacecolor="none", **line)
    axes.fill_between(
        mean["scale_ratio"],
        values.min("seed"),
        values.max("seed"),
        color=line["color"],
        alpha=0.2,
        linewidth=0,
    )
