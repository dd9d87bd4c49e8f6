"""Files of a job that makes several, which Snakemake deletes when one of them fails."""

import os
from pathlib import Path

import pytest
import xarray as xr

from regimes.storage import kept, store

OWN = "results/runs/phase_diagram/all-0123456789abcdef.nc"
IDENTITY = "0123456789abcdef" * 4


@pytest.fixture(params=["", "module/"])
def prefix(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The part of paths before `results/`, with a file that is kept."""
    monkeypatch.chdir(tmp_path)
    described = {"title": "t", "source": "s", "references": "r", "config": {}}
    store.write(xr.Dataset(), request.param + OWN, identity=IDENTITY, **described)
    kept.keep(request.param + OWN, request.param)
    return request.param


def names(prefix: str) -> set[str]:
    """The files below results."""
    files = (path for path in Path(f"{prefix}results").rglob("*") if path.is_file())
    return {path.relative_to(f"{prefix}results").parts[0] for path in files}


def test_a_deleted_file_is_put_back(prefix: str) -> None:
    content = Path(prefix + OWN).read_bytes()
    Path(prefix + OWN).unlink()
    assert names(prefix) == {"kept"}
    assert not kept.restore(prefix + OWN, "another" * 9, prefix)
    assert kept.restore(prefix + OWN, IDENTITY, prefix)
    assert Path(prefix + OWN).read_bytes() == content and names(prefix) == {"runs"}
    assert not kept.restore(prefix + OWN, IDENTITY, prefix)


def test_all_deleted_files_are_put_back(prefix: str) -> None:
    Path(prefix + OWN).unlink()
    kept.restore_all(prefix)
    assert names(prefix) == {"runs"}
    kept.restore_all(prefix)


def test_a_file_that_is_there_stays(prefix: str) -> None:
    assert names(prefix) == {"runs", "kept"}
    before = Path(prefix + OWN).stat()
    kept.restore_all(prefix)
    assert names(prefix) == {"runs"} and Path(prefix + OWN).stat().st_ino == before.st_ino
    kept.keep(prefix + OWN, prefix)
    kept.forget([prefix + OWN], prefix)
    kept.forget([prefix + OWN], prefix)
    assert names(prefix) == {"runs"}


def test_damage_counts_as_missing(prefix: str) -> None:
    Path(prefix + OWN).unlink()
    (path,) = Path(f"{prefix}results/kept").rglob("*.nc")
    path.write_bytes(path.read_bytes()[:-9])
    assert not kept.restore(prefix + OWN, IDENTITY, prefix)


def test_disks_without_links_have_copies(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("no links")

    monkeypatch.setattr(os, "link", refused)
    kept.forget([prefix + OWN], prefix)
    kept.keep(prefix + OWN, prefix)
    Path(prefix + OWN).write_bytes(b"")
    Path(prefix + OWN).unlink()
    assert kept.restore(prefix + OWN, IDENTITY, prefix)
