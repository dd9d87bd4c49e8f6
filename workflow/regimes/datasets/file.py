"""A data set of the user's own: a table in a CSV or NetCDF file."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from regimes.datasets.sources.own_file import checked
from regimes.datasets.tables import counts, random_split, standardised
from regimes.errors import DataError
from regimes.expressions import formulas
from regimes.storage.layout import PARTS, assemble, described, with_bias

KIND = "file"
NETCDF = (".nc", ".nc4", ".netcdf")


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """The rows of a table, split at random.

    settings: `path` and `sha256` of the file; `inputs`, names of its columns or None for all but
    the target; `target`, the name of a column, or `formula` in the names of the inputs; `shares` of
    training, test and validation; `split_seed`; `standardise` ("train" or "none"); `bias`;
    `licence`, `citation`. The formula takes the inputs as they are in the file.
    Beside the common layout, `feature_name` (feature). Raises DataError, naming the file and the
    column, for columns that are not there or not numbers in all rows, and for rows that are not as
    long as the header.
    """
    path = checked(settings["path"], settings["sha256"])
    table = _read(path)
    target = settings["target"]
    names = settings["inputs"] or [name for name in table if name != target]
    if not names:
        raise DataError(f"{path} has no column but the target {target!r}")
    columns = _numbers(path, table, [*names, *([target] if target else [])])
    inputs = np.stack([columns[name] for name in names], axis=1)
    if target:
        targets, target_name = columns[target], target
    else:
        formula = settings["formula"]
        expression = formulas.parse(formula, names, kinks=True)
        targets = formulas.evaluate(expression, {name: columns[name] for name in names})
        target_name = formula
        if not np.isfinite(targets).all():
            row = int(np.flatnonzero(~np.isfinite(targets))[0]) + 1
            raise DataError(f"{path}: formula {formula!r} is not finite at row {row}")
    # The key has no name of the file, since that is in no hash.
    seed = settings["split_seed"]
    split = random_split(seed, (KIND,), len(inputs), settings["shares"], path.name)
    steps = [f"Rows were split at random into {counts(split)} (seed {seed})"]
    if settings["standardise"] == "train":
        train = split == PARTS.index("train")
        inputs = standardised(inputs, train, names)
        targets = standardised(targets[:, None], train, [target_name])[:, 0]
        steps.append(
            "inputs and target were shifted and scaled to mean 0 and variance 1 on the training "
            "rows"
        )
    feature_names = list(names)
    if settings["bias"]:
        inputs = with_bias(inputs)
        feature_names.append("bias")
        steps.append("a constant last feature of 1 was appended")
    dataset = assemble(
        inputs,
        targets,
        split,
        target_name=target_name,
        licence=settings["licence"],
        citation=settings["citation"],
        preprocessing="; ".join(steps) + ".",
        data_source=f"file with sha256 {settings['sha256']}",
    )
    return dataset.assign_coords(
        feature_name=("feature", feature_names, described("name of the feature"))
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """Columns by name, each (n_rows,), as they are in the file."""
    try:
        if path.suffix.lower() in NETCDF:
            with xr.open_dataset(path) as dataset:
                return _columns(path, dataset.load())
        _check_lengths(path)
        # By default pandas takes a surplus first column as the names of the rows.
        table = pd.read_csv(path, skipinitialspace=True, index_col=False)
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{path} cannot be read as CSV or NetCDF: {reason}") from error
    if table.empty:
        raise DataError(f"{path} has no rows")
    return {str(name): table[name].to_numpy() for name in table}


def _check_lengths(path: Path) -> None:
    """Raise DataError unless every row of a CSV file has as many fields as its header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        # Pandas skips lines of white space too.
        reader = csv.reader(file, skipinitialspace=True)
        lines = (fields for fields in reader if len(fields) > 1 or "".join(fields).strip())
        header = next(lines, [])
        for row, fields in enumerate(lines, start=1):
            if len(fields) != len(header):
                comma = " (what follows its last comma counts)" if not fields[-1].strip() else ""
                raise DataError(
                    f"{path}: row {row} has {len(fields)} fields{comma}, the header {len(header)}"
                )


def _columns(path: Path, dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """Variables over one dimension, and the columns name_0, name_1, ... of those over two."""
    variables = {str(name): one for name, one in dataset.data_vars.items() if one.ndim in (1, 2)}
    if not variables:
        raise DataError(f"{path} has no variable over one or two dimensions")
    rows = {variable.dims[0] for variable in variables.values()}
    if len(rows) > 1:
        raise DataError(
            f"{path}: the first dimension of its variables is {' or '.join(map(str, sorted(rows)))}"
            "; it must be the same, that of the points"
        )
    columns = {}
    for name, variable in variables.items():
        if variable.ndim == 1:
            columns[name] = variable.values
        else:
            for index in range(variable.shape[1]):
                columns[f"{name}_{index}"] = variable.values[:, index]
    return columns


def _numbers(
    path: Path, table: Mapping[str, np.ndarray], names: list[str]
) -> dict[str, np.ndarray]:
    found = {}
    for name in names:
        if name not in table:
            raise DataError(f"{path} has no column {name!r}; it has {', '.join(table)}")
        column = pd.to_numeric(pd.Series(table[name]), errors="coerce").to_numpy(np.float64)
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise DataError(
                f"{path}: column {name!r} is no finite number at row {row + 1}: {table[name][row]}"
            )
        found[name] = column
    return found
