"""Train a block of networks by minibatch descent: settings and data in, a dataset out."""

import functools
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.blocks import CHECKPOINTS, path_of, put
from regimes.engines.common.checkpoints import Checkpoint
from regimes.engines.common.resume import Continuation, last_common
from regimes.engines.sgd.runs import HISTORY, SHARED, MinibatchProblem

LONG_NAMES = {
    "learning_rate": "learning rate of the steps on minibatches",
    "diverged": "1 if the risk became infinite",
}
# Of what is recorded along the runs, NaN after they have diverged.
HISTORY_NAMES = {
    "train_risk": "mean loss on the training points along the run",
    "test_risk": "mean loss on the test points along the run",
    "train_accuracy": "share of the training points that are classified rightly along the run",
    "test_accuracy": "share of the test points that are classified rightly along the run",
}


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
    checkpoints: str | Path = CHECKPOINTS,
    states: str | Path | None = None,
    named_by: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Train every setting of a block for its number of epochs.

    block: plain resolved settings, as in the plan; `family` names the module of
    `regimes.engines.sgd.models` that makes the networks. data: `inputs` (point, feature), `targets`
    (point, output) one-hot or (point) labels, and `split`, of which the test points may be none.

    Returns over the block's axes and `step`, the number of minibatches, risks and accuracies as
    *_history, *test* only if there are test points; learning_rate and diverged; and what the
    family measures. `progress`, `checkpoints` and `states` are as in
    `regimes.engines.gradient_descent.engine.train`; named_by: the plan's settings, after which
    files in both are named, if `block` is made of others. Raises DataError when the data are no
    classes.
    """
    start = time.monotonic()
    problem = MinibatchProblem(block, data, device)
    axes = {name: list(block["axes"][name]) for name in problem.module.AXES}
    grid = itertools.product(*axes.values())
    batches = list(problem.batches([dict(zip(axes, values, strict=True)) for values in grid]))
    named_by = named_by or block
    checkpoint = Checkpoint(path_of(named_by, data, device, Path(checkpoints)))
    saved = checkpoint.load() or {"batch": 0, "results": {}, "run": None, "kept": {}}
    epochs = problem.schedule.recorded_epochs()
    longer = replace(problem.schedule, epochs=problem.schedule.epochs + 1).recorded_epochs()
    folder = None if states is None else Path(states)
    anchor = last_common(epochs, longer)
    continuation = Continuation(named_by, data, device, epochs, anchor, folder)
    continuation.kept, earlier = saved["kept"], continuation.earlier(progress)
    results = {name: values.numpy() for name, values in saved["results"].items()}
    state = saved["run"]
    if state is not None:
        progress(f"going on from a checkpoint in batch {saved['batch'] + 1}")
    for number, batch in enumerate(batches[saved["batch"] :], start=saved["batch"]):
        shared = [f"{name} {batch[0][name]}" for name in SHARED if name in batch[0]]
        described = ", ".join([*shared, f"{len(batch)} runs"])
        label = f"batch {number + 1} of {len(batches)} ({described})"
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
        for index, setting in enumerate(batch):
            put(results, axes, setting, {name: values[index] for name, values in measured.items()})
        seconds = time.monotonic() - began
        progress(f"{label}: {block['epochs']} epochs, done in {seconds:.1f} s")
    continuation.write()
    checkpoint.delete()
    dataset = _dataset(axes, problem, results)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset


def _dataset(
    axes: Mapping[str, list], problem: MinibatchProblem, results: Mapping[str, np.ndarray]
) -> xr.Dataset:
    own = problem.module.VARIABLES
    variables = {}
    for name, values in results.items():
        if name in own:
            dims, long_name, kind = own[name]
        elif name.endswith(HISTORY):
            dims, long_name, kind = ("step",), HISTORY_NAMES[name.removesuffix(HISTORY)], np.float64
        else:
            dims, long_name = (), LONG_NAMES[name]
            kind = np.int8 if name == "diverged" else np.float64
        variables[name] = ((*axes, *dims), values.astype(kind), _described(long_name))
    for name, (dims, values, long_name) in problem.family.constants(axes).items():
        variables[name] = (dims, values, _described(long_name))
    coordinates = {
        name: (name, values, _described(problem.module.AXES[name])) for name, values in axes.items()
    }
    epochs = problem.schedule.recorded_epochs()
    steps = epochs * problem.schedule.steps_in_epoch(problem.n_points)
    coordinates["step"] = ("step", steps, _described("number of steps, each on a minibatch"))
    coordinates["epoch"] = ("step", epochs, _described("number of epochs"))
    sizes = xr.Dataset(variables).sizes
    for name, long_name in problem.module.INDICES.items():
        coordinates[name] = (name, np.arange(sizes[name]), _described(long_name))
    return xr.Dataset(variables, coords=coordinates)


def _described(long_name: str) -> dict[str, str]:
    """Attributes of a variable without units."""
    return {"long_name": long_name, "units": "1"}
