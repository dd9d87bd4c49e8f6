"""What is kept of runs of networks with scaled nodes, as a dataset."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

AXES = {
    "setting": "node scaling, a key of node_scalings",
    "width": "number of hidden nodes m",
    "seed": "index of the random initialisation",
}
# By name: what it is, its dimensions beside the axes, and how it is stored.
VARIABLES: dict[str, tuple[str, tuple[str, ...], type]] = {
    "gamma": ("share of the scales that all nodes have alike", (), np.float64),
    "alpha": ("exponent of the Zipf law of the rest, NaN without one", (), np.float64),
    "learning_rate": ("learning rate", (), np.float64),
    "flow_time_per_step": ("time of the gradient flow of 1/2 sum e^2 in a step", (), np.float64),
    "diverged": ("1 if the residuals became infinite", (), np.int8),
    "plain_steps": ("number of steps that were made one by one", (), np.int64),
    "leaps": ("number of leaps, which make many steps at once", (), np.int64),
    "failed_leaps": ("number of leaps that were not accurate enough", (), np.int64),
    "ntg_norm": ("spectral norm of the NTG matrix at the start", (), np.float64),
    "node_scale": ("scale lambda_j of the node", ("node",), np.float64),
    "output_weights": ("sign a_kj of the node in the output", ("output", "node"), np.int8),
    "weight_change": ("distance |w_Tj - w_0j| of the node at the end", ("node",), np.float64),
    "moved_node": ("index j of a node that moved most by the end", ("moved",), np.int64),
    "final_weights": ("first-layer weights at the end", ("node", "feature"), np.float64),
}
# NaN after a divergence.
HISTORIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "train_risk": ("mean square of the residuals on the training points along the run", ()),
    "test_risk": ("mean square of the residuals on the test points along the run", ()),
    "train_accuracy": ("share of training points in the right class along the run", ()),
    "test_accuracy": ("share of test points in the right class along the run", ()),
    "weight_change": ("distance |w_tj - w_0j| of the nodes that moved most by the end", ("moved",)),
    "ntg_change": ("spectral norm |NTG_t - NTG_0| along the run", ()),
    "ntg_smallest_eigenvalue": ("smallest eigenvalue of the NTG matrix along the run", ()),
    "leap_length": (
        "number of steps of the leap that ended at the step, 1 if a plain step did",
        (),
    ),
}
COUNTS = ("diverged", "plain_steps", "leaps", "failed_leaps")
DIMENSIONS = {
    "step": "number of steps",
    "moved": "rank of the node among those that moved most",
    "node": "index j of the hidden node",
    "feature": "index of the feature",
    "output": "index of the output",
}


def dataset_of(
    axes: Mapping[str, Sequence[Any]],
    steps: np.ndarray,
    runs: Sequence[Mapping[str, Mapping[str, Any]]],
) -> xr.Dataset:
    """The runs on the grid of the axes, in the order of their product.

    runs: of each its `variables` and `histories`, arrays by name; histories over the steps first.
    """
    shape = tuple(len(values) for values in axes.values())
    assert len(runs) == len(list(itertools.product(*axes.values())))

    def on_grid(part: str, name: str) -> np.ndarray:
        values = np.stack([np.asarray(run[part][name]) for run in runs])
        return values.reshape(*shape, *values.shape[1:])

    variables = {}
    for name in runs[0]["variables"]:
        long_name, dims, kind = VARIABLES[name]
        values = on_grid("variables", name)
        # In the number format of the run.
        kind = values.dtype if name == "final_weights" else kind
        variables[name] = (
            ("setting", "width", "seed", *dims),
            values.astype(kind),
            _attrs(long_name),
        )
    for name in runs[0]["histories"]:
        long_name, dims = HISTORIES[name]
        values = on_grid("histories", name)
        variables[f"{name}_history"] = (
            ("setting", "width", "seed", "step", *dims),
            values,
            _attrs(long_name),
        )
    dataset = xr.Dataset(variables)
    # Of the setting, or of it and the width, alone.
    dataset["node_scale"] = dataset["node_scale"].isel(seed=0, drop=True)
    for name in ("gamma", "alpha"):
        dataset[name] = dataset[name].isel(width=0, seed=0, drop=True)
    coordinates = {name: (name, list(values), _attrs(AXES[name])) for name, values in axes.items()}
    coordinates["step"] = ("step", steps, _attrs(DIMENSIONS["step"]))
    for name in dataset.dims:
        if name not in coordinates:
            index = np.arange(dataset.sizes[name])
            coordinates[name] = (name, index, _attrs(DIMENSIONS[str(name)]))
    return dataset.assign_coords(coordinates)


def _attrs(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
