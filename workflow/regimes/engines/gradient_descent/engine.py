"""Full-batch gradient descent of shallow networks until each run ends by the stopping rule."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.engines.common.captured import StepsAhead
from regimes.engines.common.device_memory import BATCH_SHARE, device_bytes
from regimes.engines.common.draws import scaled_weights, scales_of
from regimes.engines.common.engine import NO_SESSION, Batch, Engine, Job, Session, Variable, history
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.observation import (
    Network,
    Observer,
    Sample,
    arranged,
    measured_variables,
    observe,
)
from regimes.engines.common.points import Points
from regimes.engines.common.rates import layer_rates, stability_limit
from regimes.engines.common.recording import log_spaced_steps, refitted
from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights, aligned
from regimes.engines.gradient_descent.labels import INITIAL_RESIDUALS
from regimes.engines.gradient_descent.stopping import Ending, StoppingRule
from regimes.errors import DataError
from regimes.kernels.tangent_kernel import tangent_kernel
from regimes.parameterisations.scales import AXES as PARAMETER_AXES
from regimes.parameterisations.scales import Scales

if TYPE_CHECKING:
    from regimes.engines.gradient_descent.settings import GradientDescentExperiment

# On the CPU, where networks are worked through one by one, batches are cut so that they take about
# this much memory and stay in the cache between two steps.
BATCH_BYTES = 8 * 1024**2


class Runs(Engine["GradientDescentExperiment"]):
    """Networks of a job, each trained on the first n_train of the training points.

    Data may have draws, one for each seed. Raises DataError when they have not what the settings
    ask for.
    """

    AXES: ClassVar = {
        **PARAMETER_AXES,
        "learning_rate": "learning rate, in the unit of the settings",
        "width": "number of hidden neurons m",
        "n_train": "number of training points n",
        "rate_ratio": "ratio eta_z / eta_w of the layers' learning rates",
        "seed": "index of the random initialisation and of the draw of the data",
    }
    # Of histories, what comes after the end of the run is NaN.
    VARIABLES: ClassVar = {
        "stopping_time": Variable("number of steps T after which the run ended", dtype=np.int32),
        "converged": Variable(
            "1 if the residual norm |e|, or the loss, fell below the wanted one", dtype=np.int8
        ),
        "aborted": Variable(
            "1 if the residual norm |e| grew in a step, which ended the run", dtype=np.int8
        ),
        "diverged": Variable("1 if the residuals became infinite", dtype=np.int8),
        "step_size": Variable(
            "learning rate, which the parameterisation's rates of the layers multiply: the time "
            "of gradient flow that a step stands for"
        ),
        "initial_loss": Variable("loss at the start"),
        "final_loss": Variable("loss at the end"),
        "initial_residual_norm": Variable("norm |e| of the residuals e = f - y at the start"),
        "final_residual_norm": Variable("norm |e| of the residuals e = f - y at the end"),
        "activation_changes": Variable(
            "number of pairs (neuron, point) whose activation ever left the initial",
            dtype=np.int64,
        ),
        "train_loss": history("training loss along the run"),
        **measured_variables("step"),
    }

    def __init__(self, job: Job["GradientDescentExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        settings = self.settings
        self.activation = job.activation()
        self.dtype = getattr(torch, settings.precision)
        self.rule = StoppingRule(**dict(settings.stopping))
        self.steps = self._recorded_steps()
        # The limit need not be a recorded step: a run that continues passes it like any other step.
        self.last_common = self.rule.max_steps
        self.points = Points(data, job.dataset)
        self.test = Points(data, job.dataset, "test")
        self.points.require_points()
        if settings.labels != "random" and self.points.n_outputs > 1:
            raise DataError(f"labels {settings.labels} need a data set with one output")

    def _recorded_steps(self) -> np.ndarray:
        record, max_steps = self.settings.record, self.rule.max_steps
        steps = log_spaced_steps(record.points_per_decade, max_steps)
        if not record.every:
            return steps
        return np.union1d(steps, np.arange(0, max_steps + 1, record.every))

    def batches(self) -> list[Batch]:
        """Settings of one width and number of points, as many as stay in the cache."""
        return list(self._batches())

    def _batches(self) -> Iterator[Batch]:
        points = self.points
        groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
        number = np.dtype(self.settings.precision).itemsize
        most = device_bytes(self.device, BATCH_BYTES, BATCH_SHARE)
        for setting in self.job.grid():
            setting = {"n_train": points.n_points, "rate_ratio": 1.0} | setting
            groups.setdefault((setting["width"], setting["n_train"]), []).append(setting)
        for (width, n_train), settings in groups.items():
            points.require(n_train=n_train, seed=max(self.job.axes["seed"]))
            # Slopes and values, activations, weights at start and present, inputs
            a_run = width * n_train * (2 * number + 2)
            a_run += (2 * width + n_train) * points.n_features * number
            if self.device != "cpu":
                # All runs of a batch have scratch of their own, of weights and of activations.
                a_run = 4 * width * (n_train + points.n_features) * number
                a_run += n_train * points.n_features * number
            size = max(1, most // a_run)
            size = math.ceil(len(settings) / math.ceil(len(settings) / size))
            for first in range(0, len(settings), size):
                chosen = settings[first : first + size]
                label = f"width {width}, n_train {n_train}, {len(chosen)} runs"
                yield Batch(label, chosen)

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Move the networks of a batch until all have ended."""
        settings, record = batch.settings, self.settings.record
        inputs, targets = self._data(settings)
        scales = [scales_of(self.settings, one, self.points.n_features) for one in settings]
        rates = [
            layer_rates(self.settings, scale, setting["rate_ratio"])
            for scale, setting in zip(scales, settings, strict=True)
        ]
        initial = self._initial_weights(settings, scales)
        factor = gradient_factor(self.settings.loss, self.points.n_outputs, inputs.shape[-1])
        learning_rates = self._learning_rates(settings, initial, inputs, rates, factor)
        networks = ShallowNetworks(
            inputs,
            initial,
            self._rates(learning_rates, rates, factor),
            self.activation,
            trained=self.settings.layers,
            count_changes=record.activation_changes,
        )
        if self.settings.labels != "random":
            targets = aligned(networks.evaluate() - self._initial_residuals(initial, inputs, rates))
        observers = [
            self._observer(
                settings[run],
                scales[run],
                Network(initial.hidden[run], initial.output[run]),
                networks.rates[[run]],
                Sample(_of(inputs, run).T, targets[run]),
            )
            for run in range(len(settings))
        ]
        result = descend(networks, targets, self.rule, self.steps, observers, session)
        return self._variables(result, learning_rates, factor)

    def _data(self, settings: list[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        """Inputs (E, d, n), or (d, n) if all runs share them, and targets (E, k, n).

        Each run's are aligned, as its weights are, so that what is measured of it does not depend
        on its place in the batch.
        """
        n_train, points = settings[0]["n_train"], self.points

        def tensor(values: np.ndarray) -> Tensor:
            return torch.tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)

        if points.has_draws:
            seeds = [setting["seed"] for setting in settings]
            inputs = aligned(tensor(points.inputs[seeds, :n_train].swapaxes(1, 2)))
            targets = tensor(points.targets[seeds, :n_train].swapaxes(1, 2))
        else:
            inputs = tensor(points.inputs[:n_train].T)
            targets = tensor(points.targets[:n_train].T).expand(len(settings), -1, -1)
        if self.settings.target_scale == "sqrt_width":
            targets = targets * settings[0]["width"] ** 0.5
        return inputs, aligned(targets)

    def _initial_weights(self, settings: list[dict[str, Any]], scales: list[Scales]) -> Weights:
        """Initial weights, drawn on the CPU; runs that differ in scales or rates share draws."""
        drawn = []
        for setting, scale in zip(settings, scales, strict=True):
            random = self.job.stream(setting["width"], setting["seed"], setting["n_train"])
            sizes = (setting["width"], self.points.n_features, self.points.n_outputs)
            drawn.append(scaled_weights(random, self.settings, scale, sizes))
        hidden, output = (
            aligned(torch.tensor(np.stack(layer), dtype=self.dtype, device=self.device))
            for layer in zip(*drawn, strict=True)
        )
        return Weights(hidden, output)

    def _learning_rates(
        self,
        settings: list[dict[str, Any]],
        initial: Weights,
        inputs: Tensor,
        rates: list[tuple[float, float]],
        factor: float,
    ) -> np.ndarray:
        """Learning rate of each run, (E,)."""
        learning_rates = np.array([learning_rate(self.settings, setting) for setting in settings])
        if self.settings.rate_unit == "stability_limit":
            for run, layers in enumerate(rates):
                kernel = self._kernel(initial, inputs, run, layers)
                learning_rates[run] *= stability_limit(kernel, factor)
        return learning_rates

    def _rates(
        self, learning_rates: np.ndarray, rates: list[tuple[float, float]], factor: float
    ) -> Rates:
        """Rates of the layers for |e|^2 / 2."""
        first = learning_rates * factor
        return Rates(
            *(
                torch.tensor(first * layer, dtype=self.dtype, device=self.device)
                for layer in np.array(rates).T
            )
        )

    def _initial_residuals(
        self, initial: Weights, inputs: Tensor, rates: list[tuple[float, float]]
    ) -> Tensor:
        """e_0 (E, 1, n) of the labels."""
        make = INITIAL_RESIDUALS[self.settings.labels]
        width = initial.hidden.shape[1]
        residuals = [
            make(self._kernel(initial, inputs, run, layers), _of(inputs, run), width)
            for run, layers in enumerate(rates)
        ]
        return torch.stack(residuals)[:, None, :]

    def _kernel(
        self, initial: Weights, inputs: Tensor, run: int, rates: tuple[float, float]
    ) -> Tensor:
        """Tangent kernel of a run at the start, with these rates of the layers."""
        first, second = rates
        return tangent_kernel(
            initial.hidden[run],
            initial.output[run],
            _of(inputs, run),
            self.activation,
            first=first,
            second=second,
        )

    def _observer(
        self,
        setting: dict[str, Any],
        scales: Scales,
        initial: Network,
        rates: Rates,
        train: Sample,
    ) -> Observer:
        """What measures a run."""
        test_inputs, test_targets = self.test.of(setting["seed"])
        if self.settings.target_scale == "sqrt_width":
            test_targets = test_targets * setting["width"] ** 0.5
        if self.settings.labels != "random":
            test_inputs, test_targets = test_inputs[:0], test_targets[:0]
        # The ratio of the rates is the descent's: the kernel is that of the parameterisation.
        return Observer(
            initial,
            self.activation,
            train,
            Sample(train.inputs.new_tensor(test_inputs), train.inputs.new_tensor(test_targets.T)),
            self.settings.record,
            loss=self.settings.loss,
            trained=self.settings.layers,
            rates=layer_rates(self.settings, scales),
            learning_rates=(float(rates.hidden), float(rates.output)),
            ratio=1.0 if setting["rate_ratio"] is None else setting["rate_ratio"],
            unit=scales.unit,
        )

    def _variables(
        self, result: "DescentResult", learning_rates: np.ndarray, factor: float
    ) -> dict[str, np.ndarray]:
        final, histories, record = dict(result.final), dict(result.history), self.settings.record
        ending = final.pop("ending")
        if not record.activation_changes:
            del final["activation_changes"]
        norms, last = histories.pop("residual_norm"), final.pop("residual_norm")
        variables = final | {
            "converged": ending == Ending.CONVERGED,
            "aborted": ending == Ending.ABORTED,
            "diverged": ending == Ending.DIVERGED,
            "step_size": learning_rates,
            "initial_residual_norm": norms[:, 0],
            "final_residual_norm": last,
            "initial_loss": factor / 2 * norms[:, 0] ** 2,
            "final_loss": factor / 2 * last**2,
            "train_loss": factor / 2 * norms**2,
        }
        measured = {name: variables.pop(name) for name in histories}
        return variables | arranged(measured, histories, record)


def learning_rate(settings: "GradientDescentExperiment", setting: Mapping[str, Any]) -> float:
    """The rate of the settings for a run: of its axis, or of the first exception that applies.

    An exception applies to one width (all, if it names none) from a number of points on.
    """
    if settings.learning_rate is None:
        return setting["learning_rate"]
    for exception in settings.learning_rate_exceptions:
        is_width = exception.width in (None, setting["width"])
        if is_width and setting["n_train"] >= exception.n_train_from:
            return exception.rate
    return settings.learning_rate


def _of(inputs: Tensor, run: int) -> Tensor:
    """Inputs (d, n) of a run."""
    return inputs if inputs.dim() == 2 else inputs[run]


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
    """The results of a batch of E runs, as arrays by name.

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
    steps: np.ndarray,
    observers: Sequence[Observer],
    session: Session = NO_SESSION,
) -> DescentResult:
    """Move networks by gradient descent until all have ended.

    networks: at their initial weights; their rates are those of |e|^2 / 2. targets: (E, k, n).
    steps: those that are recorded, the first is 0. observers: of each run.
    Networks whose run has ended leave the batch. Nothing that a run does depends on the time, nor
    on the other runs. How it ends is recorded, never raised. With a state the networks and targets
    are to be made as at the start; its rule may have had another limit.
    """
    n_runs, state = len(networks), session.state
    if state is None:
        step, runs, previous = 0, list(range(n_runs)), [float("inf")] * n_runs
        names = ["residual_norm", *observers[0].names()]
        result = DescentResult.empty(n_runs, len(steps), names)
    else:
        step, runs, previous = state["step"], state["runs"], state["previous"]
        result = DescentResult.from_state(state["result"], len(steps))
        if runs:
            networks.keep(runs)
            networks.restore(state["networks"])
            targets = targets[runs]

    def make_state() -> dict[str, Any]:
        return {
            "step": step,
            "runs": runs,
            "previous": previous,
            "networks": networks.state() if runs else {},
            "result": result.state(),
        }

    def progress() -> Progress:
        return Progress(n_runs - len(runs), n_runs, step, max(norms))

    def look() -> Tensor:
        """|e| of the runs under way (E,), whose residuals the next step takes."""
        torch.sub(networks.outputs, targets, out=errors)
        return torch.linalg.vector_norm(errors, dim=(1, 2))

    def endings_at(step: int, norms: list[float], previous: list[float]) -> list[Ending | None]:
        first = result.history["residual_norm"][runs, 0].tolist() if step else norms
        of_runs = zip(norms, previous, first, strict=True)
        return [rule.ending(step, *of_run) for of_run in of_runs]

    def some_end(seen: list[list[float]]) -> bool:
        before = seen[-2] if len(seen) > 1 else norms
        return any(endings_at(step + len(seen), seen[-1], before))

    def ahead() -> StepsAhead | None:
        """What makes the steps of the networks under way on a GPU."""
        if not targets.is_cuda:
            return None
        return StepsAhead(networks, lambda: networks.move(errors), look)

    if not runs:
        session.reached(step, make_state)
        return result
    recorded = {int(step): column for column, step in enumerate(steps)}
    errors = torch.empty_like(targets)
    networks.evaluate()
    norms = look().tolist()
    steps_ahead = ahead()
    while True:
        session.offer(make_state)
        if step == rule.max_steps:
            session.reached(step, make_state)
        endings = endings_at(step, norms, previous)
        if step in recorded:
            _record(result, recorded[step], networks, observers, runs, norms)
        if any(endings):
            _end(result, step, networks, observers, runs, norms, endings)
            going_on = [position for position, ending in enumerate(endings) if not ending]
            if not going_on:
                runs = []
                if step < rule.max_steps:
                    session.reached(step, make_state)
                return result
            networks.keep(going_on)
            targets, errors = targets[going_on], errors[going_on]
            runs, norms = [runs[i] for i in going_on], [norms[i] for i in going_on]
            steps_ahead = ahead()
        session.report(progress)
        if steps_ahead is None:
            networks.move(errors)
            step, previous, norms = step + 1, norms, look().tolist()
        else:
            seen = [norms, *steps_ahead.make(_until(step, steps, rule), some_end)]
            step += len(seen) - 1
            previous, norms = seen[-2:]


def _until(step: int, recorded: np.ndarray, rule: StoppingRule) -> int:
    """Number of steps up to the next one that is recorded, or the last one."""
    later = recorded[recorded > step]
    return (int(later[0]) if len(later) else rule.max_steps) - step


def _record(
    result: DescentResult,
    column: int,
    networks: ShallowNetworks,
    observers: Sequence[Observer],
    runs: list[int],
    norms: list[float],
) -> None:
    """Write what is measured of the runs under way into a column of the history."""
    seen = [position for position, norm in enumerate(norms) if np.isfinite(norm)]
    measured = _observed(networks, observers, runs, seen, is_end=column == 0)
    for position, of_run in zip(seen, measured, strict=True):
        for name, value in ({"residual_norm": norms[position]} | of_run).items():
            result.history[name][runs[position], column] = value


def _end(
    result: DescentResult,
    step: int,
    networks: ShallowNetworks,
    observers: Sequence[Observer],
    runs: list[int],
    norms: list[float],
    endings: list[Ending | None],
) -> None:
    """Write the results of the runs that have ended."""
    changes = networks.activation_changes().tolist()
    found = {
        position: {
            "stopping_time": step,
            "ending": ending,
            "activation_changes": changes[position],
        }
        for position, ending in enumerate(endings)
        if ending
    }
    seen = [position for position in found if endings[position] != Ending.DIVERGED]
    measured = _observed(networks, observers, runs, seen, is_end=True)
    for position, of_run in zip(seen, measured, strict=True):
        found[position] |= {"residual_norm": norms[position]} | of_run
    for position, final in found.items():
        for name, value in final.items():
            result.final[name][runs[position]] = value


def _observed(
    networks: ShallowNetworks,
    observers: Sequence[Observer],
    runs: list[int],
    positions: list[int],
    *,
    is_end: bool,
) -> list[dict[str, float]]:
    """What is measured of the networks at some positions of a batch."""
    weights = networks.weights
    each = [Network(weights.hidden[i], weights.output[i]) for i in positions]
    return observe([observers[runs[i]] for i in positions], each, is_end=is_end)
