"""Gradient flow of two-layer networks, followed until each run ends: Luo et al. (2021)."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.device_memory import BATCH_SHARE, device_bytes
from regimes.engines.common.draws import antisymmetric, has_signs, is_antisymmetric, scales_of
from regimes.engines.common.engine import Batch, Coordinate, Engine, Job, Session, Variable
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.observation import (
    Network,
    Observer,
    Sample,
    arranged,
    measured_variables,
)
from regimes.engines.common.points import Points
from regimes.engines.common.rates import layer_rates
from regimes.engines.common.span import Span, project_to_span
from regimes.engines.gradient_flow.initialisation import (
    OrthogonalPart,
    gaussian,
    gaussian_in_span,
)
from regimes.engines.gradient_flow.integrator import ENDINGS, FlowResult, Limits, integrate
from regimes.engines.gradient_flow.motion import bytes_at_once
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights, motion
from regimes.engines.gradient_flow.step_size import StepSizeControl
from regimes.errors import DataError
from regimes.parameterisations.scales import AXES as PARAMETER_AXES
from regimes.parameterisations.scales import Scales

if TYPE_CHECKING:
    from regimes.engines.gradient_flow.settings import GradientFlowExperiment

# On the CPU batches are cut so that their weights and paths take about this much memory.
BATCH_BYTES = 1024**3


class Runs(Engine["GradientFlowExperiment"]):
    """Networks of a job, trained on all training points; data have one target.

    Widths are trained one after the other, the settings of a width together. Values of runs that
    diverged are NaN. With `snapshots` the file holds the weights at these levels of the loss.
    Raises DataError for targets of several outputs.
    """

    AXES: ClassVar = {
        **PARAMETER_AXES,
        "solver_tolerance": "tolerance of the solver",
        "width": "number of hidden neurons m",
        "seed": "index of the random initialisation",
    }
    # Weights are stored in half the size, which is enough to measure them.
    VARIABLES: ClassVar = {
        **measured_variables("record"),
        "final_relative_distance_w": Variable(
            "relative distance |w(T) - w(0)| / |w(0)| of the first-layer weights at the end"
        ),
        "final_relative_distance_a": Variable(
            "relative distance |a(T) - a(0)| / |a(0)| of the output weights at the end"
        ),
        "final_relative_distance_theta": Variable(
            "relative distance |theta(T) - theta(0)| / |theta(0)| of all weights at the end"
        ),
        "initial_loss": Variable("loss at the start, R(0) = |e|^2 / (2 n) unless it is another"),
        "final_loss": Variable("loss at the end, R(T) = |e|^2 / (2 n) unless it is another"),
        "converged": Variable("1 if the loss fell below the wanted share of R(0)", dtype=np.int8),
        "stationary": Variable(
            "1 if the run ended where less than the wanted share of R(0) was left to gain",
            dtype=np.int8,
        ),
        "capped": Variable("1 if a cap on the steps or on the time ended the run", dtype=np.int8),
        "diverged": Variable(
            "1 if the loss became infinite or the steps shrank to nothing", dtype=np.int8
        ),
        "flow_time": Variable("time T at which the run ended, in the time of the parameterisation"),
        "solver_steps": Variable("number of accepted steps", dtype=np.int32),
        "rejected_steps": Variable("number of rejected steps", dtype=np.int32),
        "time": Variable(
            "time t of the flow, log-spaced",
            ("checkpoint",),
            coordinate=True,
        ),
        "train_loss": Variable("training loss R(t) along the run", ("checkpoint",)),
        "output_weights": Variable("output weights a", ("snapshot", "neuron"), stored="float32"),
        "input_weights": Variable(
            "first-layer weights w, one row per feature",
            ("snapshot", "feature", "neuron"),
            stored="float32",
        ),
        "input_norm": Variable(
            "norm |w| of a neuron's first-layer weights", ("snapshot", "neuron"), stored="float32"
        ),
        "input_projection": Variable(
            "scalar product of a neuron's first-layer weights with the unit vector of equal "
            "entries",
            ("snapshot", "neuron"),
            stored="float32",
        ),
        "snapshot_relative_loss": Variable(
            "loss at the snapshot over the initial loss", ("snapshot",), coordinate=True
        ),
        "snapshot_time": Variable(
            "time of the snapshot, in the time of the parameterisation",
            ("snapshot",),
            coordinate=True,
        ),
        "record_time": Variable(
            "time of the record, in the time of the parameterisation", ("record",), coordinate=True
        ),
    }
    INDICES: ClassVar = {
        "checkpoint": "index of the recorded time",
        "neuron": "index of the hidden neuron",
        "feature": "index of the input feature",
    }

    def __init__(self, job: Job["GradientFlowExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        settings = self.settings
        points = self.points = Points(data, job.dataset)
        if points.has_outputs:
            raise DataError(
                "gradient_flow trains one output; the data have several (targets: label)"
            )
        dtype = getattr(torch, settings.solver.precision)
        inputs, targets = points.of()
        self.span = project_to_span(inputs, settings.reduce_inputs)
        self.inputs = torch.tensor(self.span.inputs, dtype=dtype, device=device)
        self.targets = torch.tensor(targets[:, 0], dtype=dtype, device=device)
        self.activation = job.activation()
        self.test = Points(data, job.dataset, "test")
        self.levels = settings.snapshots or ()
        # Shares of the initial loss at which networks are measured, and all those that are kept.
        self.records = self._record_levels()
        self.kept_levels = sorted({*self.levels, *self.records}, reverse=True)
        # Of the loss over |e|^2 / (2 n), which the solver knows.
        factors = [gradient_factor(one, 1, len(inputs)) for one in (settings.loss, "half_mean")]
        self.loss_factor = factors[0] / factors[1]
        # No recorded steps have to agree, and what is kept is always of the last try.
        self.last_common = settings.solver.max_steps

    def _record_levels(self) -> tuple[float, ...]:
        record = self.settings.record
        of_states = {record.kernel, record.sharpness}
        if self.test.n_points or record.invariant or "steps" in of_states:
            return record.levels
        return (1.0, 0.0) if "ends" in of_states else ()

    def batches(self) -> list[Batch]:
        """Settings of one width, no more than fit the memory."""
        return list(self._batches())

    def _batches(self) -> Iterator[Batch]:
        grid = self.job.grid()
        most = device_bytes(self.device, BATCH_BYTES, BATCH_SHARE)
        for width in self.job.axes["width"]:
            settings = [setting for setting in grid if setting["width"] == width]
            room = max(1, int(most / self.bytes_of_run(width)))
            size = math.ceil(len(settings) / math.ceil(len(settings) / room))
            for first in range(0, len(settings), size):
                chosen = settings[first : first + size]
                yield Batch(f"width {width}, {len(chosen)} runs", chosen)

    def bytes_of_run(self, width: int) -> float:
        """Bytes that a run of a batch takes: on the CPU about, without the tiles that it shares."""
        n_points, n_features = self.inputs.shape
        number, moving = self.inputs.element_size(), motion(self.activation, self.inputs)
        # Initial, present, predicted and new weights, what a path keeps, and kernels with their
        # eigenvectors.
        if self.device == "cpu":
            of_neuron = (4 + len(self.kept_levels)) * (n_features + 1) + moving.arrays * n_points
            return number * (width * of_neuron + 10 * n_points**2)
        of_neuron = 4 * (n_features + 1) + moving.kept
        tile = bytes_at_once(moving, self.inputs, width)
        return number * (width * of_neuron + 16 * n_points**2) + tile

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Follow the runs of a batch; with a state, only those that an earlier limit cut short."""
        earlier = session.state
        if earlier is not None and not earlier["cut_short"]:
            session.note("all runs had ended")
            variables = {name: values.numpy() for name, values in earlier["variables"].items()}
            self._end(session, variables, None)
            return variables
        settings, n_features = batch.settings, self.span.basis.shape[0]
        scales = [scales_of(self.settings, one, n_features) for one in settings]
        initial, orthogonal = self._initial_weights(settings, scales)
        flow = self._follow(settings, scales, initial, session)
        rows = [row for row, weights in enumerate(flow.weights) if weights is not None]
        variables = _measures(initial, orthogonal, flow, rows)
        for name in ("initial_loss", "final_loss", "train_loss"):
            variables[name] *= self.loss_factor
        if self.levels:
            variables |= self._snapshots(orthogonal, flow, rows)
        if self.records:
            variables |= self._records(settings, scales, flow, rows)
        # The values of runs that diverged are not to be used.
        for values in variables.values():
            if values.dtype.kind == "f":
                values[flow.diverged[rows]] = np.nan
        if earlier is not None:
            followed = variables
            variables = {name: values.numpy() for name, values in earlier["variables"].items()}
            for name, values in followed.items():
                variables[name][rows] = values
        self._end(session, variables, flow.cut_short)
        return variables

    def _end(
        self,
        session: Session,
        variables: Mapping[str, np.ndarray],
        cut_short: dict[str, Any] | None,
    ) -> None:
        """Tell the session the end of the batch, and the state that capped runs continue from."""
        session.reached(
            self.settings.solver.max_steps,
            lambda: {
                "variables": {name: torch.from_numpy(one) for name, one in variables.items()},
                "cut_short": cut_short or {},
            },
            # Weights of runs that all ended would be kept twice; the rest is small.
            needed=cut_short is not None or not self.levels,
        )

    def _follow(
        self,
        settings: list[dict[str, Any]],
        scales: list[Scales],
        initial: Weights,
        session: Session,
    ) -> FlowResult:
        """The flow of some runs from their initial weights in the span."""
        rates = [self._rates(one) for one in scales]
        columns = np.array([(one.output, *rate) for one, rate in zip(scales, rates, strict=True)])
        output, rate_w, rate_a = self.inputs.new_tensor(columns.T)
        solver = self.settings.solver
        tolerances = [setting.get("solver_tolerance", solver.tolerance) for setting in settings]
        return integrate(
            TwoLayerNetwork(self.inputs, output, rate_a, rate_w, self.activation),
            initial,
            self.targets,
            StepSizeControl(self.inputs.new_tensor(tolerances)),
            Limits(solver.relative_loss, solver.max_steps, solver.max_time),
            self.settings.history_points,
            session,
            snapshot_levels=self.kept_levels,
            state=session.state and session.state["cut_short"],
        )

    def _rates(self, scales: Scales) -> tuple[float, float]:
        """Rates of w and a for |e|^2 / (2 n); 0 for a layer that is fixed."""
        layers = self.settings.layers
        return (
            scales.rate_w * self.loss_factor * (layers != "second"),
            (scales.rate_a or 0.0) * self.loss_factor * (layers != "first"),
        )

    def _initial_weights(
        self, settings: list[dict[str, Any]], scales: list[Scales]
    ) -> tuple[Weights, OrthogonalPart]:
        """Initial weights in the span of the inputs, and what is kept of the rest.

        Drawn on the CPU; settings that differ in scales alone share their draws.
        """
        parts: list[tuple[np.ndarray, ...]] = []
        drawn: dict[int, tuple[np.ndarray, ...]] = {}
        for setting, scale in zip(settings, scales, strict=True):
            width, seed = setting["width"], setting["seed"]
            if seed not in drawn:
                drawn[seed] = _draw(self.job.stream(width, seed), width, self.span)
            a, w, squared_norm, products = self._arranged(drawn[seed], scale)
            deviation = scale.deviation_w
            parts.append(
                (
                    a * scale.deviation_a,
                    w * deviation,
                    squared_norm * deviation**2,
                    products * deviation,
                )
            )
        a, w, squared_norm, products = (np.stack(values) for values in zip(*parts, strict=True))
        weights = Weights(torch.from_numpy(a).to(self.inputs), torch.from_numpy(w).to(self.inputs))
        return weights, OrthogonalPart(squared_norm, products)

    def _arranged(self, neurons: tuple[np.ndarray, ...], scales: Scales) -> tuple[np.ndarray, ...]:
        """Drawn neurons, output weights first, as the settings and scales want them."""
        a, *others = neurons
        if has_signs(self.settings, scales):
            a = np.where(a < 0, -1.0, 1.0)
        if is_antisymmetric(self.settings, scales):
            a, *others = antisymmetric(a, *others)
        return a if scales.node is None else a * scales.node, *others

    def _records(
        self,
        settings: list[dict[str, Any]],
        scales: list[Scales],
        flow: FlowResult,
        rows: list[int],
    ) -> dict[str, np.ndarray]:
        """What is measured of some runs where their loss fell to the levels."""
        chosen = [self.kept_levels.index(level) for level in self.records]
        # Of levels that a run did not get to, its end is kept.
        kept, levels = flow.snapshots, np.array(self.records)
        missed = (kept.relative_loss[rows][:, chosen] > levels) & (levels > 0)
        found: dict[str, np.ndarray] = {}
        for position, row in enumerate(rows):
            for column, network in enumerate(
                self._networks(settings[row], scales[row], flow, row, chosen)
            ):
                if column == 0:
                    observer = self._observer(scales[row], network)
                if missed[position, column]:
                    continue
                is_end = self.records[column] in (0.0, 1.0)
                for name, value in observer.observe(network, is_end=is_end).items():
                    found.setdefault(name, np.full((len(rows), len(chosen)), np.nan))
                    found[name][position, column] = value
        final = {name: values[:, -1] for name, values in found.items()}
        measured = arranged(final, found, self.settings.record)
        # Of runs of one precision alone; these are measured in the span, in float64.
        ends = ("final_relative_distance_w", "final_relative_distance_a")
        others = {name: values for name, values in measured.items() if name not in ends}
        times = np.where(missed, np.nan, kept.time[rows][:, chosen])
        return others | {"record_time": times}

    def _networks(
        self,
        setting: dict[str, Any],
        scales: Scales,
        flow: FlowResult,
        row: int,
        levels: list[int],
    ) -> Iterator[Network]:
        """A run's networks at some levels, in the space of the inputs; the first is its start."""
        kept = flow.snapshots
        a = kept.output_weights[row, levels] * scales.output
        w = kept.input_weights[row, levels]
        if not self.span.whole:
            # The part outside of the span is drawn again: it is as large as the weights.
            width, basis = setting["width"], self.span.basis
            drawn = gaussian(self.job.stream(width, setting["seed"]), width, len(basis))
            start = self._arranged(drawn, scales)[1] * scales.deviation_w
            w = start + basis @ (w - basis.T @ start)
        # One by one: those of all levels need not fit a GPU.
        for one, output in zip(w, a, strict=True):
            yield Network(self.inputs.new_tensor(one.T), self.inputs.new_tensor(output)[None])

    def _observer(self, scales: Scales, initial: Network) -> Observer:
        train, test = (
            Sample(self.inputs.new_tensor(inputs), self.inputs.new_tensor(targets.T))
            for inputs, targets in (self.points.of(), self.test.of())
        )
        return Observer(
            initial,
            self.activation,
            train,
            test,
            self.settings.record,
            loss=self.settings.loss,
            trained=self.settings.layers,
            rates=layer_rates(self.settings, scales),
            unit=scales.unit,
        )

    def _snapshots(
        self, orthogonal: OrthogonalPart, flow: FlowResult, rows: list[int]
    ) -> dict[str, np.ndarray]:
        kept = flow.snapshots
        chosen: Any = slice(None) if len(rows) == len(flow.weights) else rows  # no copy of all
        of_levels: Any = slice(None)
        if self.records:
            of_levels = [self.kept_levels.index(level) for level in self.levels]
        values = {
            "output_weights": kept.output_weights[chosen][:, of_levels],
            "snapshot_relative_loss": kept.relative_loss[chosen][:, of_levels],
            "snapshot_time": kept.time[chosen][:, of_levels],
        }
        input_weights = kept.input_weights[chosen][:, of_levels]
        if self.settings.snapshot_content == "weights":
            return values | {"input_weights": input_weights}
        # These sums are over features alone, in their order, however many runs there are.
        squares = np.einsum("esrk,esrk->esk", input_weights, input_weights)
        direction = _reference_direction(self.span) @ self.span.basis
        moving = np.einsum("r,esrk->esk", direction, input_weights)
        return values | {
            "input_norm": np.sqrt(squares + orthogonal.squared_norm[chosen, None]),
            "input_projection": moving + orthogonal.products[chosen],
        }

    def attributes(self) -> dict[str, Any]:
        """The name of the loss."""
        return {"loss": self.settings.loss}

    def coordinates(self) -> dict[str, Coordinate]:
        """The levels of the loss at which weights are kept, and at which networks are measured."""
        found = {}
        for name, levels, what in (
            ("snapshot", self.levels, "the weights were kept"),
            ("record", self.records, "the network was measured"),
        ):
            if len(levels):
                text = f"share of the initial loss at which {what}"
                found[name] = Coordinate(np.asarray(levels, dtype=np.float64), text)
        return found


def _draw(random: np.random.Generator, width: int, domain: Span) -> tuple[np.ndarray, ...]:
    """Draw standard normal neurons, and reduce them to the span of the inputs.

    Returns output weights, first-layer weights in the basis of the span, and of the part of the
    first-layer weights that is orthogonal to the span the squared norm and the product with the
    reference direction; neurons are the last dimension.
    """
    if domain.whole:
        a, w = gaussian(random, width, len(domain.basis))
        return a, w, np.zeros(width), np.zeros((1, width))
    directions = _reference_direction(domain)[None]
    a, w, orthogonal = gaussian_in_span(random, width, domain.basis, directions)
    return a, w, orthogonal.squared_norm, orthogonal.products


def _reference_direction(domain: Span) -> np.ndarray:
    """The unit vector of equal entries (n_features,): Luo et al. (2021), section 4.2."""
    n_features = len(domain.basis)
    return np.full(n_features, n_features**-0.5)


def _measures(
    initial: Weights, orthogonal: OrthogonalPart, flow: FlowResult, rows: list[int]
) -> dict[str, np.ndarray]:
    # One by one: sums of a batch may depend on how many runs it has.
    sizes = [
        # Of a run that was followed, the end is there.
        _sizes(initial[[row]], cast(Weights, flow.weights[row]), orthogonal.squared_norm[row])
        for row in rows
    ]
    distance_a, distance_w, norm_a, norm_w = np.array(sizes).T
    values = {
        "final_relative_distance_w": distance_w / norm_w,
        "final_relative_distance_a": distance_a / norm_a,
        "final_relative_distance_theta": np.hypot(distance_a, distance_w)
        / np.hypot(norm_a, norm_w),
    }
    of_flow = {
        "initial_loss": flow.initial_loss,
        "final_loss": flow.final_loss,
        "flow_time": flow.flow_time,
        "solver_steps": flow.accepted_steps,
        "rejected_steps": flow.rejected_steps,
        "time": flow.history_time,
        "train_loss": flow.history_loss,
        **{name: getattr(flow, name) for name in ENDINGS},
    }
    return values | {name: value[rows] for name, value in of_flow.items()}


def _sizes(initial: Weights, end: Weights, orthogonal: np.ndarray) -> tuple[float, ...]:
    """Distances of a and w of one run from their initial values, and the norms of the latter.

    initial: a batch of one. orthogonal: squared norms of what the neurons have outside of the span
    (width,).
    """
    distance_a, distance_w = (float(value) for value in initial.distance(end))
    norm_a, norm_w = (float(value) for value in initial.norms())
    return distance_a, distance_w, norm_a, math.sqrt(norm_w**2 + orthogonal.sum())
