"""What the system says when a file cannot be read or written, in one line with a cure."""

import errno
import os
import tempfile
from pathlib import Path

from regimes.errors import StoreError

CURES = {
    errno.ENOSPC: "no space is left on its disk: make room and run the same command again",
    errno.EDQUOT: "your quota of disk space is used up: make room and run the same command again",
    errno.EROFS: "its file system is read-only: work in another folder (--directory)",
    errno.ENOLCK: "its file system refuses locks: mount it with locks, or work in another folder",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine: try again later",
    errno.ENOENT: "it does not exist: run the same command again to make it",
    errno.EISDIR: "it is a folder: move it away",
    errno.ENOTDIR: "a part of its path is a file: move that away",
    errno.EEXIST: "a part of its path is a file: move that away",
    errno.ENOMEM: "there is not enough memory for it: end other programs, or ask for more",
    errno.ENAMETOOLONG: "its name is too long for the file system: shorten the names in the config",
    errno.EIO: "the disk failed (an input/output error): look after the disk",
}


def one_line(error: OSError | MemoryError, path: str | Path, what: str) -> str:
    """Say why a file could not be read or written, and what to do about it.

    what: `read` or `written`. The file itself may be good: nobody is told to delete it.
    """
    number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno
    if number in (errno.EACCES, errno.EPERM):
        reason = f"permission is denied ({_owner(Path(path))})"
    else:
        reason = CURES.get(number or 0) or " ".join(str(error).split())
    return f"{path} cannot be {what}: {reason}"


def check_writable(folder: str | Path) -> None:
    """Raise StoreError, with the reason, for a folder in which no file can be made."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StoreError(one_line(error, folder, "written")) from None


def _owner(path: Path) -> str:
    """Whom the first part of a path that exists and refuses belongs to."""
    refusing = path
    while not os.path.lexists(refusing) and refusing != refusing.parent:
        refusing = refusing.parent
    try:
        owner = refusing.owner()
    except (KeyError, OSError, NotImplementedError):
        owner = "somebody else"
    return (
        f"{refusing} belongs to {owner}: ask for access, or work in a folder of yours (--directory)"
    )
