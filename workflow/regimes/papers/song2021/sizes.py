"""Runs that the figures and claims on the theory of Song et al. (2021) use, and their least sizes.

Below these sizes nothing is decided. The paper states none.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from regimes.papers.song2021.paper import LAZY, LEMMA3, ORDER

LEAST_RATIOS, LEAST_DECADES, LEAST_SEEDS = 5, 3.0, 3
LEAST_DRAWS = 100
LEAST_RUNS = 100


def by_ratio(values: xr.DataArray) -> xr.DataArray:
    """Mean of the logarithms over seeds, against scale_ratio."""
    return np.log(values).mean("seed", skipna=False)


def of_lemma3(measured: xr.Dataset) -> xr.DataArray:
    """Draws with as many neurons as points, of which Lemma 3 says something."""
    return measured["mu"].notnull() & (measured["width"] >= measured["n_train"])


def with_rate(measured: xr.Dataset) -> xr.DataArray:
    """Runs with mu > 0, of which (14) says something."""
    return measured["mu"] > 0


def few_ratios(measures: Mapping[str, xr.Dataset]) -> str | None:
    """Why lazy training is known for too few ratios or seeds; None if it is known for enough."""
    measured = measures[LAZY]
    ratios = measured["scale_ratio"].values
    decades = float(np.log10(ratios.max() / ratios.min()))
    # Ratios that are given in decimals may cover slightly less, by rounding.
    if len(ratios) < LEAST_RATIOS or decades < LEAST_DECADES - 0.01:
        return (
            f"{len(ratios)} ratios over {decades:.1f} decades, fewer than {LEAST_RATIOS} over "
            f"{LEAST_DECADES:g}"
        )
    if measured.sizes["seed"] < LEAST_SEEDS:
        return f"{measured.sizes['seed']} seeds, fewer than {LEAST_SEEDS}"
    return None


def few_draws(measures: Mapping[str, xr.Dataset]) -> str | None:
    """Why Lemma 3 is known at too few draws; None if it is known at enough."""
    measured = measures[LEMMA3]
    count = int(of_lemma3(measured).sum())
    return None if count >= LEAST_DRAWS else f"{count} draws, fewer than {LEAST_DRAWS}"


def few_runs(measures: Mapping[str, xr.Dataset]) -> str | None:
    """Why too few runs have a bound (14); None if enough have one."""
    count = sum(int(with_rate(measures[name]).sum()) for name in (LAZY, ORDER))
    return None if count >= LEAST_RUNS else f"{count} runs with mu > 0, fewer than {LEAST_RUNS}"
