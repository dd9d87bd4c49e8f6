"""Sharpness along gradient descent, against 2 over its learning rate."""

import xarray as xr

from regimes import endings
from regimes.errors import DataError
from regimes.storage.layout import labelled

AXES = ("gamma", "learning_rate", "seed")
NEEDED = ("sharpness", "final_sharpness", "train_loss", "initial_loss", "step_size")


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The sharpness along the runs over 2 over their learning rate, and the loss over the first.

    runs: of one gamma_prime and width over AXES, with the sharpness recorded at all steps. data is
    not needed. Returns relative_sharpness and relative_loss over AXES and step,
    final_relative_sharpness, and how the runs ended. Raises DataError for runs of several sizes, or
    without the sharpness.
    """
    if missing := [name for name in NEEDED if name not in runs]:
        raise DataError(f"lab.sharpness needs record.sharpness: steps; no {', '.join(missing)}")
    if absent := [name for name in (*AXES, "gamma_prime", "width") if name not in runs.dims]:
        raise DataError(f"lab.sharpness needs the axes {', '.join(absent)} too")
    for name in ("gamma_prime", "width"):
        if runs.sizes[name] > 1:
            raise DataError(f"axes.{name}: lab.sharpness measures runs of one {name}")
    sizes = {"width": int(runs["width"].item()), "gamma_prime": runs["gamma_prime"].item()}
    runs = runs.isel(gamma_prime=0, width=0, drop=True).transpose(*AXES, ...)
    result = runs[[name for name in endings.FLAGS if name in runs]]
    result["relative_sharpness"] = labelled(
        runs["sharpness"] * runs["step_size"] / 2,
        "sharpness along the run over 2 over the learning rate",
    )
    result["final_relative_sharpness"] = labelled(
        runs["final_sharpness"] * runs["step_size"] / 2,
        "sharpness at the end over 2 over the learning rate",
    )
    result["relative_loss"] = labelled(
        runs["train_loss"] / runs["initial_loss"], "loss along the run over that at the start"
    )
    return result.assign_attrs(sizes)
