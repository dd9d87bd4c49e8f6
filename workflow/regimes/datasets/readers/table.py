"""What the readers of tables have in common: columns by name, and which format a file has."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from regimes.errors import DataError

NETCDF, PARQUET, GZIP, ZIP, TEXT = "NetCDF", "Parquet", "gzip", "zip", "text"
# How a file begins. HDF5 is what NetCDF-4 is written in.
BEGINNINGS = {
    b"CDF": NETCDF,
    b"\x89HDF\r\n\x1a\n": NETCDF,
    b"PAR1": PARQUET,
    b"\x1f\x8b": GZIP,
    b"PK\x03\x04": ZIP,
}
SUFFIXES = {
    **dict.fromkeys((".nc", ".nc4", ".netcdf", ".cdf", ".h5", ".hdf5"), NETCDF),
    ".parquet": PARQUET,
    ".gz": GZIP,
    ".zip": ZIP,
}

# Below it float64 has all integers.
LARGEST_INTEGER = 2**53
TOO_LONG = "an integer with more digits than a number in double precision has"


class ColumnError(DataError):
    """The values of a column are not what they must be; `column` is its name."""

    def __init__(self, text: str, column: str):
        super().__init__(text)
        self.column = column


class Table(ABC):
    """A table in a file, whose columns are read as numbers when they are asked for.

    path: of the file. names: of all columns, as they are in the file; the first may be empty.
    """

    path: Path
    names: Sequence[str]

    def inputs(self, target: str) -> list[str]:
        """The columns that are inputs where none are named: all but the target.

        Raises DataError when there are none, and for a column that has no name.
        """
        names = [name for name in self.names if name != target]
        if not names:
            raise DataError(f"{self.path} has no column but the target {target!r}")
        if "" in names:
            raise DataError(
                f"{self.path}: its first column has no name, as an index of the rows that pandas "
                f"or R wrote; leave it out with {shown_inputs(names, '')}, or give it a name to "
                "use it"
            )
        return names

    def require(self, names: Sequence[str]) -> None:
        """Raise DataError, with the names that there are, for a column that is not there."""
        for name in names:
            if name not in self.names:
                there = ", ".join(one or "(no name)" for one in self.names)
                raise DataError(f"{self.path} has no column {name!r}; it has {there}")

    @abstractmethod
    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Some columns (n_rows, n_names) in float64; none of their values is missing.

        Raises DataError, naming row and column, for a value that is no finite number.
        """

    def no_number(self, name: str, row: int, shown: str) -> ColumnError:
        """The error for a value, as it is to be shown; row: counted from 0."""
        return ColumnError(
            f"{self.path}: column {name!r} is no finite number at row {row + 1}: {shown}", name
        )

    def float64(self, name: str, values: np.ndarray) -> np.ndarray:
        """The values (n_rows,) of a column as they are in the file, in float64.

        Raises ColumnError for values of another type than real numbers, and for integers that
        float64 does not hold.
        """
        if values.dtype.kind not in "iuf":
            kinds = {"b": "true or false", "c": "complex", "M": "a time", "m": "a time"}
            what = kinds.get(values.dtype.kind, "text, or of another type")
            raise ColumnError(
                f"{self.path}: column {name!r} is {what}; it must be real numbers", name
            )
        numbers = values.astype(np.float64)
        if values.dtype.kind in "iu" and numbers.size:
            rows = np.flatnonzero(abs(numbers) >= LARGEST_INTEGER)
            row = next((row for row in rows if int(numbers[row]) != int(values[row])), None)
            if row is not None:
                raise self.no_number(name, int(row), f"{values[row]}: {TOO_LONG}")
        return numbers

    def check_finite(self, name: str, values: np.ndarray) -> None:
        """Raise ColumnError, naming the row, unless all values (n_rows,) of a column are finite."""
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            missing = np.isnan(values[row])
            raise self.no_number(name, row, "it is missing" if missing else str(values[row]))


def shown_inputs(names: Sequence[str], without: str) -> str:
    """How a config names all inputs but one, for a message."""
    left = [name for name in names if name != without] or ["..."]
    shown = left if len(left) <= 8 else [*left[:7], "...", left[-1]]
    return f"inputs: [{', '.join(shown)}]"


def unreadable(path: Path, reason: object) -> DataError:
    """The error for a file that is none of a table. reason: may be the error of a library."""
    text = " ".join(str(reason).split()) or type(reason).__name__
    return DataError(f"{path} cannot be read as CSV or NetCDF: {text[:300]}")


def format_of(path: Path) -> str:
    """Which format a file has, by its content. Raises DataError where its name says another."""
    with path.open("rb") as file:
        start = file.read(8)
    found = next((name for begin, name in BEGINNINGS.items() if start.startswith(begin)), TEXT)
    named = SUFFIXES.get(path.suffix.lower(), found)
    if found != named:
        raise unreadable(
            path,
            f"its name says {named}, its content does not: it is damaged, or needs another name",
        )
    return found


def no_text(path: Path) -> NoReturn:
    """Raise the DataError for a file that is neither text nor of another format that is read."""
    raise unreadable(
        path,
        "it holds no text; what is read is text, as it is or in gzip or zip, NetCDF and Parquet: "
        "unpack it, or save it as CSV",
    )
