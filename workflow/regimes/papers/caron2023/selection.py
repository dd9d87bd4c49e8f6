"""How much of the measured runs a figure of Caron et al. (2023) shows, and how they fall short."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import xarray as xr

from regimes.errors import ConfigError
from regimes.papers.caron2023.node_settings import shown_settings
from regimes.papers.caron2023.paper import (
    BACKBONE,
    PAPER,
    SEEDS,
    SETTINGS,
    TITLES,
    TRANSFER_STEPS,
    WIDTH,
)
from regimes.plotting.wording import pluralise
from regimes.statistics import ran


def seed_count(runs: xr.Dataset) -> int:
    """Smallest number of seeds of the settings that were run."""
    counts = ran(runs).sum("seed")
    return int(counts.where(counts > 0).min())


def averaged(measures: Iterable[xr.Dataset]) -> str:
    """Say what the curves of experiments show, such as 'mean and deviation of 5 runs'."""
    counts = sorted({seed_count(runs) for runs in measures})
    if counts == [1]:
        return "one run"
    many = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"mean and deviation of {many} runs"


def left_out(runs: xr.Dataset, *, transfers: bool = True) -> str | None:
    r"""The runs that diverged and have no curve, None if there are none.

    Such as 'left out: 2 runs that diverged of $\gamma=1$'. transfers: name also the transfers that
    diverged, from runs that did not.
    """
    parts = []
    for setting in shown_settings(runs):
        one = runs.sel(node_scaling=setting.name)
        if diverged := int((one["diverged"] == 1).sum()):
            parts.append(f"{pluralise(diverged, 'run')} that diverged of {setting.label}")
        if transfers and "transfer_diverged" in one:
            # Transfers from a run that has itself diverged are named with the run.
            failed = (one["transfer_diverged"] == 1) & (one["diverged"] == 0)
            if count := int(failed.sum()):
                parts.append(f"{pluralise(count, 'transfer')} that diverged of {setting.label}")
    return f"left out: {'; '.join(parts)}" if parts else None


def experiment_of(name: str, size_of: str | None) -> str:
    """The experiment of the paper with which one is compared; its own name unless one is given.

    Raises ConfigError for one that the paper does not have.
    """
    if size_of is not None and size_of not in PAPER:
        raise ConfigError(f"size_of = {size_of!r} of a figure; allowed: {', '.join(PAPER)}")
    return size_of or name


def reduction(runs: xr.Dataset, experiment: str) -> str | None:
    """Say what the runs have less than the paper, None if nothing, or if the paper has none such.

    Such as 'm = 500, 2 seeds; paper: m = 2000, 5 seeds', and features of another network.
    """
    if experiment not in PAPER:
        return None
    paper = PAPER[experiment]
    ours, theirs = [], []

    def compare(value: int, wanted: int, in_words: Callable[[int], str]) -> None:
        if value < wanted:
            ours.append(in_words(value))
            theirs.append(in_words(wanted))

    def counts(noun: str) -> Callable[[int], str]:
        return lambda number: pluralise(number, noun)

    compare(int(runs.attrs["width"]), WIDTH, "m = {}".format)
    compare(int(runs.attrs["n_train"]), paper.n_train, "n = {}".format)
    compare(int(ran(runs).any("seed").sum()), SETTINGS, counts("setting"))
    compare(seed_count(runs), SEEDS, counts("seed"))
    compare(int(runs["step"].max()), paper.steps, counts("step"))
    if paper.note and theirs and theirs[-1].endswith("steps"):
        theirs[-1] += f" ({paper.note})"
    if "transfer_steps" in runs.attrs:
        steps, points = (int(runs.attrs[f"transfer_{name}"]) for name in ("steps", "n_train"))
        compare(steps, TRANSFER_STEPS, "{} steps of transfer".format)
        compare(points, paper.transfer_n_train, "{} points of transfer".format)
    backbone = str(runs.attrs.get("backbone", BACKBONE))
    if _plain(backbone) != _plain(BACKBONE):
        ours.append(f"inputs from {backbone}")
        theirs.append(BACKBONE)
    if not ours:
        return None
    return f"{', '.join(ours)}; paper: {', '.join(theirs)}"


def reductions(measures: Mapping[str, xr.Dataset]) -> str | None:
    """`reduction` of several experiments, each with its name."""
    lines = {name: reduction(runs, name) for name, runs in measures.items()}
    texts = [f"{TITLES[name]}: {text}" for name, text in lines.items() if text]
    return "\n".join(texts) or None


def positive(values: xr.DataArray) -> xr.DataArray:
    """Values for a logarithmic axis: NaN where they are infinite or not above 0."""
    return values.where(np.isfinite(values) & (values > 0))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
