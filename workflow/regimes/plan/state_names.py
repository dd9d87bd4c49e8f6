"""Names of files of training states: `<hash>-<own part>.pt`.

The hash is of what a plan knows (see `regimes.plan.stages.Job`), so that `regimes prune` can
tell which states are in use; the own part is of what only the job itself knows, the build of torch
and the device, by the name of a GPU, between which numbers differ. This module does without torch.
"""

import re

from regimes.plan.provenance import config_hash

NAME = re.compile(r"(?P<shared>[0-9a-f]{64})-[0-9a-f]{16}\.pt")
# In files of earlier versions both parts are one, which no plan knows.
EARLIER_NAME = re.compile(r"[0-9a-f]{64}\.pt")


def complete_name(planned: str, torch: str, device: str) -> str:
    """The name of a file that the plan names, with the job's own part.

    torch: its complete version, which says what it was built for. device: "cpu", or which GPU.
    """
    return f"{planned}-{config_hash({'torch': torch, 'device': device})[:16]}.pt"
