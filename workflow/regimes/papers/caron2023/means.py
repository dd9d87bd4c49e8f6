"""Means over random initialisations beside the closed forms of Caron et al. (2023)."""

import numpy as np
import xarray as xr


def pooled(values: xr.DataArray, errors: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over seeds, each of as many draws, and its standard error."""
    return values.mean("seed"), np.sqrt((errors**2).sum("seed")) / values.sizes["seed"]


def relative(measured: xr.Dataset, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over the closed form by setting, and its standard error; NaN where the latter is 0."""
    if f"{name}_ratio" in measured:
        return pooled(measured[f"{name}_ratio"], measured[f"{name}_ratio_standard_error"])
    closed = measured[f"{name}_expected"]
    return pooled(measured[name] / closed, measured[f"{name}_standard_error"] / closed)
