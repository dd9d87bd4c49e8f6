"""What networks have learned, over the plane of gamma and gamma': test loss, kernel, distance."""

import numpy as np
import xarray as xr

from regimes import endings
from regimes.engines.common.losses import gradient_factor
from regimes.errors import DataError
from regimes.storage.layout import labelled

AXES = ("gamma_prime", "gamma", "width", "seed")
# By their names here: what the runs call them.
MEASURED = {
    "test_loss": "final_test_loss",
    "kernel_change": "final_kernel_change",
    "kernel_alignment": "final_kernel_alignment",
    "initial_kernel_alignment": "initial_kernel_alignment",
    "relative_distance_w": "final_relative_distance_w",
    "relative_distance_a": "final_relative_distance_a",
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The ends of the runs, their test loss as a share of that of the mean of the targets.

    runs: of gradient flow over AXES, on data with test points, with the tangent kernel recorded.
    data: `targets` and `split`. Returns the variables of MEASURED over AXES and how the runs ended.
    Raises DataError when an axis or a variable is missing.
    """
    if other := [str(name) for name in runs["diverged"].dims if name not in AXES]:
        raise DataError(f"lab.plane measures runs over {', '.join(AXES)}, not {', '.join(other)}")
    missing = [f"axis {name}" for name in AXES if name not in runs.dims]
    missing += [name for name in MEASURED.values() if name not in runs]
    if missing:
        raise DataError(
            f"lab.plane needs runs with test points, record.kernel and the axes {', '.join(AXES)}; "
            f"these lack {', '.join(missing)}"
        )
    targets = data["targets"].isel(point=data["split"].values == 1).values
    # Of the best constant.
    constant = gradient_factor(runs.attrs["loss"], 1, targets.size) / 2 * targets.size
    constant *= float(np.var(targets))
    flags = [name for name in endings.FLAGS if name in runs]
    result = runs[flags].transpose(*AXES)
    for name, there in MEASURED.items():
        values = runs[there].transpose(*AXES)
        text = str(values.attrs["long_name"])
        if name == "test_loss":
            values, text = values / constant, f"{text}, over that of the mean of the targets"
        result[name] = labelled(values, text)
    return result.assign_attrs({})
