"""Networks with asymmetrical node scaling (Caron et al., 2023), whose first layer is trained.

f_k(x) = sum_j lambda_j^(1/2) a_kj act(w_j . x / d^(1/2)) with w_j ~ N(0, v I), v the initial
variance, and signs a_kj, -1 or 1 with equal probability, that are fixed. The scales of the nodes
lambda_j are (1) and (4) of the paper. The networks take V = lambda_j^(1/2) a_kj as output weights,
and the data come with d^(-1/2) in them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.node_scaling import node_scales
from regimes.engines.common.streams import stream
from regimes.engines.sgd.class_data import ClassData
from regimes.engines.sgd.classification import Points
from regimes.engines.sgd.descent import MinibatchResult
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained

AXES = {
    "setting": "node scaling: its gamma and its alpha",
    "width": "number of hidden neurons m",
    "seed": "index of the random initialisation and of the order of the points",
}
# Dimensions after the axes, long name and type of what is measured beside risks.
VARIABLES: dict[str, tuple[tuple[str, ...], str, type]] = {
    "weight_change_history": (
        ("step", "moved"),
        "distance |w_tj - w_0j| along the run of the nodes that moved most by its end",
        np.float32,
    ),
    "moved_node": (
        ("moved",),
        "index of the nodes that moved most by the end, -1 after a divergence",
        np.int32,
    ),
    "weight_change": (("node",), "distance |w_Tj - w_0j| of the nodes at the end", np.float32),
    "final_weights": (("node", "feature"), "weights w_T of the first layer at the end", np.float32),
    "output_weights": (("output", "node"), "fixed signs a_kj of the output weights", np.int8),
}
INDICES = {
    "moved": "rank among the nodes that moved most, 0 for the one that moved most",
    "node": "index of the hidden node",
    "feature": "index of the feature",
    "output": "index of the output",
}
# The layer that is trained.
TRAINED = Trained(hidden=True, output=False)
# Name of the history that is kept of the nodes that moved most alone.
CHANGE = "weight_change"


class Family:
    """The networks of a block on its data.

    block: settings, of them `node_scalings`, `skip_first`, `initial_variance`, `record.moved`.
    """

    def __init__(self, block: Mapping[str, Any], data: ClassData, device: str):
        self.block = block
        self.device = device
        self.dtype = getattr(torch, block["precision"])
        self.n_features, self.n_classes = data.n_features, data.n_classes
        self.train = self._points(data.train_inputs, data.train_labels)
        self.test = self._points(data.test_inputs, data.test_labels)

    def batch(self, settings: Sequence[Mapping[str, Any]]) -> "Batch":
        """Networks of one width at their start."""
        initial, signs = [], []
        for setting in settings:
            weights, drawn = self._draw(setting["width"], setting["seed"])
            initial.append(weights)
            signs.append(drawn)
        scales = np.stack(
            [self._scales(setting["setting"], setting["width"]) for setting in settings]
        )
        hidden = np.stack(initial) * self.block["initial_variance"] ** 0.5
        output = np.stack(signs) * np.sqrt(scales)[:, None, :]
        parameters = Parameters(self._tensor(hidden), self._tensor(output))
        return Batch(
            parameters, self.train, self.test, np.stack(signs), self.block["record"]["moved"]
        )

    def constants(
        self, axes: Mapping[str, Sequence]
    ) -> dict[str, tuple[tuple[str, ...], np.ndarray, str]]:
        """What no run changes: dimensions, values and long name by variable."""
        scalings = [self.block["node_scalings"][name] for name in axes["setting"]]
        gammas = np.array([scaling["gamma"] for scaling in scalings])
        alphas = [scaling.get("alpha", np.nan) for scaling in scalings]
        scales = [
            [self._scales(name, width) for width in axes["width"]] for name in axes["setting"]
        ]
        return {
            "gamma": (("setting",), gammas, "share gamma of the scales that all nodes have alike"),
            "alpha": (
                ("setting",),
                np.where(gammas == 1, np.nan, alphas),
                "exponent alpha of the Zipf law of the other scales, without meaning at gamma = 1",
            ),
            "node_scale": (
                ("setting", "width", "node"),
                np.array(scales),
                "scales lambda_j of the nodes",
            ),
        }

    def _points(self, inputs: np.ndarray, labels: np.ndarray) -> Points:
        scaled = inputs * self.n_features**-0.5
        return Points(self._tensor(scaled), torch.tensor(labels, device=self.device))

    def _draw(self, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Standard normal weights (m, d) and signs (k, m), the same for all node scalings."""
        block = self.block
        key = (block["root_seed"], block["experiment"], block["dataset"], width, seed)
        weights = stream(*key, "weights").standard_normal((width, self.n_features))
        signs = 2.0 * stream(*key, "signs").integers(0, 2, (self.n_classes, width)) - 1.0
        return weights, signs

    def _scales(self, name: str, width: int) -> np.ndarray:
        scaling = self.block["node_scalings"][name]
        return node_scales(
            width, scaling["gamma"], scaling.get("alpha"), skip_first=self.block["skip_first"]
        )

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(values, dtype=self.dtype, device=self.device)


class Batch:
    """Some networks at their start, their points, and what is measured of them.

    parameters: (E, ...), at the start. signs: (E, k, m). n_moved: nodes whose way is kept.
    """

    trained = TRAINED

    def __init__(
        self, parameters: Parameters, train: Points, test: Points, signs: np.ndarray, n_moved: int
    ):
        self.parameters = parameters
        self.train = train
        self.test = test
        self._signs = signs
        self._n_moved = n_moved

    def observe(self, networks: BatchedNetworks) -> dict[str, Tensor]:
        """Distances of all nodes from their start, (E, m)."""
        pairs = zip(networks.parameters.hidden, self.parameters.hidden, strict=True)
        # One by one: the differences of all need not fit the memory.
        changes = [torch.linalg.vector_norm(now - start, dim=1) for now, start in pairs]
        return {CHANGE: torch.stack(changes).float()}

    def variables(
        self, networks: BatchedNetworks, result: MinibatchResult
    ) -> dict[str, np.ndarray]:
        """Values of VARIABLES, each (E, ...); takes the history of all nodes from the result."""
        history = result.history.pop(CHANGE)
        change = history[:, -1]
        # Stable: of nodes that moved alike, the first.
        moved = np.argsort(-change, axis=1, kind="stable")[:, : self._n_moved]
        final = networks.parameters.hidden.float().cpu().numpy()
        # Weights beyond the number format of the file count as none.
        final = np.where(np.isfinite(final), final, np.nan)
        final[result.diverged] = np.nan
        return {
            "weight_change_history": np.take_along_axis(history, moved[:, None], axis=2),
            "moved_node": np.where(result.diverged[:, None], -1, moved),
            "weight_change": change,
            "final_weights": final,
            "output_weights": self._signs,
        }
