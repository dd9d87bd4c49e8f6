"""Train a block of students (Song et al., 2021) by minibatch descent."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from regimes.engines.common.blocks import CHECKPOINTS
from regimes.engines.sgd import engine as minibatch_descent
from regimes.engines.sgd.models import teacher_student

# Imported, so that it belongs to the code of the runs; loaded by its name.
FAMILY = teacher_student.__name__.rpartition(".")[2]
# The paper's names of the losses, and those of `regimes.engines.sgd.batch_losses`.
LOSSES = {"mean_square": "mean_square", "log_likelihood": "cross_entropy"}


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
    checkpoints: str | Path = CHECKPOINTS,
    states: str | Path | None = None,
) -> xr.Dataset:
    """As `regimes.engines.sgd.engine.train`, for the family `teacher_student`.

    block: its axis `loss` has names of LOSSES.
    """
    names = list(block["axes"]["loss"])
    axes = {**block["axes"], "loss": [LOSSES[name] for name in names]}
    runs = minibatch_descent.train(
        {**block, "family": FAMILY, "axes": axes},
        data,
        device,
        progress,
        checkpoints,
        states,
        named_by=block,
    )
    return runs.assign_coords(loss=("loss", names, runs["loss"].attrs))
