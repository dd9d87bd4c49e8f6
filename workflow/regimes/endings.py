"""How runs ended, read off the variables of runs and measures, and put into words.

An engine flags the endings that it tells apart by variables of the names in FLAGS, each 0 or 1. Of
an engine that flags converged runs but no capped ones, runs without a flag came to the limit on
their steps. Of other engines they completed the steps that they were to have.
"""

import json
from collections.abc import Mapping

import xarray as xr

CONVERGED, STATIONARY, ABORTED = "converged", "stationary", "aborted"
CAPPED, DIVERGED, COMPLETED = "capped", "diverged", "completed"
# In the order in which they are listed.
FLAGS = (CONVERGED, STATIONARY, ABORTED, CAPPED, DIVERGED)
# What nobody has to be told.
AS_WANTED = (CONVERGED, COMPLETED)
# Attribute of measures: numbers of the runs behind them by ending, as JSON.
ATTRIBUTE = "endings"
# Of which runs statistics over several runs are, as an attribute `comment` of theirs.
USED = "runs that diverged are left out; stationary, aborted and capped runs are used"


def endings(runs: xr.Dataset) -> dict[str, xr.DataArray]:
    """Whether each run ended in each of the ways that its engine tells apart.

    The arrays are over the axes of the runs; where nothing was run (NaN) all are false. Empty for
    runs whose engine flags no endings.
    """
    known = {name: runs[name] for name in FLAGS if name in runs}
    if not known:
        return {}
    found = {name: flag == 1 for name, flag in known.items()}
    if CAPPED not in known:
        other = CAPPED if CONVERGED in known else COMPLETED
        found[other] = sum(known.values()) == 0
    return {name: found[name] for name in (*FLAGS, COMPLETED) if name in found}


def count(runs: xr.Dataset) -> dict[str, int]:
    """Numbers of runs by ending, those above 0; empty for runs whose engine flags no endings."""
    numbers = {name: int(ended.sum()) for name, ended in endings(runs).items()}
    return {name: number for name, number in numbers.items() if number}


def in_words(counts: Mapping[str, int]) -> str:
    """Such as '24 runs: 20 converged, 4 capped'."""
    total = sum(counts.values())
    listed = ", ".join(f"{counts[name]} {name}" for name in (*FLAGS, COMPLETED) if counts.get(name))
    return f"{total} run{'' if total == 1 else 's'}: {listed or 'none ended'}"


def of_measures(measures: xr.Dataset) -> dict[str, int]:
    """Numbers of the runs behind the measures of an experiment by ending; empty if unknown."""
    counts: dict[str, int] = json.loads(measures.attrs.get(ATTRIBUTE, "{}"))
    return counts


def described(counts: Mapping[str, int]) -> dict[str, str]:
    """Attributes of measures that say how the runs behind them ended, and which of them count."""
    if not counts:
        return {}
    comment = f"{in_words(counts)}; a run that diverged has no values (NaN), all others are used"
    return {ATTRIBUTE: json.dumps(counts), "comment": comment}
