"""Names of files of training states: `<shared part>-<own part>.pt`.

The first part is of what a plan knows, so that `regimes prune` can tell which states are in use;
the second of what only the training itself knows, the build of torch and the device, between which
numbers differ. This module does without torch.
"""

import re
from collections.abc import Mapping
from typing import Any

from regimes.plan.provenance import config_hash

NAME = re.compile(r"(?P<shared>[0-9a-f]{64})-[0-9a-f]{16}\.pt")
# In files of earlier versions both parts are one, which no plan knows.
EARLIER_NAME = re.compile(r"[0-9a-f]{64}\.pt")


def shared_part(block: Mapping[str, Any], data_hash: str, code: str, torch: str) -> str:
    """Hash of a block's settings, its data, its code and the public version of torch.

    torch: its version, with or without a local part such as `+cu130`, which not all ways of asking
    for a version give.
    """
    public = torch.partition("+")[0]
    return config_hash({"block": block, "data": data_hash, "code": code, "torch": public})


def own_part(torch: str, device: str) -> str:
    """Hash of the complete version of torch and of the device."""
    return config_hash({"torch": torch, "device": device})[:16]
