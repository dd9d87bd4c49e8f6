"""Tables in Parquet files, with and without pyarrow."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from data_settings import settings

from regimes.datasets import file as file_kind
from regimes.datasets.readers import read
from regimes.datasets.sources.own_file import digest
from regimes.errors import DataError

FRAME = pd.DataFrame({"a.b": [0.5, -1.0, 3.0], "n": [4, 4, 9], "y": [0.0, 1.0, 5.0]})


def made(path: Path, **keys: Any) -> xr.Dataset:
    chosen = settings(kind="file", path=str(path), target="y", **keys)
    return file_kind.build(chosen | {"sha256": digest(path)})


def refused(path: Path, message: str, **keys: Any) -> None:
    with pytest.raises(DataError, match=message) as error:
        made(path, **keys)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["mine.parquet", "mine.pq"])
def test_columns_of_a_parquet_file(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / name
    FRAME.to_parquet(path)
    data = made(path)
    np.testing.assert_array_equal(data["inputs"], FRAME[["a.b", "n"]])
    np.testing.assert_array_equal(data["targets"], FRAME["y"])
    assert data["feature_name"].values.tolist() == ["a.b", "n"]
    assert read.table_size(path) == (3, 3)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"z": pd.array([1, None, 3], dtype="Int64")}, "column 'z' .* row 2: it is missing"),
        ({"z": [1.0, 2.0, np.nan]}, "column 'z' .* row 3: it is missing"),
        ({"z": [True, False, True]}, "column 'z' is true or false; it must be real numbers"),
        ({"z": ["a", "b", "c"]}, "column 'z' is text"),
        ({"z": pd.to_datetime(["2020", "2021", "2022"])}, "column 'z' is a time"),
        ({"z": [0, 1, 2]}, "column 'z' is likely an index of the rows"),
    ],
)
def test_what_is_no_number(tmp_path: Path, column: dict, message: str) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    FRAME.assign(**column).to_parquet(path)
    refused(path, message)
    refused(path, r"inputs: \[a.b, n\]")
    assert made(path, inputs=["n"])["inputs"][:, 0].values.tolist() == [4, 4, 9]


def test_the_index_of_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    FRAME.set_axis([5.0, 2.0, 1.0]).to_parquet(path)
    refused(path, "'__index_level_0__' is likely an index of the rows")


def test_a_damaged_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    refused(path, "mine.parquet cannot be read as CSV or NetCDF: ")
    assert read.table_size(path) == (0, 0)


def test_without_pyarrow_a_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "mine.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    refused(path, "Parquet needs pyarrow: pip install pyarrow")
    assert read.table_size(path) == (0, 0)
