"""Checkpoints of long jobs: what a job that was killed needs to go on with the same bits."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from regimes.jobs.resources import add_earlier, used
from regimes.storage.atomic import replacing

SECONDS_BETWEEN_CHECKPOINTS = 180.0
# Key of a state under which a file says what the job had used.
USED = "used"


class Checkpoint:
    """One file, written every few minutes, read when the job starts again, deleted at its end.

    path: named after all that the state depends on, so that no other job ever reads it; None: no
    checkpoints. seconds: between two of them. A state is made of mappings, lists, numbers and
    tensors.
    """

    def __init__(self, path: Path | None, seconds: float = SECONDS_BETWEEN_CHECKPOINTS):
        self.path = path
        self.seconds = seconds
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last state, None without one. A file that cannot be read counts as none."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # torch raises many kinds for a damaged file
            return None
        add_earlier(state.pop(USED, {}))
        return state

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        """Write the state if the last one is old enough; it is not made otherwise."""
        if self.path is None or time.monotonic() - self._last < self.seconds:
            return
        with replacing(self.path) as temporary:
            torch.save(state() | {USED: used()}, temporary)
        self._last = time.monotonic()

    def delete(self) -> None:
        """The job is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
