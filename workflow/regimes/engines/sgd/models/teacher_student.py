"""Students of Song et al. (2021), Section 6: networks with biases, of which everything is trained.

f(x) = V act(W x + b) + c with W ~ N(0, omega_1^2) and V ~ N(0, omega_2^2), omega_1 omega_2 fixed.
The biases start as those of torch.nn.Linear, uniform within d^(-1/2) and m^(-1/2) of 0. Students of
a seed have the same draws, scaled.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.engines.common.engine import Job, Variable
from regimes.engines.sgd import batch_losses
from regimes.engines.sgd.class_data import ClassData
from regimes.engines.sgd.classification import Points
from regimes.engines.sgd.descent import MinibatchResult
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained

if TYPE_CHECKING:
    from regimes.engines.sgd.settings import TeacherStudentExperiment

AXES = {
    "loss": "loss that is minimised",
    "omega_2": "standard deviation omega_2 of the initial output weights",
    "width": "number of hidden neurons m",
    "seed": "index of the random initialisation and of the order of the points",
}
VARIABLES = {
    "final_relative_distance_w": Variable(
        "distance |W_T - W_0| / |W_0| of the first layer's weights at the end"
    ),
    "final_relative_distance_a": Variable(
        "distance |V_T - V_0| / |V_0| of the output weights at the end"
    ),
    "omega_1": Variable(
        "standard deviation omega_1 of the initial weights of the first layer",
        axes=("omega_2", "width"),
    ),
}
INDICES: dict[str, str] = {}
# By the names of the paper.
LOSSES = {
    "mean_square": batch_losses.LOSSES["mean_square"],
    "log_likelihood": batch_losses.LOSSES["cross_entropy"],
}


def he_product(n_features: int, width: int) -> float:
    """omega_1 omega_2 of He's initialisation, (2/d)^(1/2) (2/m)^(1/2)."""
    return math.sqrt(2 / n_features) * math.sqrt(2 / width)


class Model:
    """The students of a job on its data."""

    def __init__(self, job: Job["TeacherStudentExperiment"], data: xr.Dataset, device: str):
        self.job = job
        self.device = device
        self.dtype = getattr(torch, job.settings.precision)
        points = ClassData.of(data, job.dataset)
        self.n_features, self.n_outputs = points.n_features, points.n_classes
        self.train = self._points(points.train_inputs, points.train_labels)
        self.test = self._points(points.test_inputs, points.test_labels)

    def start(self, settings: Sequence[Mapping[str, Any]]) -> "Start":
        """Students of one width and loss at their start."""
        runs = [(setting["width"], setting["seed"]) for setting in settings]
        drawn = {run: self._draw(*run) for run in dict.fromkeys(runs)}
        omega_1 = [self._omega_1(setting["omega_2"], setting["width"]) for setting in settings]
        scales = {"hidden": omega_1, "output": [setting["omega_2"] for setting in settings]}
        start: dict[str, Tensor] = {}
        for name in drawn[runs[0]]:
            values = np.stack([drawn[run][name] for run in runs])
            if name in scales:
                values *= np.array(scales[name])[:, None, None]
            start[name] = torch.tensor(values, dtype=self.dtype, device=self.device)
        loss = LOSSES[settings[0]["loss"]]
        rate = self.job.settings.learning_rate
        return Start(Parameters(**start), rate, self.train, self.test, loss, np.array(omega_1))

    def _omega_1(self, omega_2: float, width: int) -> float:
        """The product over omega_2."""
        product = self.job.settings.product
        return (he_product(self.n_features, width) if product is None else product) / omega_2

    def _points(self, inputs: np.ndarray, labels: np.ndarray) -> Points:
        return Points(
            torch.tensor(inputs, dtype=self.dtype, device=self.device),
            torch.tensor(labels, device=self.device),
        )

    def _draw(self, width: int, seed: int) -> dict[str, np.ndarray]:
        """Standard normal weights (m, d) and (k, m), and the biases (m,) and (k,) as they are."""

        def random(name: str) -> np.random.Generator:
            return self.job.stream(width, seed, name)

        hidden, output = self.n_features**-0.5, width**-0.5
        return {
            "hidden": random("weights").standard_normal((width, self.n_features)),
            "output": random("output weights").standard_normal((self.n_outputs, width)),
            "hidden_bias": random("biases").uniform(-hidden, hidden, width),
            "output_bias": random("output biases").uniform(-output, output, self.n_outputs),
        }


class Start:
    """Some students at their start, and their points.

    parameters: (E, ...), at the start. omega_1: (E,).
    """

    trained = Trained(hidden=True, output=True)

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float,
        train: Points,
        test: Points,
        loss: batch_losses.BatchLoss,
        omega_1: np.ndarray,
    ):
        self.parameters = parameters
        self.learning_rates = np.full(len(parameters), learning_rate)
        self.rates = np.tile(self.learning_rates, (2, 1))
        self.train, self.test = train, test
        self.loss = loss
        self._omega_1 = omega_1

    def observe(self, networks: BatchedNetworks, is_end: bool) -> dict[str, Tensor]:
        """Observe nothing beside loss and accuracy."""
        return {}

    def variables(
        self, networks: BatchedNetworks, result: MinibatchResult
    ) -> dict[str, np.ndarray]:
        """Values of VARIABLES, each (E,)."""
        now, start = networks.parameters, self.parameters
        distances = {
            "final_relative_distance_w": _relative_distance(now.hidden, start.hidden),
            "final_relative_distance_a": _relative_distance(now.output, start.output),
        }
        ended = {name: np.where(result.diverged, np.nan, one) for name, one in distances.items()}
        return ended | {"omega_1": self._omega_1}


def _relative_distance(now: Tensor, start: Tensor) -> np.ndarray:
    """Frobenius norm of the difference over that of the start, (E,)."""
    # One by one, in double precision: those of all need not fit the memory.
    pairs = ((one.double(), other.double()) for one, other in zip(now, start, strict=True))
    return np.array([float((one - other).norm() / other.norm()) for one, other in pairs])
