"""The scatter of neurons after training, Figures 6 and 7 of Luo et al. (2021), in few bytes."""

from typing import Any

import numpy as np
import xarray as xr

from regimes.explorer.values import plain

# Of the file's cells along each side that make one here.
MERGED = 2
POSITIONS = {
    "orientation": "orientation of (weight, bias)",
    "projection": "projection on the direction of equal entries",
}


def scatters(measure: xr.Dataset) -> dict[str, Any]:
    """Numbers of neurons in cells of (position, relative amplitude), of the first seed.

    measure: as made by `luo2021.condensation.reduced`. `cells` is over gamma_prime, gamma and
    width: of each scatter the indices of occupied cells (position index times number of heights
    plus height index), each as the difference from the one before, and their numbers of neurons;
    None for a run that diverged.
    """
    (position,) = (name for name in POSITIONS if name in measure.dims)
    of_first = measure["neuron_count"].isel(seed=0)
    merged = of_first.coarsen({position: MERGED, "relative_amplitude": MERGED}).sum()
    merged = merged.transpose("gamma_prime", "gamma", "width", position, "relative_amplitude")
    shape = merged.shape[:3]
    counts = merged.values.reshape(*shape, -1)
    cells = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        occupied = np.flatnonzero(counts[index])
        if occupied.size:
            differences = np.diff(occupied, prepend=0)
            cells[index] = [differences.tolist(), counts[index][occupied].tolist()]
    share = measure["heaviest_bins_share"].isel(seed=0)
    return {
        "gamma_prime": plain(measure["gamma_prime"]),
        "gamma": plain(measure["gamma"]),
        "width": plain(measure["width"]),
        "seed": int(measure["seed"][0]),
        "position_name": POSITIONS[position],
        "position": plain(merged[position]),
        "height": plain(merged["relative_amplitude"]),
        "share_name": share.attrs["long_name"],
        "share": plain(share.transpose("gamma_prime", "gamma", "width")),
        "cells": cells.tolist(),
    }
