"""Batches of runs of minibatch descent: which are trained at once, and how they take the points."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.activations.load import load_activation
from regimes.engines.common.streams import stream
from regimes.engines.sgd.batch_losses import LOSSES
from regimes.engines.sgd.class_data import ClassData
from regimes.engines.sgd.classification import Points, evaluate
from regimes.engines.sgd.descent import MinibatchResult, Progress, Schedule, descend
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained

# Batches are cut so that their weights, three copies of them, take about this much memory.
BATCH_BYTES = {"cpu": 512 * 1024**2, "cuda": 8 * 1024**3}
# Ends the name of what is recorded along the run, over the recorded steps.
HISTORY = "_history"
# What runs of a batch share, if it is an axis.
SHARED = ("width", "loss")


class Batch(Protocol):
    """What a family of networks makes of some settings: networks at their start and their points.

    observe: what is recorded beside risk and accuracy, (E, ...) by name. variables: what it all
    came to, (E, ...) by variable of the family; takes out of the result's history
    what is no variable.
    """

    parameters: Parameters
    trained: Trained
    train: Points
    test: Points

    def observe(self, networks: BatchedNetworks) -> dict[str, Tensor]: ...

    def variables(
        self, networks: BatchedNetworks, result: MinibatchResult
    ) -> dict[str, np.ndarray]: ...


class MinibatchProblem:
    """The settings of a block and its data, from which batches of runs are made and trained.

    block, data: as for `regimes.engines.sgd.engine.train`. Raises DataError when the data
    are no classes.
    """

    def __init__(self, block: Mapping[str, Any], data: xr.Dataset, device: str):
        self.block = block
        self.device = device
        self.module = import_module(f"regimes.engines.sgd.models.{block['family']}")
        points = ClassData.of(data, block["dataset"])
        self.n_features, self.n_classes = points.n_features, points.n_classes
        self.family = self.module.Family(block, points, device)
        self.activation = load_activation(block)
        self.n_points = len(points.train_labels)
        self.schedule = Schedule(
            block["learning_rate"],
            block["batch_size"],
            block["epochs"],
            block["record"]["every_epochs"],
        )
        if device == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = False

    def batches(self, settings: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """Settings that are trained at once."""
        groups: dict[tuple, list[dict[str, Any]]] = {}
        for setting in settings:
            key = tuple(setting.get(name) for name in SHARED)
            groups.setdefault(key, []).append(setting)
        number = np.dtype(self.block["precision"]).itemsize
        for group in groups.values():
            a_run = 3 * number * group[0]["width"] * (self.n_features + self.n_classes)
            size = max(1, BATCH_BYTES[self.device] // a_run)
            for first in range(0, len(group), size):
                yield group[first : first + size]

    def train(
        self,
        settings: Sequence[Mapping[str, Any]],
        progress: Callable[[Progress], None],
        keep_state: Callable[[Callable[[], dict[str, Any]]], None],
        keep_end: Callable[[int, Callable[[], dict[str, Any]]], None],
        state: dict[str, Any] | None,
    ) -> dict[str, np.ndarray]:
        """What the runs of a batch came to, (E, ...) by variable."""
        batch: Batch = self.family.batch(settings)
        networks = BatchedNetworks(batch.parameters, self.activation, batch.trained)
        loss = LOSSES[settings[0].get("loss", self.block.get("loss"))]
        parts = {"train": batch.train, "test": batch.test}

        def observe(networks: BatchedNetworks) -> dict[str, Tensor]:
            measured = {
                f"{part}_{name}": values
                for part, points in parts.items()
                if len(points)
                for name, values in evaluate(networks, points, loss).items()
            }
            return measured | batch.observe(networks)

        result = descend(
            networks,
            batch.train,
            lambda epoch: self._orders(settings, epoch),
            self.schedule,
            loss,
            observe,
            progress=progress,
            keep_state=keep_state,
            keep_end=keep_end,
            state=state,
        )
        variables = batch.variables(networks, result)
        histories = {f"{name}{HISTORY}": values for name, values in result.history.items()}
        rates = np.full(len(settings), self.schedule.learning_rate)
        return histories | variables | {"learning_rate": rates, "diverged": result.diverged}

    def _orders(self, settings: Sequence[Mapping[str, Any]], epoch: int) -> np.ndarray:
        """Order (E, n) in which each run takes the points in an epoch, from its own stream."""
        block = self.block
        key = (block["root_seed"], block["experiment"], block["dataset"])
        runs = [(setting["width"], setting["seed"]) for setting in settings]
        drawn = {
            run: stream(*key, *run, "shuffle", epoch).permutation(self.n_points)
            for run in dict.fromkeys(runs)
        }
        return np.stack([drawn[run] for run in runs])
