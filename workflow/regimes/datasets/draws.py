"""Several independent draws of one data set in one file."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.storage.layout import described


def stack_draws(
    build_one: Callable[[Mapping[str, Any]], xr.Dataset], settings: Mapping[str, Any]
) -> xr.Dataset:
    """Stack `draws` data sets, of which draw i is made with the seed `seed` + i.

    With more than one, `inputs` and `targets` have `draw` as their first dimension.
    """
    count = settings.get("draws", 1)
    if count == 1:
        return build_one(settings)
    draws = [build_one({**settings, "seed": settings["seed"] + index}) for index in range(count)]
    dataset = xr.concat(
        draws,
        "draw",
        data_vars=["inputs", "targets"],
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )
    dataset.attrs["preprocessing"] += f" Draw i has seed {settings['seed']} + i."
    return dataset.assign_coords(draw=("draw", np.arange(count), described("index of the draw")))
