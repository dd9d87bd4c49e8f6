"""Tables in NetCDF and HDF5 files: variables over one dimension, the points.

A variable `v` over two dimensions, the points first, is the columns `v_0`, `v_1`, ... Packed values
are unpacked (`scale_factor`, `add_offset`); times that count from a date are refused.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from regimes.datasets.readers.table import ColumnError, Table, shown_inputs, unreadable
from regimes.errors import DataError

# Units of a time that counts from a date; a plain number of days is a number as any other.
TIME = re.compile(r"\s*\w+\s+since\s", re.IGNORECASE)


class NetCDFTable(Table):
    """The variables of a NetCDF or HDF5 file as columns; those of its groups are not read.

    The inputs where none are named are the data variables that have a dimension. Coordinates are
    columns too. Raises DataError for a file that cannot be read, and for two columns of one name.
    """

    def __init__(self, path: Path):
        self.path = path
        # Columns by name: the variable, and the index along its second dimension if it has one.
        self._columns: dict[str, tuple[str, int | None]] = {}
        self._data: list[str] = []
        with self._opened() as dataset:
            self._dims = {str(name): one.dims for name, one in dataset.variables.items()}
            data = [str(name) for name in dataset.data_vars]
            for name in [*data, *map(str, dataset.coords)]:
                variable = dataset.variables[name]
                if variable.ndim not in (1, 2):
                    continue
                indices = range(variable.shape[1]) if variable.ndim == 2 else [None]
                for index in indices:
                    self._add(name if index is None else f"{name}_{index}", name, index)
                if name in data:
                    self._data += [one for one in self._columns if one not in self._data]
        self.names = list(self._columns)
        if not self.names:
            raise DataError(f"{path} has no variable over one or two dimensions")

    def inputs(self, target: str) -> list[str]:
        """The columns of all data variables but the target; see the base class.

        Raises DataError for a variable with more than two dimensions, or over other points.
        """
        self.require([target])
        names = [name for name in self._data if name != target]
        coords = set(self.names) - set(self._data)
        for name, dims in self._dims.items():
            if len(dims) > 2 and name not in coords:
                raise DataError(
                    f"{self.path}: {name} has {len(dims)} dimensions, {', '.join(map(str, dims))}; "
                    "a column is over one, the points, or two: name the inputs to leave it out, "
                    f"{shown_inputs(names, '')}"
                )
        if not names:
            raise DataError(f"{self.path} has no data variable but the target {target!r}")
        self._check_points([*names, target], ": name the inputs to leave one out")
        return names

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Some columns (n_rows, n_names); see the base class.

        Raises DataError also for a variable that is a time, is damaged, or over other points.
        """
        self._check_points(names)
        variables: dict[str, np.ndarray] = {}
        columns = []
        with self._opened() as dataset:
            for name in names:
                variable, index = self._columns[name]
                if variable not in variables:
                    variables[variable] = self._values(dataset.variables[variable], name)
                values = variables[variable]
                numbers = self.float64(name, values if index is None else values[:, index])
                # What was never written has this value, and nothing in the file says so.
                fill = netCDF4.default_fillvals.get(values.dtype.str[1:])
                if fill is not None and values.dtype.itemsize > 1:
                    numbers[numbers == float(values.dtype.type(fill))] = np.nan
                self.check_finite(name, numbers)
                columns.append(numbers)
        if not len(columns[0]):
            raise DataError(f"{self.path} has no rows")
        return np.stack(columns, axis=1)

    def _values(self, variable: xr.Variable, column: str) -> np.ndarray:
        """The values of a variable; NaN where one is missing. column: that is asked for."""
        units = str(variable.attrs.get("units", ""))
        if TIME.match(units):
            raise ColumnError(
                f"{self.path}: column {column!r} is a time ({units}): write what it should count "
                "as a number, with other units",
                column,
            )
        try:
            return variable.values
        # Whatever the libraries say of a damaged file
        except Exception as error:
            raise DataError(
                f"{self.path}: column {column!r} cannot be read, the file is damaged: "
                f"{' '.join(str(error).split())}"
            ) from None

    def _check_points(self, names: Sequence[str], cure: str = "") -> None:
        """Raise DataError unless the first dimension of some columns is the same."""
        rows = {str(self._dims[self._columns[name][0]][0]) for name in names}
        if len(rows) > 1:
            raise DataError(
                f"{self.path}: the first dimension of its variables is "
                f"{' or '.join(sorted(rows))}; it must be the same, that of the points{cure}"
            )

    def _add(self, column: str, variable: str, index: int | None) -> None:
        if column in self._columns:
            other = self._columns[column][0]
            raise DataError(
                f"{self.path}: variables {other} and {variable} both have a column {column!r}: "
                "rename one of them"
            )
        self._columns[column] = variable, index

    @contextmanager
    def _opened(self) -> Iterator[xr.Dataset]:
        try:
            dataset = xr.open_dataset(
                self.path, engine="netcdf4", decode_times=False, decode_timedelta=False
            )
        # Whatever the libraries say of a damaged file
        except Exception as error:
            raise unreadable(self.path, error) from None
        with dataset:
            yield dataset


def size(path: Path) -> tuple[int, int]:
    """Points, and columns of the variables that have them. Raises OSError for a damaged file."""
    with netCDF4.Dataset(path) as file:
        shapes = [one.shape for one in file.variables.values() if one.ndim in (1, 2)]
    columns = sum(shape[1] if len(shape) == 2 else 1 for shape in shapes)
    return max((shape[0] for shape in shapes), default=0), columns
