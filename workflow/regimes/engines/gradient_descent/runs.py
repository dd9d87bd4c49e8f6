"""Batches of runs of gradient descent: their data, weights, rates and labels, and results."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.activations.load import load_activation
from regimes.engines.common.draws import initial_weights
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.observation import Observer, log_spaced_steps
from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights
from regimes.engines.common.streams import stream
from regimes.engines.gradient_descent.descent import DescentResult, Progress, descend
from regimes.engines.gradient_descent.labels import INITIAL_RESIDUALS
from regimes.engines.gradient_descent.stopping import Ending, StoppingRule
from regimes.errors import DataError
from regimes.kernels.tangent_kernel import largest_eigenvalue, tangent_kernel

# Batches are cut so that they take about this much memory; on the CPU, where networks are worked
# through one by one, so that they stay in the cache between two steps.
BATCH_BYTES = {"cpu": 8 * 1024**2, "cuda": 1024**3}
# Code of the training points in `split` of a data set.
TRAIN = 0
# Ends the name of what is recorded along the run, over the recorded steps: the loss and what the
# observer measures.
HISTORY = "_history"


class DescentProblem:
    """The settings of a block and its data, from which batches of runs are made and trained.

    block, data: as for `regimes.engines.gradient_descent.engine.train`. Raises DataError when the
    data have not what the settings ask for.
    """

    def __init__(self, block: Mapping[str, Any], data: xr.Dataset, device: str):
        self.block = block
        self.activation = load_activation(block)
        self.dtype = getattr(torch, block["precision"])
        self.device = device
        self.rule = StoppingRule(**block["stopping"])
        self.record = block["record"]
        self.steps = log_spaced_steps(self.record["points_per_decade"], self.rule.max_steps)
        data = data.isel(point=_training_points(data))
        self.has_draws = "draw" in data.dims
        dims = ["point", *(["output"] if "output" in data["targets"].dims else [])]
        self.inputs = data["inputs"].transpose(..., "point", "feature").values
        self.targets = data["targets"].transpose(..., *dims).values
        if len(dims) == 1:
            self.targets = self.targets[..., None]
        self.n_points, self.n_features = self.inputs.shape[-2:]
        self.n_outputs = self.targets.shape[-1]
        if not self.n_points:
            raise DataError(f"the data set {block['dataset']} has no training points")
        if block["labels"] != "random" and self.n_outputs > 1:
            raise DataError(f"labels {block['labels']} need a data set with one output")

    def batches(self, axes: Mapping[str, Sequence]) -> Iterator[list[dict[str, Any]]]:
        """Settings that are trained at once: of one width and number of points."""
        number = np.dtype(self.block["precision"]).itemsize
        for width in axes["width"]:
            for n_train in axes.get("n_train", [self.n_points]):
                self._check(n_train, axes["seed"])
                rest = itertools.product(axes.get("rate_ratio", [None]), axes["seed"])
                settings = [
                    {"width": width, "n_train": n_train, "rate_ratio": ratio, "seed": seed}
                    for ratio, seed in rest
                ]
                # Slopes and values, activations, weights at start and present, inputs
                a_run = width * n_train * (2 * number + 2)
                a_run += (2 * width + n_train) * self.n_features * number
                size = max(1, BATCH_BYTES[self.device] // a_run)
                size = math.ceil(len(settings) / math.ceil(len(settings) / size))
                for first in range(0, len(settings), size):
                    yield settings[first : first + size]

    def _check(self, n_train: int, seeds: Sequence[int]) -> None:
        if n_train > self.n_points:
            raise DataError(
                f"n_train = {n_train} but the data set {self.block['dataset']} has only "
                f"{self.n_points} training points"
            )
        if self.has_draws and max(seeds) >= len(self.inputs):
            raise DataError(
                f"seed = {max(seeds)} but the data set {self.block['dataset']} has only the draws "
                f"0 to {len(self.inputs) - 1}"
            )

    def train(
        self,
        batch: list[dict[str, Any]],
        progress: Callable[[Progress], None],
        keep_state: Callable[[Callable[[], dict[str, Any]]], None],
        keep_end: Callable[[int, Callable[[], dict[str, Any]]], None],
        state: dict[str, Any] | None,
    ) -> dict[str, np.ndarray]:
        """What the runs of a batch came to, (E,) or (E, recorded steps) by variable."""
        inputs, targets = self._data(batch)
        initial = self._initial_weights(batch)
        factor = gradient_factor(self.block["loss"], self.n_outputs, inputs.shape[-1])
        learning_rates = self._learning_rates(batch, initial, inputs, factor)
        networks = ShallowNetworks(
            inputs,
            initial,
            self._rates(batch, learning_rates, factor),
            self.activation,
            trained=self.block["layers"],
            count_changes=self.record["activation_changes"],
        )
        if self.block["labels"] != "random":
            targets = networks.evaluate() - self._initial_residuals(initial, inputs)
        result = descend(
            networks,
            targets,
            self.rule,
            Observer(
                initial,
                self.steps,
                eigenvalue=self.record["smallest_eigenvalue"],
                invariant=self.record["invariant"],
            ),
            progress=progress,
            keep_state=keep_state,
            keep_end=keep_end,
            state=state,
        )
        return self._variables(result, learning_rates, factor)

    def _data(self, batch: list[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        """Inputs (E, d, n), or (d, n) if all runs share them, and targets (E, k, n)."""
        n_train = batch[0]["n_train"]

        def tensor(values: np.ndarray) -> Tensor:
            return torch.tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)

        if self.has_draws:
            seeds = [setting["seed"] for setting in batch]
            inputs = tensor(self.inputs[seeds, :n_train].swapaxes(1, 2))
            targets = tensor(self.targets[seeds, :n_train].swapaxes(1, 2))
        else:
            inputs = tensor(self.inputs[:n_train].T)
            targets = tensor(self.targets[:n_train].T).expand(len(batch), -1, -1)
        if self.block["target_scale"] == "sqrt_width":
            targets = targets * batch[0]["width"] ** 0.5
        return inputs, targets

    def _initial_weights(self, batch: list[dict[str, Any]]) -> Weights:
        """Initial weights, drawn on the CPU; runs that differ in their rates alone share them."""
        drawn = []
        for setting in batch:
            key = (setting["width"], setting["seed"], setting["n_train"])
            random = stream(
                self.block["root_seed"], self.block["experiment"], self.block["dataset"], *key
            )
            sizes = (setting["width"], self.n_features, self.n_outputs)
            drawn.append(initial_weights(random, *sizes, self.block["output_weights"]))
        hidden, output = (
            torch.tensor(np.stack(layer), dtype=self.dtype, device=self.device)
            for layer in zip(*drawn, strict=True)
        )
        return Weights(hidden, output)

    def _learning_rates(
        self, batch: list[dict[str, Any]], initial: Weights, inputs: Tensor, factor: float
    ) -> np.ndarray:
        """Learning rate of the first trained layer of each run, (E,)."""
        rates = np.array([learning_rate(self.block, setting) for setting in batch])
        if self.block["rate_unit"] == "inverse_kernel_norm":
            for run, setting in enumerate(batch):
                kernel = self._kernel(initial, inputs, run, setting["rate_ratio"])
                rates[run] /= factor * largest_eigenvalue(kernel)
        return rates

    def _rates(
        self, batch: list[dict[str, Any]], learning_rates: np.ndarray, factor: float
    ) -> Rates:
        """Rates of the layers for |e|^2 / 2."""
        first = torch.tensor(learning_rates * factor, dtype=self.dtype, device=self.device)
        if self.block["layers"] == "second":
            return Rates(torch.zeros_like(first), first)
        if self.block["layers"] == "first":
            return Rates(first, torch.zeros_like(first))
        return Rates(first, first * first.new_tensor([one["rate_ratio"] for one in batch]))

    def _initial_residuals(self, initial: Weights, inputs: Tensor) -> Tensor:
        """e_0 (E, 1, n) of the labels."""
        make = INITIAL_RESIDUALS[self.block["labels"]]
        width = initial.hidden.shape[1]
        residuals = [
            make(self._kernel(initial, inputs, run), _of(inputs, run), width)
            for run in range(len(initial))
        ]
        return torch.stack(residuals)[:, None, :]

    def _kernel(
        self, initial: Weights, inputs: Tensor, run: int, rate_ratio: float | None = None
    ) -> Tensor:
        """Tangent kernel of a run at the start; the second layer counts rate_ratio times."""
        layers = self.block["layers"]
        return tangent_kernel(
            initial.hidden[run],
            initial.output[run],
            _of(inputs, run),
            self.activation,
            first=0.0 if layers == "second" else 1.0,
            second=0.0 if layers == "first" else 1.0 if rate_ratio is None else rate_ratio,
        )

    def _variables(
        self, result: DescentResult, learning_rates: np.ndarray, factor: float
    ) -> dict[str, np.ndarray]:
        final, history = dict(result.final), dict(result.history)
        ending = final.pop("ending")
        if not self.record["activation_changes"]:
            del final["activation_changes"]
        norms = history.pop("residual_norm")
        variables = final | {
            "converged": ending == Ending.CONVERGED,
            "aborted": ending == Ending.ABORTED,
            "diverged": ending == Ending.DIVERGED,
            "learning_rate": learning_rates,
            "initial_residual_norm": norms[:, 0],
            "initial_loss": factor / 2 * norms[:, 0] ** 2,
            "final_loss": factor / 2 * final["residual_norm"] ** 2,
            f"loss{HISTORY}": factor / 2 * norms**2,
        }
        if self.record["smallest_eigenvalue"] != "never":
            eigenvalues = history["smallest_eigenvalue"]
            variables["initial_smallest_eigenvalue"] = eigenvalues[:, 0]
            if self.record["smallest_eigenvalue"] == "ends":
                del history["smallest_eigenvalue"]
        return variables | {f"{name}{HISTORY}": values for name, values in history.items()}


def learning_rate(block: Mapping[str, Any], setting: Mapping[str, Any]) -> float:
    """The rate that a block gives for a setting: that of the first exception that applies, if any.

    An exception applies to one width (all, if it names none) from a number of points on.
    """
    for exception in block.get("learning_rate_exceptions", []):
        if exception.get("width", setting["width"]) != setting["width"]:
            continue
        if setting["n_train"] >= exception.get("n_train_from", 0):
            return exception["rate"]
    return block["learning_rate"]


def _of(inputs: Tensor, run: int) -> Tensor:
    """Inputs (d, n) of a run."""
    return inputs if inputs.dim() == 2 else inputs[run]


def _training_points(data: xr.Dataset) -> np.ndarray:
    """Which points of a data set are for training, (point,) of bool."""
    return data["split"].values == TRAIN
