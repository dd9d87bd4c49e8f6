"""What all trainings of a block share: its grid, and the name of its checkpoint."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

# Below the working directory, as all results.
CHECKPOINTS = Path("results/checkpoints")


def put(
    results: dict[str, np.ndarray],
    axes: Mapping[str, Sequence],
    setting: Mapping[str, Any],
    values: Mapping[str, np.ndarray],
) -> None:
    """Put what a run came to at its place on the grid of `axes`, NaN elsewhere."""
    index = tuple(list(axis).index(setting[name]) for name, axis in axes.items())
    for name, value in values.items():
        if name not in results:
            shape = tuple(len(axis) for axis in axes.values())
            results[name] = np.full(shape + np.shape(value), np.nan)
        results[name][index] = value


def path_of(block: Mapping[str, Any], data: xr.Dataset, device: str, folder: Path) -> Path | None:
    """File of a block's state, named after all that its numbers depend on.

    None for data that do not say their hash, which cannot be told from others.
    """
    if "data_hash" not in data.attrs:
        return None
    # Loaded by name: what plans and hashes is not part of the code that makes the results.
    code = import_module("regimes.plan.provenance").training_code_hash(block)
    names = import_module("regimes.plan.state_names")
    shared = names.shared_part(block, data.attrs["data_hash"], code, torch.__version__)
    return folder / f"{shared}-{names.own_part(torch.__version__, device)}.pt"
