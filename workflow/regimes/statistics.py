"""Statistics of runs: means over seeds, and how a quantity grows with the width."""

import numpy as np
import xarray as xr


def ran(runs: xr.Dataset) -> xr.DataArray:
    """Whether there was a run, one that diverged included, over the axes of the runs."""
    return runs["diverged"].notnull()


def mean_of_runs(values: xr.DataArray, runs: xr.Dataset) -> xr.DataArray:
    """Mean over the seeds that were run, NaN if one of them has no value."""
    present = ran(runs)
    return xr.where(present, values, 0).sum("seed", skipna=False) / present.sum("seed")


def power_law_slope(values: xr.DataArray, dim: str = "width") -> tuple[xr.DataArray, xr.DataArray]:
    """Least-squares slope of log(values) against log(dim), and its standard error.

    Entries that are not positive and finite (a run that diverged) are left out. The slope is NaN
    with fewer than two entries, its standard error, from the residuals, with fewer than three.
    """
    present = np.isfinite(values) & (values > 0)
    y = np.log(values.where(present))
    x = np.log(values[dim]).broadcast_like(y).where(present)
    count = present.sum(dim)
    x = x - x.mean(dim)
    spread = (x**2).sum(dim)
    slope = ((x * y).sum(dim) / spread).where(count > 1)
    residuals = y - y.mean(dim) - slope * x
    error = np.sqrt((residuals**2).sum(dim) / (count - 2).where(count > 2) / spread)
    return slope, error


def mean_and_error(
    values: xr.DataArray, single_error: xr.DataArray, dim: str = "seed"
) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over seeds and its standard error; with one seed, `single_error` of that seed."""
    count = seeds_with(values, dim)
    error = single_error.mean(dim)
    if values.sizes[dim] > 1:
        error = (values.std(dim, ddof=1) / np.sqrt(count)).where(count > 1, error)
    return values.mean(dim), error


def seeds_with(values: xr.DataArray, dim: str = "seed") -> xr.DataArray:
    """Number of seeds that have a value: of one that has none, runs diverged."""
    return values.notnull().sum(dim)


def upward_zero(values: xr.DataArray, dim: str = "gamma") -> xr.DataArray:
    """First coordinate at which `values` rise through 0, by linear interpolation; NaN if none."""
    return xr.apply_ufunc(
        _upward_zero,
        values[dim],
        values,
        input_core_dims=[[dim], [dim]],
        vectorize=True,
        output_dtypes=[float],
    )


def _upward_zero(x: np.ndarray, y: np.ndarray) -> float:
    keep = np.isfinite(y)
    x, y = x[keep], y[keep]
    crossings = np.flatnonzero((y[:-1] <= 0) & (y[1:] > 0))
    if not len(crossings):
        return np.nan
    i = crossings[0]
    return float(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i]))


def error_of_zero(values: xr.DataArray, errors: xr.DataArray, dim: str = "gamma") -> xr.DataArray:
    """Standard error of `upward_zero`, from those of the two values that it lies between."""
    return xr.apply_ufunc(
        _error_of_zero,
        values[dim],
        values,
        errors,
        input_core_dims=[[dim], [dim], [dim]],
        vectorize=True,
        output_dtypes=[float],
    )


def _error_of_zero(x: np.ndarray, y: np.ndarray, error: np.ndarray) -> float:
    zero = _upward_zero(x, y)
    if not np.isfinite(zero):
        return np.nan
    i = np.flatnonzero(np.isfinite(y) & (x <= zero))[-1]
    j = np.flatnonzero(np.isfinite(y) & (x > zero))[0]
    share = (zero - x[i]) / (x[j] - x[i])
    steepness = (y[j] - y[i]) / (x[j] - x[i])
    return float(np.hypot((1 - share) * error[i], share * error[j]) / steepness)
