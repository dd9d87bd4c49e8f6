"""Gradient descent in function space of networks on embeddings (Chen et al., 2022)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.activations.apply import activate_
from regimes.engines.common.engine import (
    Batch,
    Engine,
    Job,
    Session,
    Variable,
    history,
    one_run,
)
from regimes.engines.common.observation import DISTANCES, KERNEL, STATES, kernel_measures
from regimes.engines.common.outputs import fetched, number
from regimes.engines.common.points import Points
from regimes.engines.common.recording import last_common, recorded_steps
from regimes.engines.function_space import descent
from regimes.engines.function_space.active_region import ACTIVE_REGIONS
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.multistep import MultistepControl, control_of
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.errors import DataError
from regimes.parameterisations.feature_scalings import SCALINGS

if TYPE_CHECKING:
    from regimes.engines.function_space.settings import FeatureModel, FunctionSpaceExperiment

# Weights are drawn for this many neurons at once.
NEURONS_AT_ONCE = 512
MAP_DIMS = {
    "moment": "0: start, 1: end of training",
    "map_point": "0: the first training point, 1: the first test point",
    "neuron": "index of the neuron",
}


class Runs(Engine["FunctionSpaceExperiment"]):
    """Networks of a job, trained one by one for a number of steps.

    Data have one target, which may have draws, and test points. Raises DataError when they have
    not what the settings ask for.
    """

    AXES: ClassVar = {
        "model": "network model: its embedding and its scaling",
        "width": "number of hidden neurons m",
        "n_train": "number of training points n",
        "seed": "index of the random initialisation and of the draw of the data",
    }
    # Of histories, what comes after a divergence is NaN.
    VARIABLES: ClassVar = descent.VARIABLES | {
        "step_size": Variable("step size delta, which the scaling of a model multiplies"),
        "gram_smallest_eigenvalue": Variable("smallest eigenvalue of the Gram matrix G"),
        "gram_largest_eigenvalue": Variable("largest eigenvalue of the Gram matrix G"),
        "interval_length": Variable("length of the active region I of the activation function"),
        "interval_slope": Variable("lower bound of |act'| on the active region I"),
        "initial_middle_fraction": Variable(
            "smallest share over the points of the neurons in the middle third of the active "
            "region at the start"
        ),
        "feature_map": Variable(
            "pre-activations h_i of the first neurons at two points", tuple(MAP_DIMS), np.float32
        ),
        "train_loss": history("training loss along the run: 1/(2n) sum e^2"),
        "test_loss": history("test loss along the run: 1/(2n) sum e^2"),
        "feature_movement": history("mean over neurons and training points of |h(t) - h(0)|"),
        "function_movement": history("mean over training points of |f(t) - f(0)|"),
        "weight_distance": history("distance |W - W_0|_F of the trained weights along the run"),
        "active_fraction": history(
            "smallest share over the points of the neurons in the active region"
        ),
        "mean_square_slope": history("smallest mean over the neurons of act'(h)^2 over the points"),
        **{name: history((DISTANCES | STATES)[name]) for name in sorted(KERNEL)},
    }
    INDICES: ClassVar = MAP_DIMS

    def __init__(self, job: Job["FunctionSpaceExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        self.activation = job.activation()
        self.dtype = getattr(torch, self.settings.precision)
        record, most = self.settings.record, self.settings.max_steps
        self.steps, longer = (
            recorded_steps(record.points_per_decade, record.every, limit)
            for limit in (most, most + 1)
        )
        self.last_common = last_common(self.steps, longer)
        self.points = Points(data, job.dataset)
        self.test_points = Points(data, job.dataset, "test")
        self.points.require_one_output()
        self.points.require(n_train=max(job.axes["n_train"]))
        if not self.test_points.n_points:
            raise DataError(f"the data set {job.dataset} has no test points")
        self.points.require(seed=max(job.axes["seed"]))

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Train the run of a batch and observe it on its way."""
        (setting,) = batch.settings
        run = self.start(setting)
        result = descend(run.network, self.steps, run.observe, run.control, session)
        session.note(str(result))
        return one_run(run.constants() | run.feature_map() | result.variables())

    def start(self, setting: Mapping[str, Any]) -> "Run":
        """One run, at its start."""
        settings, width, n_train = self.settings, setting["width"], setting["n_train"]
        model = settings.models[setting["model"]]
        inputs, targets = (
            np.concatenate(parts)
            for parts in zip(
                self.points.of(setting["seed"], n_train),
                self.test_points.of(setting["seed"]),
                strict=True,
            )
        )
        targets, key = targets[:, 0], (width, setting["seed"])
        # The dimension that the scalings know, which the coordinates may be fewer than.
        dimension = self._dimension(model, width)
        coordinates = self._embed(inputs, model, dimension, self.job.stream(*key, "embedding"))
        scaling = SCALINGS[model.scaling]
        free = width // 2 if scaling.symmetrised else width
        weights = self.job.stream(*key, "weights")
        initial = initial_pre_activations(weights, coordinates, free)
        initial *= scaling.initial_hidden_factor(dimension)
        signs = 2.0 * self.job.stream(*key, "signs").integers(0, 2, free) - 1
        if scaling.symmetrised:
            initial, signs = np.concatenate([initial, initial]), np.concatenate([signs, -signs])
        # In units of the step in the sum of the squares, over the number of points.
        factor = scaling.step_factor(width, dimension, settings.learning_rate)
        network = FunctionSpaceNetwork(
            Embedded(self._tensor(coordinates[:n_train]), self._tensor(coordinates[n_train:])),
            self._tensor(initial),
            self._tensor(signs),
            self._tensor(targets[:n_train]),
            self.activation,
            output_scale=scaling.output_scale(width),
            step_factor=factor,
        )
        return Run(
            network,
            self._tensor(targets[n_train:]),
            control_of(network, settings.multistep.tolerance)
            if settings.multistep.enabled
            else None,
            settings.activation,
            settings.learning_rate,
            # |Delta W|_F over the way in orthonormal coordinates, which are those of Phi/D^(1/2)
            float(1 / (dimension**0.5 * scaling.hidden_scale(dimension))),
            settings.record.feature_map_neurons,
            settings.record.kernel == "steps",
        )

    def _embed(
        self,
        inputs: np.ndarray,
        model: "FeatureModel",
        dimension: int,
        random: np.random.Generator,
    ) -> np.ndarray:
        embedding = import_module(f"regimes.engines.function_space.embeddings.{model.embedding}")
        settings = {
            "depth": model.depth,
            "embedding_width": dimension,
            "activation": self.settings.activation,
        }
        return embedding.embed(inputs, settings, random)

    def _dimension(self, model: "FeatureModel", width: int) -> int:
        """D: of random embeddings what the model says, by default the number of neurons."""
        n_features = self.points.n_features
        if model.embedding == "identity":
            return n_features
        if model.embedding == "quadratic":
            return n_features**2
        return model.embedding_width or width

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)


@dataclass
class Run:
    """One run: its network, its control of many steps at once, and what is seen of it.

    weight_factor: |W - W_0|_F over the network's `coordinate_distance`. n_mapped: number of neurons
    of which the feature map is kept. with_kernel: whether the tangent kernel is measured.
    """

    network: FunctionSpaceNetwork
    test_targets: Tensor
    control: MultistepControl | None
    activation: str
    learning_rate: float
    weight_factor: float
    n_mapped: int
    with_kernel: bool = False
    _first_outputs: Tensor = field(init=False)
    _first_kernel: Tensor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._first_outputs = self.network.errors + self.network.targets
        if self.with_kernel:
            self._first_kernel = self._kernel()

    def observe(self, network: FunctionSpaceNetwork) -> dict[str, float]:
        """Return what is recorded of the network in its present state."""
        region = ACTIVE_REGIONS[self.activation]
        n_points, n_test = network.n_points, len(self.test_targets)
        moved, test_outputs = (
            number(network.targets.new_zeros(())),
            self.test_targets.new_zeros(n_test),
        )
        slopes = network.slopes
        active, squares = torch.zeros_like(network.targets), torch.zeros_like(network.targets)
        for rows in network.pieces():
            train, test = network.pre_activations(rows)
            moved += number((train - network.initial_pre_activations(rows)[0]).abs().sum())
            active += ((train > region.left) & (train < region.right)).sum(0)
            squares += slopes[rows].square().sum(0)
            activate_(network.activation, test, torch.empty_like(test))
            test_outputs.addmv_(test.mT, network.output_weights[rows])
        test_errors = test_outputs.mul_(network.output_scale).sub_(self.test_targets)
        outputs = network.errors + network.targets
        of_kernel = {}
        if self._first_kernel is not None:
            kernels = self._kernel(), self._first_kernel, network.targets
            (of_kernel,) = kernel_measures([kernels])
        measured = of_kernel | {
            "train_loss": number(network.errors.square().mean()) / 2,
            "test_loss": number(test_errors.square().mean()) / 2,
            "feature_movement": moved / (network.width * n_points),
            "function_movement": number((outputs - self._first_outputs).abs().mean()),
            "weight_distance": self.weight_factor * network.coordinate_distance(),
            "active_fraction": number(active.min()) / network.width,
            "mean_square_slope": number(squares.min()) / network.width,
        }
        return fetched([measured])[0]

    def _kernel(self) -> Tensor:
        """Tangent kernel H (n, n): a step changes the residuals by -(delta/n) H e."""
        return self.network.tangent_kernel().mul_(self.network.n_points / self.learning_rate)

    def constants(self) -> dict[str, np.ndarray]:
        """Return the variables that do not change along the run."""
        region = ACTIVE_REGIONS[self.activation]
        left, right = region.middle
        initial = self.network.initial
        middle = ((initial > left) & (initial < right)).sum(0).min()
        eigenvalues = torch.linalg.eigvalsh(self.network.gram)
        values = {
            "gram_smallest_eigenvalue": eigenvalues[0],
            "gram_largest_eigenvalue": eigenvalues[-1],
            "step_size": self.learning_rate,
            "interval_length": region.right - region.left,
            "interval_slope": region.slope,
            "initial_middle_fraction": middle / self.network.width,
        }
        return {name: np.asarray(float(value)) for name, value in values.items()}

    def feature_map(self) -> dict[str, np.ndarray]:
        """Return h_i of the first neurons at two points, at the start and now.

        The points are the first training and the first test point. NaN stands for neurons that a
        narrower network lacks, and for runs that have diverged.
        """
        if not self.n_mapped:
            return {}
        rows = slice(self.n_mapped)
        result = np.full((2, 2, self.n_mapped), np.nan)
        moments = (
            self.network.initial_pre_activations(rows),
            self.network.pre_activations(rows),
        )
        for moment, parts in enumerate(moments):
            for point, values in enumerate(parts):
                # As it is stored: what is too large for that is not finite.
                seen = values[:, 0].float().cpu().numpy()
                result[moment, point, : len(seen)] = np.where(np.isfinite(seen), seen, np.nan)
        return {"feature_map": result}


def initial_pre_activations(
    random: np.random.Generator, coordinates: np.ndarray, width: int
) -> np.ndarray:
    """h_0 (width, n_points) of standard normal weights: rows of law N(0, G).

    coordinates: (n_points, r). The weights, whose law is the same in any orthonormal coordinates,
    are drawn for some neurons at a time and not kept.
    """
    result = np.empty((width, len(coordinates)))
    for first in range(0, width, NEURONS_AT_ONCE):
        count = min(NEURONS_AT_ONCE, width - first)
        weights = random.standard_normal((count, coordinates.shape[1]))
        result[first : first + count] = weights @ coordinates.T
    return result
