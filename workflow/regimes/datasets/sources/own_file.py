"""Files of the user's own, known by their content."""

import hashlib
from pathlib import Path

from regimes.errors import DataError


def digest(path: str | Path) -> str:
    """sha256 of a file; `~` is the home folder. Raises DataError when it cannot be read."""
    try:
        file = Path(path).expanduser()
        # Others, such as a pipe, may have no end, and are another file when read again.
        if file.exists() and not file.is_file():
            raise ValueError("is not a regular file")
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror
    # An unknown user after ~, or characters that a path cannot have
    except (RuntimeError, ValueError) as error:
        reason = str(error).rstrip(".").lower()
    shown = str(path) if str(path).isprintable() else repr(str(path))
    raise DataError(f"{shown} cannot be read: {reason}")


def checked(path: str | Path, sha256: str | None) -> Path:
    """The path of a file with the content that was planned with. Raises DataError for another.

    sha256: of that content; None where it could not be read.
    """
    if digest(path) != sha256:
        raise DataError(f"{path} changed since the workflow started: run the same command again")
    return Path(path).expanduser()
