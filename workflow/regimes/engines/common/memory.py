"""The memory of training, from settings alone: what the formulas of the engines have in common.

Settings use this; no engine does, so that a better estimate changes no run. Where a formula repeats
a constant of its engine, a test compares the two. Formulas were compared with what real jobs take
(docs/clusters.md), and are to be above it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Axes = Mapping[str, Sequence[Any]]

# Bytes of the number formats.
NUMBER_BYTES = {"float64": 8, "float32": 4}


def n_runs(axes: Axes) -> int:
    """Number of runs of a grid."""
    return math.prod(len(values) for values in axes.values())


def largest(axes: Axes, name: str, default: int) -> int:
    """Largest value of an axis; the default without that axis."""
    return max(axes.get(name, [default]))


def n_records(points_per_decade: int, every: int, max_steps: int) -> float:
    """About how many steps are recorded, as `regimes.engines.common.recording` does it."""
    return points_per_decade * math.log10(max_steps) + 3 + (max_steps / every if every else 0)
