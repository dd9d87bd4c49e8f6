"""Batches of runs of minibatch descent: which are trained at once, and how they take the points."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, ClassVar, Protocol

import numpy as np
import xarray as xr
from torch import Tensor

from regimes.engines.common.device_memory import BATCH_SHARE, device_bytes
from regimes.engines.common.engine import (
    Batch,
    Coordinate,
    Engine,
    Job,
    Session,
    Variable,
    history,
)
from regimes.engines.common.recording import last_common
from regimes.engines.sgd.batch_losses import BatchLoss
from regimes.engines.sgd.classification import Points, evaluate
from regimes.engines.sgd.descent import MinibatchResult, Schedule, descend
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained

# On the CPU batches are cut so that their weights, three copies of them, take about this much.
BATCH_BYTES = 512 * 1024**2
# What runs of a batch share, if it is an axis.
SHARED = ("width", "loss")
# Of histories, what comes after a divergence is NaN.
VARIABLES = {
    "step_size": Variable("learning rate of the steps on minibatches"),
    "diverged": Variable("1 if the loss became infinite", dtype=np.int8),
    "train_loss": history("training loss along the run: mean over the points"),
    "test_loss": history("test loss along the run: mean over the points"),
    "train_accuracy": history("share of training points in the right class along the run"),
    "test_accuracy": history("share of test points in the right class along the run"),
}


class Start(Protocol):
    """Networks that a model has made of some settings: at their start, with points and loss."""

    parameters: Parameters
    trained: Trained
    train: Points
    test: Points
    loss: BatchLoss
    # Learning rates of the runs (E,), and of their layers (2, E).
    learning_rates: np.ndarray
    rates: np.ndarray

    def observe(self, networks: BatchedNetworks, is_end: bool) -> dict[str, Tensor]:
        """Return what is recorded beside loss and accuracy, (E, ...) by name.

        is_end: whether the networks are at one of the two ends of their runs.
        """

    def variables(
        self, networks: BatchedNetworks, result: MinibatchResult
    ) -> dict[str, np.ndarray]:
        """Return the model's own variables, (E, ...) by name.

        Takes out of the result's history what is no variable.
        """


class MinibatchRuns(Engine):
    """Networks of a job, trained for a number of epochs on data of classes.

    model: module of `regimes.engines.sgd.models`, with AXES, VARIABLES, INDICES and a class
    `Model`, which makes a `Start` of settings. Variables of test points are there only if there are
    any. Raises DataError when the data are not what the model needs.
    """

    model: ClassVar[ModuleType]

    def __init_subclass__(cls) -> None:
        cls.AXES = cls.model.AXES
        cls.VARIABLES = VARIABLES | cls.model.VARIABLES
        cls.INDICES = cls.model.INDICES

    def __init__(self, job: Job, data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        settings = self.settings
        self.networks = self.model.Model(job, data, device)
        self.n_points, self.n_features = self.networks.train.inputs.shape
        self.activation = job.activation()
        self.schedule, longer = (
            Schedule(settings.batch_size, epochs, settings.record.every)
            for epochs in (settings.epochs, settings.epochs + 1)
        )
        # What is counted here are epochs.
        self.steps = self.schedule.recorded_epochs()
        self.last_common = last_common(self.steps, longer.recorded_epochs())

    def batches(self) -> list[Batch]:
        """Settings of one width and loss, as many as fit the memory."""
        groups: dict[tuple, list[dict[str, Any]]] = {}
        for setting in self.job.grid():
            shared = tuple((name, setting[name]) for name in SHARED if name in setting)
            groups.setdefault(shared, []).append(setting)
        number = np.dtype(self.settings.precision).itemsize
        most = device_bytes(self.device, BATCH_BYTES, BATCH_SHARE)
        batches = []
        for shared, group in groups.items():
            a_run = 3 * number * group[0]["width"] * (self.n_features + self.networks.n_outputs)
            if self.device != "cpu":
                # All runs of a batch have scratch of their own for a minibatch.
                a_run += 4 * number * group[0]["width"] * self.settings.batch_size
            size = max(1, most // a_run)
            described = "".join(f"{name} {value}, " for name, value in shared)
            for first in range(0, len(group), size):
                chosen = group[first : first + size]
                batches.append(Batch(f"{described}{len(chosen)} runs", chosen))
        return batches

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Take the networks of a batch through all epochs."""
        start: Start = self.networks.start(batch.settings)
        networks = BatchedNetworks(start.parameters, self.activation, start.trained, start.rates)
        parts = {"train": start.train, "test": start.test}

        def observe(networks: BatchedNetworks, is_end: bool) -> dict[str, Tensor]:
            measured = {
                f"{part}_{name}": values
                for part, points in parts.items()
                if len(points)
                for name, values in evaluate(networks, points, start.loss).items()
            }
            return measured | start.observe(networks, is_end)

        def orders(epoch: int) -> np.ndarray:
            return self._orders(batch.settings, epoch)

        result = descend(networks, start.train, orders, self.schedule, start.loss, observe, session)
        variables = start.variables(networks, result)
        of_run = {"step_size": start.learning_rates, "diverged": result.diverged}
        return result.history | variables | of_run

    def _orders(self, settings: Sequence[dict[str, Any]], epoch: int) -> np.ndarray:
        """Order (E, n) in which each run takes the points in an epoch, from its own stream."""
        runs = [(setting["width"], setting["seed"]) for setting in settings]
        drawn = {
            run: self.job.stream(*run, "shuffle", epoch).permutation(self.n_points)
            for run in dict.fromkeys(runs)
        }
        return np.stack([drawn[run] for run in runs])

    def coordinates(self) -> dict[str, Coordinate]:
        """Steps on minibatches, and epochs."""
        steps = self.steps * self.schedule.steps_in_epoch(self.n_points)
        return {
            "step": Coordinate(steps, "number of steps, each on a minibatch"),
            "epoch": Coordinate(self.steps, "number of epochs", "step"),
        }
