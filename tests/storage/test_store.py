"""Reading and writing of NetCDF files."""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from regimes.errors import StoreError
from regimes.jobs import resources as usage
from regimes.storage import store
from regimes.storage.atomic import replacing
from regimes.storage.failures import check_writable

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


REFUSALS = {
    errno.ENOSPC: "cannot be written: no space is left on its disk",
    errno.EACCES: "cannot be written: permission is denied",
    errno.EROFS: "its file system is read-only",
}


@pytest.mark.parametrize("number", REFUSALS)
def test_failed_write_keeps_the_old_file(
    dataset: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "file.nc"
    path.write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=rf"file\.nc .*{REFUSALS[number]}"):
        store.write(dataset, path, **ATTRIBUTES)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_renamed_was_synced_before_and_its_folder_after(
    dataset: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        calls.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        calls.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    path = tmp_path / "new/file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    made, temporary, renamed, folder = calls
    assert (made, renamed, folder) == (tmp_path, path, path.parent)
    assert temporary.parent == path.parent and temporary.suffix == ".tmp"


def test_temporary_names_are_no_other_process_s(tmp_path: Path) -> None:
    # Processes of two containers may have the same number.
    with replacing(tmp_path / "file") as one, replacing(tmp_path / "file") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "file").read_text() == "one"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing\.nc cannot be read: it does not exist"):
        store.read(tmp_path / "nothing.nc")


def test_a_folder_that_takes_no_file_is_named_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path)
    assert not list(tmp_path.iterdir())

    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "denied")

    # Root may write everywhere.
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(StoreError, match=r"^[^\n]* cannot be written: permission .*--directory"):
        check_writable(tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EACCES, "denied"), "permission is denied .* belongs to .*: ask for access"),
        (OSError(errno.ENOLCK, "no locks"), "refuses locks"),
        (OSError(errno.EMFILE, "too many"), "raise `ulimit -n`"),
        (OSError(errno.EIO, "I/O error"), "the disk failed"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_nobody_is_told_to_delete_what_cannot_be_read(
    dataset: xr.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    message: str,
) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, **ATTRIBUTES)

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail)
        with pytest.raises(StoreError, match=rf"file\.nc cannot be read: .*{message}") as caught:
            store.read(path)
    assert "repair" not in str(caught.value) and "\n" not in str(caught.value)
    store.read(path)


def test_a_file_that_somebody_has_locked_is_read(dataset: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    with path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        xr.testing.assert_equal(store.read(path), dataset)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "file.nc")
    with pytest.raises(StoreError, match=r"file\.nc is a (folder|pipe .*) where a file should be"):
        store.read(tmp_path / "file.nc")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(dataset: xr.Dataset, tmp_path: Path, share: float) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreError, match=r"file\.nc is damaged.*regimes check --repair") as caught:
        store.read(path)
    assert "\n" not in str(caught.value)


def test_any_damage_is_found(dataset: xr.Dataset, tmp_path: Path) -> None:
    """In values, in the index of their chunks, in texts, in attributes and in the digest."""
    path = tmp_path / "file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    content = path.read_bytes()
    for position in np.linspace(0, len(content) - 1, 400).astype(int):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"file\.nc is damaged"):
            store.read(path)
    path.write_bytes(content)
    store.read(path)


def test_a_value_that_another_program_changed_is_found(dataset: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, **ATTRIBUTES)
    with netCDF4.Dataset(path, "a") as file:
        file["scalar"][...] = 2.0
    with pytest.raises(StoreError, match=r"file\.nc is damaged"):
        store.read(path)


def test_another_file_under_the_planned_name_is_named(dataset: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    store.write(dataset, path, identity="one", **ATTRIBUTES)
    store.read(path, identity="one")
    with pytest.raises(StoreError, match=r"file\.nc is another file than planned, 'A title'"):
        store.read(path, identity="other")


def test_files_of_other_programs_are_read_where_they_may_be(tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    xr.Dataset({"value": ("x", [1.0])}).to_netcdf(path, engine="netcdf4")
    with pytest.raises(StoreError, match="does not end with its digest"):
        store.read(path)
    assert store.read(path, strict=False)["value"].values.tolist() == [1.0]


def test_text_file(tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    path.write_text("no NetCDF at all")
    with pytest.raises(StoreError, match="is no NetCDF file"):
        store.read(path, strict=False)
