"""Jobs of any engine that end at a limit and go on from there."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from regimes.engines.common import runner
from regimes.engines.registry import settings_classes


@dataclass(frozen=True)
class ResumedJob:
    """Settings and data of a job; caps: limits of earlier jobs; cap: the raised one."""

    block: dict[str, Any]
    data: xr.Dataset
    caps: tuple[int, ...] = ()
    cap: int = 0

    def at(self, cap: int) -> dict[str, Any]:
        """The settings with a limit."""
        kind = settings_classes()[self.block["engine"]]
        block = copy.deepcopy(kind.without_limit(self.block))
        *outer, last = kind.limit
        inner = block
        for key in outer:
            inner = inner[key]
        inner[last] = cap
        return block

    def run(
        self, cap: int, folder: Path | None = None, device: str = "cpu", **more: Any
    ) -> xr.Dataset:
        """The runs with a limit; folder: of the end states."""
        states = None if folder is None else folder / "states"
        runs = runner.train(self.at(cap), self.data, device, end_states=states, **more)
        return runs.drop_attrs()
