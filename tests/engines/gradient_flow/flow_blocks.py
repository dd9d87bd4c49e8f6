"""Small blocks of gradient flow, and the four points that they train on."""

from typing import Any

import xarray as xr
from problems import INPUTS, TARGETS

from regimes.datasets import points
from regimes.engines.common.observation import measured_variables
from regimes.engines.gradient_flow.engine import Runs

# What is measured where the loss falls to levels, at test points or because it was asked for; and
# what every run has.
MEASURED = measured_variables("record").keys() - {
    "final_relative_distance_w",
    "final_relative_distance_a",
}
LONG_NAMES = [
    name
    for name, one in Runs.VARIABLES.items()
    if set(one.dims) <= {"checkpoint"} and name not in MEASURED
]
SOLVER = {
    "tolerance": 0.03,
    "relative_loss": 1e-6,
    "max_steps": 5000,
    "max_time": 1e30,
    "precision": "float64",
}


def block_of(axes: dict[str, list], **changes: Any) -> dict[str, Any]:
    """Settings of a block, as in the plan."""
    settings = {
        "engine": "gradient_flow",
        "experiment": "experiment",
        "dataset": "four_point",
        "root_seed": 7,
        "parameterisation": "normalised",
        "activation": "relu",
        "antisymmetric_initialisation": "auto",
        "axes": axes,
        "solver": SOLVER,
        "history_points": 8,
    }
    return settings | changes


def four_points() -> xr.Dataset:
    inputs = [row[0] for row in INPUTS]
    return points.build({"inputs": inputs, "targets": TARGETS, "bias": True})
