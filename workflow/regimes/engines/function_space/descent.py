"""Full-batch gradient descent of one network, step by step or many steps at once."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.captured import StepsAhead
from regimes.engines.common.engine import NO_SESSION, Session, Variable, history
from regimes.engines.common.recording import refitted
from regimes.engines.function_space.multistep import MultistepControl, multistep

MULTISTEP_LENGTH = "multistep_length"
# Of a run that is trained here, whatever its network.
VARIABLES = {
    "diverged": Variable("1 if the residuals became infinite", dtype=np.int8),
    "plain_steps": Variable("number of steps that were made one by one", dtype=np.int64),
    "multisteps": Variable(
        "number of multisteps: many steps of gradient descent at once", dtype=np.int64
    ),
    "failed_multisteps": Variable(
        "number of multisteps that were not accurate enough", dtype=np.int64
    ),
    MULTISTEP_LENGTH: history(
        "number of steps of the multistep that ended at the step, 1 if a plain step did"
    ),
}


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps of how many, those that were made one by one, multisteps, |e|."""

    step: int
    steps: int
    plain_steps: int
    multisteps: int
    residual_norm: float

    def __str__(self) -> str:
        return (
            f"{self.step} of {self.steps} steps, {self.plain_steps} one by one, the others in "
            f"{self.multisteps} multisteps, residual norm {self.residual_norm:.1e}"
        )


class Network(Protocol):
    """The interface of a network that can be trained here.

    errors: its residuals, of any shape. static: whether steps work in place, on tensors that stay
    where they are unless the network is restored, so that a CUDA graph can capture them.
    """

    errors: Tensor
    static: bool

    def step(self) -> None:
        """One step of gradient descent."""

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same network, with the same bits."""


@dataclass
class Descent:
    """The history of a run, whether it diverged, and how its steps were made.

    history: what the observer measures, (recorded steps, ...) by name, NaN once the run has
    diverged; with many steps at once also MULTISTEP_LENGTH, the number of those that ended together
    at the recorded step, 1 if a plain step did. diverged: whether the residuals became infinite.
    plain_steps, multisteps, failed_multisteps: numbers.
    """

    history: dict[str, np.ndarray]
    diverged: bool = False
    plain_steps: int = 0
    multisteps: int = 0
    failed_multisteps: int = 0

    def variables(self) -> dict[str, np.ndarray]:
        """The numbers and the histories by their names in files."""
        names = ("diverged", "plain_steps", "multisteps", "failed_multisteps")
        counts = {name: np.asarray(getattr(self, name)) for name in names}
        return counts | self.history

    def __str__(self) -> str:
        ended = ", diverged" if self.diverged else ""
        return f"{self.plain_steps} plain steps and {self.multisteps} multisteps{ended}"


# What is measured of a network: numbers, or arrays of one shape throughout.
Observer = Callable[[Any], Mapping[str, float | np.ndarray]]


def descend(
    network: Network,
    steps: np.ndarray,
    observe: Observer,
    control: MultistepControl | None = None,
    session: Session = NO_SESSION,
) -> Descent:
    """Make steps up to the last of `steps`, and observe the network after each of these.

    network: at its start. steps: rising, from 0 on. control: of many steps at once, which end at
    the recorded steps, of a `FunctionSpaceNetwork`; without it all steps are made one by one.
    The state of a session may be that of a descent with other later steps. On a GPU the host looks
    at many plain steps at once, up to the next that is recorded or may be a multistep.
    """
    result, position, step = Descent({}), 0, 0
    if session.state is not None:
        state = session.state
        position, step = state["position"], state["step"]
        recorded = {
            name: refitted(values.numpy(), len(steps), axis=0)
            for name, values in state["history"].items()
        }
        result = Descent(recorded, *state["counts"])
        network.restore(state["network"])
        if control is not None:
            control.restore(state["control"])

    def make_state() -> dict[str, Any]:
        return {
            "position": position,
            "step": step,
            "history": {name: torch.from_numpy(values) for name, values in result.history.items()},
            "counts": [
                result.diverged,
                result.plain_steps,
                result.multisteps,
                result.failed_multisteps,
            ],
            "network": network.state(),
            "control": None if control is None else control.state(),
        }

    def progress() -> Progress:
        norm = float(torch.linalg.vector_norm(network.errors))
        return Progress(step, int(steps[-1]), result.plain_steps, result.multisteps, norm)

    def observed() -> dict[str, Any]:
        lengths = {} if control is None else {MULTISTEP_LENGTH: float(control.last)}
        return {**observe(network), **lengths}

    def unknown(measured: Mapping[str, Any]) -> dict[str, np.ndarray]:
        shapes = {name: (len(steps), *np.shape(value)) for name, value in measured.items()}
        return {name: np.full(shape, np.nan) for name, shape in shapes.items()}

    def look() -> Tensor:
        """|e|^2: residuals for which it overflows count as infinite."""
        return network.errors.square().sum()

    square = look()
    finite = math.isfinite(square)
    ahead = None
    if square.is_cuda:
        ahead = StepsAhead(network, network.step, look, static=network.static)
    while True:
        if not finite:
            session.reached(step, make_state)
            result.diverged = True
            if not result.history:  # at the start: nothing is known but what would be recorded
                result.history = unknown(observed())
            return result
        if step == steps[position]:
            measured = observed()
            result.history = result.history or unknown(measured)
            for name, value in measured.items():
                result.history[name][position] = value
            position += 1
            session.reached(step, make_state)
            if position == len(steps):
                return result
        session.offer(make_state)
        session.report(progress)
        most = int(steps[position]) - step
        length = 0 if control is None else control.next_length(most)
        if control is not None and length:
            if _try(network, length, control, result):
                step += length
                if ahead is not None:
                    ahead.restart()
            finite = math.isfinite(look())
            continue
        if ahead is None:
            network.step()
            squares = [float(look())]
        else:
            most = most if control is None else control.plain_steps(most)
            squares = ahead.make(most, lambda squares: not math.isfinite(squares[-1]))
        step += len(squares)
        result.plain_steps += len(squares)
        finite = math.isfinite(squares[-1])
        if control is not None:
            control.stepped(len(squares))


def _try(network: Any, n_steps: int, control: MultistepControl, result: Descent) -> bool:
    """Make steps at once, unless that is not accurate enough; whether they were made."""
    tried = multistep(network, n_steps)
    if control.judge(n_steps, tried.error):
        network.move_to(tried.end)
        result.multisteps += 1
        return True
    result.failed_multisteps += 1
    return False
