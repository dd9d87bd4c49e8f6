"""The students of Song et al. (2021): accuracies over the balance of the initialisation."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from regimes.explorer.linked import curve, group, linked, plot

TAB = "Song et al."
MEASURES = ("song2021.mnist",)

OMEGA = "deviation omega_2 of the initial output weights"
QUANTITIES = {
    "final_train_accuracy": "training accuracy",
    "final_test_accuracy": "test accuracy",
    "relative_distance_w": "relative distance of the first layer's weights",
    "relative_distance_a": "relative distance of the output weights",
}


def section(measures: Mapping[str, xr.Dataset]) -> dict[str, Any] | None:
    """Make the section of the page, of measures by the modules of MEASURES, by experiment."""
    return linked(groups(measures))


def groups(measures: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """A group for each experiment, from measures as made by `song2021.mnist`."""
    found = [_group(name, runs) for name, runs in measures.items()]
    return [one for one in found if one]


def _group(name: str, runs: xr.Dataset) -> dict[str, Any] | None:
    plots = []
    for quantity, title in QUANTITIES.items():
        if quantity not in runs:
            continue
        values = runs[quantity].where(runs["diverged"] == 0)
        curves = [
            curve(loss, loss.replace("_", " "), values.sel(loss=loss), "omega_2")
            for loss in runs["loss"].values.tolist()
        ]
        plots.append(plot(quantity, title, OMEGA, curves))
    return group(name, f"m = {int(runs.attrs['width'])}", plots)
