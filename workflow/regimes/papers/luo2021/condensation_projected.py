"""The measures behind Figure 7 of Luo et al. (2021): condensation seen along one direction."""

import numpy as np
import xarray as xr

from regimes.papers.luo2021.condensation import (
    AXES,
    heaviest_share,
    measure,
    reduced,
)
from regimes.papers.luo2021.neurons import ANGULAR_BINS

__all__ = ["measure", "reduce"]


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Reduce the runs of a job to their condensation along one direction at the end of training.

    run: output_weights, input_norm and input_projection (..., snapshot, neuron). Returns what
    `condensation.reduced` does, over `projection`, I = w . p / |w| in [-1, 1], p the unit vector
    of equal entries; and `initial_heaviest_bins_share_of_all`, of the first of several snapshots.
    """
    sizes, bins = _scatter(run.isel(snapshot=-1))
    centres = (np.arange(ANGULAR_BINS) + 0.5) * 2 / ANGULAR_BINS - 1
    attributes = {"long_name": "projection I = w . p / |w|, bin centre", "units": "1"}
    result = reduced(run, sizes, bins, xr.Variable("projection", centres, attributes))
    if run.sizes["snapshot"] > 1:
        sizes, bins = _scatter(run.isel(snapshot=0))
        share = np.full(sizes.shape[:-1], np.nan)
        for index in np.ndindex(share.shape):
            share[index] = heaviest_share(sizes[index], bins[index])
        long_name = "heaviest_bins_share_of_all at the start"
        result["initial_heaviest_bins_share_of_all"] = (
            AXES,
            share,
            {"long_name": long_name, "units": "1"},
        )
    return result


def _scatter(snapshot: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes and bins of the neurons, (*AXES, neuron) each."""
    names = ["output_weights", "input_norm", "input_projection"]
    snapshot = snapshot[names].transpose(*AXES, "neuron")
    norm = snapshot["input_norm"].values
    # A neuron without weights points nowhere, and weighs nothing.
    projection = snapshot["input_projection"].values / np.where(norm > 0, norm, 1.0)
    return np.abs(snapshot["output_weights"].values) * norm, projection_bins(projection)


def projection_bins(projection: np.ndarray) -> np.ndarray:
    """Indices of equal bins of [-1, 1]."""
    # NaN occurs only in a run that diverged, which is not used.
    bins = np.nan_to_num((projection + 1) / 2 * ANGULAR_BINS).astype(np.int64)
    return bins.clip(0, ANGULAR_BINS - 1)
