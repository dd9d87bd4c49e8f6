"""Other labels in Section 4 of Razborov (2022): low spectrum, high spectrum and local."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.papers.razborov2022.paper import LABELS_N_TRAIN, LOCAL, LOCAL_RUNS, TRACKED
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import fewer_seeds, pluralise
from regimes.statistics import seeds_with

NEEDS = (*TRACKED, LOCAL)
KINDS = {
    "razborov2022_random": "random",
    "razborov2022_low_spectrum": "low spectrum",
    "razborov2022_high_spectrum": "high spectrum",
}
# Number of runs that are shown along training.
SHOWN_RUNS = 3
# Successes that the text reports for local labels, by m.
PAPER_SUCCESSES = {1000: (19, 20), 2000: (0, 10)}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """(a) lambda_min(H_t) along runs, (b) kappa_H for each kind of labels, (c) local labels.

    measures: those of the experiments in KINDS, as made by `razborov2022.spectrum`, and of the one
    with local labels, as made by `razborov2022.convergence`; scale: marked below the text's sizes.
    """
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.4), layout="constrained")
    for index, (name, label) in enumerate(KINDS.items()):
        runs = measures[name].isel(width=0)
        _draw_path(axes[0], runs, f"C{index}", label)
        _draw_kappa(axes[1], runs, index, label)
    axes[0].set(
        xscale="symlog",
        xlabel=r"step $t$",
        ylabel=r"$\lambda_{\min}(H_t) / \lambda_{\min}(H_0)$",
    )
    axes[0].legend(fontsize="small")
    axes[1].set(xlabel="number of points $m$", ylabel=r"$\kappa_H$")
    axes[1].legend(fontsize="small")
    _draw_local(axes[2], measures[LOCAL].isel(width=0))
    letter(axes)
    sns.despine(figure)
    figure.supxlabel(
        _note({name: measures[name].isel(width=0) for name in KINDS}),
        fontsize="small",
    )
    if _is_small(measures):
        mark_scale(figure, scale)
    return figure


def _note(runs: Mapping[str, xr.Dataset]) -> str:
    """Say how many runs the first two panels show, and what the bars are."""
    counts = np.concatenate([seeds_with(one["kappa_h"]).values for one in runs.values()])
    most = int(counts.max())
    shown = min(SHOWN_RUNS, most)
    return (
        f"(a) {pluralise(shown, 'run')} for each kind of labels; (b) mean, and from the smallest "
        f"to the largest, of {pluralise(most, 'run')}{fewer_seeds(counts, most)}, side by side "
        "at the same $m$"
    )


def _draw_path(axes: Axes, runs: xr.Dataset, colour: str, label: str | None) -> None:
    at = runs["n_train"].values[abs(runs["n_train"].values - LABELS_N_TRAIN).argmin()]
    runs = runs.sel(n_train=at)
    for seed in runs["seed"].values[:SHOWN_RUNS]:
        run = runs.sel(seed=seed)
        history = run["smallest_eigenvalue_history"].dropna("step")
        steps = np.append(history["step"], run["stopping_time"])
        values = np.append(history, run["smallest_eigenvalue"]) / float(history[0])
        axes.plot(steps, values, color=colour, linewidth=1, label=label)
        label = None  # one entry in the legend
    axes.set_title(f"$S = {int(runs['width'])}$, $m = {int(at)}$", fontsize="medium")


def _draw_kappa(axes: Axes, runs: xr.Dataset, index: int, label: str) -> None:
    kappa = runs["kappa_h"].transpose("n_train", "seed")
    mean = kappa.mean("seed")
    # Side by side, or the ranges would cover each other.
    place = runs["n_train"].values * (1 + 0.04 * (index - 1))
    # The mean of equal values may differ from them by rounding.
    spread = [(mean - kappa.min("seed")).clip(min=0), (kappa.max("seed") - mean).clip(min=0)]
    axes.errorbar(place, mean, yerr=spread, fmt="o", markersize=4, capsize=2, label=label)


def _draw_local(axes: Axes, runs: xr.Dataset) -> None:
    places, ticks = [], []
    for index, m in enumerate(runs["n_train"].values.tolist()):
        ended = runs["converged"].sel(n_train=m).dropna("seed")
        share = float(ended.mean())
        axes.bar(index, share, width=0.5, color="C0", label="measured" if not index else None)
        label = f"$m = {m}$\n{int(ended.sum())} of {ended.size}"
        if m in PAPER_SUCCESSES:
            successes, total = PAPER_SUCCESSES[m]
            axes.plot(
                index,
                successes / total,
                "o",
                color="black",
                markerfacecolor="none",
                label="the paper" if not index else None,
                clip_on=False,
            )
            label += f"\n(paper {successes} of {total})"
        places.append(index)
        ticks.append(label)
    axes.set_xticks(places, ticks)
    axes.set(ylim=(0, 1.05), ylabel="share of runs that succeed", title="local labels")
    axes.legend(fontsize="small")


def _is_small(measures: Mapping[str, xr.Dataset]) -> bool:
    """Whether the text has more points, or more runs with local labels.

    Of other labels it has "a few".
    """
    local = measures[LOCAL]["converged"].isel(width=0)
    return any(
        m not in local["n_train"] or seeds_with(local.sel(n_train=m)) < count
        for m, count in LOCAL_RUNS.items()
    ) or any(LABELS_N_TRAIN not in measures[name]["n_train"] for name in TRACKED)
