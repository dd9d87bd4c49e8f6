"""Results of a job that makes several, kept until all of them are made.

Snakemake deletes all files of a job that fails, also those of its parts that have succeeded. A file
therefore gets a second name, in a folder of its own, as long as the others are not there.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from regimes.errors import StoreError
from regimes.storage.atomic import replacing
from regimes.storage.failures import one_line
from regimes.storage.store import read_attributes

RUNS, KEPT = Path("results/runs"), Path("results/kept")


def keep(path: str, directory: str = "") -> None:
    """Give a file of runs its second name. directory: the part of the path before `results/`."""
    # Where the system refuses that, the next job makes the file again.
    with suppress(OSError), replacing(_second_name(path, directory)) as temporary:
        try:
            os.link(path, temporary)
        except OSError:  # a disk without links
            shutil.copyfile(path, temporary)


def restore(path: str, identity: str, directory: str = "") -> bool:
    """Put a file back that has its second name alone, if it is whole and the planned one."""
    kept = _second_name(path, directory)
    try:
        there = read_attributes(kept).get("identity") == identity
    except (StoreError, OSError):  # there is none, or it is as good as missing
        return False
    if there:
        _put_back(kept, Path(path))
    return there


def forget(paths: Iterable[str], directory: str = "") -> None:
    """Take the second names of some files away."""
    for path in paths:
        _second_name(path, directory).unlink(missing_ok=True)


def restore_all(directory: str = "") -> None:
    """Put all files back that have their second names alone, and take the others' away."""
    for kept in sorted((directory / KEPT).glob("*/*.nc")):
        path = directory / RUNS / kept.relative_to(directory / KEPT)
        if path.exists():
            kept.unlink(missing_ok=True)
        else:
            _put_back(kept, path)


def _put_back(kept: Path, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept.replace(path)
    except OSError as error:
        raise StoreError(one_line(error, path, "written")) from error


def _second_name(path: str, directory: str) -> Path:
    return directory / KEPT / Path(path).relative_to(directory / RUNS)
