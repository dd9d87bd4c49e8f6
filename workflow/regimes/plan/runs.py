"""The plan of a training job."""

from dataclasses import dataclass
from typing import Any

# Of hashes in file names.
HASH_LENGTH = 16


@dataclass(frozen=True)
class BlockPlan:
    """One training job: its resolved settings and the content-addressed file that it writes."""

    experiment: str
    name: str
    settings: dict[str, Any]
    hash: str
    path: str
    dataset: str
    code: str
    torch: str
    priority: int
