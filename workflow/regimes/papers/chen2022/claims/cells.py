"""The runs that a claim of Chen et al. (2022) looks at."""

from typing import Any

import numpy as np
import xarray as xr

from regimes.claims.core import TooSmallError
from regimes.statistics import ran


def whole(runs: xr.Dataset, **places: Any) -> xr.Dataset:
    """The runs at some values of their axes. Raises TooSmallError where one was not made.

    Of a run that diverged what is measured is NaN, so that no claim holds with it.
    """
    lacking = [
        f"{name} = {value}"
        for name, values in places.items()
        for value in np.atleast_1d(values).tolist()
        if value not in runs[name].values
    ]
    if lacking:
        raise TooSmallError(f"needs {', '.join(lacking)}")
    chosen = runs.sel({name: list(np.atleast_1d(values)) for name, values in places.items()})
    present = ran(chosen)
    if not present.all():
        raise TooSmallError(f"{int((~present).sum())} of {present.size} runs were not made")
    single = [name for name, values in places.items() if np.ndim(values) == 0]
    return chosen.squeeze(single)
