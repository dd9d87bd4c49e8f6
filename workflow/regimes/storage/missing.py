"""Find values that a run lacks though it did not diverge.

What a run may lack is stated here: in the engines it would be part of the code that names runs.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from regimes.errors import DataError

# That are 1 where a run, or the network that a probe trained on it, diverged.
FLAGS = ("diverged", "transfer_diverged")
# There is no Zipf law at gamma = 1, no line through few steps, and no neuron beyond the width.
MAY_LACK = ["alpha", "r_squared", "feature_map"]
# A run may not be in the ball for a single recorded step.
MAY_LACK += ["isometry_ratio"]
# A search, which has as many trials as it needs, may find nothing.
MAY_LACK += ["boundary_gamma", "boundary_gamma_stderr", "steepness"]
OF_A_SEARCH = "trial"


def check_complete(experiment: str, runs: xr.Dataset) -> None:
    """Raise DataError, naming the first value that is missing from a run which did not diverge.

    runs: of a job, all of whose grid was run, with what its probes found.
    """
    for name, values in {**runs.coords, **runs.data_vars}.items():
        missing = values.isnull()
        if name in MAY_LACK or OF_A_SEARCH in values.dims or not missing.any():
            continue
        for expected in _expected(runs, values):
            missing = missing & expected
        if missing.any():
            first = np.argwhere(missing.values)[0]
            places = zip(missing.dims, first, strict=True)
            place = ", ".join(f"{dim} {missing[dim].values[index]}" for dim, index in places)
            file = values.encoding.get("source", "the file of its job")
            raise DataError(
                f"experiments.{experiment}: {name} is missing at {place}, where no run diverged: "
                f"training left it out of {file}; take that value out of the axes, or report it"
            )


def _expected(runs: xr.Dataset, values: xr.DataArray) -> Iterator[xr.DataArray]:
    """Conditions, all of which hold where a value has to be there."""
    for flag in FLAGS:
        # A divergence excuses nothing that other runs have in common with it.
        if flag in runs and set(runs[flag].dims) <= set(values.dims):
            yield runs[flag] != 1
    if "step" in values.dims and "stopping_time" in runs:
        yield runs["step"] <= runs["stopping_time"]
    if "record" in values.dims and "record_time" in runs:
        # A run ends before its loss has fallen to all levels.
        yield runs["record_time"].notnull()
    if "checkpoint" in values.dims and "solver_steps" in runs:
        yield runs["solver_steps"] > 0
