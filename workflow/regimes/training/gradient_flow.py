"""Train a block of networks by gradient flow: settings and data in, a dataset of results out."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.dynamics.gradient_flow import FlowResult, Limits, integrate
from regimes.dynamics.step_size import StepSizeControl
from regimes.networks.initialisation import antisymmetric, gaussian
from regimes.networks.two_layer import TwoLayerNetwork, Weights
from regimes.parameterisations.scales import Scales
from regimes.streams import stream

# Batches are cut so that their weights and paths take about this much memory.
BATCH_BYTES = 1024**3

AXES = {
    "gamma_prime": "exponent gamma' of the dynamical scaling kappa' = m^-gamma'",
    "gamma": "exponent gamma of the energetic scaling kappa = m^-gamma",
    "width": "number of hidden neurons m",
    "seed": "index of the random initialisation",
}
LONG_NAMES = {
    "relative_distance_w": "relative distance |w(T) - w(0)| / |w(0)| of the first-layer weights",
    "relative_distance_a": "relative distance |a(T) - a(0)| / |a(0)| of the output weights",
    "relative_distance_theta": "relative distance |theta(T) - theta(0)| / |theta(0)|",
    "initial_loss": "loss R(0) = |e|^2 / (2 n) at the start",
    "final_loss": "loss R(T) = |e|^2 / (2 n) at the end",
    "converged": "1 if the loss fell below the wanted share of R(0), 0 if a cap ended the run",
    "diverged": "1 if the loss became infinite or the steps shrank to nothing",
    "flow_time": "time T at which the run ended, in the time of the parameterisation",
    "solver_steps": "number of accepted steps",
    "rejected_steps": "number of rejected steps",
    "history_time": "log-spaced times of the recorded loss",
    "history_loss": "loss along the run",
}


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """Train every setting of a block and measure how far the weights went.

    block: plain resolved settings, as in the plan. data: `inputs` (point, feature) and `targets`
    (point). Returns the variables of LONG_NAMES over the block's axes, the history over
    `checkpoint` too; NaN where a run diverged. Widths are trained one after the other, the
    settings of a width together.
    """
    start = time.monotonic()
    axes = {name: list(block["axes"][name]) for name in AXES if name in block["axes"]}
    shape = tuple(len(values) for values in axes.values())
    results = {name: np.full(shape, np.nan) for name in LONG_NAMES}
    for name in ("history_time", "history_loss"):
        results[name] = np.full((*shape, block["history_points"]), np.nan)

    dtype = getattr(torch, block["solver"]["precision"])
    inputs = torch.tensor(data["inputs"].values, dtype=dtype, device=device)
    targets = torch.tensor(data["targets"].values, dtype=dtype, device=device)
    batches = list(_batches(axes, inputs, dtype))
    for number, batch in enumerate(batches, start=1):
        width = batch[0]["width"]
        label = f"batch {number} of {len(batches)} (width {width}, {len(batch)} runs)"
        progress(f"{label}: start")
        began = time.monotonic()
        measured = _train_batch(
            block, batch, inputs, targets, lambda text, label=label: progress(f"{label}: {text}")
        )
        progress(f"{label}: done in {time.monotonic() - began:.1f} s")
        for position, setting in enumerate(batch):
            index = tuple(values.index(setting[name]) for name, values in axes.items())
            for name, values in measured.items():
                results[name][index] = values[position]
    dataset = _dataset(axes, results)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset


def _batches(
    axes: Mapping[str, Sequence], inputs: torch.Tensor, dtype: torch.dtype
) -> Iterator[list[dict[str, Any]]]:
    """Settings that are trained together: of one width, and no more than fit the memory."""
    n_points, n_features = inputs.shape
    others = [name for name in axes if name != "width"]
    for width in axes["width"]:
        settings = [
            dict(zip(others, values, strict=True), width=width)
            for values in itertools.product(*(axes[name] for name in others))
        ]
        # Initial, present, predicted and new weights, and the shares of the path.
        numbers = width * (4 * (n_features + 1) + n_points)
        room = max(1, int(BATCH_BYTES / (numbers * torch.finfo(dtype).bits / 8)))
        size = math.ceil(len(settings) / math.ceil(len(settings) / room))
        for first in range(0, len(settings), size):
            yield settings[first : first + size]


def _train_batch(
    block: Mapping[str, Any],
    settings: list[dict[str, Any]],
    inputs: torch.Tensor,
    targets: torch.Tensor,
    progress: Callable[[str], None],
) -> dict[str, np.ndarray]:
    parameterisation = import_module(f"regimes.parameterisations.{block['parameterisation']}")
    exponents = block.get("exponents", {})
    scales = [parameterisation.scales({**setting, "exponents": exponents}) for setting in settings]
    initial = _initial_weights(block, settings, scales, inputs)

    def column(name: str) -> torch.Tensor:
        return inputs.new_tensor([getattr(scale, name) for scale in scales])

    network = TwoLayerNetwork(
        inputs,
        *map(column, ("output", "mobility_a", "mobility_w")),
        activation=import_module(f"regimes.activations.{block['activation']}"),
    )
    solver = block["solver"]
    flow = integrate(
        network,
        initial,
        targets,
        StepSizeControl(solver["tolerance"]),
        Limits(solver["relative_loss"], solver["max_steps"], solver["max_time"]),
        block["history_points"],
        progress,
    )
    return _measures(initial, flow)


def _initial_weights(
    block: Mapping[str, Any],
    settings: list[dict[str, Any]],
    scales: list[Scales],
    inputs: torch.Tensor,
) -> Weights:
    """Initial weights, drawn on the CPU; settings that differ in scales alone share their draws."""
    output, hidden = [], []
    drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for setting, scale in zip(settings, scales, strict=True):
        width, seed = setting["width"], setting["seed"]
        if seed not in drawn:
            key = (block["experiment"], block["dataset"], width, seed)
            random = stream(block["root_seed"], *key)
            drawn[seed] = gaussian(random, width, inputs.shape[1])
        a, w = drawn[seed]
        if _is_antisymmetric(block["antisymmetric_initialisation"], scale.gamma):
            a, w = antisymmetric(a, w)
        output.append(torch.from_numpy(a * scale.deviation_a))
        hidden.append(torch.from_numpy(w * scale.deviation_w))
    return Weights(torch.stack(output).to(inputs), torch.stack(hidden).to(inputs))


def _is_antisymmetric(choice: str, gamma: float) -> bool:
    # Remark 5 of Luo et al. (2021): needed where the initial output would not vanish.
    return choice == "always" or (choice == "auto" and gamma <= 0.5)


def _measures(initial: Weights, flow: FlowResult) -> dict[str, np.ndarray]:
    final = Weights(
        torch.stack([weights.a for weights in flow.weights]),
        torch.stack([weights.w for weights in flow.weights]),
    )
    distance_a, distance_w = (values.double().cpu().numpy() for values in final.distance(initial))
    norm_a, norm_w = (values.double().cpu().numpy() for values in initial.norms())
    values = {
        "relative_distance_w": distance_w / norm_w,
        "relative_distance_a": distance_a / norm_a,
        "relative_distance_theta": np.hypot(distance_a, distance_w) / np.hypot(norm_a, norm_w),
        "initial_loss": flow.initial_loss,
        "final_loss": flow.final_loss,
        "flow_time": flow.flow_time,
        "solver_steps": flow.accepted_steps,
        "rejected_steps": flow.rejected_steps,
        "history_time": flow.history_time,
        "history_loss": flow.history_loss,
    }
    values = {
        name: np.where(
            flow.diverged.reshape(-1, *[1] * (value.ndim - 1)) & (value.dtype.kind == "f"),
            np.nan,
            value,
        )
        for name, value in values.items()
    }
    return values | {"converged": flow.converged, "diverged": flow.diverged}


def _dataset(axes: Mapping[str, Sequence], results: Mapping[str, np.ndarray]) -> xr.Dataset:
    integers = {
        "converged": np.int8,
        "diverged": np.int8,
        "solver_steps": np.int32,
        "rejected_steps": np.int32,
    }
    variables = {}
    for name, values in results.items():
        dims = (*axes, "checkpoint") if name.startswith("history") else tuple(axes)
        attributes = {"long_name": LONG_NAMES[name], "units": "1"}
        variables[name] = (dims, values.astype(integers.get(name, np.float64)), attributes)
    coordinates = {
        name: (name, values, {"long_name": AXES[name], "units": "1"})
        for name, values in axes.items()
    }
    checkpoints = np.arange(results["history_loss"].shape[-1])
    coordinates["checkpoint"] = (
        "checkpoint",
        checkpoints,
        {"long_name": "index of the recorded time", "units": "1"},
    )
    return xr.Dataset(variables, coords=coordinates)
