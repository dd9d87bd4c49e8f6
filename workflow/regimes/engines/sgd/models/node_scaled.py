"""Networks with asymmetrical node scaling (Caron et al., 2023), whose first layer is trained.

f_k(x) = sum_j lambda_j^(1/2) a_kj act(w_j . x / d^(1/2)) with w_j ~ N(0, v I), v the initial
variance, and signs a_kj, -1 or 1 with equal probability, that are fixed. The scales of the nodes
lambda_j are (1) and (4) of the paper. The networks take V = lambda_j^(1/2) a_kj as output weights,
and the data come with d^(-1/2) in them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.engines.common.engine import Job, Variable, history
from regimes.engines.sgd.batch_losses import LOSSES, BatchLoss
from regimes.engines.sgd.class_data import ClassData
from regimes.engines.sgd.classification import Points
from regimes.engines.sgd.descent import MinibatchResult
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained
from regimes.parameterisations.node_scaling import node_scales, recorded

if TYPE_CHECKING:
    from regimes.engines.sgd.settings import MinibatchExperiment

AXES = {
    "node_scaling": "node scaling: its gamma and its alpha",
    "width": "number of hidden neurons m",
    "seed": "index of the random initialisation and of the order of the points",
}
VARIABLES = {
    "weight_change": history(
        "distance |w_tj - w_0j| along the run of the nodes that moved most by its end",
        "moved",
        dtype=np.float32,
    ),
    "moved_node": Variable(
        "index of the nodes that moved most by the end, -1 after a divergence",
        ("moved",),
        np.int32,
    ),
    "final_weight_change": Variable(
        "distance |w_Tj - w_0j| of the nodes at the end", ("node",), np.float32
    ),
    "final_weights": Variable(
        "weights w_T of the first layer at the end", ("node", "feature"), np.float32
    ),
    "output_weights": Variable(
        "fixed signs a_kj of the output weights", ("output", "node"), np.int8
    ),
    "gamma": Variable(
        "share gamma of the scales that all nodes have alike", axes=("node_scaling",)
    ),
    "alpha": Variable(
        "exponent alpha of the Zipf law of the other scales, without meaning at gamma = 1",
        axes=("node_scaling",),
    ),
    "node_scale": Variable(
        "scales lambda_j of the nodes", ("node",), axes=("node_scaling", "width")
    ),
}
INDICES = {
    "moved": "rank among the nodes that moved most, 0 for the one that moved most",
    "node": "index of the hidden node",
    "feature": "index of the feature",
    "output": "index of the output",
}
# Name of the history that is kept of the nodes that moved most alone.
CHANGE = "weight_change"


class Model:
    """The networks of a job on its data."""

    def __init__(self, job: Job["MinibatchExperiment"], data: xr.Dataset, device: str):
        self.job = job
        self.settings = job.settings
        self.device = device
        self.dtype = getattr(torch, job.settings.precision)
        points = ClassData.of(data, job.dataset)
        self.n_features, self.n_outputs = points.n_features, points.n_classes
        self.train = self._points(points.train_inputs, points.train_labels)
        self.test = self._points(points.test_inputs, points.test_labels)

    def start(self, settings: Sequence[Mapping[str, Any]]) -> "Start":
        """Networks of one width at their start."""
        initial, signs = [], []
        constants: list[dict[str, Any]] = []
        for setting in settings:
            width, scaling = setting["width"], self.settings.node_scalings[setting["node_scaling"]]
            weights, drawn = self._draw(width, setting["seed"])
            initial.append(weights)
            signs.append(drawn)
            skip_first = self.settings.skip_first
            scales = node_scales(width, scaling.gamma, scaling.alpha, skip_first=skip_first)
            constants.append(recorded(scaling.gamma, scaling.alpha, scales))
        of_all = {name: np.stack([one[name] for one in constants]) for name in constants[0]}
        hidden = np.stack(initial) * self.settings.initial_variance**0.5
        output = np.stack(signs) * np.sqrt(of_all["node_scale"])[:, None, :]
        return Start(
            Parameters(self._tensor(hidden), self._tensor(output)),
            self.settings.learning_rate,
            self.train,
            self.test,
            LOSSES[self.settings.loss],
            of_all | {"output_weights": np.stack(signs)},
            self.settings.record.moved,
        )

    def _points(self, inputs: np.ndarray, labels: np.ndarray) -> Points:
        scaled = inputs * self.n_features**-0.5
        return Points(self._tensor(scaled), torch.tensor(labels, device=self.device))

    def _draw(self, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Standard normal weights (m, d) and signs (k, m), the same for all node scalings."""
        weights = self.job.stream(width, seed, "weights")
        signs = self.job.stream(width, seed, "signs").integers(0, 2, (self.n_outputs, width))
        return weights.standard_normal((width, self.n_features)), 2.0 * signs - 1.0

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(values, dtype=self.dtype, device=self.device)


class Start:
    """Some networks at their start, their points, and what is measured of them.

    parameters: (E, ...), at the start. constants: variables that no run changes, (E, ...) by name.
    n_moved: nodes whose way is kept.
    """

    trained = Trained(hidden=True, output=False)

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float,
        train: Points,
        test: Points,
        loss: BatchLoss,
        constants: Mapping[str, np.ndarray],
        n_moved: int,
    ):
        self.parameters = parameters
        self.learning_rates = np.full(len(parameters), learning_rate)
        self.rates = np.tile(self.learning_rates, (2, 1))
        self.train, self.test = train, test
        self.loss = loss
        self._constants = constants
        self._n_moved = n_moved

    def observe(self, networks: BatchedNetworks, is_end: bool) -> dict[str, Tensor]:
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
            **self._constants,
            "weight_change": np.take_along_axis(history, moved[:, None], axis=2),
            "moved_node": np.where(result.diverged[:, None], -1, moved),
            "final_weight_change": change,
            "final_weights": final,
        }
