"""How much work the settings of a job say, to scale the time of one job to another."""

import math
from collections.abc import Mapping
from typing import Any

from regimes.engines.registry import settings_classes

# Axes whose value is a size; of others only the number of values counts.
SIZES = ("width", "n_train")


def work(settings: Mapping[str, Any]) -> float | None:
    """Neurons x training points x steps, summed over the runs; 1 for what is no axis or not fixed.

    settings: of a block, of an experiment, or `experiments` of several. None if there are no axes.
    """
    if "experiments" in settings:
        parts = [work(one) for one in settings["experiments"].values()]
        return None if not parts or None in parts else math.fsum(parts)
    if "axes" not in settings:
        return None
    engine = settings_classes().get(settings.get("engine"))
    # Of other engines runs end when they are done.
    steps = math.prod(settings[key] for key in (engine.work if engine else ()))
    total = 0.0
    for grid in settings.get("grids") or [{}]:
        axes = {**settings["axes"], **grid}
        total += math.prod(
            math.fsum(values) if name in SIZES else len(values) for name, values in axes.items()
        )
    return steps * total
