"""The control quantities of Razborov (2022), beside the paper's tables."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr

from regimes.explorer.linked import curve, group, linked, plot, printed
from regimes.papers.razborov2022.paper import TABLE1, TABLE2

TAB = "Razborov"
MEASURES = ("razborov2022.convergence", "razborov2022.spectrum", "razborov2022.both_layers")

# Tables 1 and 2 are of this experiment's runs.
OF_TABLES = "razborov2022"
QUANTITIES = {
    "stopping_time": "steps T until convergence",
    "kappa_h": "kappa_H = lambda_min(H_T) / lambda_min(H_0)",
    "activation_changes": "number |D| of changed activations",
    "weight_distance": "distance |W_T - W_0|",
}
POINTS, WIDTH = "number m of training points", "number S of neurons"
RATIO = "ratio eta_z / eta_w of the learning rates"
# In logarithms, whatever the abscissa
LOG = ("stopping_time", "activation_changes")


def section(measures: Mapping[str, xr.Dataset]) -> dict[str, Any] | None:
    """Make the section of the page, of measures by the modules of MEASURES, by experiment."""
    return linked(groups(measures))


def groups(measures: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """Groups of plots, from measures as made by `razborov2022.convergence`, by experiment."""
    found: list[dict[str, Any] | None] = []
    for name, runs in measures.items():
        if "rate_ratio" in runs.dims:
            found.append(_over_ratio(name, runs))
            continue
        table = _tables() if name == OF_TABLES else None
        found += [
            _over(name, runs, table, across="n_train", settings="width"),
            _over(name, runs, table, across="width", settings="n_train"),
        ]
    return [one for one in found if one]


def _tables() -> pd.DataFrame:
    """The rows of both tables; rows that both have are those of Table 1."""
    return pd.concat([TABLE1, TABLE2]).drop_duplicates(["width", "n_train"])


AXES = {"n_train": (POINTS, "m"), "width": (WIDTH, "S")}


def _over(
    name: str, runs: xr.Dataset, table: pd.DataFrame | None, *, across: str, settings: str
) -> dict[str, Any] | None:
    """Quantities against one axis, a curve for each value of the other with the most points."""
    axis, axis_symbol = AXES[across]
    _, symbol = AXES[settings]
    there = runs["stopping_time"].notnull().any("seed").sum(across)
    if across == "width":
        # Few numbers of points have runs of all widths; the others would be lone points.
        if int(there.max()) < 2:
            return None
        shown = there[settings].values[(there == there.max()).values]
    else:
        shown = there[settings].values[(there > 0).values]
    plots = []
    for quantity, title in QUANTITIES.items():
        curves = []
        for value in shown.tolist():
            key, label = f"{symbol}={value}", f"{symbol} = {value}"
            curves.append(curve(key, label, runs[quantity].sel({settings: value}), across))
            if table is not None:
                rows = table[table[settings] == value].sort_values(across)
                columns = [rows[f"{quantity}_{name}"] for name in ("mean", "min", "max")]
                curves.append(printed(key, f"{label}, paper", rows[across], *columns))
        plots.append(
            plot(quantity, title, axis, curves, log_x=across == "width", log_y=quantity in LOG)
        )
    return group(name, f"against {axis_symbol}, a curve for each {symbol}", plots, across)


def _over_ratio(name: str, runs: xr.Dataset) -> dict[str, Any] | None:
    plots = []
    for quantity, title in QUANTITIES.items():
        curves = [
            curve(
                f"S={width},m={n_train}",
                f"S = {width}, m = {n_train}",
                runs[quantity].sel(width=width, n_train=n_train),
                "rate_ratio",
            )
            for width in runs["width"].values.tolist()
            for n_train in runs["n_train"].values.tolist()
        ]
        plots.append(plot(quantity, title, RATIO, curves, log_x=True, log_y=quantity in LOG))
    return group(name, "against the ratio of the learning rates", plots)
