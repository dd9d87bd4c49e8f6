"""The steps at which a run is recorded."""

import numpy as np


def log_spaced_steps(points_per_decade: int, max_steps: int) -> np.ndarray:
    """Return 0, 1 and about points_per_decade steps for each factor of ten, up to max_steps."""
    powers = np.arange(int(points_per_decade * np.log10(max_steps)) + 1) / points_per_decade
    steps = np.rint(10.0**powers).astype(np.int64)
    return np.unique(np.concatenate([[0], steps[steps <= max_steps]]))


def recorded_steps(points_per_decade: int, every: int, max_steps: int) -> np.ndarray:
    """Return 0, 1, log-spaced steps, every `every`-th step unless that is 0, and the last step."""
    evenly: np.ndarray | list[int] = np.arange(0, max_steps + 1, every) if every else []
    logarithmic = log_spaced_steps(points_per_decade, max_steps)
    return np.unique(np.concatenate([logarithmic, evenly, [max_steps]])).astype(np.int64)


def last_common(steps: np.ndarray, longer: np.ndarray) -> int:
    """The last recorded step that remains one when the limit is larger.

    steps: recorded up to the limit. longer: recorded up to the limit plus one.
    """
    return int(np.intersect1d(steps, longer).max())


def refitted(history: np.ndarray, n_columns: int, axis: int) -> np.ndarray:
    """A copy of a history of real numbers with another number of columns along an axis.

    It is cut, or filled with NaN.
    """
    shape = list(history.shape)
    shape[axis] = n_columns
    fitted = np.full(shape, np.nan, dtype=history.dtype)
    both = tuple(slice(min(pair)) for pair in zip(shape, history.shape, strict=True))
    fitted[both] = history[both]
    return fitted
