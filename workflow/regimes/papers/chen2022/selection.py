"""Which of the measured runs a figure of Chen et al. (2022) shows, and how they fall short."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from regimes.papers.chen2022.paper import STEPS, Size
from regimes.plotting.wording import pluralise
from regimes.statistics import ran


def nearest(values: xr.DataArray | Sequence[int], wanted: int) -> int:
    """The value nearest to the wanted one by ratio, the smaller of two as near."""
    values = np.sort(np.asarray(values))
    return int(values[abs(np.log(values / wanted)).argmin()])


def nearest_n_train(runs: xr.Dataset, wanted: int) -> int:
    """The number of points nearest to the wanted one, of those that all models were run with."""
    whole = ran(runs).any(["width", "seed"]).all("model")
    some = ran(runs).any(["width", "seed", "model"])
    return nearest(runs["n_train"][(whole if whole.any() else some).values], wanted)


def shown_width(runs: xr.Dataset, wanted: int) -> int:
    """The width that a figure shows instead of the wanted one.

    It is the largest width up to the wanted one, else the smallest, of those with runs at the most
    n.
    """
    sizes = ran(runs).any("seed").sum([name for name in ("model", "n_train") if name in runs.dims])
    sizes = sizes.sortby("width")
    up_to = sizes.where(sizes["width"] <= wanted, drop=True)
    if not up_to.size or not up_to.any():
        return int(sizes["width"][(sizes > 0).values][0])
    return int(up_to["width"][(up_to == up_to.max()).values][-1])


def seed_counts(runs: xr.Dataset) -> list[int]:
    """The different numbers of seeds behind means, ascending: runs that diverged are left out."""
    counts = np.unique((runs["diverged"] == 0).sum("seed"))
    return counts[counts > 0].tolist()


def reduction(shown: xr.Dataset, paper: Size) -> str | None:
    """Say what the shown runs have less than the paper, None if nothing.

    Such as 'm = 2048, 2 seeds; paper: m = 8192, 5 seeds'.

    shown: over seed, and over width and n_train or of one of them.
    """
    present = ran(shown)
    ours, theirs = [], []
    widths, sizes = (_run_along(present, name) for name in ("width", "n_train"))
    if not set(paper.widths) <= set(widths):
        ours.append(f"m = {_listed(widths)}")
        theirs.append(f"m = {_listed(paper.widths)}")
    if not set(paper.n_train) <= set(sizes):
        ours.append(f"n = {_listed(sizes)}")
        theirs.append(f"n = {_listed(paper.n_train)}")
    counts = present.sum("seed")
    if (seeds := int(counts.where(counts > 0).min())) < paper.seeds:
        ours.append(pluralise(seeds, "seed"))
        theirs.append(f"{paper.seeds} seeds")
    if (steps := int(shown["step"].max())) < STEPS:
        ours.append(pluralise(steps, "step"))
        theirs.append(f"{STEPS} steps")
    return f"{', '.join(ours)}; paper: {', '.join(theirs)}" if ours else None


def _run_along(present: xr.DataArray, name: str) -> list[int]:
    """Coordinates along an axis at which something was run."""
    if name not in present.dims:
        return [int(present[name])]
    here = present.any([other for other in present.dims if other != name])
    return [int(value) for value in present[name].values[here.values]]


def _listed(values: Sequence[int]) -> str:
    if len(values) > 5:
        return f"{values[0]} to {values[-1]}"
    return ", ".join(f"{value}" for value in values)
