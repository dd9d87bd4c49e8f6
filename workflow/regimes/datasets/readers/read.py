"""The table in a file, by the format that it has."""

from pathlib import Path

from regimes.datasets.readers.table import NETCDF, PARQUET, Table, format_of
from regimes.datasets.readers.text import TextTable
from regimes.errors import DataError


def read_table(path: Path, separator: str | None = None, decimal: str | None = None) -> Table:
    """Open the table in a file; what the formats are is in the modules beside this one.

    separator, decimal: of text, None to recognise them. Raises DataError, one line, for a file that
    is none of the formats, and as the class of its format does.
    """
    # Imported late: each format takes a library of its own.
    found = format_of(path)
    if found == NETCDF:
        from regimes.datasets.readers.netcdf import NetCDFTable

        return NetCDFTable(path)
    if found == PARQUET:
        from regimes.datasets.readers.parquet import ParquetTable

        return ParquetTable(path)
    return TextTable(path, separator, decimal)


def table_size(
    path: str | Path, separator: str | None = None, decimal: str | None = None
) -> tuple[int, int]:
    """Rows and columns of the table in a file, without reading its values.

    separator, decimal: as of `read_table`. (0, 0) where that cannot be: the job that reads the file
    says what is wrong.
    """
    try:
        path = Path(path).expanduser()
        if not path.is_file():  # a pipe would be waited for
            return 0, 0
        found = format_of(path)
        if found == NETCDF:
            from regimes.datasets.readers import netcdf

            return netcdf.size(path)
        if found == PARQUET:
            from regimes.datasets.readers import parquet

            return parquet.size(path)
        table = TextTable(path, separator, decimal)
        return table.n_rows(), len(table.names)
    except (DataError, OSError, RuntimeError, ValueError):
        return 0, 0
