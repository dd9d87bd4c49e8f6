"""The settings (gamma, alpha) of the node scales: their order, labels and colours."""

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

# Colour of each (gamma, alpha) in every figure; alpha has no part at gamma = 1.
COLOURS = {
    (1.0, None): "C0",
    (0.5, 0.7): "C1",
    (0.5, 0.5): "C2",
    (0.0, 0.4): "C3",
    (0.1, 0.5): "C4",
    (0.2, 0.5): "C9",
    (0.7, 0.5): "C5",
}
OTHER_COLOURS = ("C6", "C7", "C8")


@dataclass(frozen=True)
class NodeSetting:
    """A setting as figures show it: its name in the runs, its label and its colour."""

    name: str
    label: str
    colour: str


def by_asymmetry(runs: xr.Dataset) -> xr.Dataset:
    """The runs with their settings in the paper's order: by falling gamma, then falling alpha.

    runs: with `gamma` and `alpha` over `node_scaling`. Feature learning should grow along them.
    """
    alpha = runs["alpha"].where(runs["gamma"] < 1).fillna(1.0)
    return runs.isel(node_scaling=np.lexsort((-alpha.values, -runs["gamma"].values)))


def shown_settings(runs: xr.Dataset) -> list[NodeSetting]:
    """The settings of runs, in the paper's order."""
    runs = by_asymmetry(runs)
    others = iter(OTHER_COLOURS * runs.sizes["node_scaling"])
    shown = []
    for name in runs["node_scaling"].values.tolist():
        gamma, alpha = (float(runs[part].sel(node_scaling=name)) for part in ("gamma", "alpha"))
        pair = (gamma, None if gamma == 1 else alpha)
        colour = COLOURS[pair] if pair in COLOURS else next(others)
        shown.append(NodeSetting(name, label(gamma, alpha), colour))
    return shown


def label(gamma: float, alpha: float) -> str:
    r"""Such as '$\gamma=0.5$, $\alpha=0.7$'; without alpha at gamma = 1, or where it is NaN."""
    text = rf"$\gamma={gamma:g}$"
    return text if gamma == 1 or math.isnan(alpha) else rf"{text}, $\alpha={alpha:g}$"


def plain_label(gamma: float, alpha: float) -> str:
    """Such as '(0.5, 0.7)', or '(1, -)' at gamma = 1, for details of the claims."""
    return f"({gamma:g}, {'-' if gamma == 1 or math.isnan(alpha) else f'{alpha:g}'})"
