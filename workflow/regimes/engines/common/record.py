"""The results of a job on their grid, as a dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from regimes.engines.common.engine import Engine

Axes = Mapping[str, Sequence[Any]]


def write_run(
    results: dict[str, np.ndarray],
    axes: Axes,
    setting: Mapping[str, Any],
    values: Mapping[str, np.ndarray],
) -> None:
    """Write the values of a run to their place on the grid of `axes`, which is NaN elsewhere."""
    index = tuple(list(axis).index(setting[name]) for name, axis in axes.items())
    for name, value in values.items():
        if name not in results:
            shape = tuple(len(axis) for axis in axes.values())
            results[name] = np.full(shape + np.shape(value), np.nan)
        results[name][index] = value


def dataset_of(runs: Engine, results: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The results (axes of the grid, ...) of the runs of a job, with all their coordinates."""
    axes = runs.job.axes
    variables = {name: _variable(runs, name, values) for name, values in results.items()}
    coordinates = {
        name: xr.Variable(name, list(values), _described(runs.AXES[name]))
        for name, values in axes.items()
    }
    for name, one in runs.coordinates().items():
        text = _described(one.long_name, one.units)
        coordinates[name] = xr.Variable(one.dim or name, np.asarray(one.values), text)
    sizes = {dim: size for one in variables.values() for dim, size in one.sizes.items()}
    for name, long_name in runs.INDICES.items():
        if name in sizes:
            coordinates[name] = xr.Variable(name, np.arange(sizes[name]), _described(long_name))
    made = xr.Dataset(variables, coords=coordinates, attrs=runs.attributes())
    return made.set_coords([name for name in results if runs.VARIABLES[name].coordinate])


def _variable(runs: Engine, name: str, values: np.ndarray) -> xr.Variable:
    variable, axes = runs.VARIABLES[name], runs.job.axes
    dims = list(axes) if variable.axes is None else [name for name in axes if name in variable.axes]
    # A variable has the same value for all values of an axis on which it does not depend.
    values = values[tuple(slice(None) if name in dims else 0 for name in axes)]
    text = _described(variable.long_name, variable.units)
    dtype = variable.dtype or runs.settings.precision
    made = xr.Variable((*dims, *variable.dims), values.astype(dtype), text)
    if variable.stored:
        made.encoding["dtype"] = variable.stored
    return made


def _described(long_name: str, units: str = "1") -> dict[str, str]:
    return {"long_name": long_name, "units": units}
