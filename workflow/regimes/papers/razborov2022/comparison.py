"""Measured runs beside the tables of Razborov (2022)."""

import numpy as np
import pandas as pd
import xarray as xr

from regimes.papers.razborov2022.paper import QUANTITIES, STATISTICS

# A mean may lie outside the paper's range by this share of the bound.
MARGIN = 0.02


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


def excess(measures: xr.Dataset, paper: pd.DataFrame) -> pd.DataFrame:
    """How far each mean is outside the paper's range, as a share of the bound that it passed.

    Columns width, n_train and the quantities; 0 inside, NaN where the paper's value is lost or
    nothing was run.
    """
    table = beside_paper(measures, paper)
    result = table[["width", "n_train"]].copy()
    for quantity in QUANTITIES:
        mean = table[f"{quantity}_mean"]
        low, high = table[f"paper_{quantity}_min"], table[f"paper_{quantity}_max"]
        outside = np.maximum((low - mean) / low, (mean - high) / high)
        result[quantity] = outside.clip(lower=0)
    return result


def _cell(measures: xr.Dataset, width: int, n_train: int) -> xr.Dataset | None:
    try:
        return measures.sel(width=width, n_train=n_train)
    except KeyError:
        return None
