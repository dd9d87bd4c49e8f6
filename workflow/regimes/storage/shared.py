"""Runs and probes that several users share, whose names say all that they depend on.

A file in the shared folder is no output of a job: Snakemake deletes the output of a job that starts
or fails, and with it what a job of somebody else has finished meanwhile. A job writes a file of its
own, which then gets its name in the shared folder too. Who finds a file there has a link to it.
"""

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from regimes.errors import ConfigError, StoreError
from regimes.storage.atomic import replacing
from regimes.storage.failures import one_line
from regimes.storage.store import read_attributes

RESULTS = Path("results")


def take_all(planned: Mapping[str, str], folder: str | None, directory: str = "") -> None:
    """Link the planned files that are missing here and are in the shared folder.

    planned: identities by path. folder: `shared_results` of the config; None: nothing is shared.
    directory: what the paths are relative to.
    Raises ConfigError unless it is a folder, and StoreError where a folder of results is a link,
    behind which jobs would delete the files of others.
    """
    for own in (directory / RESULTS / "runs", directory / RESULTS / "probes"):
        if own.is_symlink():
            raise StoreError(
                f"{own} is a link to {os.readlink(own)}: jobs would delete the files of others "
                "there; remove the link, and name the folder to share as shared_results in the "
                "config"
            )
    if folder is None:
        return
    if not Path(folder).is_dir():
        raise ConfigError(f"shared_results = {folder!r} is no folder; make it, or take null")
    for path, identity in planned.items():
        if not (Path(directory) / path).exists():
            take(str(Path(directory) / path), identity, folder, directory)


def take(path: str, identity: str, folder: str, directory: str = "") -> bool:
    """Make `path` a link to the shared file, if that is whole and the planned one.

    directory: the part of the path before `results/`.
    """
    shared = _place(path, folder, directory)
    if not _is_there(shared, identity):
        return False
    try:
        with replacing(path) as temporary:
            temporary.symlink_to(shared)
    except OSError as error:
        raise StoreError(one_line(error, path, "written")) from error
    return True


def give(path: str, identity: str, folder: str, directory: str = "") -> str:
    """Give a file its name in the shared folder too, unless it is there; returns what was done.

    directory: the part of the path before `results/`.
    """
    shared = _place(path, folder, directory)
    if _is_there(shared, identity):
        return f"{shared} is there already"
    try:
        # As the folder that is shared is for, whatever the umask of who trains first.
        mode = stat.S_IMODE(Path(folder).stat().st_mode)
        _make_folder(shared.parent, mode)
        with replacing(shared) as temporary:
            try:
                os.link(path, temporary)
            except OSError:  # another disk, or one without links
                shutil.copyfile(path, temporary)
            temporary.chmod(0o600 | mode & 0o444)
    except OSError as error:
        return f"not shared: {one_line(error, shared, 'written')}"
    return f"shared as {shared}"


def _place(path: str, folder: str, directory: str) -> Path:
    return Path(folder).resolve() / Path(path).relative_to(directory / RESULTS)


def _is_there(shared: Path, identity: str) -> bool:
    """Whether a shared file is whole and the planned one: any other is as good as missing."""
    try:
        return read_attributes(shared).get("identity") == identity
    except (StoreError, OSError):
        return False


def _make_folder(folder: Path, mode: int) -> None:
    """Make a folder, and those that it lies in, with a mode."""
    if not folder.is_dir():
        _make_folder(folder.parent, mode)
        try:
            folder.mkdir()
        except FileExistsError:  # somebody else was faster, and it is theirs
            return
        folder.chmod(mode)
