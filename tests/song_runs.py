"""Made-up runs of the experiment of Song et al. (2021), in which its claims hold."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from regimes.papers.song2021 import mnist
from regimes.storage.grids import combine_blocks

LOSSES = ("mean_square", "log_likelihood")
OMEGA_2 = (0.002, 0.00744, 0.01289, 0.01833, 0.02378, 0.03467, 0.04556, 0.05644, 0.06733, 0.07822)
PRODUCT = 0.002259


def made_up_data(n_train: int = 60_000, n_test: int = 10_000) -> xr.Dataset:
    """As many points as the paper has, of one feature, with a teacher's labels."""
    split = np.repeat([0, 1], [n_train, n_test]).astype(np.int8)
    teacher = {
        "teacher_epochs": 180,
        "teacher_converged": 1,
        "teacher_train_agreement": 1.0,
        "teacher_test_agreement": 0.954,
    }
    data = xr.Dataset(
        {
            "inputs": (("point", "feature"), np.zeros((len(split), 1))),
            "split": ("point", split),
            **{name: ((), value) for name, value in teacher.items()},
        }
    )
    for name in data.variables:
        data[name].attrs = {"long_name": str(name), "units": "1"}
    return data


def made_up_runs(
    *,
    width: int = 1000,
    seeds: int = 5,
    epochs: int = 300,
    losses: Sequence[str] = LOSSES,
    omega_2: Sequence[float] = OMEGA_2,
) -> xr.Dataset:
    """Runs of the paper's size, unless said otherwise; seed s is 0.001 s better on test points."""
    recorded = np.unique(np.linspace(0, epochs, 7).round().astype(int))
    dims = ("loss", "omega_2", "width", "seed")
    runs = xr.Dataset(
        coords={
            "loss": list(losses),
            "omega_2": list(omega_2),
            "width": [width],
            "seed": np.arange(seeds),
            "step": 469 * recorded,
            "epoch": ("step", recorded),
        }
    )
    one = xr.DataArray(np.ones((len(losses), len(omega_2), 1, seeds)), dims=dims)
    share = xr.DataArray(recorded / epochs, dims="step")
    offset = xr.DataArray(0.001 * np.arange(seeds), dims="seed")
    test = xr.DataArray(0.98 - 0.02 * np.exp(-np.array(omega_2) / 0.02), dims="omega_2")
    runs["train_accuracy"] = one * (0.1 + 0.9 * np.minimum(2 * share, 1))
    runs["test_accuracy"] = one * (0.1 + (test - 0.1 + offset) * np.minimum(2 * share, 1))
    for part in ("train", "test"):
        runs[f"{part}_loss"] = 1.01 - runs[f"{part}_accuracy"]
    runs["final_relative_distance_w"] = 0.1 * one
    runs["final_relative_distance_a"] = 0.2 * one
    runs["omega_1"] = (("omega_2", "width"), PRODUCT / np.array(omega_2)[:, None])
    runs["step_size"] = 0.01 * one
    runs["diverged"] = (0 * one).astype(np.int8)
    for name in runs.variables:
        runs[name].attrs = {"long_name": f"{name} along the run", "units": "1"}
    return runs


def lose(runs: xr.Dataset, **place: object) -> None:
    """Let runs diverge after their start."""
    for name in runs.data_vars:
        if "step" in runs[name].dims:
            runs[name].loc[place | {"step": runs["step"].values[1:]}] = np.nan
        elif str(name).startswith("final"):
            runs[name].loc[place] = np.nan
    runs["diverged"].loc[place] = 1


def measured(runs: xr.Dataset, data: xr.Dataset | None = None) -> xr.Dataset:
    """What the measure makes of runs in a block for each loss and seed."""
    blocks = [
        runs.isel(loss=[loss], seed=[seed])
        for loss in range(runs.sizes["loss"])
        for seed in range(runs.sizes["seed"])
    ]
    return mnist.measure(combine_blocks(blocks), made_up_data() if data is None else data)
