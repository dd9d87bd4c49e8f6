"""The measures of Section 6 of Caron et al. (2023), run by run."""

import json

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.papers.caron2023.node_settings import by_asymmetry

# Variables of the runs and their probes that are kept where they exist: name there, and here.
KEPT = {
    "train_loss": "train_risk",
    "test_loss": "test_risk",
    "train_accuracy": "train_accuracy",
    "test_accuracy": "test_accuracy",
    "weight_change": "weight_change",
    "moved_node": "moved_node",
    "final_weight_change": "final_weight_change",
    "ntg_change": "ntg_change",
    "ntg_smallest_eigenvalue": "ntg_min_eigenvalue",
    "initial_ntg_norm": "ntg_norm",
    "pruned_train_loss": "pruned_train_risk",
    "pruned_test_loss": "pruned_test_risk",
    "pruned_train_accuracy": "pruned_train_accuracy",
    "pruned_test_accuracy": "pruned_test_accuracy",
    "transfer_train_loss": "transfer_train_risk",
    "transfer_test_loss": "transfer_test_risk",
    "transfer_train_accuracy": "transfer_train_accuracy",
    "transfer_test_accuracy": "transfer_test_accuracy",
    "transfer_diverged": "transfer_diverged",
    "node_scale": "node_scale",
    "gamma": "gamma",
    "alpha": "alpha",
    "step_size": "learning_rate",
    "diverged": "diverged",
    "plain_steps": "plain_steps",
    "multisteps": "multisteps",
}
NEEDED = ("train_loss", "weight_change", "gamma", "alpha", "diverged")
# Variables that depend on the setting alone, not on the seed.
OF_SETTINGS = ("node_scale", "gamma", "alpha")
FLOW_TIME = "flow_time_per_step"
PARTS = {"n_train": 0, "n_test": 1, "n_validation": 2}
# Attributes that `reduce` writes: the number of points that a run was trained on, and the number
# of points of its NTG matrices, if it has any.
TRAINED_ON, NTG_POINTS = "n_train", "n_ntg"
# Attributes on the external networks of the transfer: numbers of steps and of training points.
TRANSFER_SIZES = ("transfer_steps", "transfer_n_train")


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Reduce a job, with the variables of its probes, to what `measure` reads: no weights.

    The attributes have the number of points that it was trained on, by its settings (the JSON of
    the attribute `config`), and the number of points of its NTG matrices. data: what it was trained
    on.
    """
    names = [name for name in (*KEPT, FLOW_TIME) if name in run]
    settings = json.loads(run.attrs.get("config", "{}"))
    n_train = settings.get("n_train", _sizes(data)["n_train"])
    attributes = {TRAINED_ON: n_train}
    if "initial_ntg_norm" in run:
        n_points = settings.get("record", {}).get("ntg_points") or n_train
        attributes[NTG_POINTS] = min(n_points, n_train)
    for name in TRANSFER_SIZES:
        if name in run:
            attributes[name] = int(run[name].max())
    reduced = run[names].drop_vars(["feature", "output"], errors="ignore")
    return reduced.assign_attrs(attributes)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Measures of each run: how far it was trained, and what training changed.

    These are the variables of KEPT that the runs have, over node_scaling and seed, and

    - flow_time, over `step`: the time t of the flow of (5) that gradient descent has gone, from
      `flow_time_per_step` of the runs; absent without it, as with other losses;
    - least_train_risk: the least mean of squares that any function of the inputs has on the
      training points, above 0 where inputs repeat with other targets; with flow_time alone.

    Settings are in the order of `node_settings.by_asymmetry`. `neuron` is the rank of a node among
    those that moved most by the end, `node` its index. NaN after a run has diverged.
    The attributes have `width`, the numbers of points and features, of training points those that
    were trained on, `n_ntg`, of how many points the NTG is, `transfer_steps` and
    `transfer_n_train` of the external networks, and, where the data have it, the `backbone` that
    made the features.
    Raises DataError for runs of several widths, or of several times per step.
    """
    if runs.sizes["width"] != 1:
        raise DataError(f"node scaling is measured at one width, not {runs.sizes['width']}")
    if missing := [name for name in NEEDED if name not in runs]:
        raise DataError(f"node scaling is measured on runs with {', '.join(missing)}")
    width = int(runs["width"][0])
    counted = (TRAINED_ON, NTG_POINTS, *TRANSFER_SIZES)
    sizes = {name: int(runs.attrs[name]) for name in counted if name in runs.attrs}
    sizes = _sizes(data) | sizes
    runs = runs.isel(width=0, drop=True)
    for name in OF_SETTINGS:
        # Merging jobs that have some of the seeds each has given these variables an axis of seeds.
        if name in runs and "seed" in runs[name].dims:
            runs[name] = runs[name].isel(seed=0, drop=True)
    runs = by_asymmetry(runs)
    renamed = {there: here for there, here in KEPT.items() if there in runs}
    result = runs[list(renamed)].rename(renamed)
    # In the runs these names belong to other variables.
    result = result.rename({"moved": "neuron"})
    result["neuron"] = result["neuron"].assign_attrs(
        long_name="rank among the nodes that moved most by the end", units="1"
    )
    for name in ("diverged", "transfer_diverged"):
        if name in result:
            attributes = result[name].attrs
            result[name] = result[name].astype(np.float64).assign_attrs(attributes)
    if FLOW_TIME in runs:
        result["flow_time"] = _flow_time(runs)
        result["least_train_risk"] = _least_risk(data, runs, sizes[TRAINED_ON])
    result.attrs = sizes | {"width": width}
    if "backbone" in data.attrs:
        result.attrs["backbone"] = data.attrs["backbone"]
    return result.transpose("node_scaling", "seed", ..., "step", "neuron", missing_dims="ignore")


def _flow_time(runs: xr.Dataset) -> xr.DataArray:
    times = np.unique(runs[FLOW_TIME].values[runs[FLOW_TIME].notnull().values])
    if len(times) != 1:
        raise DataError(f"{FLOW_TIME} is not one number: {', '.join(f'{t:g}' for t in times)}")
    return (runs["step"] * times[0]).assign_attrs(
        long_name="time t of the gradient flow of (5)", units="1"
    )


def train_points(
    data: xr.Dataset, seed: int, n_train: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, d) and targets (n,) or (n, n_outputs) that a seed was trained on.

    data: with a `draw` for each seed or one for all. n_train: the first ones; None: all.
    """
    train = data.isel(point=data["split"].values == PARTS["n_train"])
    train = train.isel(point=slice(n_train))
    if "draw" in train.dims:
        train = train.isel(draw=int(seed))
    inputs = train["inputs"].transpose("point", "feature")
    return inputs.values, train["targets"].transpose("point", ...).values


def _least_risk(data: xr.Dataset, runs: xr.Dataset, n_train: int) -> xr.DataArray:
    """The largest `least_risk` of the draws of the data."""
    seeds = runs["seed"].values if "draw" in data.dims else runs["seed"].values[:1]
    value = max(least_risk(*train_points(data, seed, n_train)) for seed in seeds)
    attributes = {"long_name": "least training risk of any function of the inputs", "units": "1"}
    return xr.DataArray(value, attrs=attributes)


def least_risk(inputs: np.ndarray, targets: np.ndarray) -> float:
    """Mean square of targets (n,) or (n, n_outputs) about their mean over equal inputs (n, d)."""
    targets = targets.reshape(len(targets), -1)
    _, group, counts = np.unique(inputs, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    sums = np.zeros((len(counts), targets.shape[1]))
    np.add.at(sums, group, targets)
    return float(np.mean((targets - (sums / counts[:, None])[group]) ** 2))


def _sizes(data: xr.Dataset) -> dict[str, int]:
    counts = {name: int(np.sum(data["split"].values == code)) for name, code in PARTS.items()}
    return counts | {"n_features": data.sizes["feature"]}
