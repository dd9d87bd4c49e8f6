"""Students of Song et al. (2021), Section 6: networks with biases, of which everything is trained.

f(x) = V act(W x + b) + c with W ~ N(0, omega_1^2) and V ~ N(0, omega_2^2), omega_1 omega_2 fixed.
The biases start as those of torch.nn.Linear, uniform within d^(-1/2) and m^(-1/2) of 0. Students of
a seed have the same draws, scaled.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.streams import stream
from regimes.engines.sgd.class_data import ClassData
from regimes.engines.sgd.classification import Points
from regimes.engines.sgd.descent import MinibatchResult
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained

AXES = {
    "loss": "loss that is minimised",
    "omega_2": "standard deviation omega_2 of the initial output weights",
    "width": "number of hidden neurons m",
    "seed": "index of the random initialisation and of the order of the points",
}
# Dimensions after the axes, long name and type of what is measured beside risks.
VARIABLES: dict[str, tuple[tuple[str, ...], str, type]] = {
    "relative_distance_w": (
        (),
        "distance |W_T - W_0| / |W_0| of the first layer's weights at the end",
        np.float64,
    ),
    "relative_distance_v": (
        (),
        "distance |V_T - V_0| / |V_0| of the output weights at the end",
        np.float64,
    ),
}
INDICES: dict[str, str] = {}
TRAINED = Trained(hidden=True, output=True)


def he_product(n_features: int, width: int) -> float:
    """omega_1 omega_2 of He's initialisation, (2/d)^(1/2) (2/m)^(1/2)."""
    return math.sqrt(2 / n_features) * math.sqrt(2 / width)


class Family:
    """The students of a block on its data.

    block: settings, of them `product`, omega_1 omega_2; He's without it.
    """

    def __init__(self, block: Mapping[str, Any], data: ClassData, device: str):
        self.block = block
        self.device = device
        self.dtype = getattr(torch, block["precision"])
        self.n_features, self.n_classes = data.n_features, data.n_classes
        self.train = self._points(data.train_inputs, data.train_labels)
        self.test = self._points(data.test_inputs, data.test_labels)

    def batch(self, settings: Sequence[Mapping[str, Any]]) -> "Batch":
        """Students of one width at their start."""
        runs = [(setting["width"], setting["seed"]) for setting in settings]
        drawn = {run: self._draw(*run) for run in dict.fromkeys(runs)}
        scales = {
            "hidden": [self.omega_1(setting["omega_2"], setting["width"]) for setting in settings],
            "output": [setting["omega_2"] for setting in settings],
        }
        start: dict[str, Tensor] = {}
        for name in drawn[runs[0]]:
            values = np.stack([drawn[run][name] for run in runs])
            if name in scales:
                values *= np.array(scales[name])[:, None, None]
            start[name] = torch.tensor(values, dtype=self.dtype, device=self.device)
        return Batch(Parameters(**start), self.train, self.test)

    def constants(
        self, axes: Mapping[str, Sequence]
    ) -> dict[str, tuple[tuple[str, ...], np.ndarray, str]]:
        """What no run changes: dimensions, values and long name by variable."""
        omega_1 = [[self.omega_1(one, width) for width in axes["width"]] for one in axes["omega_2"]]
        long_name = "standard deviation omega_1 of the initial weights of the first layer"
        return {"omega_1": (("omega_2", "width"), np.array(omega_1), long_name)}

    def omega_1(self, omega_2: float, width: int) -> float:
        """The product over omega_2."""
        product = self.block.get("product")
        return (he_product(self.n_features, width) if product is None else product) / omega_2

    def _points(self, inputs: np.ndarray, labels: np.ndarray) -> Points:
        return Points(
            torch.tensor(inputs, dtype=self.dtype, device=self.device),
            torch.tensor(labels, device=self.device),
        )

    def _draw(self, width: int, seed: int) -> dict[str, np.ndarray]:
        """Standard normal weights (m, d) and (k, m), and the biases (m,) and (k,) as they are."""
        block = self.block
        key = (block["root_seed"], block["experiment"], block["dataset"], width, seed)
        bounds = self.n_features**-0.5, width**-0.5
        return {
            "hidden": stream(*key, "weights").standard_normal((width, self.n_features)),
            "output": stream(*key, "output weights").standard_normal((self.n_classes, width)),
            "hidden_bias": stream(*key, "biases").uniform(-bounds[0], bounds[0], width),
            "output_bias": stream(*key, "output biases").uniform(
                -bounds[1], bounds[1], self.n_classes
            ),
        }


class Batch:
    """Some students at their start, and their points.

    parameters: (E, ...), at the start.
    """

    trained = TRAINED

    def __init__(self, parameters: Parameters, train: Points, test: Points):
        self.parameters = parameters
        self.train = train
        self.test = test

    def observe(self, networks: BatchedNetworks) -> dict[str, Tensor]:
        """Nothing beside risk and accuracy."""
        return {}

    def variables(
        self, networks: BatchedNetworks, result: MinibatchResult
    ) -> dict[str, np.ndarray]:
        """Values of VARIABLES, each (E,)."""
        now, start = networks.parameters, self.parameters
        distances = {
            "relative_distance_w": _relative_distance(now.hidden, start.hidden),
            "relative_distance_v": _relative_distance(now.output, start.output),
        }
        return {name: np.where(result.diverged, np.nan, one) for name, one in distances.items()}


def _relative_distance(now: Tensor, start: Tensor) -> np.ndarray:
    """Frobenius norm of the difference over that of the start, (E,)."""
    # One by one, in double precision: those of all need not fit the memory.
    pairs = ((one.double(), other.double()) for one, other in zip(now, start, strict=True))
    return np.array([float((one - other).norm() / other.norm()) for one, other in pairs])
