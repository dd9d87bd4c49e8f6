"""Tables in NetCDF and HDF5 files: the numbers that they hold, or one line."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from data_settings import settings

from regimes.datasets import file as file_kind
from regimes.datasets.readers import read
from regimes.datasets.sources.own_file import digest
from regimes.errors import DataError

X = np.array([[0.5, 1.0], [2.0, -4.0], [3.0, 0.25]])
NAMES_OF_NETCDF = (".nc", ".nc4", ".netcdf", ".cdf", ".h5", ".hdf5")
Y = np.array([1.0, -1.0, 2.0])


def made(path: Path, **keys: Any) -> xr.Dataset:
    chosen = settings(kind="file", path=str(path), **{"target": "y", **keys})
    return file_kind.build(chosen | {"sha256": digest(path)})


def refused(path: Path, message: str, **keys: Any) -> None:
    with pytest.raises(DataError, match=message) as error:
        made(path, **keys)
    assert "\n" not in str(error.value)


def written(path: Path, coords: dict | None = None, **variables: Any) -> Path:
    dataset = xr.Dataset({"y": ("s", Y), **variables}, coords)
    dataset.to_netcdf(path, engine="netcdf4")
    return path


@pytest.mark.parametrize(
    "suffix", [".nc", ".nc4", ".netcdf", ".cdf", ".h5", ".hdf5", ".dat", ".CSV"]
)
@pytest.mark.parametrize("model", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_a_netcdf_file_is_known_by_its_content(tmp_path: Path, suffix: str, model: Any) -> None:
    path = tmp_path / f"mine{suffix}"
    xr.Dataset({"x": (("s", "k"), X), "y": ("s", Y)}).to_netcdf(path, format=model)
    data = made(path)
    np.testing.assert_array_equal(data["inputs"], X)
    assert data["feature_name"].values.tolist() == ["x_0", "x_1"]
    assert read.table_size(path) == (3, 3)


@pytest.mark.parametrize("suffix", NAMES_OF_NETCDF)
def test_a_name_of_netcdf_with_other_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_text("a,y\n1,2\n")
    refused(path, "cannot be read as CSV or NetCDF: its name says NetCDF, its content does not")


def test_times_are_no_inputs(tmp_path: Path) -> None:
    days = ("s", [10, 20, 40], {"units": "days since 2000-01-01"})
    path = written(tmp_path / "mine.nc", t=days, a=("s", X[:, 0]))
    refused(path, r"'t' is a time \(days since 2000-01-01\).*leave it out: inputs: \[a\]")
    assert made(path, inputs=["a"])["inputs"][:, 0].values.tolist() == X[:, 0].tolist()
    refused(path, r"'t' is a time", target="t", inputs=["a"])


@pytest.mark.parametrize("unit", ["days", "hours", "seconds", "s"])
def test_durations_are_the_numbers_in_the_file(tmp_path: Path, unit: str) -> None:
    path = written(tmp_path / "mine.nc", t=("s", [1.5, 2.0, 9.0], {"units": unit}))
    assert made(path)["inputs"][:, 0].values.tolist() == [1.5, 2.0, 9.0]


def test_missing_values_name_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "mine.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("s", 3)
        file.createVariable("y", "f8", ("s",))[:] = Y
        file.createVariable("a", "i2", ("s",), fill_value=-99)[:] = [4, 5, -99]
        file.createVariable("never", "f4", ("s",))[:2] = [1, 2]
        file.createVariable("counts", "i4", ("s",))[:2] = [1, 2]
        file.createVariable("m", "f8", ("s",)).missing_value = -1.0
        file["m"][:] = [2, -1, 3]
    refused(path, "column 'a' is no finite number at row 3: it is missing; to leave it out")
    for name, row in {"a": 3, "never": 3, "counts": 3, "m": 2}.items():
        refused(path, f"column '{name}' .* at row {row}: it is missing", inputs=[name])


def test_packed_values_are_unpacked_in_double_precision(tmp_path: Path) -> None:
    path = tmp_path / "mine.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("s", 3)
        file.createVariable("y", "f8", ("s",))[:] = Y
        packed = file.createVariable("a", "i2", ("s",), fill_value=-99)
        packed.scale_factor, packed.add_offset = 0.1, 20.0
        packed.set_auto_maskandscale(False)
        packed[:] = [3, 7, 11]
    expected = np.array([3, 7, 11]) * 0.1 + 20.0
    np.testing.assert_array_equal(made(path)["inputs"][:, 0], expected)


def test_a_damaged_chunk_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.nc"
    values = np.random.default_rng(0).standard_normal(5000)
    dataset = xr.Dataset({"a": ("s", values), "y": ("s", values)})
    dataset.to_netcdf(path, encoding={"a": {"zlib": True}, "y": {"fletcher32": True}})
    content = bytearray(path.read_bytes())
    at = len(content) // 3
    content[at : at + 200] = bytes(200)
    path.write_bytes(content)
    refused(path, r"mine.nc: column '[ay]' cannot be read, the file is damaged: ")
    path.write_bytes(content[:2000])
    refused(path, r"mine.nc cannot be read as CSV or NetCDF: ")
    assert read.table_size(path) == (0, 0)


def test_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.nc", x=(("s", "k"), X), x_0=("s", Y))
    refused(path, "variables x and x_0 both have a column 'x_0': rename one of them")


def test_variables_over_three_dimensions_are_named(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mine.nc", a=("s", X[:, 0]), cube=(("s", "k", "l"), np.ones((3, 2, 2)))
    )
    refused(path, r"cube has 3 dimensions, s, k, l; .*leave it out, inputs: \[a\]")
    assert made(path, inputs=["a"])["inputs"].shape == (3, 1)


def test_variables_over_other_points_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.nc", a=("s", X[:, 0]), w=("k", [1.0, 2.0]))
    refused(
        path, "first dimension of its variables is k or s; it must be the same.*name the inputs"
    )
    assert made(path, inputs=["a"])["inputs"].shape == (3, 1)
    refused(path, "first dimension of its variables is k or s", inputs=["w"])


def test_coordinates_are_inputs_where_they_are_named(tmp_path: Path) -> None:
    coords = {"s": [10.0, 20.0, 40.0], "height": ("s", Y * 2)}
    path = written(tmp_path / "mine.nc", coords, a=("s", X[:, 0]))
    assert made(path)["feature_name"].values.tolist() == ["a"]
    data = made(path, inputs=["s", "height", "a"])
    expected = np.stack([[10.0, 20.0, 40.0], Y * 2, X[:, 0]], axis=1)
    np.testing.assert_array_equal(data["inputs"], expected)


@pytest.mark.parametrize(
    ("values", "what"),
    [(np.array([True, False, True]), "true or false"), (np.array(["a", "b", "c"]), "text")],
)
def test_other_types_are_refused(tmp_path: Path, values: np.ndarray, what: str) -> None:
    path = written(tmp_path / "mine.nc", a=("s", X[:, 0]), b=("s", values))
    refused(
        path, rf"column 'b' is {what}.*; it must be real numbers; to leave it out: inputs: \[a\]"
    )


def test_a_variable_that_counts_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.nc", a=("s", X[:, 0]), id=("s", [1, 2, 3]))
    refused(path, r"column 'id' is likely an index of the rows.*inputs: \[a\]")


def test_integers_that_double_precision_does_not_hold(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.nc", a=("s", [4, 5, 2**60 + 1]))
    refused(path, f"'a' is no finite number at row 3: {2**60 + 1}: an integer with more digits")


def test_a_plain_hdf5_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "mine.h5"
    with h5py.File(path, "w") as file:
        file["a"], file["y"] = X[:, 0], Y
    np.testing.assert_array_equal(made(path)["inputs"][:, 0], X[:, 0])
