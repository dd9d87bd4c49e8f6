"""Train a block of networks by gradient flow: settings and data in, a dataset of results out."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.activations.load import load_activation
from regimes.engines.common.blocks import put
from regimes.engines.common.resume import Continuation
from regimes.engines.common.span import Span, span
from regimes.engines.common.streams import stream
from regimes.engines.gradient_flow.initialisation import (
    Frozen,
    antisymmetric,
    gaussian,
    gaussian_in_span,
)
from regimes.engines.gradient_flow.integrator import (
    ENDINGS,
    SECONDS_BETWEEN_REPORTS,
    FlowResult,
    Limits,
    Progress,
    integrate,
)
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights, motion
from regimes.engines.gradient_flow.parameterisations.scales import Scales
from regimes.engines.gradient_flow.step_size import StepSizeControl
from regimes.errors import DataError

# Code of the training points in `split` of a data set.
TRAIN = 0
# Batches are cut so that their weights and paths take about this much memory.
BATCH_BYTES = 1024**3

AXES = {
    "gamma_prime": "exponent gamma' of the dynamical scaling kappa' = m^-gamma'",
    "gamma": "exponent gamma of the energetic scaling kappa = m^-gamma",
    "solver_tolerance": "tolerance of the solver",
    "width": "number of hidden neurons m",
    "seed": "index of the random initialisation",
}
LONG_NAMES = {
    "relative_distance_w": "relative distance |w(T) - w(0)| / |w(0)| of the first-layer weights",
    "relative_distance_a": "relative distance |a(T) - a(0)| / |a(0)| of the output weights",
    "relative_distance_theta": "relative distance |theta(T) - theta(0)| / |theta(0)|",
    "initial_loss": "loss R(0) = |e|^2 / (2 n) at the start",
    "final_loss": "loss R(T) = |e|^2 / (2 n) at the end",
    "converged": "1 if the loss fell below the wanted share of R(0)",
    "stationary": "1 if the run ended where less than the wanted share of R(0) was left to gain",
    "capped": "1 if a cap on the steps or on the time ended the run",
    "diverged": "1 if the loss became infinite or the steps shrank to nothing",
    "flow_time": "time T at which the run ended, in the time of the parameterisation",
    "solver_steps": "number of accepted steps",
    "rejected_steps": "number of rejected steps",
    "history_time": "log-spaced times of the recorded loss",
    "history_loss": "loss along the run",
}
SNAPSHOT_NAMES = {
    "output_weights": "output weights a",
    "input_weights": "first-layer weights w, one row per feature",
    "input_norm": "norm |w| of a neuron's first-layer weights",
    "input_projection": "scalar product of a neuron's first-layer weights with the unit vector of "
    "equal entries",
    "snapshot_relative_loss": "loss at the snapshot over the initial loss",
    "snapshot_time": "time of the snapshot, in the time of the parameterisation",
}
SNAPSHOT_DIMENSIONS = {
    "output_weights": ("snapshot", "neuron"),
    "input_weights": ("snapshot", "feature", "neuron"),
    "input_norm": ("snapshot", "neuron"),
    "input_projection": ("snapshot", "neuron"),
    "snapshot_relative_loss": ("snapshot",),
    "snapshot_time": ("snapshot",),
}
INDICES = {
    "checkpoint": "index of the recorded time",
    "neuron": "index of the hidden neuron",
    "feature": "index of the input feature",
}
# Number of the results of all runs among the states of batches, which count from 1.
RESULTS = 0
# Reports to a progress bar, in seconds.
SECONDS_BETWEEN_UPDATES = 0.1


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
    watch: Callable[[Progress], None] | None = None,
    states: str | Path | None = None,
) -> xr.Dataset:
    """Train every setting of a block and measure how far the weights went.

    block: plain resolved settings, as in the plan. data: `inputs` (point, feature), `targets`
    (point) and `split` (point), of which the training points count. Returns the variables of
    LONG_NAMES over the block's axes, the history over `checkpoint` too, and with `snapshots` those
    of SNAPSHOT_NAMES; NaN where a run diverged. Widths are trained one after the other, the
    settings of a width together. `progress` receives lines for a log; `watch`, in their place, the
    state of the batch under way ten times a second. states: folder for what the job leaves at its
    end, from which the same job with a larger `max_steps` goes on, with the bits of an
    uninterrupted one; None: none. With `snapshots` only if runs hit that cap, and only for data
    that say their hash (`data_hash`).
    Raises DataError for targets of several outputs.
    """
    start = time.monotonic()
    cap = block["solver"]["max_steps"]
    folder = None if states is None else Path(states)
    # No recorded steps have to agree, and what is kept is always of the cap's try.
    continuation = Continuation(block, data, device, np.zeros(1, dtype=np.int64), cap, folder)
    earlier = continuation.earlier(progress)
    goes_on = bool(earlier)
    axes = {name: list(block["axes"][name]) for name in AXES if name in block["axes"]}
    levels = block.get("snapshots", [])
    results = {name: values.numpy() for name, values in earlier.pop(RESULTS, {}).items()}
    dtype = getattr(torch, block["solver"]["precision"])
    data = data.isel(point=(data["split"] == TRAIN).values)
    if data["targets"].ndim > 1:
        raise DataError("gradient_flow trains one output; the data have several (targets: label)")
    domain = span(data["inputs"].values, block.get("reduce_inputs", True))
    inputs = torch.tensor(domain.inputs, dtype=dtype, device=device)
    targets = torch.tensor(data["targets"].values, dtype=dtype, device=device)
    seconds = SECONDS_BETWEEN_UPDATES if watch else SECONDS_BETWEEN_REPORTS
    activation = load_activation(block)
    batches = list(_batches(axes, inputs, dtype, motion(activation, inputs).arrays))
    for number, batch in enumerate(batches, start=1):
        width = batch[0]["width"]
        label = f"batch {number} of {len(batches)} (width {width}, {len(batch)} runs)"
        # Batches follow from the settings, in this order, so that their numbers tell them.
        if goes_on and number not in earlier:
            progress(f"{label}: all runs had ended")
            continue
        progress(f"{label}: start")
        began = time.monotonic()

        def report(state: Progress, label: str = label) -> None:
            progress(f"{label}: {state}")

        def keep(state: dict[str, Any], number: int = number) -> None:
            continuation.keep(number, cap, lambda: state)

        rows, measured = _train_batch(
            block,
            batch,
            domain,
            activation,
            inputs,
            targets,
            watch or report,
            seconds,
            keep_state=None if continuation.path is None else keep,
            state=earlier.get(number),
        )
        progress(f"{label}: done in {time.monotonic() - began:.1f} s")
        for index, row in enumerate(rows):
            values = {name: value[index] for name, value in measured.items()}
            put(results, axes, batch[row], values)
    # Weights of runs that all ended would be kept twice; the rest is small.
    if continuation.kept or not levels:
        found = {name: torch.from_numpy(values) for name, values in results.items()}
        continuation.keep(RESULTS, cap, lambda: found)
        continuation.write()
    dataset = _dataset(axes, levels, results)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset


def _batches(
    axes: Mapping[str, Sequence], inputs: torch.Tensor, dtype: torch.dtype, arrays: int
) -> Iterator[list[dict[str, Any]]]:
    """Settings that are trained together: of one width, and no more than fit the memory.

    arrays: of points x neurons that a path keeps.
    """
    n_points, n_features = inputs.shape
    others = [name for name in axes if name != "width"]
    for width in axes["width"]:
        settings = [
            dict(zip(others, values, strict=True), width=width)
            for values in itertools.product(*(axes[name] for name in others))
        ]
        # Initial, present, predicted and new weights, and the arrays of the path.
        numbers = width * (4 * (n_features + 1) + arrays * n_points)
        room = max(1, int(BATCH_BYTES / (numbers * torch.finfo(dtype).bits / 8)))
        size = math.ceil(len(settings) / math.ceil(len(settings) / room))
        for first in range(0, len(settings), size):
            yield settings[first : first + size]


def _train_batch(
    block: Mapping[str, Any],
    settings: list[dict[str, Any]],
    domain: Span,
    activation: Any,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    progress: Callable[[Progress], None],
    seconds_between_reports: float,
    *,
    keep_state: Callable[[dict[str, Any]], None] | None,
    state: Mapping[str, Any] | None,
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Indices of the runs that were followed, all of them without a state to go on from, and what
    these came to. keep_state, state: as of `integrate`.
    """
    parameterisation = import_module(
        f"regimes.engines.gradient_flow.parameterisations.{block['parameterisation']}"
    )
    exponents = block.get("exponents", {})
    scales = [parameterisation.scales({**setting, "exponents": exponents}) for setting in settings]
    initial, frozen = _initial_weights(block, settings, scales, domain, inputs)

    def column(name: str) -> torch.Tensor:
        return inputs.new_tensor([getattr(scale, name) for scale in scales])

    network = TwoLayerNetwork(
        inputs,
        *map(column, ("output", "mobility_a", "mobility_w")),
        activation=activation,
    )
    solver = block["solver"]
    tolerances = [setting.get("solver_tolerance", solver["tolerance"]) for setting in settings]
    flow = integrate(
        network,
        initial,
        targets,
        StepSizeControl(inputs.new_tensor(tolerances)),
        Limits(solver["relative_loss"], solver["max_steps"], solver["max_time"]),
        block["history_points"],
        progress,
        snapshot_levels=block.get("snapshots", []),
        seconds_between_reports=seconds_between_reports,
        keep_state=keep_state,
        state=state,
    )
    rows = [row for row, weights in enumerate(flow.weights) if weights is not None]
    measured = _measures(initial, frozen, flow, rows)
    if len(flow.snapshots.levels):
        measured |= _snapshots(block, domain, frozen, flow, rows)
    # The values of runs that diverged are not to be used.
    for values in measured.values():
        if values.dtype.kind == "f":
            values[flow.diverged[rows]] = np.nan
    return rows, measured


def _initial_weights(
    block: Mapping[str, Any],
    settings: list[dict[str, Any]],
    scales: list[Scales],
    domain: Span,
    inputs: torch.Tensor,
) -> tuple[Weights, Frozen]:
    """Initial weights in the span of the inputs, and what is kept of the rest, over the settings.

    Drawn on the CPU; settings that differ in scales alone share their draws.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    drawn: dict[int, tuple[np.ndarray, ...]] = {}
    for setting, scale in zip(settings, scales, strict=True):
        width, seed = setting["width"], setting["seed"]
        if seed not in drawn:
            key = (block["experiment"], block["dataset"], width, seed)
            drawn[seed] = _draw(stream(block["root_seed"], *key), width, domain)
        neurons = drawn[seed]
        if _is_antisymmetric(block["antisymmetric_initialisation"], scale.gamma):
            neurons = antisymmetric(*neurons)
        a, w, squared_norm, products = neurons
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
    weights = Weights(torch.from_numpy(a).to(inputs), torch.from_numpy(w).to(inputs))
    return weights, Frozen(squared_norm, products)


def _draw(random: np.random.Generator, width: int, domain: Span) -> tuple[np.ndarray, ...]:
    """Standard normal neurons: output weights, first-layer weights, and of their frozen part the
    squared norm and the product with the reference direction; neurons in the last dimension.
    """
    if domain.whole:
        a, w = gaussian(random, width, len(domain.basis))
        return a, w, np.zeros(width), np.zeros((1, width))
    directions = _reference_direction(domain)[None]
    a, w, frozen = gaussian_in_span(random, width, domain.basis, directions)
    return a, w, frozen.squared_norm, frozen.products


def _reference_direction(domain: Span) -> np.ndarray:
    """The unit vector of equal entries (n_features,): Luo et al. (2021), section 4.2."""
    n_features = len(domain.basis)
    return np.full(n_features, n_features**-0.5)


def _is_antisymmetric(choice: str, gamma: float) -> bool:
    # Remark 5 of Luo et al. (2021): needed where the initial output would not vanish.
    return choice == "always" or (choice == "auto" and gamma <= 0.5)


def _measures(
    initial: Weights, frozen: Frozen, flow: FlowResult, rows: list[int]
) -> dict[str, np.ndarray]:
    # One by one: sums of a batch may depend on how many runs it has.
    sizes = [_sizes(initial[[row]], flow.weights[row], frozen.squared_norm[row]) for row in rows]
    distance_a, distance_w, norm_a, norm_w = np.array(sizes).T
    values = {
        "relative_distance_w": distance_w / norm_w,
        "relative_distance_a": distance_a / norm_a,
        "relative_distance_theta": np.hypot(distance_a, distance_w) / np.hypot(norm_a, norm_w),
    }
    of_flow = {
        "initial_loss": flow.initial_loss,
        "final_loss": flow.final_loss,
        "flow_time": flow.flow_time,
        "solver_steps": flow.accepted_steps,
        "rejected_steps": flow.rejected_steps,
        "history_time": flow.history_time,
        "history_loss": flow.history_loss,
        **{name: getattr(flow, name) for name in ENDINGS},
    }
    return values | {name: value[rows] for name, value in of_flow.items()}


def _sizes(initial: Weights, end: Weights, frozen: np.ndarray) -> tuple[float, ...]:
    """Of a run: distances of a and w from the start, and norms of a and w there.

    initial: a batch of one. frozen: squared norms of the neurons' frozen parts (width,).
    """
    distance_a, distance_w = (float(value) for value in initial.distance(end))
    norm_a, norm_w = (float(value) for value in initial.norms())
    return distance_a, distance_w, norm_a, math.sqrt(norm_w**2 + frozen.sum())


def _snapshots(
    block: Mapping[str, Any], domain: Span, frozen: Frozen, flow: FlowResult, rows: list[int]
) -> dict[str, np.ndarray]:
    kept = flow.snapshots
    chosen = slice(None) if len(rows) == len(flow.weights) else rows  # no copy of all
    values = {
        "output_weights": kept.output_weights[chosen],
        "snapshot_relative_loss": kept.relative_loss[chosen],
        "snapshot_time": kept.time[chosen],
    }
    input_weights = kept.input_weights[chosen]
    if block.get("snapshot_content", "weights") == "weights":
        return values | {"input_weights": input_weights}
    # These sums are over features alone, in their order, however many runs there are.
    squares = np.einsum("esrk,esrk->esk", input_weights, input_weights)
    moving = np.einsum("r,esrk->esk", _reference_direction(domain) @ domain.basis, input_weights)
    return values | {
        "input_norm": np.sqrt(squares + frozen.squared_norm[chosen, None]),
        "input_projection": moving + frozen.products[chosen],
    }


def _dataset(
    axes: Mapping[str, Sequence], levels: Sequence[float], results: Mapping[str, np.ndarray]
) -> xr.Dataset:
    integers = {
        **dict.fromkeys(ENDINGS, np.int8),
        "solver_steps": np.int32,
        "rejected_steps": np.int32,
    }
    variables = {}
    for name, values in results.items():
        own = SNAPSHOT_DIMENSIONS.get(name, ("checkpoint",) if name.startswith("history") else ())
        attributes = {"long_name": (LONG_NAMES | SNAPSHOT_NAMES)[name], "units": "1"}
        variable = xr.Variable(
            (*axes, *own), values.astype(integers.get(name, np.float64)), attributes
        )
        if "neuron" in own:
            variable.encoding["dtype"] = "float32"  # half the size, and enough to measure them
        variables[name] = variable
    coordinates = {
        name: (name, values, {"long_name": AXES[name], "units": "1"})
        for name, values in axes.items()
    }
    sizes = {dim: size for variable in variables.values() for dim, size in variable.sizes.items()}
    for name, long_name in INDICES.items():
        if name in sizes:
            attributes = {"long_name": long_name, "units": "1"}
            coordinates[name] = (name, np.arange(sizes[name]), attributes)
    if "snapshot" in sizes:
        attributes = {
            "long_name": "share of the initial loss at which the weights were kept",
            "units": "1",
        }
        coordinates["snapshot"] = ("snapshot", np.asarray(levels, dtype=np.float64), attributes)
    return xr.Dataset(variables, coords=coordinates)
