"""Go through the runs of a job one by one, and gather what a probe measures of each."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

AXES = ("node_scaling", "width", "seed")


def one_by_one(runs: xr.Dataset) -> Iterator[tuple[dict[str, Any], xr.Dataset]]:
    """Yield the place of every run of a job on AXES, and its dataset without these axes."""
    for setting in runs["node_scaling"].values:
        for width in runs["width"].values:
            for seed in runs["seed"].values:
                place = {"node_scaling": str(setting), "width": int(width), "seed": int(seed)}
                yield place, runs.sel(place)


def described(place: Mapping[str, Any]) -> str:
    """A place in words, for a log."""
    return ", ".join(f"{name} {value}" for name, value in place.items())


def gathered(
    runs: xr.Dataset,
    measured: Mapping[tuple, Mapping[str, np.ndarray]],
    dimensions: Callable[[str], tuple[str, ...]],
    long_names: Mapping[str, str],
    coordinates: Mapping[str, tuple],
) -> xr.Dataset:
    """Gather what was measured of every run, by its place, on the grid of the job.

    measured: arrays by name, by the values of AXES of the run. dimensions: from the name of a
    variable to its dimensions beside AXES. long_names: of the variables. coordinates: of these
    dimensions, as xarray takes them.
    """
    shape = tuple(runs.sizes[axis] for axis in AXES)
    (first, *_) = measured.values()
    variables = {}
    for name in first:
        values = np.stack([np.asarray(one[name]) for one in measured.values()])
        attributes = {"long_name": long_names[name], "units": "1"}
        variables[name] = (
            (*AXES, *dimensions(name)),
            values.reshape(*shape, *values.shape[1:]),
            attributes,
        )
    axes = {axis: runs[axis] for axis in AXES}
    return xr.Dataset(variables, coords=axes | dict(coordinates))
