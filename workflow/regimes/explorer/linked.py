"""Linked plots: a value that is chosen in one is marked in all plots of the same settings.

A section of the page has groups, one of which is shown; a group has plots, a plot has curves.
Curves with the same `key` in the plots of a group belong to the same setting.
"""

from typing import Any

import numpy as np
import xarray as xr

from regimes.explorer.values import plain
from regimes.statistics import seeds_with


def curve(key: str, label: str, values: xr.DataArray, axis: str) -> dict[str, Any] | None:
    """Mean, smallest and largest value over `seed` along an axis; None if there is no value.

    `seeds` says of how many seeds they are, place by place.

    values: over the axis and `seed`, NaN where there is no run.
    """
    values = values.transpose(axis, "seed").dropna("seed", how="all")
    if values.size == 0:
        return None
    statistics = {"y": values.mean("seed"), "seeds": seeds_with(values)}
    if values.sizes["seed"] > 1:
        statistics |= {"low": values.min("seed"), "high": values.max("seed")}
    # Where a plot's other curves have values and this one has none
    known = values.notnull().any("seed").values
    at = plain(values[axis].values[known])
    kept = {name: plain(statistic.values[known]) for name, statistic in statistics.items()}
    return {"key": key, "label": label, "x": at} | kept


def printed(key: str, label: str, x: Any, mean: Any, low: Any, high: Any) -> dict[str, Any] | None:
    """A paper's own values, drawn as points; None if there are none."""
    known = np.isfinite(np.asarray(mean, float))
    if not known.any():
        return None
    columns = {"x": x, "y": mean, "low": low, "high": high}
    chosen = {name: plain(np.asarray(values)[known]) for name, values in columns.items()}
    return {"key": key, "label": label, "printed": True} | chosen


def plot(
    quantity: str,
    title: str,
    x: str,
    curves: list[dict[str, Any] | None],
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> dict[str, Any] | None:
    """One plot, None without a curve.

    quantity: its name, by which addresses name the plot. title: in words and formulas.
    x: name of its abscissa, which the plots of a group may share.
    """
    there = [one for one in curves if one is not None]
    if not there:
        return None
    return {"id": quantity, "title": title, "x": x, "log_x": log_x, "log_y": log_y, "curves": there}


def group(
    experiment: str, says: str, plots: list[dict[str, Any] | None], part: str = ""
) -> dict[str, Any] | None:
    """Plots of an experiment that are shown together; None without any.

    says: what they show of it. part: tells it from other groups of the experiment, in addresses.
    """
    there = [one for one in plots if one is not None]
    if not there:
        return None
    name = f"{experiment}/{part}" if part else experiment
    return {
        "id": name,
        "experiment": experiment,
        "label": f"{experiment}: {says}",
        "plots": there,
    }


def linked(groups: list[dict[str, Any]]) -> dict[str, Any] | None:
    """A section of groups; None without any."""
    return {"kind": "linked", "groups": groups} if groups else None
