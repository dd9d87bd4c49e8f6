"""Train a block of networks with asymmetrically scaled nodes by full-batch gradient descent."""

import functools
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.blocks import CHECKPOINTS, path_of
from regimes.engines.common.checkpoints import Checkpoint
from regimes.engines.common.recording import recorded_steps
from regimes.engines.common.resume import Continuation, last_common
from regimes.engines.function_space.descent import Descent, descend
from regimes.engines.function_space.node_scaled_record import COUNTS, dataset_of
from regimes.engines.function_space.node_scaled_runs import NodeScaledProblem

AXES = ("setting", "width", "seed")


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
    checkpoints: str | Path = CHECKPOINTS,
    states: str | Path | None = None,
) -> xr.Dataset:
    """Train every setting of a block for its number of steps.

    block: plain resolved settings, as in the plan. data: `inputs` (point, feature), `targets`
    (point) or (point, output), and `split`; networks are trained on the training points, the first
    n_train of them if that is given, and tested on the test points. Returns the variables of
    `regimes.engines.function_space.node_scaled_record` over the block's axes. `progress`,
    `checkpoints` and `states` are as for `regimes.engines.gradient_descent.engine.train`. Raises
    DataError when the data have not what the settings ask for.
    """
    start = time.monotonic()
    axes = {name: list(block["axes"][name]) for name in AXES}
    settings = [
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    ]
    problem = NodeScaledProblem(block, data, device)
    checkpoint = Checkpoint(path_of(block, data, device, Path(checkpoints)))
    saved = checkpoint.load() or {"done": [], "state": None, "kept": {}}
    longer = recorded_steps(block["record"], block["max_steps"] + 1)
    anchor = last_common(problem.steps, longer)
    folder = None if states is None else Path(states)
    continuation = Continuation(block, data, device, problem.steps, anchor, folder)
    continuation.kept, earlier = saved["kept"], continuation.earlier(progress)
    done: list[dict[str, dict[str, torch.Tensor]]] = list(saved["done"])
    state = saved["state"]
    if state is not None:
        progress(f"going on from a checkpoint in run {len(done) + 1}")
    for number, setting in enumerate(settings[len(done) :], start=len(done) + 1):
        described = ", ".join(f"{name} {value}" for name, value in setting.items())
        label = f"run {number} of {len(settings)} ({described})"
        began = time.monotonic()
        run = problem.run(setting)

        def present(state: Callable[[], dict[str, Any]]) -> dict[str, Any]:
            return {"done": done, "state": state(), "kept": continuation.kept}

        descent = descend(
            run.network,
            problem.steps,
            run.observe,
            run.control,
            progress=lambda report, label=label: progress(f"{label}: {report}"),
            keep_state=lambda state: checkpoint.offer(lambda: present(state)),
            keep_end=functools.partial(continuation.keep, number),
            state=state or earlier.get(number),
        )
        state = None
        variables, histories = run.results(descent)
        done.append(
            {"variables": _tensors(variables | _counts(descent)), "histories": _tensors(histories)}
        )
        ended = "diverged" if descent.diverged else "done"
        progress(
            f"{label}: {descent.plain_steps} plain steps and {descent.leaps} leaps, {ended} in "
            f"{time.monotonic() - began:.1f} s"
        )
    continuation.write()
    checkpoint.delete()
    dataset = dataset_of(axes, problem.steps, done)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset


def _tensors(values: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(value)) for name, value in values.items()}


def _counts(descent: Descent) -> dict[str, np.ndarray]:
    return {name: np.asarray(getattr(descent, name)) for name in COUNTS}
