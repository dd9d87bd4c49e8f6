"""Small blocks of gradient flow, and the four points that they train on."""

from typing import Any

import xarray as xr
from problems import INPUTS, TARGETS

from regimes.datasets import points

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
