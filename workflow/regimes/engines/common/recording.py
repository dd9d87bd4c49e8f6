"""The steps of a run after which it is looked at."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regimes.engines.common.observation import log_spaced_steps


def refitted(history: np.ndarray, n_columns: int, axis: int) -> np.ndarray:
    """A history with another number of columns along an axis: cut, or filled with NaN.

    A copy; of float numbers.
    """
    shape = list(history.shape)
    shape[axis] = n_columns
    fitted = np.full(shape, np.nan, dtype=history.dtype)
    both = tuple(slice(min(pair)) for pair in zip(shape, history.shape, strict=True))
    fitted[both] = history[both]
    return fitted


def recorded_steps(record: Mapping[str, Any], max_steps: int) -> np.ndarray:
    """0, 1, log-spaced numbers of steps, every `every` of them, and the last."""
    evenly = np.arange(0, max_steps + 1, record["every"]) if record["every"] else []
    logarithmic = log_spaced_steps(record["points_per_decade"], max_steps)
    return np.unique(np.concatenate([logarithmic, evenly, [max_steps]])).astype(np.int64)
