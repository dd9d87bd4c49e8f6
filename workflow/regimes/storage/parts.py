"""The parts of a data set as arrays."""

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.storage.layout import PARTS


def part_of(
    data: xr.Dataset, part: str, n_points: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, d) and targets (n, k) of the training, test or validation points, in order.

    n_points: only so many, the first ones. Raises DataError when there are not as many.
    """
    points = data.isel(point=data["split"].values == PARTS.index(part))
    if n_points is not None:
        if n_points > points.sizes["point"]:
            raise DataError(
                f"{n_points} {part} points are wanted, but the data set has only "
                f"{points.sizes['point']}"
            )
        points = points.isel(point=slice(n_points))
    inputs = points["inputs"].transpose("point", "feature").values
    targets = points["targets"].transpose("point", ...).values
    return inputs, targets if targets.ndim == 2 else targets[:, None]
