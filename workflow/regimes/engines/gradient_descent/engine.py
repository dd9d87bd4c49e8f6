"""Train a block of networks by gradient descent: settings and data in, a dataset of results out."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.blocks import CHECKPOINTS, path_of, put
from regimes.engines.common.checkpoints import Checkpoint
from regimes.engines.common.resume import Continuation
from regimes.engines.gradient_descent.runs import HISTORY, DescentProblem

AXES = {
    "width": "number of hidden neurons m",
    "n_train": "number of training points n",
    "rate_ratio": "ratio eta_z / eta_w of the layers' learning rates",
    "seed": "index of the random initialisation and of the draw of the data",
}
LONG_NAMES = {
    "stopping_time": "number of steps T after which the run ended",
    "converged": "1 if the residual norm |e| fell below the wanted one",
    "aborted": "1 if the residual norm |e| grew in a step, which ended the run",
    "diverged": "1 if the residuals became infinite",
    "learning_rate": "learning rate of the first layer (of the second, if only that is trained)",
    "initial_loss": "loss at the start",
    "final_loss": "loss at the end",
    "initial_residual_norm": "norm |e| of the residuals e = f - y at the start",
    "residual_norm": "norm |e| of the residuals e = f - y at the end",
    "activation_changes": "number of pairs (neuron, point) whose activation ever left the initial",
    "weight_distance": "distance |W - W_0|_F of the first-layer weights from the start",
    "output_weight_distance": "distance |z - z_0| of the output weights from the start",
    "smallest_eigenvalue": "smallest eigenvalue of the tangent kernel H at the end",
    "initial_smallest_eigenvalue": "smallest eigenvalue of the tangent kernel H at the start",
    "invariant_drift": "relative change of eta_z |w_j|^2 - eta_w |z_j|^2 over the neurons j",
}
# Of what is recorded along the runs, NaN after their end.
HISTORY_NAMES = {
    "loss": "loss along the run",
    "weight_distance": "distance |W - W_0|_F of the first-layer weights along the run",
    "output_weight_distance": "distance |z - z_0| of the output weights along the run",
    "smallest_eigenvalue": "smallest eigenvalue of the tangent kernel H along the run",
    "invariant_drift": "relative change of eta_z |w_j|^2 - eta_w |z_j|^2 along the run",
}
INTEGERS = {
    "stopping_time": np.int32,
    "activation_changes": np.int64,
    "converged": np.int8,
    "aborted": np.int8,
    "diverged": np.int8,
}


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
    checkpoints: str | Path = CHECKPOINTS,
    states: str | Path | None = None,
) -> xr.Dataset:
    """Train every setting of a block until it ends by its stopping rule.

    block: plain resolved settings, as in the plan. data: `inputs` (point, feature) and `targets`
    (point) or (point, output), with `draw` as a first dimension if each seed has data of its own;
    a run is trained on the first n_train of the training points of `split`. Returns variables of
    LONG_NAMES over the block's axes, and those that are recorded over `step` too, as *_history;
    NaN where a run diverged. `progress` receives lines for a log.

    checkpoints: folder for the state of a job that takes longer than some minutes, from which the
    same job goes on with the same bits. Only data that say their hash can be told from others, so
    that without `data_hash` there are none. states: folder for what the job leaves at its end, from
    which the same job with a larger cap goes on, with the bits of an uninterrupted one; None: none.
    """
    start = time.monotonic()
    axes = {name: list(block["axes"][name]) for name in AXES if name in block["axes"]}
    problem = DescentProblem(block, data, device)
    batches = list(problem.batches(axes))
    checkpoint = Checkpoint(path_of(block, data, device, Path(checkpoints)))
    saved = checkpoint.load() or {"batch": 0, "results": {}, "run": None, "kept": {}}
    folder = None if states is None else Path(states)
    # The cap is no recorded step: a run that goes on comes by it as any other.
    cap = problem.rule.max_steps
    continuation = Continuation(block, data, device, problem.steps, cap, folder)
    continuation.kept, earlier = saved["kept"], continuation.earlier(progress)
    results = {name: values.numpy() for name, values in saved["results"].items()}
    state = saved["run"]
    if state is not None:
        progress(f"going on from a checkpoint in batch {saved['batch'] + 1}")
    for number, batch in enumerate(batches[saved["batch"] :], start=saved["batch"]):
        label = f"batch {number + 1} of {len(batches)} ({_described_batch(batch)})"
        began = time.monotonic()

        def present(run: Callable[[], dict[str, Any]], number: int = number) -> dict[str, Any]:
            done = {name: torch.from_numpy(values) for name, values in results.items()}
            return {"batch": number, "results": done, "run": run(), "kept": continuation.kept}

        measured = problem.train(
            batch,
            progress=lambda report, label=label: progress(f"{label}: {report}"),
            keep_state=lambda run, present=present: checkpoint.offer(lambda: present(run)),
            keep_end=functools.partial(continuation.keep, number),
            state=state or earlier.get(number),
        )
        state = None
        steps = int(measured["stopping_time"].max())
        progress(f"{label}: {steps} steps, done in {time.monotonic() - began:.1f} s")
        for index, setting in enumerate(batch):
            one = {name: values[index] for name, values in measured.items()}
            put(results, axes, setting, one)
    continuation.write()
    checkpoint.delete()
    dataset = _dataset(axes, problem.steps, results)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset


def _described_batch(batch: Sequence[Mapping[str, Any]]) -> str:
    shared = (f"{name} {batch[0][name]}" for name in ("width", "n_train"))
    return f"{', '.join(shared)}, {len(batch)} runs"


def _dataset(
    axes: Mapping[str, Sequence], steps: np.ndarray, results: Mapping[str, np.ndarray]
) -> xr.Dataset:
    variables = {}
    for name, values in results.items():
        if name.endswith(HISTORY):
            long_name, dims = HISTORY_NAMES[name.removesuffix(HISTORY)], (*axes, "step")
        else:
            long_name, dims = LONG_NAMES[name], tuple(axes)
        variables[name] = xr.Variable(
            dims,
            values.astype(INTEGERS.get(name, np.float64)),
            {"long_name": long_name, "units": "1"},
        )
    coordinates = {
        name: (name, values, {"long_name": AXES[name], "units": "1"})
        for name, values in axes.items()
    }
    coordinates["step"] = ("step", steps, {"long_name": "number of steps", "units": "1"})
    return xr.Dataset(variables, coords=coordinates)
