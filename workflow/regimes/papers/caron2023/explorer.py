"""The runs of Caron et al. (2023): risks, the NTG matrix, pruning and transfer."""

import math
from collections.abc import Mapping
from typing import Any

import xarray as xr

from regimes.explorer.linked import curve, group, linked, plot
from regimes.papers.caron2023.node_settings import by_asymmetry

TAB = "Caron et al."
MEASURES = ("caron2023.training", "caron2023.simulated")

ABSCISSAS = {
    "step": "number of steps",
    "kept": "share of the nodes that is kept",
    "n_transfer_features": "number of transferred features",
}
# For each quantity that was measured: title, dimension, and whether the axes are logarithmic.
QUANTITIES = {
    "train_risk": ("training risk", "step", False, True),
    "test_risk": ("test risk", "step", False, True),
    "test_accuracy": ("test accuracy", "step", False, False),
    "ntg_change": ("change of the NTG matrix", "step", False, False),
    "ntg_min_eigenvalue": ("smallest eigenvalue of the NTG matrix", "step", False, True),
    "pruned_test_risk": ("test risk after pruning", "kept", False, True),
    "pruned_test_accuracy": ("test accuracy after pruning", "kept", False, False),
    "transfer_test_risk": ("test risk of the transfer", "n_transfer_features", True, True),
    "transfer_test_accuracy": ("test accuracy of the transfer", "n_transfer_features", True, False),
}


def section(measures: Mapping[str, xr.Dataset]) -> dict[str, Any] | None:
    """Make the section of the page, of measures by the modules of MEASURES, by experiment."""
    return linked(groups(measures))


def groups(measures: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """Return a group for each experiment, from measures as made by `caron2023.training`."""
    found = [_group(name, by_asymmetry(runs)) for name, runs in measures.items()]
    return [one for one in found if one]


def _group(name: str, runs: xr.Dataset) -> dict[str, Any] | None:
    gone = runs["diverged"] != 0
    plots = []
    for quantity, (title, axis, log_x, log_y) in QUANTITIES.items():
        if quantity not in runs:
            continue
        values = runs[quantity].where(~gone)
        curves = [
            curve(setting, _label(runs, setting), values.sel(node_scaling=setting), axis)
            for setting in runs["node_scaling"].values.tolist()
        ]
        plots.append(plot(quantity, title, ABSCISSAS[axis], curves, log_x=log_x, log_y=log_y))
    return group(name, f"m = {int(runs.attrs['width'])}", plots)


def _label(runs: xr.Dataset, setting: str) -> str:
    gamma, alpha = (float(runs[part].sel(node_scaling=setting)) for part in ("gamma", "alpha"))
    text = f"gamma = {gamma:g}"
    return text if gamma == 1 or math.isnan(alpha) else f"{text}, alpha = {alpha:g}"
