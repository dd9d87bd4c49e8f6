"""Run the body of a workflow script with a log, and report errors as one line."""

import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Any, TextIO

from regimes.errors import RegimesError
from regimes.jobs.memory_errors import TooLargeError, lacks_memory
from regimes.plan.loading import OwnCodeError
from regimes.storage.failures import one_line

# Ends the name of a file beside the log, which Snakemake deletes before each attempt: up to how
# many MB another one would fail in the same way, and the error.
IN_VAIN = ".in-vain"


class Log:
    """The log of a job.

    closing: the last line of a job that succeeds.
    """

    def __init__(self, stream: TextIO):
        self.closing = "finished"
        self._stream, self._start = stream, time.monotonic()

    def __call__(self, line: str) -> None:
        """Write a line, with the seconds since the start."""
        self._stream.write(f"{time.monotonic() - self._start:8.1f} s  {line}\n")


@contextmanager
def job(log: str | Path, resources: Mapping[str, Any] | None = None) -> Iterator[Log]:
    """Run a script's body with a log file.

    Yields what writes to the log. The project's own errors become one line in the log and on stderr
    and exit code 1, and so do those of the system, of code of the user's own and a lack of memory,
    with a traceback in the log; anything else is a defect, so that the exception goes on.

    resources: of the job. Of one that knows its `attempt`, where an earlier one lacked memory and
    this one asks for no more `mem_mb`, it ends at once with the same error.
    """
    resources = resources or {}
    attempt, memory = resources.get("attempt"), resources.get("mem_mb", 0)
    mark = Path(f"{log}{IN_VAIN}")
    if attempt == 1:
        with suppress(OSError):
            mark.unlink()
    earlier = _earlier(mark, memory) if attempt else None
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(open(log, "w", buffering=1, encoding="utf-8"))
            progress = Log(stream)
            progress("started")
            if earlier:
                raise earlier
            yield progress
            progress(progress.closing)
        except Exception as error:
            line = _line(error, log)
            # First here: the disk of the log may be the one that is full.
            if line:
                print(f"error: {line}", file=sys.stderr)
            with suppress(OSError, UnboundLocalError):
                own = isinstance(error, RegimesError)
                if isinstance(error, OwnCodeError) and error.__cause__:
                    stream.writelines(traceback.format_exception(error.__cause__))
                stream.write(f"error: {line}\n" if own else traceback.format_exc())
                if attempt and (isinstance(error, TooLargeError) or lacks_memory(error)):
                    most = inf if getattr(error, "on_gpu", False) else memory
                    mark.write_text(f"{most}\n{line}\n", encoding="utf-8")
            if not line:
                raise
            # Without what the file has not taken yet.
            with suppress(OSError):
                stack.close()
            raise SystemExit(1) from None


def _line(error: Exception, log: str | Path) -> str:
    """What an error says in one line, with what to do; empty for a defect."""
    if isinstance(error, RegimesError):
        return str(error)
    if isinstance(error, OSError):
        return one_line(error, error.filename or log, "read or written")
    if lacks_memory(error):
        return (
            f"the memory did not suffice for the job of {log}: take smaller sizes (such as "
            "axes.width, n_train) or fewer runs in a job (split_by) for it, or end other programs"
        )
    return ""


def _earlier(mark: Path, memory: float) -> TooLargeError | None:
    """The error of an earlier attempt, if it would come back with so many MB."""
    try:
        most, line = mark.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    return None if memory > float(most) else TooLargeError(line, on_gpu=float(most) == inf)
