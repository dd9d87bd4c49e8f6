"""Small blocks of the experiments on Song et al. (2021), and their data."""

from typing import Any

import xarray as xr

from regimes.datasets import unit_sphere

DATA_SETTINGS = {"draws": 2, "n_points": 12, "n_features": 6, "seed": 0}


def data_of(**changes: Any) -> xr.Dataset:
    return unit_sphere.build(DATA_SETTINGS | changes)


def block_of(training: str, **changes: Any) -> dict[str, Any]:
    block = {
        "experiment": "small",
        "root_seed": 0,
        "engine": training,
        "dataset": "sphere",
        "activation": "gelu",
        "scale_product": 1.0,
        "first_scale": 1.0,
        "axes": {"n_features": [4, 6], "n_train": [5, 8], "width": [8, 16], "seed": [0, 1]},
    }
    if training == "at_initialisation.jacobian_spectrum":
        block["distances"] = [0.01, 1.0]
    else:
        block |= {"relative_loss": 0.1, "max_steps": 200, "record": {"points_per_decade": 8}}
    axes = block["axes"] | changes.pop("axes", {})
    return block | changes | {"axes": axes}
