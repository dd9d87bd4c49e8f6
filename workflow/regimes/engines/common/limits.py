"""Settings that only say how long runs go on, by training."""

import copy
from collections.abc import Mapping
from typing import Any

# Keys, from the outside in. Other trainings have no cap, or cannot go on from one.
CAPS = {
    "gradient_flow": ("solver", "max_steps"),
    "gradient_descent": ("stopping", "max_steps"),
    "function_space": ("max_steps",),
    "function_space.node_scaled": ("max_steps",),
    "sgd": ("epochs",),
    "sgd.teacher_student": ("epochs",),
}


def cap_of(block: Mapping[str, Any]) -> int:
    """The cap in a block's settings; its training must be one of CAPS."""
    value: Any = block
    for key in CAPS[block["engine"]]:
        value = value[key]
    return value


def without_cap(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block's settings without the cap: equal for trainings of which one continues another."""
    rest = copy.deepcopy(dict(block))
    *outer, last = CAPS[block["engine"]]
    inner = rest
    for key in outer:
        inner = inner[key]
    del inner[last]
    return rest
