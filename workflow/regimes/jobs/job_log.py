"""Run the body of a workflow script with a log, and report errors as one line."""

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from regimes.errors import RegimesError
from regimes.storage.failures import one_line


@contextmanager
def job(log: str | Path) -> Iterator[Callable[[str], None]]:
    """Run a script's body with a log file.

    Yields a function that writes one line, with the seconds since the start, to the log. The
    project's own errors become one line in the log and on stderr and exit code 1, and so do those
    of the system and a lack of memory, with a traceback in the log; anything else is a defect, so
    that the exception goes on.
    """
    start = time.monotonic()
    with open(log, "w", buffering=1, encoding="utf-8") as stream:

        def progress(line: str) -> None:
            stream.write(f"{time.monotonic() - start:8.1f} s  {line}\n")

        progress("started")
        try:
            yield progress
        except RegimesError as error:
            stream.write(f"error: {error}\n")
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        except OSError as error:
            stream.write(traceback.format_exc())
            path = error.filename or "what the job needs"
            print(f"error: {one_line(error, path, 'read or written')}", file=sys.stderr)
            raise SystemExit(1) from None
        except Exception as error:
            stream.write(traceback.format_exc())
            if not _lacks_memory(error):
                raise
            print(
                f"error: the memory did not suffice for the job of {log}: take smaller sizes (such "
                "as axes.width, n_train) or fewer runs in a job (split_by) for it, or end other "
                "programs",
                file=sys.stderr,
            )
            raise SystemExit(1) from None
        progress("finished")


def _lacks_memory(error: Exception) -> bool:
    # Torch has no error of its own for the CPU, and must not be imported for that of a GPU.
    said = ("can't allocate memory", "out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in said)
    )
