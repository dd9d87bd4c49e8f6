"""The runs of Chen et al. (2022): losses, errors and feature movement along training."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from regimes.explorer.linked import curve, group, linked, plot

TAB = "Chen et al."
MEASURES = ("chen2022.curves", "chen2022.scalings")

STEPS = "number of steps"
# Title, and whether the axis is logarithmic.
QUANTITIES = {
    "train_loss": ("training loss", True),
    "test_error": ("test error", True),
    "feature_movement": ("mean movement of the features", False),
    "active_fraction": ("smallest share of active neurons", False),
}


def section(measures: Mapping[str, xr.Dataset]) -> dict[str, Any] | None:
    """Make the section of the page, of measures by the modules of MEASURES, by experiment."""
    return linked(groups(measures))


def groups(measures: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """Return a group for each experiment and width, from measures as made by `chen2022.curves`."""
    found = [
        _group(name, runs, width)
        for name, runs in measures.items()
        for width in runs["width"].values.tolist()
    ]
    return [one for one in found if one]


def _group(name: str, runs: xr.Dataset, width: int) -> dict[str, Any] | None:
    runs = runs.sel(width=width)
    runs = runs.where(runs["diverged"] == 0)
    several = runs.sizes["model"] > 1
    plots = []
    for quantity, (title, log_y) in QUANTITIES.items():
        curves = []
        for model in runs["model"].values.tolist():
            for n in runs["n_train"].values.tolist():
                label = f"{model.replace('_', ' ')}, n = {n}" if several else f"n = {n}"
                one = runs[quantity].sel(model=model, n_train=n)
                curves.append(curve(f"{model},n={n}", label, one, "step"))
        plots.append(plot(quantity, title, STEPS, curves, log_y=log_y))
    return group(name, f"m = {width}", plots, str(width))
