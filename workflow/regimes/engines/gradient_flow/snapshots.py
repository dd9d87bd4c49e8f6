"""Weights of a batch of runs at given levels of the loss."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from regimes.engines.gradient_flow.network import Weights

# What a snapshot is made of, arrays over runs and levels.
KEPT = ("output_weights", "input_weights", "relative_loss", "time")


class Snapshots:
    """Keeps each run's weights when its loss first falls to given shares of its initial loss.

    The loss is the clock: runs of different scales reach the same share at times that are many
    orders of magnitude apart. A share of 1 is the initial state. What a run has not reached when
    it ends is its end, so that a share of 0 is always the end.
    """

    def __init__(self, levels: Sequence[float], initial: Weights):
        """levels: shares of the initial loss (S,). initial: tells shapes and number format."""
        n_runs, n_features, width = initial.w.shape
        real = initial.a.cpu().numpy().dtype
        self.levels = np.asarray(levels, dtype=np.float64)
        n_levels = len(self.levels)
        self.output_weights = np.full((n_runs, n_levels, width), np.nan, real)
        self.input_weights = np.full((n_runs, n_levels, n_features, width), np.nan, real)
        self.relative_loss = np.full((n_runs, n_levels), np.nan)
        self.time = np.full((n_runs, n_levels), np.nan)
        self._taken = np.zeros((n_runs, n_levels), dtype=bool)

    def take(
        self,
        runs: np.ndarray,
        relative_loss: np.ndarray,
        time: np.ndarray,
        weights: Weights,
        ended: np.ndarray,
    ) -> None:
        """Keep the snapshots of some runs that are due.

        runs: indices of the runs (E,); relative_loss, time: where they are (E,); weights: batch
        of E; ended: (E,) of bool, runs that go no further.
        """
        if not len(self.levels):
            return
        due = (relative_loss.astype(np.float64)[:, None] <= self.levels) | ended[:, None]
        due &= ~self._taken[runs]
        for position in np.flatnonzero(due.any(axis=1)):
            run, levels = runs[position], due[position]
            self.output_weights[run, levels] = weights.a[position].cpu().numpy()
            self.input_weights[run, levels] = weights.w[position].cpu().numpy()
            self.relative_loss[run, levels] = relative_loss[position]
            self.time[run, levels] = time[position]
            self._taken[run] |= levels

    def state(self, runs: Tensor) -> dict[str, Tensor]:
        """Return what is kept of some runs (indices), to be given to `restore`."""
        rows = runs.cpu().numpy()
        taken = self._taken[rows]
        position, level = np.nonzero(taken)
        kept = {name: getattr(self, name)[rows[position], level] for name in KEPT}
        return {
            name: torch.from_numpy(values) for name, values in (kept | {"taken": taken}).items()
        }

    def restore(self, runs: Tensor, state: Mapping[str, Tensor]) -> None:
        """Take over what another instance has kept of some runs (indices)."""
        rows, taken = runs.cpu().numpy(), state["taken"].numpy()
        position, level = np.nonzero(taken)
        for name in KEPT:
            getattr(self, name)[rows[position], level] = state[name].numpy()
        self._taken[rows] = taken
