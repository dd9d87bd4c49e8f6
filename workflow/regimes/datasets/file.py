"""A data set of the user's own: a table in a text, NetCDF or Parquet file (`readers`)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.readers.read import read_table
from regimes.datasets.readers.table import ColumnError, shown_inputs
from regimes.datasets.sources.own_file import checked
from regimes.datasets.tables import counts, random_split, standardised
from regimes.errors import DataError
from regimes.expressions import formulas
from regimes.storage.layout import PARTS, assemble, described, with_bias

KIND = "file"
# What pandas calls the index of a table that it reads, or writes to Parquet.
INDEX = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
# Fewer rows may be counted by chance.
FEWEST_COUNTED = 3
# Of mean and variance from 0 and 1.
CLOSE = 1e-9


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """The rows of a table, split at random.

    settings: `path` and `sha256` of the file; `separator` and `decimal` of text, or None to
    recognise them; `inputs`, names of its columns or None for all but the target; `target`, the
    name of a column, or `formula` in the names of the inputs; `shares` of training, test and
    validation; `split_seed`; `standardise` ("train" or "none"); `bias`; `licence`, `citation`. The
    formula takes the inputs as they are in the file.
    Beside the common layout, `feature_name` (feature). Raises DataError, naming the file and the
    column, for a file that cannot be read (`readers`), for columns that are not there or not finite
    numbers in all rows, for an input that nobody named and that is likely an index of the rows, and
    for a column that cannot be standardised.
    """
    path = checked(settings["path"], settings["sha256"])
    table = read_table(path, settings["separator"], settings["decimal"])
    target = settings["target"]
    names = settings["inputs"] or table.inputs(target)
    asked = [*names, *([target] if target else [])]
    table.require(asked)
    try:
        columns = dict(zip(asked, table.numbers(asked).T, strict=True))
    except ColumnError as error:
        if settings["inputs"] or error.column == target or len(names) == 1:
            raise
        raise DataError(f"{error}; to leave it out: {shown_inputs(names, error.column)}") from None
    if not settings["inputs"]:
        _refuse_index(path, columns, names)
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
        inputs = _standardised(path, inputs, train, names)
        targets = _standardised(path, targets[:, None], train, [target_name])[:, 0]
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


def _refuse_index(path: Path, columns: Mapping[str, np.ndarray], names: list[str]) -> None:
    """Raise DataError for an input that nobody named and that counts the rows."""
    for name in names:
        values = columns[name]
        n_rows = len(values)
        counted = n_rows >= FEWEST_COUNTED and any(
            np.array_equal(values, np.arange(first, first + n_rows)) for first in (0, 1)
        )
        if counted or INDEX.fullmatch(name):
            why = "it counts the rows" if counted else "pandas gives such names"
            raise DataError(
                f"{path}: column {name!r} is likely an index of the rows, no input ({why}): leave "
                f"it out with {shown_inputs(names, name)}, or name it among the inputs to use it"
            )


def _standardised(
    path: Path, values: np.ndarray, train: np.ndarray, names: list[str]
) -> np.ndarray:
    """Columns (n_points, n) with mean 0 and variance 1 on the training rows, train: (n_points,).

    Each is first shifted and scaled to the order of 1, so that no square overflows and no mean
    is lost to rounding. Raises DataError for a column that cannot be standardised.
    """
    with np.errstate(all="ignore"):
        # Powers of two change no digit; halves cannot overflow when they are subtracted.
        halves = values / 2
        shifted = halves - halves[train][0]
        largest = abs(shifted[train]).max(axis=0)
        scaled = np.ldexp(shifted, -np.frexp(largest)[1])
        result = standardised(scaled, train, names)
    for name, column in zip(names, result.T, strict=True):
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0]) + 1
            raise DataError(
                f"{path}: column {name!r} is not finite at row {row} when it is standardised: that "
                "value is too far from those of the training rows"
            )
        mean, deviation = column[train].mean(), column[train].std()
        if abs(mean) > CLOSE or abs(deviation - 1) > CLOSE:
            raise DataError(
                f"{path}: column {name!r} cannot be standardised in double precision: its mean "
                f"would be {mean:.2g} and its deviation {deviation:.2g}; rescale it in the file"
            )
    return result
