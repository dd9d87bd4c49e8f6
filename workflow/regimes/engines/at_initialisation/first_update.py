"""Average the first update of gradient flow over random initialisations: a block of settings."""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.activations.derivatives import ACTIVATIONS
from regimes.engines.at_initialisation.first_update_network import FirstUpdate
from regimes.engines.common.node_scaling import node_scales
from regimes.engines.common.streams import stream
from regimes.errors import DataError
from regimes.kernels.mean_tangent_gram import mean_tangent_gram

# Code of the training points in `split` of a data set.
TRAIN = 0
# The covariance of all pairs of points is kept, and Theta* may need quadrature for each.
MOST_POINTS = 12
# Pre-activations that are held at once: few enough for the cache.
VALUES_AT_ONCE = 2**17
SECONDS_BETWEEN_REPORTS = 10

AXES = {
    "setting": "node scaling, by its name in the config",
    "width": "number of hidden nodes m",
    "seed": "independent repetition",
}
# What is averaged: its dimensions, and what it is.
MEANS = {
    "weight_rate": (("node", "feature"), "dw_jk/dt at t = 0 of single nodes"),
    "scaled_weight_rate": (("feature",), "sum over all nodes of lambda_j dw_jk/dt at t = 0"),
    "kernel_rate": (("pair",), "dTheta_m(x_k, x_l)/dt at t = 0"),
    "gram_deviation": ((), "|Theta_m(X; W_0) - Theta*(X)|_F^2 at t = 0"),
}
WITH_COVARIANCE = ("scaled_weight_rate", "kernel_rate")
KINDS = {"mean": "mean of", "standard_error": "standard error of the mean of"}
# What is known of a setting: its dimensions, and what it is.
CONSTANTS = {
    "gamma": ((), "gamma of the node scaling, the share that is the same for all nodes"),
    "alpha": ((), "exponent alpha of the Zipf weights of the node scaling; NaN if there are none"),
    "sum_of_squared_scales": ((), "sum over all nodes of lambda_mj^2"),
    "node_scale": (("node",), "lambda_mj of single nodes"),
    "draws": ((), "number of random initialisations"),
}
COORDINATES = {
    "node": "index j of the hidden node",
    "feature": "index k of the input feature",
    "pair": "index of the pair of training points",
}


class Moments:
    """Mean of vectors (size,) that are drawn independently, and its covariance."""

    def __init__(self, size: int):
        self.count = 0
        self.total = np.zeros(size)
        self.products = np.zeros((size, size))

    def add(self, values: np.ndarray) -> None:
        """Count in more draws (b, size)."""
        self.count += len(values)
        self.total += values.sum(axis=0)
        self.products += values.T @ values

    def mean(self) -> np.ndarray:
        """Mean over the draws, (size,)."""
        return self.total / self.count

    def covariance_of_mean(self) -> np.ndarray:
        """Unbiased covariance of the mean, (size, size): of the draws, over their number."""
        mean = self.mean()
        scatter = self.products / self.count - np.outer(mean, mean)
        return scatter / (self.count - 1)


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """Draw networks of every setting of a block and average what happens when training starts.

    block: plain resolved settings, as in the plan. data: `inputs` over point and feature, one
    `targets` over point, `split` (0 for training points, which are used). device: not used, since
    this is NumPy on one core. Returns the means of MEANS over the block's axes and dimensions of
    their own, as *_mean, with their standard errors, as *_standard_error; of `scaled_weight_rate`
    and `kernel_rate` the covariance of the means too, as *_covariance; and CONSTANTS. `kernel_rate`
    is there for activations with a second derivative; its pairs k <= l of points are those of
    `numpy.triu_indices`. The attribute `activation` names the activation. Each setting, width and
    seed has random streams of its own. Raises DataError when the data have not what is needed.
    """
    start = time.monotonic()
    axes = {name: list(block["axes"][name]) for name in AXES}
    inputs, targets = _training_points(block, data)
    results: dict[str, np.ndarray] = {}
    grid = list(itertools.product(*(range(len(values)) for values in axes.values())))
    for number, index in enumerate(grid):
        values = (axis[place] for axis, place in zip(axes.values(), index, strict=True))
        setting = dict(zip(axes, values, strict=True))
        described = ", ".join(f"{name} {value}" for name, value in setting.items())
        label = f"run {number + 1} of {len(grid)} ({described})"
        scaling = block["node_scalings"][setting["setting"]]
        scales = node_scales(setting["width"], scaling["gamma"], scaling.get("alpha"))
        key = (block["root_seed"], block["experiment"], block["dataset"], *setting.values())
        moments = _averaged(
            block,
            key,
            scales,
            inputs,
            targets,
            lambda text, label=label: progress(f"{label}: {text}"),
        )
        for name, value in (_constants(block, scaling, scales) | _variables(moments)).items():
            if name not in results:
                shape = tuple(len(values) for values in axes.values())
                results[name] = np.full(shape + value.shape, np.nan)
            results[name][index] = value
    dataset = _dataset(axes, inputs, block["shown_nodes"], results)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset.assign_attrs(activation=block["activation"])


def _training_points(block: Mapping[str, Any], data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    name = block["dataset"]
    if "draw" in data.dims:
        raise DataError(f"the data set {name} has draws, which the first update does not use")
    if "output" in data["targets"].dims:
        raise DataError(f"the data set {name} has several outputs, not one")
    chosen = data["split"].values == TRAIN
    inputs = data["inputs"].transpose("point", "feature").values[chosen].astype(np.float64)
    if not 0 < len(inputs) <= MOST_POINTS:
        raise DataError(
            f"the data set {name} has {len(inputs)} training points; the first update is averaged "
            f"for 1 to {MOST_POINTS}"
        )
    return inputs, data["targets"].values[chosen].astype(np.float64)


def _averaged(
    block: Mapping[str, Any],
    key: tuple[str | int, ...],
    scales: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    progress: Callable[[str], None],
) -> dict[str, Moments]:
    """Moments of everything in MEANS, flattened, over the draws of one setting.

    key: root seed and names of its random streams. The setting is among them, so that the errors
    of different settings are independent.
    """
    width, (n_points, dimension) = len(scales), inputs.shape
    activation = ACTIVATIONS[block["activation"]]
    expected = mean_tangent_gram(inputs, block["activation"])
    weights, signs = stream(*key, "weights"), stream(*key, "signs")
    pairs = np.triu_indices(n_points)
    moments = {
        "weight_rate": Moments(block["shown_nodes"] * dimension),
        "scaled_weight_rate": Moments(dimension),
        "gram_deviation": Moments(1),
    }
    if activation.curvature is not None:
        moments["kernel_rate"] = Moments(len(pairs[0]))
    at_once = max(1, VALUES_AT_ONCE // (width * max(n_points, dimension)))
    began = reported = time.monotonic()
    for first in range(0, block["draws"], at_once):
        count = min(at_once, block["draws"] - first)
        drawn = weights.standard_normal((count, width, dimension))
        batch = FirstUpdate(
            activation,
            inputs,
            targets,
            scales,
            drawn @ (inputs.T / np.sqrt(dimension)),
            2.0 * signs.integers(0, 2, (count, width)) - 1,
            block["antithetic"],
        )
        moments["weight_rate"].add(batch.weight_rates(block["shown_nodes"]).reshape(count, -1))
        moments["scaled_weight_rate"].add(batch.scaled_weight_rate())
        deviations = (batch.tangent_gram() - expected) ** 2
        moments["gram_deviation"].add(deviations.sum(axis=(1, 2))[:, None])
        if "kernel_rate" in moments:
            moments["kernel_rate"].add(batch.kernel_rates()[:, *pairs])
        if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            progress(f"{first + count} of {block['draws']} draws")
    progress(f"{block['draws']} draws, done in {time.monotonic() - began:.1f} s")
    return moments


def _constants(
    block: Mapping[str, Any], scaling: Mapping[str, float], scales: np.ndarray
) -> dict[str, np.ndarray]:
    return {
        "gamma": np.asarray(scaling["gamma"]),
        "alpha": np.asarray(scaling.get("alpha", np.nan)),
        "sum_of_squared_scales": np.sum(scales**2),
        "node_scale": scales[: block["shown_nodes"]],
        "draws": np.asarray(block["draws"]),
    }


def _variables(moments: Mapping[str, Moments]) -> dict[str, np.ndarray]:
    values = {}
    for name, moment in moments.items():
        covariance = moment.covariance_of_mean()
        values[f"{name}_mean"] = moment.mean()
        values[f"{name}_standard_error"] = np.sqrt(np.diag(covariance))
        if name in WITH_COVARIANCE:
            values[f"{name}_covariance"] = covariance
    return values


def _dataset(
    axes: Mapping[str, list], inputs: np.ndarray, nodes: int, results: Mapping[str, np.ndarray]
) -> xr.Dataset:
    n_points, dimension = inputs.shape
    pairs = np.triu_indices(n_points)
    sizes = {"node": nodes, "feature": dimension, "pair": len(pairs[0])}
    dims = {name: dims for name, (dims, _) in CONSTANTS.items()}
    long_names = {name: text for name, (_, text) in CONSTANTS.items()}
    for name, (own, text) in MEANS.items():
        for kind, words in KINDS.items():
            dims[f"{name}_{kind}"] = own
            long_names[f"{name}_{kind}"] = f"{words} {text}"
        dims[f"{name}_covariance"] = (*own, *(f"other_{dim}" for dim in own))
        long_names[f"{name}_covariance"] = f"covariance of the means of {text}"
    variables = {}
    for name, values in results.items():
        shape = tuple(sizes[dim.removeprefix("other_")] for dim in dims[name])
        variables[name] = (
            (*axes, *dims[name]),
            values.reshape(*values.shape[: len(axes)], *shape),
            _described(long_names[name]),
        )
    coordinates = {name: (name, values, _described(AXES[name])) for name, values in axes.items()}
    for name, size in sizes.items():
        coordinates[name] = (name, np.arange(size), _described(COORDINATES[name]))
    for name, points in zip(("pair_first", "pair_second"), pairs, strict=True):
        letter = "k" if name == "pair_first" else "l"
        coordinates[name] = ("pair", points, _described(f"training point {letter} of the pair"))
    return xr.Dataset(variables, coords=coordinates)


def _described(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
