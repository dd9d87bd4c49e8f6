"""A folder of runs that several users share."""

import os
from pathlib import Path

import pytest
import xarray as xr

from regimes.errors import ConfigError, StoreError
from regimes.storage import shared, store
from regimes.storage.store import read_attributes

OWN = "results/runs/phase_diagram/all-0123456789abcdef.nc"
IDENTITY = "0123456789abcdef" * 4


def write(path: str | Path, title: str, identity: str = IDENTITY) -> None:
    described = {"source": "s", "references": "r", "config": {}}
    store.write(xr.Dataset(), path, title=title, identity=identity, **described)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared folder; the test works in another one."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "shared").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "shared"


@pytest.fixture
def trained(folder: Path) -> Path:
    """A run that was shared; returns the shared file."""
    write(OWN, "a run")
    assert "shared as" in shared.give(OWN, IDENTITY, str(folder))
    return folder / "runs/phase_diagram/all-0123456789abcdef.nc"


def test_a_run_outlives_the_file_of_its_job(trained: Path, folder: Path) -> None:
    Path(OWN).unlink()  # as Snakemake does before a job starts, and after it failed
    assert read_attributes(trained)["identity"] == IDENTITY
    shared.take_all({OWN: IDENTITY}, str(folder))
    assert Path(OWN).is_symlink() and read_attributes(OWN)["identity"] == IDENTITY
    Path(OWN).unlink()
    assert trained.exists()


def test_a_run_below_a_folder_is_shared_as_one_beside_it(trained: Path, folder: Path) -> None:
    shared.take_all({OWN: IDENTITY}, str(folder), "below/")
    assert read_attributes(f"below/{OWN}")["identity"] == IDENTITY
    said = shared.give(f"below/{OWN}", IDENTITY, str(folder), "below/")
    assert said == f"{trained} is there already"


def test_what_is_there_is_kept(trained: Path, folder: Path) -> None:
    before = trained.read_bytes()
    write(OWN, "the same run")
    assert "is there already" in shared.give(OWN, IDENTITY, str(folder))
    assert trained.read_bytes() == before
    assert [path.name for path in trained.parent.iterdir()] == [trained.name]


@pytest.mark.parametrize("damage", ["flip", "empty", "another"])
def test_what_is_damaged_is_not_taken_but_replaced(
    trained: Path, folder: Path, damage: str
) -> None:
    Path(OWN).unlink()
    content = bytearray(trained.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "another":
        write(trained, "another run", "f" * 64)
    else:
        trained.write_bytes(content if damage == "flip" else b"")
    assert not shared.take(OWN, IDENTITY, str(folder)) and not Path(OWN).exists()
    write(OWN, "a run")
    assert "shared as" in shared.give(OWN, IDENTITY, str(folder))
    assert read_attributes(trained)["title"] == "a run"


def test_links_whose_file_is_gone_are_missing(trained: Path, folder: Path) -> None:
    Path(OWN).unlink()
    assert shared.take(OWN, IDENTITY, str(folder))
    trained.unlink()
    shared.take_all({OWN: IDENTITY}, str(folder))
    assert not Path(OWN).exists()


def test_another_disk_gets_a_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*paths: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    write(OWN, "a run")
    assert "shared as" in shared.give(OWN, IDENTITY, str(folder))
    copy = folder / "runs/phase_diagram/all-0123456789abcdef.nc"
    assert copy.read_bytes() == Path(OWN).read_bytes()


def test_a_folder_that_refuses_harms_no_job(folder: Path) -> None:
    (folder / "runs").write_text("a file where a folder should be")
    write(OWN, "a run")
    said = shared.give(OWN, IDENTITY, str(folder))
    assert said.startswith("not shared: ") and str(folder / "runs") in said
    assert Path(OWN).exists()


def test_a_folder_that_is_missing_is_one_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"shared_results = '.*nowhere' is no folder"):
        shared.take_all({}, str(folder / "nowhere"))


def test_a_folder_that_somebody_else_makes_meanwhile_stays_theirs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = folder / "runs"
    theirs.mkdir(mode=0o711)
    is_dir = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: path != theirs and is_dir(path))
    shared._make_folder(theirs, 0o700)
    assert theirs.stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize(("mode", "of_file"), [(0o2775, 0o644), (0o700, 0o600)])
def test_who_may_use_the_folder_may_use_what_is_in_it(
    folder: Path, mode: int, of_file: int
) -> None:
    folder.chmod(mode)
    before = os.umask(0o077)
    try:
        write(OWN, "a run")
        shared.give(OWN, IDENTITY, str(folder))
    finally:
        os.umask(before)
    trained = folder / "runs/phase_diagram/all-0123456789abcdef.nc"
    for made in trained.parents[:2]:
        assert made.stat().st_mode & 0o7777 == mode
    assert trained.stat().st_mode & 0o777 == of_file


def test_own_results_that_cannot_be_written_are_one_line(trained: Path, folder: Path) -> None:
    Path(OWN).unlink()
    Path(OWN).parent.rmdir()
    Path(OWN).parent.write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be written: a part of its path is a file"):
        shared.take_all({OWN: IDENTITY}, str(folder))


def test_linked_folders_of_results_are_refused(folder: Path) -> None:
    Path("results").mkdir()
    Path("results/runs").symlink_to(folder)
    for chosen in (None, str(folder)):
        with pytest.raises(StoreError, match=r"results/runs is a link to .*shared_results"):
            shared.take_all({}, chosen)
