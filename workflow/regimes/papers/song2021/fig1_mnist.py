"""Figure 1 of Song et al. (2021): accuracies against omega_2 at fixed omega_1 omega_2."""

import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t as student_t

from regimes.papers.song2021.paper import (
    EPOCHS,
    LOG_LIKELIHOOD,
    MEAN_SQUARE,
    MNIST,
    N_OMEGA_2,
    N_TEST,
    N_TRAIN,
    SEEDS,
    WIDTH,
    he_omega_2,
)
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale

NEEDS = (MNIST,)
# Colour and label of each loss.
LOSSES = {
    LOG_LIKELIHOOD: ("C0", "negative log likelihood"),
    MEAN_SQUARE: ("C1", "mean square"),
}
PARTS = {"train": "training accuracy", "test": "test accuracy"}
CONFIDENCE = 0.95
LETTERS_PER_LINE = 130


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Training and test accuracy at the end, mean and interval over the seeds, a row for each loss.

    Each loss has an axis of its own: on a common one those that spread most would flatten the
    others.
    """
    runs = measures[MNIST].sortby("omega_2")
    losses = [loss for loss in LOSSES if loss in runs["loss"].values]
    figure, panels = plt.subplots(
        len(losses),
        len(PARTS),
        figsize=(9.5, 0.9 + 3 * len(losses)),
        layout="constrained",
        sharex=True,
        squeeze=False,
    )
    for row, loss in zip(panels, losses, strict=True):
        for axes, part in zip(row, PARTS, strict=True):
            _draw_accuracy(axes, runs, loss, part)
            axes.set_title(LOSSES[loss][1], fontsize="medium")
    letter(panels.flat)
    for axes in panels[-1]:
        axes.set_xlabel(r"$\omega_2$")
    labelled = {
        label: handle
        for axes in panels.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        labelled.values(), labelled.keys(), loc="outside upper center", ncols=4, fontsize="small"
    )
    sns.despine(figure)
    reduced = reduction(runs)
    lines = [_seeds(runs), _teacher(runs), _lost(runs), reduced]
    notes = [textwrap.fill(line, LETTERS_PER_LINE) for line in lines if line]
    figure.supxlabel("\n".join(notes), fontsize="small")
    if reduced is not None:
        mark_scale(figure, scale)
    return figure


def interval(values: xr.DataArray) -> xr.DataArray:
    """Half the 95 % confidence interval of the mean over the seeds, by Student's t.

    Seeds without a value are left out; NaN with fewer than two others.
    """
    count = values.notnull().sum("seed")
    quantile = student_t.ppf((1 + CONFIDENCE) / 2, np.maximum(count - 1, 1))
    error = values.std("seed", ddof=1) / np.sqrt(count)
    return (quantile * error).where(count > 1)


def reduction(runs: xr.Dataset) -> str | None:
    """Say what the runs have less than the paper, None if nothing.

    Such as 'n = 10000; paper: n = 60000'.
    """
    sizes = (
        (int(runs.attrs["width"]), WIDTH, "m = {}"),
        (int(runs.attrs["n_train"]), N_TRAIN, "{} training images"),
        (int(runs.attrs["n_test"]), N_TEST, "{} test images"),
        (int(runs["epoch"].max()), EPOCHS, "{} epochs"),
        (runs.sizes["omega_2"], N_OMEGA_2, r"{} values of $\omega_2$"),
        (runs.sizes["seed"], SEEDS, "{} seeds"),
    )
    less = [(value, paper, text) for value, paper, text in sizes if value < paper]
    if not less:
        return None
    ours = ", ".join(text.format(value) for value, _, text in less).replace("1 seeds", "1 seed")
    return f"{ours}; paper: {', '.join(text.format(paper) for _, paper, text in less)}"


def _draw_accuracy(axes: Axes, runs: xr.Dataset, loss: str, part: str) -> None:
    colour, label = LOSSES[loss]
    values = runs[f"final_{part}_accuracy"].sel(loss=loss)
    mean, half = values.mean("seed"), interval(values)
    axes.errorbar(
        mean["omega_2"],
        mean,
        half.fillna(0) if half.notnull().any() else None,
        color=colour,
        label=label,
        marker="o",
        markersize=3.5,
        linewidth=1.2,
        capsize=2.5,
    )
    lost = (runs["diverged"].sel(loss=loss) == 1).any("seed")
    if lost.any():
        # On the lower edge, whatever the accuracies are.
        axes.plot(
            runs["omega_2"][lost.values],
            np.zeros(int(lost.sum())),
            "x",
            color=colour,
            label=f"{label}: diverged",
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=4,
        )
    axes.axvline(
        he_omega_2(int(runs.attrs["width"])), color="0.5", linestyle="--", linewidth=1, label="He"
    )
    axes.set_ylabel(PARTS[part])
    # Of few seeds the intervals reach beyond what an accuracy can be.
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.03), min(high, 1.03))


def _seeds(runs: xr.Dataset) -> str:
    product = float((runs["omega_1"] * runs["omega_2"]).mean())
    fixed = rf"$\omega_1 \omega_2$ = {product:.4g}"
    count = runs.sizes["seed"]
    if count == 1:
        return f"one run for each point; {fixed}"
    return f"mean of {count} runs with 95 % intervals (Student's t); {fixed}"


def _teacher(runs: xr.Dataset) -> str | None:
    if "teacher_epochs" not in runs:
        return None
    error, test = (100 * (1 - float(runs[f"teacher_{part}_agreement"])) for part in PARTS)
    trained = "no" if float(runs["teacher_converged"]) else f"{error:.2f} %"
    return (
        f"teacher: {trained} training error after {int(runs['teacher_epochs'])} epochs, "
        f"{test:.2f} % test error"
    )


def _lost(runs: xr.Dataset) -> str | None:
    """The students that diverged and have no accuracy.

    Such as 'mean square: 3 of 3 runs diverged at omega_2 = 0.002'.
    """
    parts = []
    for loss, (_, label) in LOSSES.items():
        if loss not in runs["loss"].values:
            continue
        lost = (runs["diverged"].sel(loss=loss) == 1).sum("seed")
        counts = [
            f"{int(count)} at {float(count['omega_2']):g}" for count in lost if int(count) > 0
        ]
        if counts:
            parts.append(
                rf"{label}: of {runs.sizes['seed']} runs diverged for $\omega_2$: "
                f"{', '.join(counts)}"
            )
    return "; ".join(parts) or None
