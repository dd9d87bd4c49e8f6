"""Runs of gradient descent in function space: their points, weights and scalings, what is seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.activations.apply import activate_
from regimes.activations.load import load_activation
from regimes.engines.common.recording import recorded_steps
from regimes.engines.common.streams import stream
from regimes.engines.function_space.active_region import ACTIVE_REGIONS
from regimes.engines.function_space.feature_scalings import SCALINGS
from regimes.engines.function_space.multistep import LeapControl, control_of
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.errors import DataError

# Codes of `split` in a data set.
TRAIN, TEST = 0, 1
# Weights are drawn for this many neurons at once.
NEURONS_AT_ONCE = 512


class FunctionSpaceProblem:
    """The settings of a block and its data, from which runs are made.

    block, data: as for `regimes.engines.function_space.engine.train`.
    """

    def __init__(self, block: Mapping[str, Any], data: xr.Dataset, device: str):
        self.block = block
        self.device = device
        self.dtype = getattr(torch, block["precision"])
        self.steps = recorded_steps(block["record"], block["max_steps"])
        if "output" in data["targets"].dims:
            raise DataError(f"the data set {block['dataset']} has several outputs, not one")
        self.has_draws = "draw" in data.dims
        self.inputs = data["inputs"].transpose(..., "point", "feature").values
        self.targets = data["targets"].transpose(..., "point").values
        self.parts = data["split"].values

    def check(self, axes: Mapping[str, list]) -> None:
        """Raise DataError unless the data have what the axes ask for."""
        dataset = self.block["dataset"]
        n_points = int((self.parts == TRAIN).sum())
        if max(axes["n_train"]) > n_points:
            raise DataError(
                f"n_train = {max(axes['n_train'])} but the data set {dataset} has only {n_points} "
                "training points"
            )
        if not (self.parts == TEST).any():
            raise DataError(f"the data set {dataset} has no test points")
        if self.has_draws and max(axes["seed"]) >= len(self.inputs):
            raise DataError(
                f"seed = {max(axes['seed'])} but the data set {dataset} has only the draws 0 to "
                f"{len(self.inputs) - 1}"
            )

    def run(self, setting: Mapping[str, Any]) -> "Run":
        """One run, at its start."""
        block, width, n_train = self.block, setting["width"], setting["n_train"]
        model = block["models"][setting["model"]]
        inputs, targets = self._points(setting["seed"], n_train)
        key = (block["root_seed"], block["experiment"], block["dataset"], width, setting["seed"])
        coordinates = self._embed(inputs, model, width, key)
        scaling = SCALINGS[model["scaling"]]
        # The dimension that the scalings know, which the coordinates may be fewer than.
        dimension = self._dimension(model, width)
        free = width // 2 if scaling.symmetrised else width
        initial = initial_pre_activations(stream(*key, "weights"), coordinates, free)
        initial *= scaling.initial_hidden_factor(dimension)
        signs = 2.0 * stream(*key, "signs").integers(0, 2, free) - 1
        if scaling.symmetrised:
            initial, signs = np.concatenate([initial, initial]), np.concatenate([signs, -signs])
        # In units of the step in the sum of the squares, over the number of points.
        factor = scaling.step_factor(width, dimension, block["learning_rate"])
        network = FunctionSpaceNetwork(
            Embedded(self._tensor(coordinates[:n_train]), self._tensor(coordinates[n_train:])),
            self._tensor(initial),
            self._tensor(signs),
            self._tensor(targets[:n_train]),
            load_activation(block),
            output_scale=scaling.output_scale(width),
            step_factor=factor,
        )
        control = None
        if block["leaps"]["enabled"]:
            control = control_of(network, block["leaps"]["tolerance"])
        return Run(
            network,
            self._tensor(targets[n_train:]),
            control,
            block["activation"],
            block["learning_rate"],
            # |Delta W|_F over the way in orthonormal coordinates, which are those of Phi/D^(1/2)
            float(1 / (dimension**0.5 * scaling.hidden_scale(dimension))),
            block["record"]["feature_map_neurons"],
        )

    def _points(self, seed: int, n_train: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n + p, d) and targets (n + p,), the first n training points before the test's."""
        chosen = np.concatenate(
            [np.flatnonzero(self.parts == TRAIN)[:n_train], np.flatnonzero(self.parts == TEST)]
        )
        draw = seed if self.has_draws else ...
        return self.inputs[draw][..., chosen, :], self.targets[draw][..., chosen]

    def _embed(
        self, inputs: np.ndarray, model: Mapping[str, Any], width: int, key: tuple
    ) -> np.ndarray:
        embedding = import_module(f"regimes.engines.function_space.embeddings.{model['embedding']}")
        settings = {
            "depth": model["depth"],
            "embedding_width": self._dimension(model, width),
            "activation": self.block["activation"],
        }
        return embedding.embed(inputs, settings, stream(*key, "embedding"))

    def _dimension(self, model: Mapping[str, Any], width: int) -> int:
        """D: of random embeddings what the model says, by default the number of neurons."""
        n_features = self.inputs.shape[-1]
        if model["embedding"] == "identity":
            return n_features
        if model["embedding"] == "quadratic":
            return n_features**2
        return model.get("embedding_width") or width

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)


@dataclass
class Run:
    """One run: its network, its leaps, and what is seen of it.

    weight_factor: |W - W_0|_F over the network's `coordinate_distance`. n_mapped: number of neurons
    of which the feature map is kept.
    """

    network: FunctionSpaceNetwork
    test_targets: Tensor
    control: LeapControl | None
    activation: str
    learning_rate: float
    weight_factor: float
    n_mapped: int
    _first_outputs: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self._first_outputs = self.network.errors + self.network.targets

    def observe(self, network: FunctionSpaceNetwork) -> dict[str, float]:
        """What is recorded of the network where it is."""
        region = ACTIVE_REGIONS[self.activation]
        n_points, n_test = network.n_points, len(self.test_targets)
        moved, test_outputs = 0.0, self.test_targets.new_zeros(n_test)
        active, squares = torch.zeros_like(network.targets), torch.zeros_like(network.targets)
        for rows in network.pieces():
            train, test = network.pre_activations(rows)
            moved += float((train - network.initial_pre_activations(rows)[0]).abs().sum())
            active += ((train > region.left) & (train < region.right)).sum(0)
            squares += network.slopes[rows].square().sum(0)
            activate_(network.activation, test, torch.empty_like(test))
            test_outputs.addmv_(test.mT, network.output_weights[rows])
        test_errors = test_outputs.mul_(network.output_scale).sub_(self.test_targets)
        outputs = network.errors + network.targets
        return {
            "loss": float(network.errors.square().mean()) / 2,
            "test_error": float(test_errors.square().mean()) / 2,
            "feature_movement": moved / (network.width * n_points),
            "function_movement": float((outputs - self._first_outputs).abs().mean()),
            "weight_distance": self.weight_factor * network.coordinate_distance(),
            "active_fraction": float(active.min()) / network.width,
            "mean_square_slope": float(squares.min()) / network.width,
        }

    def constants(self) -> dict[str, np.ndarray]:
        """What does not change along the run."""
        region = ACTIVE_REGIONS[self.activation]
        left, right = region.middle
        initial = self.network.initial
        middle = ((initial > left) & (initial < right)).sum(0).min()
        eigenvalues = torch.linalg.eigvalsh(self.network.gram)
        values = {
            "gram_smallest_eigenvalue": eigenvalues[0],
            "gram_largest_eigenvalue": eigenvalues[-1],
            "learning_rate": self.learning_rate,
            "interval_length": region.right - region.left,
            "interval_slope": region.slope,
            "middle_fraction": middle / self.network.width,
        }
        return {name: np.asarray(float(value)) for name, value in values.items()}

    def feature_map(self) -> dict[str, np.ndarray]:
        """h_i at the first training and the first test point, at the start and now, of the first
        neurons; NaN for neurons that a narrower network lacks, and where the run has diverged.
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
