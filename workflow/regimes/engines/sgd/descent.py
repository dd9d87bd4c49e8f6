"""Stochastic gradient descent on minibatches of a batch of runs, without momentum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.captured import Captured
from regimes.engines.common.engine import NO_SESSION, Session
from regimes.engines.common.recording import refitted
from regimes.engines.sgd.batch_losses import BatchLoss
from regimes.engines.sgd.classification import Points
from regimes.engines.sgd.network import BatchedNetworks, Gradient, Group

# A CUDA graph has at most so many minibatches, of one epoch.
MOST_CAPTURED = 64


@dataclass(frozen=True)
class Schedule:
    """Schedule of a descent: size of minibatches and number of epochs.

    Every `every` epochs something is recorded, beside the start and the end.
    """

    batch_size: int
    epochs: int
    every: int = 1

    def recorded_epochs(self) -> np.ndarray:
        """Numbers of epochs after which networks are observed."""
        return np.unique(np.append(np.arange(0, self.epochs, self.every), self.epochs))

    def steps_in_epoch(self, n_points: int) -> int:
        """Number of minibatches; the last one may have fewer points."""
        return -(-n_points // self.batch_size)


@dataclass(frozen=True)
class Progress:
    """How far a batch is.

    It tells the number of epochs done and of all, of runs that diverged and of all, and the largest
    training loss of the other runs when they were last observed.
    """

    epoch: int
    epochs: int
    diverged: int
    runs: int
    loss: float

    def __str__(self) -> str:
        return (
            f"{self.epoch} of {self.epochs} epochs, largest training loss {self.loss:.1e}, "
            f"{self.diverged} of {self.runs} runs diverged"
        )


@dataclass
class MinibatchResult:
    """The histories of a batch of E runs, and which of them diverged.

    history: what the observer measures, each (E, recorded epochs, ...), NaN once a run has
    diverged. diverged: (E,) of bool.
    """

    history: dict[str, np.ndarray]
    diverged: np.ndarray


# What is observed of the networks, each (E, ...); among it `train_loss`, which says whether a run
# has diverged. At the two ends of a run is_end is True.
Observer = Callable[[BatchedNetworks, bool], dict[str, Tensor]]


def descend(
    networks: BatchedNetworks,
    points: Points,
    orders: Callable[[int], np.ndarray],
    schedule: Schedule,
    loss: BatchLoss,
    observe: Observer,
    session: Session = NO_SESSION,
) -> MinibatchResult:
    """Move networks through all epochs, and observe them after the recorded ones.

    networks: at their start. orders: of an epoch, in which order each run takes the points,
    permutations (E, n). A run whose loss is not finite when it is observed has diverged: that is
    recorded, never raised, and nothing that a run does depends on the others. The state of a
    session may be that of a descent with another number of epochs.
    """
    recorded = {int(epoch): column for column, epoch in enumerate(schedule.recorded_epochs())}
    if session.state is None:
        epoch, result = 0, MinibatchResult({}, np.zeros(len(networks), dtype=bool))
        _record(result, 0, len(recorded), observe(networks, True))
    else:
        epoch = session.state["epoch"]
        history = {
            name: refitted(values.numpy(), len(recorded), axis=1)
            for name, values in session.state["history"].items()
        }
        result = MinibatchResult(history, session.state["diverged"].numpy())
        networks.restore(session.state["networks"])

    def make_state() -> dict[str, Any]:
        return {
            "epoch": epoch,
            "networks": networks.state(),
            "history": {name: torch.from_numpy(values) for name, values in result.history.items()},
            "diverged": torch.from_numpy(result.diverged),
        }

    def progress() -> Progress:
        losses = result.history["train_loss"][~result.diverged]
        seen = losses[:, sum(number <= epoch for number in recorded) - 1]
        n_diverged = int(result.diverged.sum())
        largest = float(seen.max(initial=0.0))
        return Progress(epoch, schedule.epochs, n_diverged, len(networks), largest)

    epochs_of = [
        _Epochs(group, points, schedule.batch_size, loss.gradient_) for group in networks.groups
    ]
    while epoch < schedule.epochs:
        order = torch.from_numpy(orders(epoch)).to(points.inputs.device)
        for group, epochs in zip(networks.groups, epochs_of, strict=True):
            if not result.diverged[group.elements].all():
                epochs.make(order[group.elements])
            session.report(progress)
        epoch += 1
        if epoch in recorded:
            observed = observe(networks, epoch == schedule.epochs)
            _record(result, recorded[epoch], len(recorded), observed)
            session.reached(epoch, make_state)
        session.offer(make_state)
    return result


def _record(
    result: MinibatchResult, column: int, n_columns: int, observed: dict[str, Tensor]
) -> None:
    """Write what is observed into a column of the history, of the runs that have not diverged."""
    result.diverged |= ~np.isfinite(observed["train_loss"].cpu().numpy())
    for name, tensor in observed.items():
        values = tensor.cpu().numpy()
        if name not in result.history:
            shape = (len(values), n_columns, *values.shape[1:])
            result.history[name] = np.full(shape, np.nan, dtype=values.dtype)
        result.history[name][~result.diverged, column] = values[~result.diverged]


class _Epochs:
    """Makes the steps of a group's epochs, points of minibatches always in the same memory."""

    def __init__(self, group: Group, points: Points, size: int, gradient_: Gradient):
        self.group = group
        self.points = points
        self.labels = points.labels_of(group.elements)
        self.batch = () if group.one else (group.n_networks,)
        self.size = size
        self.gradient_ = gradient_
        self._buffers: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        n_whole, device = len(points) // size, points.inputs.device
        # Of equal graphs, as many as needed, with as few minibatches left as possible.
        n_captured = n_whole // max(1, -(-n_whole // MOST_CAPTURED))
        # Points (..., b) of their minibatches; none on the CPU.
        shape = (n_captured if device.type == "cuda" else 0, *self.batch, size)
        self._chosen = torch.empty(shape, dtype=torch.int64, device=device)
        self._captured = Captured(self._make_chosen, device, n_captured)

    def make(self, order: Tensor) -> None:
        """Make the steps of an epoch, whose minibatches are in the order (..., n) of the points."""
        left, together = order, len(self._chosen) * self.size
        while together and left.shape[-1] >= together:
            chosen = left[..., :together].unflatten(-1, (-1, self.size))
            self._chosen.copy_(chosen.movedim(-2, 0))
            self._captured.run(len(self._chosen))
            left = left[..., together:]
        for first in range(0, left.shape[-1], self.size):
            self._step(left[..., first : first + self.size])

    def _make_chosen(self, n_steps: int) -> None:
        for chosen in self._chosen[:n_steps]:
            self._step(chosen)

    def _step(self, chosen: Tensor) -> None:
        """One step on points (..., b), by their numbers."""
        index, inputs, labels = self._memory(chosen.shape[-1])
        index.copy_(chosen)
        flat = index.view(-1)
        torch.index_select(self.points.inputs, 0, flat, out=inputs.view(len(flat), -1))
        if self.labels.dim() == 1 or self.points.has_targets:
            torch.index_select(
                self.labels, 0, flat, out=labels.view(len(flat), *self.labels.shape[1:])
            )
        else:
            torch.gather(self.labels, 1, index, out=labels)
        self.group.step(inputs, labels, self.gradient_)

    def _memory(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers (..., b), inputs (..., b, d), and labels (..., b) or targets (..., b, k)."""
        if size not in self._buffers:
            shape, inputs, labels = (*self.batch, size), self.points.inputs, self.labels
            of_targets = labels.shape[1:] if self.points.has_targets else ()
            self._buffers[size] = (
                torch.empty(shape, dtype=torch.int64, device=inputs.device),
                inputs.new_empty(*shape, inputs.shape[1]),
                labels.new_empty(*shape, *of_targets),
            )
        return self._buffers[size]
