"""What training changes in networks of several widths: whether it vanishes as they grow."""

import numpy as np
import xarray as xr

from regimes.papers.caron2023.node_settings import by_asymmetry
from regimes.storage.layout import labelled

# Variables that depend on the setting alone, not on width and seed.
OF_SETTINGS = ("gamma", "alpha")


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Reduce a job to numbers of each run, since networks of different widths differ in nodes.

    They are named as in `measure`.
    """
    risk, change = run["train_loss"], run["ntg_change"]
    result = run[[*OF_SETTINGS, "diverged"]]
    for name, values, long_name in (
        (
            "weight_change",
            run["final_weight_change"].max("node", skipna=False),
            "largest distance |w_Tj - w_0j| of a node at the end",
        ),
        ("ntg_change", change.isel(step=-1, drop=True), "norm |NTG_T - NTG_0| at the end"),
        ("ntg_norm", run["initial_ntg_norm"], "spectral norm of the NTG at the start"),
        (
            "risk_left",
            risk.isel(step=-1, drop=True) / risk.isel(step=0, drop=True),
            "training risk at the end over that at the start",
        ),
    ):
        result[name] = labelled(values, long_name)
    steps, points = int(run["step"][-1]), int((data["split"] == 0).sum())
    return result.drop_vars("step", errors="ignore").assign_attrs(steps=steps, n_train=points)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The numbers of `reduce` over node_scaling, width and seed; NaN after a run has diverged.

    Settings are in the order of `node_settings.by_asymmetry`. The attributes have the number of
    `steps` and of training points, `n_train`.
    """
    for name in OF_SETTINGS:
        others = set(runs[name].dims) - {"node_scaling"}
        runs[name] = runs[name].isel(dict.fromkeys(others, 0), drop=True)
    runs["diverged"] = runs["diverged"].astype(np.float64, keep_attrs=True)
    attributes = {name: int(runs.attrs[name]) for name in ("steps", "n_train")}
    result = by_asymmetry(runs).transpose("node_scaling", "width", "seed", missing_dims="ignore")
    return result.drop_attrs(deep=False).assign_attrs(attributes)
