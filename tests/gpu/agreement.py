"""How far the results of two devices are apart."""

import numpy as np
import xarray as xr


def largest_difference(mine: xr.Dataset, other: xr.Dataset) -> tuple[float, str]:
    """The largest difference relative to the largest number of its variable, and its name.

    It is infinite where whole numbers, or the places of NaN, are not the same.
    """
    found = [(0.0, "")]
    for name in mine.variables:
        one, two = mine[name].values, other[name].values
        if one.dtype.kind != "f":
            found.append((0.0 if np.array_equal(one, two) else np.inf, str(name)))
            continue
        # Eigenvalues of a kernel are as accurate as its largest.
        like = mine.get(str(name).replace("smallest", "largest"), mine[name]).values
        # Without numbers that are equal, of which some are infinite
        apart = np.abs(np.where((one == two) | (np.isnan(one) & np.isnan(two)), 0.0, one - two))
        difference = float(np.max(apart, initial=0.0) / np.nanmax(np.abs(like), initial=1e-4))
        found.append((np.inf if np.isnan(difference) else difference, str(name)))
    return max(found)
