"""Plain values for JSON from the numbers of a dataset, and where these come from."""

import json
from collections.abc import Collection
from typing import Any

import numpy as np
import xarray as xr

SIGNIFICANT_DIGITS = 7


def plain(values: Any) -> Any:
    """Numbers as (nested lists of) Python's own, of SIGNIFICANT_DIGITS; None for NaN and infinity.

    values: anything that NumPy makes an array of. Integers and texts stay as they are.
    """
    array = np.asarray(values)
    if array.dtype.kind != "f":
        return array.tolist()
    return _rounded(array.tolist())


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return float(f"{values:.{SIGNIFICANT_DIGITS}g}") if np.isfinite(values) else None


def origin(path: str, dataset: xr.Dataset) -> dict[str, str]:
    """Where the numbers of a file come from: its name, scale, git commit, version and time."""
    return {
        "file": path,
        "scale": str(settings(dataset).get("scale", "unknown")),
        "commit": str(dataset.attrs.get("git_commit", "unknown")),
        "version": str(dataset.attrs.get("regimes_version", "unknown")),
        "created": str(dataset.attrs.get("created", "unknown")),
    }


def made_by(dataset: xr.Dataset, modules: Collection[str]) -> bool:
    """Whether the module that made some measures is one of these, named below regimes.papers."""
    return dataset.attrs["source"].removeprefix("regimes.papers.") in modules


def settings(dataset: xr.Dataset) -> dict[str, Any]:
    """The settings behind a file, from its attribute `config`."""
    return json.loads(dataset.attrs.get("config", "{}"))


def experiment_settings(name: str, dataset: xr.Dataset) -> dict[str, Any]:
    """The settings of one experiment behind a file of measures."""
    return settings(dataset).get("experiments", {}).get(name, {})
