"""Orders of the settings (gamma, alpha) of Caron et al. (2023), seed by seed.

All settings of a seed start from the same weights, so that they are compared in pairs.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, TooSmallError, at_least
from regimes.claims.sampling import mean_of
from regimes.papers.caron2023.node_settings import by_asymmetry, plain_label
from regimes.papers.caron2023.paper import SEEDS
from regimes.statistics import ran

# Places of two settings, of which the second is the more asymmetric one.
Pair = tuple[int, int]
ORDERED = at_least(1.0, "above 1 the order is the paper's")


def complete(runs: xr.Dataset) -> xr.Dataset:
    """The seeds of which all settings were run, settings by asymmetry.

    Raises TooSmallError for fewer of them than the paper has.
    """
    present = ran(runs).all("node_scaling")
    if (count := int(present.sum())) < SEEDS:
        raise TooSmallError(f"{count} seeds with all settings, needs {SEEDS}")
    return by_asymmetry(runs.isel(seed=present.values))


def gamma_pairs(runs: xr.Dataset) -> list[Pair]:
    """All pairs of settings of neighbouring values of gamma."""
    gamma = runs["gamma"].values
    values = np.unique(gamma)
    return [
        (int(i), int(j))
        for larger, smaller in zip(values[1:], values[:-1], strict=True)
        for i in np.flatnonzero(gamma == larger)
        for j in np.flatnonzero(gamma == smaller)
    ]


def alpha_pairs(runs: xr.Dataset) -> list[Pair]:
    """The pairs of settings of one gamma, which differ in alpha."""
    gamma, alpha = runs["gamma"].values, runs["alpha"].values
    places = range(len(gamma))
    return [(i, j) for i in places for j in places if gamma[i] == gamma[j] and alpha[i] > alpha[j]]


def least_gamma_pairs(runs: xr.Dataset) -> list[Pair]:
    """Each other setting with that of the smallest gamma."""
    last = runs.sizes["node_scaling"] - 1
    return [(i, last) for i in range(last)]


def symmetric_pairs(runs: xr.Dataset) -> list[Pair]:
    """The setting of gamma = 1 with each other one."""
    return [(0, j) for j in range(1, runs.sizes["node_scaling"])]


def differences(values: xr.DataArray, pairs: Sequence[Pair]) -> np.ndarray:
    """Values (node_scaling, seed) of the second of each pair minus the first's, (seeds, pairs)."""
    values = values.transpose("seed", "node_scaling").values
    first, second = zip(*pairs, strict=True)
    return values[:, second] - values[:, first]


def ratios(columns: Iterable[np.ndarray], detail: str) -> Finding:
    """Mean over seeds of ratios, each to be at least 1, from their logarithms (seeds, pairs)."""
    return as_ratio(mean_of(np.concatenate(list(columns), axis=1), at_least(0.0), detail))


def as_ratio(found: Finding) -> Finding:
    """What was found for a logarithm, for the ratio itself."""
    limits = found.limits and (float(np.exp(found.limits[0])), float(np.exp(found.limits[1])))
    return Finding(float(np.exp(found.value)), found.detail, limits)


def listed(quantities: Mapping[str, xr.DataArray], runs: xr.Dataset) -> str:
    """Means over seeds of quantities (node_scaling, seed) by setting, for details."""
    pairs = zip(runs["gamma"].values, runs["alpha"].values, strict=True)
    settings = ", ".join(plain_label(float(gamma), float(alpha)) for gamma, alpha in pairs)
    means = (
        f"{name} " + ", ".join(f"{value:.3g}" for value in values.mean("seed", skipna=False).values)
        for name, values in quantities.items()
    )
    return f"settings {settings}: {'; '.join(means)}"


def gamma_blocks(values: xr.DataArray, runs: xr.Dataset) -> np.ndarray:
    """Values (node_scaling, seed) by rising gamma, mean of the settings of one, (seeds, gammas)."""
    by_gamma = values.assign_coords(gamma=("node_scaling", runs["gamma"].values))
    means = by_gamma.groupby("gamma").mean(skipna=False)
    return means.transpose("seed", "gamma").values
