"""Two-layer networks f(x) = s sum_j a_j act(w_j . x) of any parameterisation, without biases.

The networks take V = s a as output weights. Runs that differ in their scales or rates alone start
from the same draws.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.engines.common.draws import scaled_weights, scales_of
from regimes.engines.common.engine import Job, Variable
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.observation import (
    Network,
    Observer,
    Sample,
    arranged,
    measured_variables,
    observe,
)
from regimes.engines.common.points import Points as Part
from regimes.engines.common.rates import layer_rates, stability_limit
from regimes.engines.sgd.batch_losses import TARGET_LOSSES
from regimes.engines.sgd.class_data import ClassData
from regimes.engines.sgd.classification import Points
from regimes.engines.sgd.descent import MinibatchResult
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained
from regimes.errors import DataError
from regimes.kernels.tangent_kernel import tangent_kernel
from regimes.parameterisations.scales import AXES as PARAMETER_AXES
from regimes.parameterisations.scales import Scales

if TYPE_CHECKING:
    from regimes.engines.sgd.settings import StochasticDescentExperiment

AXES = {
    **PARAMETER_AXES,
    "learning_rate": "learning rate, in the unit of the settings",
    "width": "number of hidden neurons m",
    "seed": "index of the random initialisation and of the order of the points",
}
VARIABLES = {
    "initial_loss": Variable("loss on the training points at the start"),
    "final_loss": Variable("loss on the training points at the end"),
    **measured_variables("step"),
}
INDICES: dict[str, str] = {}


class Model:
    """The networks of a job on its data."""

    def __init__(self, job: Job["StochasticDescentExperiment"], data: xr.Dataset, device: str):
        self.job = job
        self.settings = job.settings
        self.activation = job.activation()
        self.device = device
        self.dtype = getattr(torch, job.settings.precision)
        if "draw" in data.dims:
            raise DataError(f"the data set {job.dataset} has draws, not one set of points")
        self.train, self.test = (self._points(*part) for part in self._parts(data))
        self.n_features, self.n_outputs = (
            values.shape[1] for values in (self.train.inputs, self.train.labels)
        )

    def _parts(self, data: xr.Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
        """Inputs (n, d) and targets (n, k) of the training and of the test points."""
        name = self.job.dataset
        if self.settings.loss == "cross_entropy":
            classes = ClassData.of(data, name)
            one_hot = np.eye(classes.n_classes)
            return [
                (classes.train_inputs, one_hot[classes.train_labels]),
                (classes.test_inputs, one_hot[classes.test_labels]),
            ]
        parts = [Part(data, name, part) for part in ("train", "test")]
        parts[0].require_points()
        return [part.of() for part in parts]

    def start(self, settings: Sequence[Mapping[str, Any]]) -> "Start":
        """Networks of one width at their start."""
        scales = [scales_of(self.settings, one, self.n_features) for one in settings]
        weights = [self._weights(*pair) for pair in zip(settings, scales, strict=True)]
        layers = [layer_rates(self.settings, one) for one in scales]
        learning_rates = np.array(
            [self._learning_rate(*one) for one in zip(settings, weights, layers, strict=True)]
        )
        observers = [self._observer(*one) for one in zip(scales, weights, layers, strict=True)]
        return Start(self, weights, learning_rates, np.array(layers).T, observers)

    def _weights(self, setting: Mapping[str, Any], scales: Scales) -> Network:
        random = self.job.stream(setting["width"], setting["seed"], "weights")
        sizes = (setting["width"], self.n_features, self.n_outputs)
        hidden, output = scaled_weights(random, self.settings, scales, sizes)
        return Network(self._tensor(hidden), self._tensor(output))

    def _learning_rate(
        self, setting: Mapping[str, Any], weights: Network, layers: tuple[float, float]
    ) -> float:
        given = self.settings.learning_rate
        rate = setting["learning_rate"] if given is None else given
        if self.settings.rate_unit == "one":
            return rate
        kernel = tangent_kernel(
            weights.hidden,
            weights.output,
            self.train.inputs.T,
            self.activation,
            first=layers[0],
            second=layers[1],
        )
        factor = gradient_factor(self.settings.loss, self.n_outputs, len(self.train))
        return rate * stability_limit(kernel, factor)

    def _observer(self, scales: Scales, weights: Network, layers: tuple[float, float]) -> Observer:
        train, test = (
            Sample(points.inputs, points.labels.T.contiguous())
            for points in (self.train, self.test)
        )
        return Observer(
            weights,
            self.activation,
            train,
            test,
            self.settings.record,
            loss=self.settings.loss,
            trained=self.settings.layers,
            rates=layers,
            unit=scales.unit,
            scores=False,
        )

    def _points(self, inputs: np.ndarray, targets: np.ndarray) -> Points:
        return Points(self._tensor(inputs), self._tensor(targets))

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(values, dtype=self.dtype, device=self.device)


class Start:
    """Some networks at their start, their points, and what measures them.

    learning_rates: (E,). layers: rates of the layers relative to these, (2, E).
    """

    def __init__(
        self,
        model: Model,
        weights: Sequence[Network],
        learning_rates: np.ndarray,
        layers: np.ndarray,
        observers: Sequence[Observer],
    ):
        self.parameters = Parameters(
            torch.stack([one.hidden for one in weights]),
            torch.stack([one.output for one in weights]),
        )
        self.trained = Trained(
            hidden=model.settings.layers != "second", output=model.settings.layers != "first"
        )
        self.learning_rates = learning_rates
        self.rates = learning_rates * layers
        self.train, self.test = model.train, model.test
        self.loss = TARGET_LOSSES[model.settings.loss]
        self._record = model.settings.record
        self._observers = observers

    def observe(self, networks: BatchedNetworks, is_end: bool) -> dict[str, Tensor]:
        """What the observers measure of the networks, beside the scores, (E,) by name."""
        now = networks.parameters
        each = [Network(*weights) for weights in zip(now.hidden, now.output, strict=True)]
        measured = observe(self._observers, each, is_end=is_end)
        return {
            name: torch.tensor([one[name] for one in measured], dtype=torch.float64)
            for name in measured[0]
        }

    def variables(
        self, networks: BatchedNetworks, result: MinibatchResult
    ) -> dict[str, np.ndarray]:
        """Values of VARIABLES, (E, ...) by name; takes what was observed from the result."""
        loss = result.history["train_loss"]
        names = [name for name in result.history if name != "train_loss"]
        histories = {name: result.history.pop(name) for name in names}
        final = {name: values[:, -1] for name, values in histories.items()}
        ends = {"initial_loss": loss[:, 0], "final_loss": loss[:, -1]}
        return ends | arranged(final, histories, self._record)
