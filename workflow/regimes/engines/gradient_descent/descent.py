"""Full-batch gradient descent of a batch of runs until each has ended by the stopping rule."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.observation import Observer
from regimes.engines.common.recording import refitted
from regimes.engines.common.shallow import ShallowNetworks
from regimes.engines.gradient_descent.stopping import Ending, StoppingRule

SECONDS_BETWEEN_REPORTS = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a batch is: runs that ended, of how many, steps, and the largest |e| under way."""

    ended: int
    runs: int
    steps: int
    residual_norm: float

    def __str__(self) -> str:
        return (
            f"{self.ended} of {self.runs} runs ended, {self.steps} steps, "
            f"largest residual norm {self.residual_norm:.1e}"
        )


@dataclass
class DescentResult:
    """What a batch of E runs came to, as arrays by name.

    final, each (E,): stopping_time, the number of steps; ending, a value of `Ending`;
    residual_norm |e|; activation_changes, if they are counted; and what the observer measures.
    history, each (E, recorded steps), NaN where a run had ended: residual_norm and what the
    observer measures. A run that diverged has NaN at its end.
    """

    final: dict[str, np.ndarray]
    history: dict[str, np.ndarray]

    @classmethod
    def empty(cls, n_runs: int, n_steps: int, names: list[str]) -> "DescentResult":
        """Storage; names: of the real numbers."""
        final = {name: np.full(n_runs, np.nan) for name in names}
        for name in ("stopping_time", "ending", "activation_changes"):
            final[name] = np.zeros(n_runs, dtype=np.int64)
        return cls(final, {name: np.full((n_runs, n_steps), np.nan) for name in names})

    def state(self) -> dict[str, dict[str, Tensor]]:
        """The arrays as tensors, for a checkpoint."""
        return {
            kind: {name: torch.from_numpy(values) for name, values in arrays.items()}
            for kind, arrays in (("final", self.final), ("history", self.history))
        }

    @classmethod
    def from_state(cls, state: dict[str, dict[str, Tensor]], n_steps: int) -> "DescentResult":
        """The result that `state` was made from, with so many recorded steps."""
        final, history = (
            {name: values.numpy() for name, values in state[kind].items()}
            for kind in ("final", "history")
        )
        fitted = {name: refitted(values, n_steps, axis=1) for name, values in history.items()}
        return cls(final, fitted)


def descend(
    networks: ShallowNetworks,
    targets: Tensor,
    rule: StoppingRule,
    observer: Observer,
    *,
    progress: Callable[[Progress], None] = lambda report: None,
    seconds_between_reports: float = SECONDS_BETWEEN_REPORTS,
    keep_state: Callable[[Callable[[], dict[str, Any]]], None] = lambda state: None,
    keep_end: Callable[[int, Callable[[], dict[str, Any]]], None] = lambda step, state: None,
    state: dict[str, Any] | None = None,
) -> DescentResult:
    """Move networks by gradient descent until all have ended.

    networks: at their initial weights; their rates are those of |e|^2 / 2. targets: (E, k, n).
    Networks whose run has ended leave the batch. Nothing that a run does depends on the time, nor
    on the other runs. How it ends is recorded, never raised.

    keep_state: is offered before each step what makes the state, for a checkpoint. state: goes on
    from there, with networks and targets made as at the start; the results are bit by bit those of
    an uninterrupted run. keep_end: is offered the step and what makes the state at the cap of the
    rule, or when all runs have ended before. A state may be that of a descent with another cap.
    """
    n_runs = len(networks)
    if state is None:
        step, runs, previous = 0, list(range(n_runs)), [float("inf")] * n_runs
        names = ["residual_norm", *observer.names(networks)]
        result = DescentResult.empty(n_runs, len(observer.steps), names)
    else:
        step, runs, previous = state["step"], state["runs"], state["previous"]
        result = DescentResult.from_state(state["result"], len(observer.steps))
        if runs:
            networks.keep(runs)
            networks.restore(state["networks"])
            targets = targets[runs]

    def present() -> dict[str, Any]:
        return {
            "step": step,
            "runs": runs,
            "previous": previous,
            "networks": networks.state() if runs else {},
            "result": result.state(),
        }

    if not runs:
        keep_end(step, present)
        return result
    recorded = {int(step): column for column, step in enumerate(observer.steps)}
    errors = torch.empty_like(targets)
    last_report = time.monotonic()
    outputs = networks.evaluate()
    while True:
        keep_state(present)
        if step == rule.max_steps:
            keep_end(step, present)
        torch.sub(outputs, targets, out=errors)
        norms = torch.linalg.vector_norm(errors, dim=(1, 2)).tolist()
        endings = [rule.ending(step, *pair) for pair in zip(norms, previous, strict=True)]
        if step in recorded:
            _record(result, recorded[step], networks, observer, runs, norms)
        if any(endings):
            _end(result, step, networks, observer, runs, norms, endings)
            going_on = [position for position, ending in enumerate(endings) if not ending]
            if not going_on:
                runs = []
                if step < rule.max_steps:
                    keep_end(step, present)
                return result
            networks.keep(going_on)
            targets, errors = targets[going_on], errors[going_on]
            runs, norms = [runs[i] for i in going_on], [norms[i] for i in going_on]
        previous = norms
        if time.monotonic() - last_report > seconds_between_reports:
            last_report = time.monotonic()
            progress(Progress(n_runs - len(runs), n_runs, step, max(norms)))
        outputs = networks.move(errors)
        step += 1


def _record(
    result: DescentResult,
    column: int,
    networks: ShallowNetworks,
    observer: Observer,
    runs: list[int],
    norms: list[float],
) -> None:
    """Write what is measured of the runs under way into a column of the history."""
    for position, run in enumerate(runs):
        if not np.isfinite(norms[position]):
            continue
        measured = observer.observe(networks, position, run, is_end=column == 0)
        for name, value in ({"residual_norm": norms[position]} | measured).items():
            result.history[name][run, column] = value


def _end(
    result: DescentResult,
    step: int,
    networks: ShallowNetworks,
    observer: Observer,
    runs: list[int],
    norms: list[float],
    endings: list[Ending | None],
) -> None:
    """Write the end of the runs that have ended."""
    changes = networks.activation_changes().tolist()
    for position, ending in enumerate(endings):
        if not ending:
            continue
        final: dict[str, float] = {
            "stopping_time": step,
            "ending": ending,
            "activation_changes": changes[position],
        }
        if ending != Ending.DIVERGED:
            final["residual_norm"] = norms[position]
            final |= observer.observe(networks, position, runs[position], is_end=True)
        for name, value in final.items():
            result.final[name][runs[position]] = value
