"""Shares of runs that ended in a way, for claims that runs converge."""

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, TooSmallError, Wanted, at_least
from regimes.plotting.wording import pluralise

ALL = at_least(
    1.0, "one failure is enough to refute it; none in N runs leaves at most 3/N of failures at 95 %"
)
NONE = Wanted(0.0, 0.0, "one success is enough to refute it")


def share_converged(*parts: xr.Dataset, detail: str = "") -> Finding:
    """Share of the runs that converged, the smallest of those of several parts.

    Each part has `converged`, `aborted` and `diverged`, NaN where there is no run. Runs that hit
    the cap are not decided: limits are the shares with them as failures and as successes.
    """
    found, said = [], []
    for part in parts:
        converged = _count(part["converged"])
        failed = _count(part["aborted"]) + _count(part["diverged"])
        runs = int(part["converged"].notnull().sum())
        if not runs:
            raise TooSmallError("no runs")
        found.append((converged / runs, (runs - failed) / runs))
        capped = runs - failed - converged
        said.append(
            f"{converged} of {pluralise(runs, 'run')} converged"
            + (f", {capped} stopped at the cap" if capped else "")
        )
    lower, upper = np.array(found).min(axis=0)
    text = "; ".join(said)
    return Finding(lower, f"{text}; {detail}" if detail else text, (lower, upper))


def _count(values: xr.DataArray) -> int:
    return int((values == 1).sum())
