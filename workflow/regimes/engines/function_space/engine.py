"""Train a block of networks on embeddings by gradient descent in function space."""

import functools
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.blocks import CHECKPOINTS, path_of, put
from regimes.engines.common.checkpoints import Checkpoint
from regimes.engines.common.recording import recorded_steps
from regimes.engines.common.resume import Continuation, last_common
from regimes.engines.function_space.descent import Descent, descend
from regimes.engines.function_space.runs import FunctionSpaceProblem

AXES = {
    "model": "network model: its embedding and its scaling",
    "width": "number of hidden neurons m",
    "n_train": "number of training points n",
    "seed": "index of the random initialisation and of the draw of the data",
}
LONG_NAMES = {
    "learning_rate": "step size delta, which the scaling of a model multiplies",
    "diverged": "1 if the residuals became infinite",
    "plain_steps": "number of steps that were made one by one",
    "leaps": "number of leaps, which make many steps at once",
    "failed_leaps": "number of leaps that were not accurate enough",
    "gram_smallest_eigenvalue": "smallest eigenvalue of the Gram matrix G",
    "gram_largest_eigenvalue": "largest eigenvalue of the Gram matrix G",
    "interval_length": "length of the active region I of the activation function",
    "interval_slope": "lower bound of |act'| on the active region I",
    "middle_fraction": "smallest share over the points of the neurons in the middle third of the "
    "active region at the start",
    "feature_map": "pre-activations h_i of the first neurons at two points",
}
# Of what is recorded along the runs, NaN after they have diverged.
HISTORY = "_history"
HISTORY_NAMES = {
    "loss": "training loss 1/(2n) sum e^2 along the run",
    "test_error": "loss on the test points along the run",
    "feature_movement": "mean over neurons and training points of |h(t) - h(0)|",
    "function_movement": "mean over training points of |f(t) - f(0)|",
    "weight_distance": "distance |W - W_0|_F of the trained weights along the run",
    "active_fraction": "smallest share over the points of the neurons in the active region",
    "mean_square_slope": "smallest mean over the neurons of act'(h)^2 over the points",
    "leap_length": "number of steps of the leap that ended at the step, 1 if a plain step did",
}
COUNTS = {"diverged": np.int8, "plain_steps": np.int64, "leaps": np.int64, "failed_leaps": np.int64}
MAP_DIMS = ("moment", "map_point", "neuron")


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
    checkpoints: str | Path = CHECKPOINTS,
    states: str | Path | None = None,
) -> xr.Dataset:
    """Train every setting of a block for its number of steps.

    block: plain resolved settings, as in the plan. data: as for
    `regimes.engines.gradient_descent.engine.train`, with one target; test points are used for the
    test error. Returns variables of LONG_NAMES over the block's axes, and those of HISTORY_NAMES
    over `step` too, as *_history. `progress`, `checkpoints` and `states` are as there. Raises
    DataError when the data have not what the settings ask for.
    """
    start = time.monotonic()
    axes = {name: list(block["axes"][name]) for name in AXES}
    settings = [
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    ]
    problem = FunctionSpaceProblem(block, data, device)
    problem.check(axes)
    checkpoint = Checkpoint(path_of(block, data, device, Path(checkpoints)))
    saved = checkpoint.load() or {"run": 0, "results": {}, "state": None, "kept": {}}
    longer = recorded_steps(block["record"], block["max_steps"] + 1)
    anchor = last_common(problem.steps, longer)
    folder = None if states is None else Path(states)
    continuation = Continuation(block, data, device, problem.steps, anchor, folder)
    continuation.kept, earlier = saved["kept"], continuation.earlier(progress)
    results = {name: values.numpy() for name, values in saved["results"].items()}
    state = saved["state"]
    if state is not None:
        progress(f"going on from a checkpoint in run {saved['run'] + 1}")
    for number, setting in enumerate(settings[saved["run"] :], start=saved["run"]):
        described = ", ".join(f"{name} {value}" for name, value in setting.items())
        label = f"run {number + 1} of {len(settings)} ({described})"
        began = time.monotonic()
        run = problem.run(setting)

        def present(state: Callable[[], dict[str, Any]], number: int = number) -> dict[str, Any]:
            done = {name: torch.from_numpy(values) for name, values in results.items()}
            kept = continuation.kept
            return {"run": number, "results": done, "state": state(), "kept": kept}

        descent = descend(
            run.network,
            problem.steps,
            run.observe,
            run.control,
            progress=lambda report, label=label: progress(f"{label}: {report}"),
            keep_state=lambda state, present=present: checkpoint.offer(lambda: present(state)),
            keep_end=functools.partial(continuation.keep, number),
            state=state or earlier.get(number),
        )
        state = None
        put(results, axes, setting, run.constants() | run.feature_map() | _variables(descent))
        progress(
            f"{label}: {descent.plain_steps} plain steps and {descent.leaps} leaps, done in "
            f"{time.monotonic() - began:.1f} s"
        )
    continuation.write()
    checkpoint.delete()
    dataset = _dataset(axes, problem.steps, results)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset


def _variables(descent: Descent) -> dict[str, np.ndarray]:
    counts = {name: np.asarray(getattr(descent, name)) for name in COUNTS}
    return counts | {f"{name}{HISTORY}": values for name, values in descent.history.items()}


def _dataset(
    axes: Mapping[str, list], steps: np.ndarray, results: Mapping[str, np.ndarray]
) -> xr.Dataset:
    variables = {}
    for name, values in results.items():
        if name.endswith(HISTORY):
            long_name, dims = HISTORY_NAMES[name.removesuffix(HISTORY)], (*axes, "step")
        else:
            dims = (*axes, *MAP_DIMS) if name == "feature_map" else tuple(axes)
            long_name = LONG_NAMES[name]
        kind = np.float32 if name == "feature_map" else COUNTS.get(name, np.float64)
        variables[name] = xr.Variable(
            dims, values.astype(kind), {"long_name": long_name, "units": "1"}
        )
    coordinates = {
        name: (name, values, {"long_name": AXES[name], "units": "1"})
        for name, values in axes.items()
    }
    coordinates["step"] = ("step", steps, {"long_name": "number of steps", "units": "1"})
    if "feature_map" in variables:
        for name, size, long_name in zip(
            MAP_DIMS,
            variables["feature_map"].shape[-3:],
            (
                "0: start, 1: end of training",
                "0: the first training point, 1: the first test point",
                "index of the neuron",
            ),
            strict=True,
        ):
            coordinates[name] = (name, np.arange(size), {"long_name": long_name, "units": "1"})
    return xr.Dataset(variables, coords=coordinates)
