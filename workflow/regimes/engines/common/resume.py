"""What a training leaves at its end, so that one with a larger cap goes on with the same bits.

The state is that at the last recorded step that a larger cap records too. So it may be some steps
before the end: with leaps, which end at recorded steps, a run that is to go on does not come by the
last step of one that ends.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.engines.common.blocks import path_of
from regimes.engines.common.checkpoints import USED
from regimes.engines.common.limits import cap_of, without_cap
from regimes.jobs.resources import add_earlier, used
from regimes.storage.atomic import replacing


class Continuation:
    """States of the runs (or batches of runs) of a block, by number.

    block, data, device: of the training. steps: its recorded steps, or epochs. anchor: the last of
    all steps at which a training with any larger cap is in the same state, see `last_common`.
    folder: of the states; None: they are neither kept nor used.
    """

    def __init__(
        self,
        block: Mapping[str, Any],
        data: xr.Dataset,
        device: str,
        steps: np.ndarray,
        anchor: int,
        folder: Path | None,
    ):
        self.cap = cap_of(block)
        self.steps = steps
        self.anchor = anchor
        self.kept: dict[int, Any] = {}
        self.path = None
        if folder is not None:
            self.path = path_of(without_cap(block), data, device, folder / block["experiment"])
        self._content = self._load()

    def earlier(self, progress: Callable[[str], None] = lambda text: None) -> dict[int, Any]:
        """States of an earlier training with a smaller cap, none without one that fits.

        progress: is told what there is.
        """
        content = self._content
        if content is None or content["cap"] >= self.cap:
            return {}
        before, here = content["steps"].numpy(), self.steps
        if not np.array_equal(before[before <= content["anchor"]], here[here <= content["anchor"]]):
            progress(
                f"there are states up to {content['cap']}, but other steps were recorded on the "
                "way: starting afresh"
            )
            return {}
        progress(f"going on from the states of a training up to {content['cap']}")
        add_earlier(content[USED])
        # Only the caller holds them from here on.
        return content.pop("states")

    def keep(self, number: int, step: int, state: Callable[[], dict[str, Any]]) -> None:
        """Keep the state of a run at a step, unless another cap would not come by there."""
        if self.path is not None and step <= self.anchor:
            self.kept[number] = _copied(state())

    def write(self) -> None:
        """Write what was kept, unless there is the same of a larger cap."""
        if self.path is None or not self.kept:
            return
        if self._content is not None and self._content["cap"] > self.cap:
            return
        content = {
            "cap": self.cap,
            "anchor": self.anchor,
            "steps": torch.from_numpy(self.steps),
            "states": self.kept,
            USED: used(),
        }
        with replacing(self.path) as temporary:
            torch.save(content, temporary)

    def _load(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.is_file():
            return None
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # torch raises many kinds for a damaged file
            return None


def last_common(steps: np.ndarray, longer: np.ndarray) -> int:
    """The last recorded step that remains one when the cap is larger.

    steps: recorded up to the cap. longer: up to the cap plus one.
    """
    return int(np.intersect1d(steps, longer).max())


def _copied(value: Any) -> Any:
    """A copy on the CPU: states hold views of what is about to change."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value
