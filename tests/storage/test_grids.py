"""Runs of an experiment, put together from its jobs."""

from pathlib import Path

import numpy as np
import xarray as xr

from regimes.storage import store
from regimes.storage.grids import combine_blocks, gather, merge_grids


def job(device: str, **variables: float) -> xr.Dataset:
    values = {name: ("seed", [value]) for name, value in variables.items()}
    return xr.Dataset(values, {"seed": [0]}, {"device": device})


def test_all_devices_that_computed_something_are_named() -> None:
    runs, probes = [job("cpu", final_loss=1.0)], [job("cuda", norm=2.0), job("cpu", angle=3.0)]
    together, devices, counts = gather("mine", [1], iter(runs), iter(probes), 2, lambda runs: runs)
    assert devices == "cpu, cuda" and counts == {}
    assert set(together.data_vars) == {"final_loss", "norm", "angle"}


def test_each_run_keeps_its_own_times(tmp_path: Path) -> None:
    described = {"long_name": "a", "units": "1"}
    jobs = []
    for number, (width, seed) in enumerate([(10, 0), (10, 1), (20, 0)]):
        times = number + np.arange(3.0) if number else np.full(3, np.nan)  # one has diverged
        coords = {"width": [width], "seed": [seed], "checkpoint": [0, 1, 2]}
        over = ("width", "seed", "checkpoint")
        job = xr.Dataset({"train_loss": (over, times[None, None] ** 2)}, coords)
        job.coords["time"] = over, times[None, None]
        for name in job.variables:
            job[name].attrs = described
        path = tmp_path / f"{number}.nc"
        store.write(job, path, title="t", source="s", references="r", config={})
        jobs.append(store.read(path))
    runs = merge_grids([combine_blocks(jobs[:2]), combine_blocks(jobs[2:])])
    assert set(runs.coords) == {"width", "seed", "checkpoint", "time"}
    np.testing.assert_array_equal(runs["time"] ** 2, runs["train_loss"])
    assert runs["time"].sel(width=20, seed=0).values.tolist() == [2, 3, 4]
    assert runs["time"].isnull().sum() == 6 and runs["time"].attrs == described
