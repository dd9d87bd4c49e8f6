"""Measured runs beside the tables of Razborov (2022)."""

import numpy as np
import pandas as pd
import xarray as xr

from regimes.papers.razborov2022.paper import QUANTITIES, STATISTICS

# What printed values may be off by rounding.
ROUNDING = {
    "stopping_time": 0.5,
    "kappa_h": 0.005,
    "activation_changes": 0.5,
    "weight_distance": 0.05,
}
# Mean of the range of so many standard normal values.
MEAN_RANGE = {3: 1.693, 6: 2.534, 10: 3.078}


def summary(measures: xr.Dataset, cells: pd.DataFrame) -> pd.DataFrame:
    """Number of runs and smallest, largest and mean value of each quantity, for some cells.

    measures: as made by `razborov2022.convergence`. cells: width and n_train of each row. Returns
    the columns width, n_train, runs and <quantity>_<statistic>; NaN where nothing was run.
    """
    rows = []
    for width, n_train in zip(cells["width"], cells["n_train"], strict=True):
        row: dict[str, float] = {"width": width, "n_train": n_train}
        runs = _cell(measures, width, n_train)
        row["runs"] = 0 if runs is None else int(runs["stopping_time"].notnull().sum())
        for quantity in QUANTITIES:
            if runs is None or not row["runs"]:
                values = np.array([np.nan])
            else:
                values = runs[quantity].dropna("seed").values
            statistics = (
                (values.min(), values.max(), values.mean()) if len(values) else [np.nan] * 3
            )
            for name, value in zip(STATISTICS, statistics, strict=True):
                row[f"{quantity}_{name}"] = float(value)
        rows.append(row)
    return pd.DataFrame(rows)


def beside_paper(measures: xr.Dataset, paper: pd.DataFrame) -> pd.DataFrame:
    """The measured summary of a table's cells, then the paper's values as paper_<column>."""
    printed = paper.drop(columns=["width", "n_train"]).add_prefix("paper_")
    return pd.concat([summary(measures, paper), printed], axis=1)


def outside_rounding(
    values: np.ndarray, row: pd.Series, quantity: str, count: int
) -> tuple[float, float, float]:
    """Difference of a mean from the paper's beyond rounding, its standard error and freedom.

    values: ours, (runs,). row: of a table, whose range of `count` runs gives their spread; the
    variance is that of both samples, and so are the degrees of freedom.
    """
    low, high, theirs = (row[f"{quantity}_{name}"] for name in STATISTICS)
    freedom = len(values) - 1
    own = values.std(ddof=1) if freedom else 0.0
    spread = (high - low) / MEAN_RANGE[count]
    # A range of ten normal values tells as much of their spread as 8.5 of them do.
    other = min(count - 1, 7.5)
    variance = (freedom * own**2 + other * spread**2) / (freedom + other)
    difference = max(abs(values.mean() - theirs) - ROUNDING[quantity], 0.0)
    error = (variance * (1 / len(values) + 1 / count)) ** 0.5
    return float(difference), float(error), float(freedom + other)


def _cell(measures: xr.Dataset, width: int, n_train: int) -> xr.Dataset | None:
    try:
        return measures.sel(width=width, n_train=n_train)
    except KeyError:
        return None
