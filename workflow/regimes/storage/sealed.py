"""Files that end with a digest of all that stands before it, so that damage is found by reading.

Readers of NetCDF ignore what follows the data, so that the last line harms no other program.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regimes.errors import DamagedError, StoreError
from regimes.storage.atomic import replacing
from regimes.storage.failures import one_line

SEAL = re.compile(rb"\nsha256:([0-9a-f]{64})\n")
SEAL_LENGTH = len(b"\nsha256:") + 64 + len(b"\n")
CURE = "`regimes check --repair` removes it, and the same command makes it again"


@contextmanager
def sealed(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, which gets its digest and replaces it when the block ends.

    Raises StoreError, with the reason, when the system refuses.
    """
    try:
        with replacing(path) as temporary:
            try:
                yield temporary
            except RuntimeError as error:
                raise _reason(error, temporary) from error
            with temporary.open("r+b") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                stream.write(f"\nsha256:{digest}\n".encode())
    except OSError as error:
        raise StoreError(one_line(error, path, "written")) from error


def _reason(error: RuntimeError, path: Path) -> Exception:
    """Why HDF5 could not write, of which it says nothing: a full disk refuses other content too."""
    try:
        with path.open("ab") as stream:
            stream.write(bytes(2**20))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as cause:
        return cause
    return error


def read_sealed(path: str | Path, *, strict: bool = True) -> bytes:
    """Content of a file without its digest, which it is compared with.

    strict: whether a file without a digest, such as one of another program, is refused.
    Raises DamagedError for a file that is damaged, and StoreError, with the reason, for one that
    cannot be read.
    """
    path = Path(path)
    try:
        # What is no file of bytes, such as a pipe or a device, would be read for ever.
        if path.exists() and not path.is_file():
            kind = "folder" if path.is_dir() else "pipe or device"
            raise StoreError(f"{path} is a {kind} where a file should be: move it away")
        with path.open("rb") as stream:
            length = max(0, os.fstat(stream.fileno()).st_size - SEAL_LENGTH)
            content, end = stream.read(length), stream.read()
    except (OSError, MemoryError) as error:
        raise StoreError(one_line(error, path, "read")) from error
    seal = SEAL.fullmatch(end)
    if seal is None:
        if strict:
            raise DamagedError(
                f"{path} is damaged, or of another version: it does not end with its digest: {CURE}"
            )
        return content + end
    if hashlib.sha256(content).hexdigest().encode() != seal[1]:
        raise DamagedError(f"{path} is damaged: its content is not what was written: {CURE}")
    return content
