"""Files from which a job goes on with the same bits: after it was killed, or with a larger limit.

A checkpoint is written every few minutes and deleted when the job ends. End states are what a job
leaves when it ends, for the same job with a larger limit on its steps. They are those at the last
step at which all jobs with larger limits are in the same state. That may be some steps before the
end: many steps that are made at once end at recorded steps, so that a run that is to go on does not
come by the last step of one that ends.
"""

import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regimes.errors import ForeignError
from regimes.jobs.resources import add_earlier, used
from regimes.storage.sealed import CURE, read_sealed, sealed

SECONDS_BETWEEN_CHECKPOINTS = 180.0
# Key of a state under which a file says what the job had used.
USED = "used"
# Key under which a file has its own name.
NAME = "name"


class Checkpoint:
    """One file, written every few minutes, read when the job starts again, deleted at its end.

    path: named after all that the state depends on, so that no other job ever reads it; None: no
    checkpoints. seconds: between two of them.
    """

    def __init__(self, path: Path | None, seconds: float = SECONDS_BETWEEN_CHECKPOINTS):
        self.path = path
        self.seconds = seconds
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last state, None without one; raises StoreError for a file that is damaged."""
        state = load(self.path)
        if state is not None:
            add_earlier(state.pop(USED, {}))
        return state

    def offer(self, make_state: Callable[[], dict[str, Any]]) -> None:
        """Write the state if the last one is old enough; otherwise it is not made."""
        if self.path is None or time.monotonic() - self._last < self.seconds:
            return
        save(make_state() | {USED: used()}, self.path)
        self._last = time.monotonic()

    def delete(self) -> None:
        """Delete the file, since the job is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class EndStates:
    """States of the batches of a job, by their numbers.

    path: of the file; None: states are neither kept nor used. limit: of the job. steps: those that
    it records. last_common: the last step at which a job with any larger limit is in the same
    state.
    """

    def __init__(self, path: Path | None, limit: int | None, steps: np.ndarray, last_common: int):
        self.path = path
        self.limit = limit
        self.steps = steps
        self.last_common = last_common
        self.kept: dict[int, Any] = {}
        # Whether any of the states is worth a file.
        self.needed = False
        self._content = load(path)

    def earlier(self, progress: Callable[[str], None] = lambda text: None) -> dict[int, Any]:
        """States of an earlier job with a smaller limit, none without one that fits.

        progress: is told what there is.
        """
        content = self._content
        if content is None or content["limit"] >= self.limit:
            return {}
        last, before, here = content["last_common"], content["steps"].numpy(), self.steps
        if not np.array_equal(before[before <= last], here[here <= last]):
            progress(
                f"there are states up to {content['limit']}, but other steps were recorded on the "
                "way: starting afresh"
            )
            return {}
        progress(f"going on from the states of a job up to {content['limit']}")
        add_earlier(content[USED])
        # Only the caller holds them from here on.
        return content.pop("states")

    def keep(
        self, number: int, step: int, make_state: Callable[[], dict[str, Any]], needed: bool = True
    ) -> None:
        """Keep the state of a batch at a step, unless runs with another limit would not pass it."""
        if self.path is not None and step <= self.last_common:
            self.kept[number] = _copied(make_state())
            self.needed |= needed

    def write(self) -> None:
        """Write the kept states, unless those of a larger limit are there already."""
        if self.path is None or not self.needed:
            return
        if self._content is not None and self._content["limit"] > self.limit:
            return
        content = {
            "limit": self.limit,
            "last_common": self.last_common,
            "steps": torch.from_numpy(self.steps),
            "states": self.kept,
            USED: used(),
        }
        save(content, self.path)


def save(content: dict[str, Any], path: Path) -> None:
    """Write a file of tensors that says what it is: its name has the hash of all behind it."""
    with sealed(path) as temporary:
        torch.save(content | {NAME: path.name}, temporary)


def load(path: Path | None) -> dict[str, Any] | None:
    """Content of a file, None without one; raises StoreError if it is damaged or another one."""
    if path is None or not path.exists():
        return None
    content = torch.load(BytesIO(read_sealed(path)), map_location="cpu", weights_only=True)
    if content.pop(NAME) != path.name:
        raise ForeignError(f"{path} is the file of another job under this name: {CURE}")
    return content


def _copied(value: Any) -> Any:
    """A copy on the CPU: states hold views of what is about to change."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value
