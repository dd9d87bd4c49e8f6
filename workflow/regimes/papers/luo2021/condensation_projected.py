"""The measures behind Figure 7 of Luo et al. (2021): condensation seen along one direction."""

import numpy as np
import xarray as xr

from regimes.papers.luo2021.condensation import ANGULAR_BINS, AXES, measure, reduced

__all__ = ["measure", "reduce"]


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Reduce the runs of a job to their condensation along one direction at the end of training.

    run: output_weights, input_norm and input_projection (..., snapshot, neuron). Returns what
    `condensation.reduced` does, over `projection`, I = w . p / |w| in [-1, 1], p the unit vector
    of equal entries.
    """
    names = ["output_weights", "input_norm", "input_projection"]
    end = run[names].isel(snapshot=-1).transpose(*AXES, "neuron")
    norm = end["input_norm"].values
    sizes = np.abs(end["output_weights"].values) * norm
    # A neuron without weights points nowhere, and weighs nothing.
    projection = end["input_projection"].values / np.where(norm > 0, norm, 1.0)
    bins = projection_bins(projection)
    centres = (np.arange(ANGULAR_BINS) + 0.5) * 2 / ANGULAR_BINS - 1
    attributes = {"long_name": "projection I = w . p / |w|, bin centre", "units": "1"}
    return reduced(run, sizes, bins, xr.Variable("projection", centres, attributes))


def projection_bins(projection: np.ndarray) -> np.ndarray:
    """Indices of equal bins of [-1, 1]."""
    # NaN occurs only in a run that diverged, which is not used.
    bins = np.nan_to_num((projection + 1) / 2 * ANGULAR_BINS).astype(np.int64)
    return bins.clip(0, ANGULAR_BINS - 1)
