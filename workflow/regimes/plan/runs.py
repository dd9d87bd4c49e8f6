"""The plan of a training job."""

from dataclasses import dataclass
from typing import Any

from regimes.engines.registry import settings_classes
from regimes.plan.provenance import config_hash

# Of hashes in file names.
HASH_LENGTH = 16


@dataclass(frozen=True)
class BlockPlan:
    """One training job: its resolved settings and the content-addressed files that it writes.

    hash: of the settings, data_hash, code and torch, the public version of torch.
    """

    experiment: str
    name: str
    settings: dict[str, Any]
    hash: str
    path: str
    dataset: str
    data_hash: str
    code: str
    torch: str
    priority: int

    @property
    def checkpoint(self) -> str:
        """File of the job's state while it runs, without the part that only the job knows."""
        return f"results/checkpoints/{self.hash}"

    @property
    def end_states(self) -> str | None:
        """File of what the job leaves for one with a larger limit, likewise; None without one."""
        kind = settings_classes()[self.settings["engine"]]
        if kind.limit is None:
            return None
        shared = job_hash(kind.without_limit(self.settings), self.data_hash, self.code, self.torch)
        return f"results/states/{self.experiment}/{shared}"


def job_hash(settings: dict[str, Any], data_hash: str, code: str, torch: str) -> str:
    """Hash of what the numbers of a job depend on, but for the build of torch and the device."""
    return config_hash({"settings": settings, "data": data_hash, "code": code, "torch": torch})
