"""Tables in Parquet files, which pyarrow reads: an optional dependency."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regimes.datasets.readers.table import Table, unreadable
from regimes.errors import DataError


class ParquetTable(Table):
    """The columns of a Parquet file. Raises DataError without pyarrow, and for a damaged file."""

    def __init__(self, path: Path):
        self.path = path
        self.names = list(opened(path).schema_arrow.names)
        for name in self.names:
            if self.names.count(name) > 1:
                raise DataError(f"{path}: two columns have the name {name!r}: rename one")

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Some columns (n_rows, n_names); see the base class."""
        file = opened(self.path)
        if not file.metadata.num_rows:
            raise DataError(f"{self.path} has no rows")
        columns = []
        for name in names:
            try:
                column = file.read(columns=[name]).column(name)
                # Integers would come as floats where one is missing.
                missing = column.is_null().to_numpy()
                values = column.to_numpy() if not missing.any() else np.where(missing, np.nan, 0.0)
            # Whatever the library says of a damaged file
            except Exception as error:
                raise unreadable(self.path, error) from None
            numbers = self.float64(name, values)
            self.check_finite(name, numbers)
            columns.append(numbers)
        return np.stack(columns, axis=1)


def size(path: Path) -> tuple[int, int]:
    """Rows and columns."""
    metadata = opened(path).metadata
    return metadata.num_rows, metadata.num_columns


def opened(path: Path) -> Any:
    """The file as pyarrow has it, without its values."""
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise unreadable(
            path,
            "Parquet needs pyarrow: pip install pyarrow (or regimes with the extra parquet)",
        ) from None
    try:
        return ParquetFile(path)
    except Exception as error:
        raise unreadable(path, error) from None
