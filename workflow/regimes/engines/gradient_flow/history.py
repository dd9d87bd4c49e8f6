"""The loss of a batch of runs at log-spaced times, from steps of any size."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from regimes.engines.gradient_flow.exponential import Step

# Points on a step at which the loss is kept, as shares of the step. A run may take but ten steps,
# the first of them over many decades of the loss's time.
SHARES = (1 / 64, 1 / 16, 1 / 4, 1 / 2, 1.0)


class LossHistory:
    """Collects the losses along accepted steps."""

    def __init__(self, like: Tensor, state: Mapping[str, Tensor] | None = None) -> None:
        """like: of the flow's number format and device. state: of a history to go on from."""
        kept: tuple[np.ndarray, ...]
        if state is None:
            kept = np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)
        else:
            kept = tuple(state[name].numpy() for name in ("runs", "times", "losses"))
        self._runs, self._times, self._losses = ([values] for values in kept)
        # Made once: a GPU gets it from the host.
        self.shares = like.new_tensor(SHARES)

    def add(self, seen: Mapping[str, np.ndarray]) -> None:
        """Keep the losses of the accepted steps of some runs.

        seen: the arrays `run` and `accepted` (E,), and those of `along`, for the host.
        """
        accepted = seen["accepted"]
        self._runs.append(np.repeat(seen["run"][accepted], len(SHARES)))
        self._times.append(seen["times"][accepted].ravel().astype(np.float64))
        self._losses.append(seen["losses"][accepted].ravel().astype(np.float64))

    def state(self, runs: Tensor) -> dict[str, Tensor]:
        """Return what is kept of some runs (indices), in the order of time."""
        kept_runs, times, losses = self._kept()
        mine = np.isin(kept_runs, runs.cpu().numpy())
        kept = {"runs": kept_runs[mine], "times": times[mine], "losses": losses[mine]}
        return {name: torch.from_numpy(values) for name, values in kept.items()}

    def resample(self, n_runs: int, n_points: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and losses (n_runs, n_points), log-spaced from the first kept time to the last.

        NaN for runs without a step.
        """
        times = np.full((n_runs, n_points), np.nan)
        losses = np.full((n_runs, n_points), np.nan)
        runs, kept_times, kept_losses = self._kept()
        for run in np.unique(runs):
            mine = runs == run  # in the order of time
            known = kept_times[mine]
            log_loss = np.log(np.maximum(kept_losses[mine], np.finfo(np.float64).tiny))
            times[run] = np.geomspace(known[0], known[-1], n_points)
            # Between two kept times the loss falls about exponentially.
            losses[run] = np.exp(np.interp(times[run], known, log_loss))
        return times, losses

    def _kept(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Runs, times and losses of all that is kept."""
        runs, times, losses = map(np.concatenate, (self._runs, self._times, self._losses))
        return runs, times, losses


def along(
    components: Tensor, start: Tensor, h: Tensor, step: Step, shares: Tensor
) -> dict[str, Tensor]:
    """Times and losses on a tried step, each (E, points), at shares of it (points,).

    components: of the residuals at its start (E, n); start: times there (E,); h: step sizes (E,).
    On the way the residuals decay as exp(-tau G_1) e; the small rest at the end of the step is
    spread linearly over it.
    """
    decay = torch.exp(-(h[:, None] * shares)[:, :, None] * step.eigenvalues[:, None, :])
    losses = _loss(decay * components[:, None, :])
    losses = losses + shares * (_loss(step.end.residuals)[:, None] - losses[:, -1:])
    return {"times": start[:, None] + h[:, None] * shares, "losses": losses}


def _loss(residuals: Tensor) -> Tensor:
    """R = |e|^2 / (2 n) over the last dimension."""
    return residuals.square().mean(dim=-1) / 2
