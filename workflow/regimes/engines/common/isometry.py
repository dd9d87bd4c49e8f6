"""Two-layer networks at random starts with the data that Song et al. (2021) assume.

Assumption 2: points of length 1 and targets of norm |Y| <= 1. Starts (17): W ~ N(0, omega_1^2),
V ~ N(0, omega_2^2), with the product of (19), omega_1 omega_2 = scale_product / (d_0 d_1)^(1/2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from regimes.engines.common.draws import initial_weights
from regimes.engines.common.streams import stream
from regimes.errors import DataError

# Code of the training points in `split` of a data set.
TRAIN = 0
AXES = {
    "scale_ratio": "ratio omega_2 / omega_1 of the layers' initial scales",
    "n_features": "dimension d_0 of the inputs",
    "n_train": "number of training points n",
    "width": "number of hidden neurons d_1",
    "seed": "index of the random initialisation and of the draw of the data",
}


@dataclass(frozen=True)
class Start:
    """A network and its data: inputs X (d_0, n), targets Y (d_2, n), W (d_1, d_0), V (d_2, d_1)."""

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    output_weights: np.ndarray


class IsometryProblem:
    """Starts of the networks of a block.

    block: plain resolved settings, as in the plan. data: `inputs` over point and feature, `targets`
    over point (and output), `split` (0 for training points, which are used), with `draw` as another
    dimension if each seed has data of its own.
    """

    def __init__(self, block: Mapping[str, Any], data: xr.Dataset):
        self.block = block
        data = data.isel(point=data["split"].values == TRAIN)
        self.has_draws = "draw" in data.dims
        dims = ["point", *(["output"] if "output" in data["targets"].dims else [])]
        self.inputs = data["inputs"].transpose(..., "point", "feature").values.astype(np.float64)
        self.targets = data["targets"].transpose(..., *dims).values.astype(np.float64)
        if len(dims) == 1:
            self.targets = self.targets[..., None]

    def start(self, setting: Mapping[str, Any]) -> Start:
        """The start of one setting of AXES; scale_ratio may be missing.

        Inputs are the first d_0 features of the first n points, scaled to length 1, so that points
        uniform on a sphere are so for each d_0; targets are scaled to |Y| = 1. Starts that differ
        in scale_ratio alone have the same numbers, scaled. Raises DataError when the data are too
        small, or have a point that cannot be scaled.
        """
        inputs, targets = self._data(setting)
        width, n_features = setting["width"], setting["n_features"]
        names = [name for name in AXES if name != "scale_ratio"]
        key = (self.block["experiment"], self.block["dataset"], *map(setting.get, names))
        weights, output_weights = initial_weights(
            stream(self.block["root_seed"], *key),
            width,
            n_features,
            targets.shape[1],
            "gaussian",
        )
        first, second = scales(self.block, n_features, width, setting.get("scale_ratio"))
        return Start(
            np.ascontiguousarray(inputs.T),
            np.ascontiguousarray(targets.T),
            first * weights,
            second * output_weights,
        )

    def _data(self, setting: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        inputs, targets = self.inputs, self.targets
        if self.has_draws:
            if setting["seed"] >= len(inputs):
                self._refuse("seed", setting["seed"], f"the draws 0 to {len(inputs) - 1}")
            inputs, targets = inputs[setting["seed"]], targets[setting["seed"]]
        n_train, n_features = setting["n_train"], setting["n_features"]
        if n_train > len(inputs):
            self._refuse("n_train", n_train, f"{len(inputs)} training points")
        if n_features > inputs.shape[1]:
            self._refuse("n_features", n_features, f"{inputs.shape[1]} features")
        inputs, targets = inputs[:n_train, :n_features], targets[:n_train]
        lengths, size = np.linalg.norm(inputs, axis=1, keepdims=True), np.linalg.norm(targets)
        if not (lengths > 0).all() or not size > 0:
            raise DataError(
                f"the data set {self.block['dataset']} has points, or targets, of length 0, which "
                "cannot be scaled to 1"
            )
        return inputs / lengths, targets / size

    def _refuse(self, name: str, value: int, what: str) -> None:
        raise DataError(
            f"{name} = {value} but the data set {self.block['dataset']} has only {what}"
        )


def scales(
    block: Mapping[str, Any], n_features: int, width: int, ratio: float | None = None
) -> tuple[float, float]:
    """omega_1 and omega_2 of (17): from their product and ratio, or omega_1 = first_scale."""
    product = block["scale_product"] / np.sqrt(n_features * width)
    if ratio is None:
        return block["first_scale"], product / block["first_scale"]
    return float(np.sqrt(product / ratio)), float(np.sqrt(product * ratio))


def described(
    axes: Mapping[str, Sequence],
    results: Mapping[str, np.ndarray],
    long_names: Mapping[str, tuple[tuple[str, ...], str]],
    coordinates: Mapping[str, tuple[Sequence, str]] = {},
) -> xr.Dataset:
    """Results over the block's axes as a dataset.

    long_names: dimensions beside the axes, and what it is, by name; coordinates: of these.
    """
    coords = {name: (name, list(values), _text(AXES[name])) for name, values in axes.items()}
    for name, (values, text) in coordinates.items():
        coords[name] = (name, np.asarray(values), _text(text))
    variables = {}
    for name, values in results.items():
        dims, text = long_names[name]
        variables[name] = ((*axes, *dims), values, _text(text))
    return xr.Dataset(variables, coords=coords)


def _text(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
