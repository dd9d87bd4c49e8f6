"""Full-batch gradient descent of one network, by plain steps, or leaps in function space."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.recording import refitted
from regimes.engines.function_space.multistep import LeapControl, leap

SECONDS_BETWEEN_REPORTS = 10.0
LEAP_LENGTH = "leap_length"


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps of how many, those of them that were made one by one, leaps, |e|."""

    step: int
    steps: int
    plain_steps: int
    leaps: int
    residual_norm: float

    def __str__(self) -> str:
        return (
            f"{self.step} of {self.steps} steps, {self.plain_steps} one by one, the others in "
            f"{self.leaps} leaps, residual norm {self.residual_norm:.1e}"
        )


class Network(Protocol):
    """What a network must do to be trained.

    errors: its residuals, of any shape.
    """

    errors: Tensor

    def step(self) -> None:
        """One step of gradient descent."""

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same network, with the same bits."""


@dataclass
class Descent:
    """What a run came to.

    history: what the observer measures, (recorded steps, ...) by name, NaN once the run has
    diverged; with leaps also LEAP_LENGTH, the number of steps of the leap that ended at the
    recorded step, 1 if a plain step did.
    diverged: whether the residuals became infinite. plain_steps, leaps, failed_leaps: numbers.
    """

    history: dict[str, np.ndarray]
    diverged: bool = False
    plain_steps: int = 0
    leaps: int = 0
    failed_leaps: int = 0


# What is measured of a network: numbers, or arrays of one shape throughout.
Observer = Callable[[Any], Mapping[str, float | np.ndarray]]


def descend(
    network: Network,
    steps: np.ndarray,
    observe: Observer,
    control: LeapControl | None = None,
    *,
    progress: Callable[[Progress], None] = lambda report: None,
    seconds_between_reports: float = SECONDS_BETWEEN_REPORTS,
    keep_state: Callable[[Callable[[], dict[str, Any]]], None] = lambda state: None,
    keep_end: Callable[[int, Callable[[], dict[str, Any]]], None] = lambda step, state: None,
    state: dict[str, Any] | None = None,
) -> Descent:
    """Make steps up to the last of `steps`, and observe the network after each of these.

    network: at its start. steps: rising, from 0 on. control: of leaps, which end at the recorded
    steps, of a `FunctionSpaceNetwork`; without it all steps are made one by one. keep_state,
    state: as in `regimes.engines.gradient_descent.descent.descend`. keep_end: is offered the step
    and what makes the state after each recorded step, and when the run diverges. A state may be
    that of a descent with other later steps.
    """
    result, position, step = Descent({}), 0, 0
    if state is not None:
        position, step = state["position"], state["step"]
        result = Descent(
            {
                name: refitted(values.numpy(), len(steps), axis=0)
                for name, values in state["history"].items()
            },
            *state["counts"],
        )
        network.restore(state["network"])
        if control is not None:
            control.restore(state["control"])
    last_report = time.monotonic()

    def present() -> dict[str, Any]:
        return {
            "position": position,
            "step": step,
            "history": {name: torch.from_numpy(values) for name, values in result.history.items()},
            "counts": [result.diverged, result.plain_steps, result.leaps, result.failed_leaps],
            "network": network.state(),
            "control": None if control is None else control.state(),
        }

    while True:
        # The square: residuals whose loss overflows count as infinite.
        if not bool(torch.isfinite(network.errors.square().sum())):
            keep_end(step, present)
            result.diverged = True
            return result
        if step == steps[position]:
            measured = dict(observe(network))
            if control is not None:
                measured[LEAP_LENGTH] = float(control.last)
            for name, value in measured.items():
                if name not in result.history:
                    result.history[name] = np.full((len(steps), *np.shape(value)), np.nan)
                result.history[name][position] = value
            position += 1
            keep_end(step, present)
            if position == len(steps):
                return result
        keep_state(present)
        if time.monotonic() - last_report > seconds_between_reports:
            last_report = time.monotonic()
            norm = float(torch.linalg.vector_norm(network.errors))
            progress(Progress(step, int(steps[-1]), result.plain_steps, result.leaps, norm))
        step += _advance(network, int(steps[position]) - step, control, result)


def _advance(network: Any, most: int, control: LeapControl | None, result: Descent) -> int:
    """One leap of at most `most` steps or one plain step; the number of steps made."""
    n_steps = 0 if control is None else control.next_leap(most)
    if control is not None and n_steps:
        tried = leap(network, n_steps)
        if control.judge(n_steps, tried.error):
            network.move_to(tried.coefficients, tried.errors, tried.slopes)
            result.leaps += 1
            return n_steps
        result.failed_leaps += 1
        return 0
    network.step()
    result.plain_steps += 1
    if control is not None:
        control.stepped()
    return 1
