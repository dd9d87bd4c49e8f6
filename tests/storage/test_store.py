"""Reading and writing of NetCDF files."""

import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from regimes.errors import StoreError
from regimes.jobs import resources as usage
from regimes.storage import store

ATTRIBUTES = {
    "title": "A title",
    "source": "a test",
    "references": "none",
    "config": {"a": 1},
}


def described(name: str) -> dict[str, str]:
    return {"long_name": name, "units": "1"}


@pytest.fixture
def dataset() -> xr.Dataset:
    values = np.random.default_rng(0).standard_normal((40, 50))
    values[0, 0] = np.nan
    return xr.Dataset(
        {
            "value": (("x", "y"), values, described("a value")),
            "flag": ("x", np.arange(40) % 2 == 0, described("a flag")),
            "count": ("x", np.arange(40, dtype=np.int8), described("a count")),
            "name": ("x", [f"näme {index}" for index in range(40)], described("a name")),
            "scalar": ((), 2.5, described("a scalar")),
        },
        coords={"x": ("x", np.linspace(0, 1, 40), described("an axis"))},
        attrs={"kept": "yes"},
    )


def test_round_trip_is_exact(dataset: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "folder/file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    again = store.read(path)
    xr.testing.assert_equal(again, dataset)
    for name in dataset.variables:
        assert again[name].dtype.kind == dataset[name].dtype.kind
        assert again[name].attrs["long_name"] == dataset[name].attrs["long_name"]
    assert again.attrs["kept"] == "yes"
    assert [file.name for file in path.parent.iterdir()] == ["file.nc"]


def test_file_is_compressed_checked_and_described(dataset: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, device="cuda", code_hash="abc", **ATTRIBUTES)
    with netCDF4.Dataset(path) as file:
        assert file.data_model == "NETCDF4"
        filters = file["value"].filters()
        assert filters["zlib"] and filters["complevel"] == 4
        assert filters["shuffle"] and filters["fletcher32"]
        assert "_FillValue" not in file["x"].ncattrs()
        assert file.Conventions == "CF-1.11"
        assert file.config == '{"a": 1}'
        assert file.device == "cuda"
        assert set(file.ncattrs()) >= {"created", "git_commit", "regimes_version", "history"}
        assert file.code_hash == "abc"


def test_files_say_what_their_job_used(
    dataset: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests of this process may have gone on from what earlier jobs left.
    monkeypatch.setattr(usage, "_EARLIER", dict.fromkeys(usage._EARLIER, 0.0))
    before = time.process_time()
    store.write(dataset, tmp_path / "file.nc", **ATTRIBUTES)
    attributes = store.read(tmp_path / "file.nc").attrs
    # To two decimals.
    assert before - 0.01 <= attributes["cpu_seconds"] <= time.process_time() + 0.01
    assert attributes["wall_seconds"] > 0
    # In bytes: this process holds NumPy and more.
    assert 2**24 < attributes["peak_memory"] < 2**40


@pytest.mark.parametrize("name", ["value", "x", "name"])
@pytest.mark.parametrize("attribute", ["long_name", "units"])
def test_undescribed_variables_are_refused(
    dataset: xr.Dataset, tmp_path: Path, name: str, attribute: str
) -> None:
    del dataset[name].attrs[attribute]
    with pytest.raises(ValueError, match=f"'{name}' has no attribute '{attribute}'"):
        store.write(dataset, tmp_path / "file.nc", **ATTRIBUTES)
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("error")
def test_packed_variables_come_back_bit_for_bit(tmp_path: Path) -> None:
    integers = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values = integers * (1 / 255) + -0.5
    variable = xr.Variable(("x", "y"), values, described("pixels"))
    variable.encoding = {"dtype": "uint8", "scale_factor": 1 / 255, "add_offset": -0.5}
    path = tmp_path / "file.nc"
    store.write(xr.Dataset({"value": variable}), path, **ATTRIBUTES)
    with netCDF4.Dataset(path) as file:
        assert file["value"].dtype == np.uint8 and file["value"].filters()["fletcher32"]
        assert "_FillValue" not in file["value"].ncattrs()
    again = store.read(path)
    np.testing.assert_array_equal(again["value"], values)
    # What was read can be written as it is.
    store.write(again, path, **ATTRIBUTES)
    np.testing.assert_array_equal(store.read(path)["value"], values)


@pytest.mark.parametrize("wrong", [0.3, -1.0, 256.0])
def test_packing_that_would_lose_something_is_refused(tmp_path: Path, wrong: float) -> None:
    variable = xr.Variable("x", np.array([0.0, wrong]), described("pixels"))
    variable.encoding = {"dtype": "uint8", "scale_factor": 1.0, "add_offset": 0.0}
    with pytest.raises(ValueError, match="'value' is no uint8 times"):
        store.write(xr.Dataset({"value": variable}), tmp_path / "file.nc", **ATTRIBUTES)
    assert not list(tmp_path.iterdir())


def test_failed_write_keeps_the_old_file(
    dataset: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.nc"
    path.write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(OSError, match="disk full"):
        store.write(dataset, path, **ATTRIBUTES)
    assert path.read_text() == "old"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing\.nc does not exist"):
        store.read(tmp_path / "nothing.nc")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(dataset: xr.Dataset, tmp_path: Path, share: float) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreError, match=r"file\.nc is truncated or corrupt.*delete it") as caught:
        store.read(path)
    assert "\n" not in str(caught.value)


def test_flipped_bits_are_found(dataset: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    content = bytearray(path.read_bytes())
    # The compressed values fill the middle of the file.
    middle = len(content) // 2
    for index in range(middle, middle + 8):
        content[index] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(StoreError):
        store.read(path)


def test_text_file(tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    path.write_text("no NetCDF at all")
    with pytest.raises(StoreError, match="corrupt"):
        store.read(path)
