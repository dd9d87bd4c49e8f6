"""Runs of an experiment, put together from its jobs."""

import xarray as xr

from regimes.storage.grids import gather


def job(device: str, **variables: float) -> xr.Dataset:
    values = {name: ("seed", [value]) for name, value in variables.items()}
    return xr.Dataset(values, {"seed": [0]}, {"device": device})


def test_all_devices_that_computed_something_are_named() -> None:
    runs, probes = [job("cpu", final_loss=1.0)], [job("cuda", norm=2.0), job("cpu", angle=3.0)]
    together, devices, counts = gather("mine", [1], iter(runs), iter(probes), 2, lambda runs: runs)
    assert devices == "cpu, cuda" and counts == {}
    assert set(together.data_vars) == {"final_loss", "norm", "angle"}
