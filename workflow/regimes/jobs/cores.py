"""How many cores this process may use."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available_cores(cgroups: Path = CGROUPS) -> int:
    """The cores that the system lets this process use, at least 1.

    These are the machine's, those of the affinity, or what a control group's quota comes to, the
    fewest of them. cgroups: where the system shows its control groups; in a container that is its
    own one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, round(min(cores, _quota(cgroups))))


def _quota(cgroups: Path) -> float:
    """Cores that the quota of the control group comes to, infinity without one."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = " ".join((cgroups / file).read_text() for file in files).split()
            quota, period = (float(word) for word in words)
        except (OSError, ValueError):  # there is none, or it is "max"
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf
