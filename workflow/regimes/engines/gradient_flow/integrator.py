"""Gradient flow of a batch of runs until each has converged or hits a cap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.captured import write
from regimes.engines.common.engine import NO_SESSION, Session
from regimes.engines.gradient_flow import exponential
from regimes.engines.gradient_flow.exponential import Point, Step
from regimes.engines.gradient_flow.history import LossHistory, along
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.engines.gradient_flow.snapshots import Snapshots
from regimes.engines.gradient_flow.step_size import StepSizeControl

# A time this close to its cap, relatively, has reached it.
TIME_ROUNDING = 1e-6
# The last step is taken again, shorter, if it ends below this share of the loss that is wanted, ...
OVERSHOOT = 0.5
# ... and is then to end at this one: where is known but roughly.
LANDING = 0.8
NEARER = 0.9
# What slides along kinks after so many times the slowest time of the kernel does so for ever.
OUTLASTED = 1e9
# Of the runs under way, what a state has by name: all but what they were started with.
STATE = ("run", "norms", "scale", "initial_loss", "time", "h", "accepted", "rejected")


# How a run can end: each run has one of these.
ENDINGS = ("converged", "stationary", "capped", "diverged")
# What is kept of each run that has ended, beside its weights.
OF_RUN = ("initial_loss", "final_loss", *ENDINGS, "flow_time", "accepted_steps", "rejected_steps")


@dataclass(frozen=True)
class Limits:
    """Limits at which a run ends.

    A run has converged when its loss is at most `relative_loss` times the initial loss; it is
    stationary when the flow cannot reduce the loss by more than `relative_loss` times what it is;
    and it is capped at `max_steps` tried steps or at the flow time `max_time`.
    """

    relative_loss: float
    max_steps: int
    max_time: float


@dataclass(frozen=True)
class Progress:
    """How far a batch is.

    ended, runs: number of runs that have ended, and of all. steps: most steps tried by a run so
    far. relative_loss: largest loss of the runs under way over its initial value.
    """

    ended: int
    runs: int
    steps: int
    relative_loss: float

    def __str__(self) -> str:
        return (
            f"{self.ended} of {self.runs} runs ended, up to {self.steps} steps, "
            f"largest relative loss {self.relative_loss:.1e}"
        )


@dataclass
class FlowResult:
    """The ends of a batch of R runs: arrays over runs, their final weights and snapshots.

    A run that diverged has NaN losses and weights that are not to be used; of a run that was not
    followed, since it had ended before the state that was gone on from, there is nothing.
    cut_short: the state of the runs that `max_steps` alone ended, if any and if it is kept.
    """

    weights: list[Weights | None]
    initial_loss: np.ndarray
    final_loss: np.ndarray
    converged: np.ndarray
    stationary: np.ndarray
    capped: np.ndarray
    diverged: np.ndarray
    flow_time: np.ndarray
    accepted_steps: np.ndarray
    rejected_steps: np.ndarray
    history_time: np.ndarray
    history_loss: np.ndarray
    snapshots: Snapshots
    cut_short: dict[str, Any] | None = None

    @classmethod
    def empty(cls, n_runs: int, snapshots: Snapshots) -> "FlowResult":
        """Storage for `n_runs` runs."""
        real: dict[str, Any] = {
            name: np.full(n_runs, np.nan) for name in ("initial_loss", "final_loss")
        }
        flags: dict[str, Any] = {name: np.zeros(n_runs, dtype=bool) for name in ENDINGS}
        counts: dict[str, Any] = {
            name: np.zeros(n_runs, dtype=np.int64) for name in ("accepted_steps", "rejected_steps")
        }
        return cls(
            weights=[None] * n_runs,
            flow_time=np.zeros(n_runs),
            history_time=np.empty((n_runs, 0)),
            history_loss=np.empty((n_runs, 0)),
            snapshots=snapshots,
            **real,
            **flags,
            **counts,
        )


@dataclass
class _Batch:
    """The runs still under way; every field is indexed by run."""

    run: Tensor
    network: TwoLayerNetwork
    initial: Weights
    norms: Tensor
    scale: Tensor
    control: StepSizeControl
    point: Point
    initial_loss: Tensor
    time: Tensor
    h: Tensor
    accepted: Tensor
    rejected: Tensor

    def __getitem__(self, index) -> "_Batch":
        return _Batch(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def loss(self) -> Tensor:
        """R = |e|^2 / (2 n), (E,)."""
        return _loss(self.point.residuals)

    def __len__(self) -> int:
        return len(self.run)


def integrate(
    network: TwoLayerNetwork,
    initial: Weights,
    targets: Tensor,
    control: StepSizeControl,
    limits: Limits,
    history_points: int,
    session: Session = NO_SESSION,
    *,
    snapshot_levels: Sequence[float] = (),
    state: Mapping[str, Any] | None = None,
) -> FlowResult:
    """Follow the gradient flow of a batch of runs from `initial` weights.

    targets: (n,). snapshot_levels: shares of the initial loss at which weights are kept, see
    `Snapshots`. Each run has steps of its own and leaves the batch when it ends, so that a result
    does not depend on the others but for rounding. Divergence (an infinite loss, or steps that
    shrink to nothing) is recorded, never raised.

    session: is told the progress, and says whether the state of runs that are cut short is kept.
    state: such a state, on the CPU, of the same runs with smaller `max_steps`: they alone are
    followed, from there, with the bits of an uninterrupted flow. (All runs of a batch try a step at
    a time, so that the limit ends them together, and without it these would be the batch from there
    on. Of control, the step size is all that is carried from step to step.)
    """
    n_runs = len(initial.a)
    snapshots = Snapshots(snapshot_levels, initial)
    result = FlowResult.empty(n_runs, snapshots)
    if state is None:
        history = LossHistory(targets)
        batch = _start(network, initial, targets, control, limits)
    else:
        history = LossHistory(targets, state["history"])
        batch = _restored(network, initial, control, state)
        snapshots.restore(batch.run, state["snapshots"])

    def keep(cut_short: _Batch) -> None:
        if session.keeps_end_states:
            result.cut_short = _state(cut_short, history, snapshots)

    def progress() -> Progress:
        return _progress(batch, n_runs)

    batch = _collect(batch, _read(_ends(batch, limits)), result, keep)
    make_step = _maker(batch, targets, history.shares, limits)
    while len(batch):
        step, h, found, seen = make_step()
        if (seen["too_far"] & seen["accurate"]).any():
            goal = LANDING * limits.relative_loss * batch.initial_loss
            # Where the kernel of the way is off, the time to there is too: the next try is shorter
            # in any case.
            nearer = torch.minimum(_time_to(goal, step, h), NEARER * h)
            nearer = torch.minimum(batch.h, nearer)
            batch.h.copy_(torch.where(found["too_far"], nearer, batch.h))
            seen |= _read(_ends(batch, limits))
        history.add(seen)
        session.report(progress)
        before, batch = batch, _collect(batch, seen, result, keep)
        if batch is not before:
            del before, step, found
            make_step = _maker(batch, targets, history.shares, limits)
    result.history_time, result.history_loss = history.resample(n_runs, history_points)
    return result


# A step that was made, its sizes (E,), and what there is to know of it, also for the host.
Made = tuple[Step, Tensor, dict[str, Tensor], dict[str, np.ndarray]]


def _maker(batch: _Batch, targets: Tensor, shares: Tensor, limits: Limits) -> Callable[[], Made]:
    """What makes a step of a batch, and goes on from there; a GPU captures it where it can."""
    tolerance = cast(Tensor, batch.control.tolerance)

    def make() -> Made:
        h = batch.h
        step = exponential.step(batch.network, batch.point, batch.initial, targets, h, tolerance)
        found = _tried(step.components, batch, step, shares, limits)
        return step, h, found, _read(found)

    def finish(step: Step) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        h, after = batch.h.clone(), replace(batch)
        found = _tried(step.components, after, step, shares, limits)
        results = h, found, _table(found)
        write(batch, after)
        return results

    def make_captured() -> Made:
        step, (h, found, table) = steps.make()
        return step, h, found, _read(found, table)

    if not (batch.h.is_cuda and batch.network.is_static(batch.point.weights)):
        return make
    # They move in place.
    if batch.point.weights is batch.initial:
        batch.point = replace(batch.point, weights=batch.initial.clone())
    steps = exponential.CapturedSteps(
        batch.network, batch.point, batch.initial, targets, batch.h, tolerance, finish
    )
    return make_captured


def _tried(
    components: Tensor, batch: _Batch, step: Step, shares: Tensor, limits: Limits
) -> dict[str, Tensor]:
    """Go on from a tried step; returns what there is to know of it, each (E, ...)."""
    on_the_way = along(components, batch.time, batch.h, step, shares)
    return on_the_way | _advance(batch, step, limits) | _ends(batch, limits)


def _advance(batch: _Batch, step: Step, limits: Limits) -> dict[str, Tensor]:
    """Go to the end of a tried step where it is accepted, and give the next try its size.

    Returns, each (E,), which steps are accepted, which are accurate, and which end too far below
    the loss that is wanted.
    """
    error = batch.control.error(step, batch.norms.T, batch.scale)
    accurate = error <= 1
    too_far = _loss(step.end.residuals) < OVERSHOOT * limits.relative_loss * batch.initial_loss
    accepted = accurate & ~too_far
    batch.time = torch.where(accepted, batch.time + batch.h, batch.time)
    batch.accepted += accepted
    batch.rejected += ~accepted
    h = batch.control.next_size(batch.h, error)
    # The last step ends at the cap, but for rounding.
    batch.h = torch.minimum(h, limits.max_time - batch.time)
    batch.point = _keep(batch.point, step.end, accepted)
    return {"accepted": accepted, "accurate": accurate, "too_far": too_far}


def _start(
    network: TwoLayerNetwork,
    initial: Weights,
    targets: Tensor,
    control: StepSizeControl,
    limits: Limits,
) -> _Batch:
    point = exponential.start(network, initial, targets)
    n_runs = len(initial.a)
    counts = torch.zeros(n_runs, dtype=torch.int64, device=initial.a.device)
    norms = torch.stack(initial.norms(), dim=1)
    control = control.spread(initial.a)
    # With zero targets, what is left to compare defects with are the first residuals.
    target_norm = torch.linalg.vector_norm(targets).expand(n_runs)
    first_norm = torch.linalg.vector_norm(point.residuals, dim=1)
    return _Batch(
        run=torch.arange(n_runs, device=initial.a.device),
        network=network,
        initial=initial,
        norms=norms,
        scale=torch.where(target_norm > 0, target_norm, first_norm),
        control=control,
        point=point,
        initial_loss=_loss(point.residuals),
        time=torch.zeros_like(first_norm),
        h=control.first_size(point.eigenvalues).clamp(max=limits.max_time),
        accepted=counts,
        rejected=counts.clone(),
    )


def _state(batch: _Batch, history: LossHistory, snapshots: Snapshots) -> dict[str, Any]:
    """Return what is needed to follow the runs of a batch further."""
    point = batch.point
    return {
        **{name: getattr(batch, name) for name in STATE},
        "point": {
            "a": point.weights.a,
            "w": point.weights.w,
            "residuals": point.residuals,
            "kernel": point.kernel,
            "longest": point.longest,
        },
        "history": history.state(batch.run),
        "snapshots": snapshots.state(batch.run),
    }


def _restored(
    network: TwoLayerNetwork, initial: Weights, control: StepSizeControl, state: Mapping[str, Any]
) -> _Batch:
    """The batch of a state; network, initial, control: of all runs, as it was started with."""
    own = {name: state[name].to(initial.a.device) for name in STATE}
    run = own["run"]
    point = {name: values.to(initial.a.device) for name, values in state["point"].items()}
    weights = Weights(point["a"], point["w"])
    return _Batch(
        network=network[run],
        initial=initial[run],
        control=control.spread(initial.a)[run],
        point=Point.at(weights, point["residuals"], point["kernel"], point["longest"]),
        **own,
    )


def _keep(old: Point, new: Point, accepted: Tensor) -> Point:
    """The new point where its step was accepted, else the old one."""
    pairs = list(zip(new.arrays(), old.arrays(), strict=True))
    if accepted.is_cuda:
        for target, source in pairs:
            of_element = accepted.view(-1, *[1] * (target.ndim - 1))
            target.copy_(torch.where(of_element, target, source))
        return new
    rejected = (~accepted).nonzero().squeeze(1)
    if len(rejected):
        # Only what was rejected is copied: the weights are large and most steps are accepted.
        for target, source in pairs:
            target[rejected] = source[rejected]
    return new


def _ends(batch: _Batch, limits: Limits) -> dict[str, Tensor]:
    """Where the runs of a batch are, and which have ended, and how; each (E,)."""
    loss = batch.loss
    goal = limits.relative_loss * batch.initial_loss
    finite = torch.isfinite(loss)
    converged = finite & (loss <= goal)
    late = batch.time >= limits.max_time * (1 - TIME_ROUNDING)
    capped = (batch.accepted + batch.rejected >= limits.max_steps) | late
    # No finite loss, or steps too small to move the time.
    stuck = ~(batch.time + batch.h > batch.time) & ~capped
    reach = _within_reach(batch.point)
    # Where neurons slide along kinks, each step puts a little of what it took back within reach.
    outlasted = batch.time * _slowest_rate(batch.point) >= OUTLASTED
    at_rest = (reach <= limits.relative_loss * loss) | outlasted & ((reach <= goal) | stuck)
    stationary = finite & ~converged & at_rest
    diverged = ~finite | (stuck & ~converged & ~stationary)
    capped &= ~(converged | stationary | diverged)
    return {
        "run": batch.run,
        "relative_loss": loss / batch.initial_loss,
        "cut_short": capped & ~late,
        "initial_loss": batch.initial_loss,
        "final_loss": torch.where(diverged, torch.nan, loss),
        "converged": converged,
        "stationary": stationary,
        "capped": capped,
        "diverged": diverged,
        "flow_time": batch.time,
        "accepted_steps": batch.accepted,
        "rejected_steps": batch.rejected,
    }


def _read(values: dict[str, Tensor], table: Tensor | None = None) -> dict[str, np.ndarray]:
    """The same arrays (E,) or (E, k) for the host, from a GPU as float64, in one transfer.

    The host waits for a GPU each time that it asks for something. table: the `_table` of the
    arrays, if it is there.
    """
    if not values["run"].is_cuda:
        return {name: value.numpy() for name, value in values.items()}
    rows = (_table(values) if table is None else table).cpu().numpy()
    ends = np.cumsum([value[0].numel() for value in values.values()])
    found = zip(values.items(), np.split(rows, ends[:-1], axis=1), strict=True)
    kinds = {torch.bool: bool, torch.int64: np.int64}
    return {
        name: part.astype(kinds.get(value.dtype, np.float64)).reshape(value.shape)
        for (name, value), part in found
    }


def _table(values: dict[str, Tensor]) -> Tensor:
    columns = [value.double().reshape(len(value), -1) for value in values.values()]
    return torch.cat(columns, dim=1)


def _collect(
    batch: _Batch,
    seen: Mapping[str, np.ndarray],
    result: FlowResult,
    keep: Callable[[_Batch], None],
) -> _Batch:
    """Write the runs that have ended into `result` and return the others.

    seen: what `_ends` says. keep: receives, as they were before, those that would not have ended
    with more steps.
    """
    ended = np.any([seen[name] for name in ENDINGS], axis=0)
    # Before their ends are taken for the snapshots that they did not get to.
    if seen["cut_short"].any():
        keep(batch[_places(seen["cut_short"], batch)])
    result.snapshots.take(
        seen["run"], seen["relative_loss"], seen["flow_time"], batch.point.weights, ended
    )
    if not ended.any():
        return batch
    runs = seen["run"][ended]
    for run, position in zip(runs.tolist(), np.flatnonzero(ended).tolist(), strict=True):
        # A copy: a view would keep the whole batch in memory.
        result.weights[run] = batch.point.weights[position].clone()
    for name in OF_RUN:
        getattr(result, name)[runs] = seen[name][ended]
    return batch[_places(~ended, batch)]


def _places(chosen: np.ndarray, batch: _Batch) -> Tensor:
    """Indices of the chosen runs (E,) of a batch, on its device."""
    return torch.from_numpy(np.flatnonzero(chosen)).to(batch.run.device)


def _loss(residuals: Tensor) -> Tensor:
    """R = |e|^2 / (2 n), of residuals (..., n)."""
    return residuals.square().mean(dim=-1) / 2


def _within_reach(point: Point) -> Tensor:
    """Return what the flow with the present kernel could still take from the loss, (E,).

    That is |P e|^2 / (2 n), where P projects on the eigenvectors of the kernel whose eigenvalues
    are more than rounding.
    """
    components = exponential.project(point.vectors, point.residuals)
    return _loss(torch.where(point.eigenvalues > 0, components, 0.0))


def _slowest_rate(point: Point) -> Tensor:
    """The smallest eigenvalue of the kernel that is more than rounding (E,), inf if none is."""
    return torch.where(point.eigenvalues > 0, point.eigenvalues, torch.inf).amin(dim=1)


def _time_to(goal: Tensor, step: Step, h: Tensor) -> Tensor:
    """After which part of a step of size h (E,) the loss is at `goal` (E,), by bisection."""
    early, late = torch.zeros_like(h), h
    for _ in range(40):
        middle = 0.5 * (early + late)
        decayed = torch.exp(-middle[:, None] * step.eigenvalues) * step.components
        above = _loss(decayed) > goal
        early, late = torch.where(above, middle, early), torch.where(above, late, middle)
    return late


def _progress(batch: _Batch, n_runs: int) -> Progress:
    return Progress(
        ended=n_runs - len(batch),
        runs=n_runs,
        steps=int((batch.accepted + batch.rejected).max()),
        relative_loss=float((batch.loss / batch.initial_loss).max()),
    )
