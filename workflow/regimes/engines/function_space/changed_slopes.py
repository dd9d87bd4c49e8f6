"""What changed slopes make of sums of their products, compiled by Numba for CPUs."""

import numpy as np
from numba import njit

from regimes.engines.common.compiled import compiled


@njit(error_model="numpy", fastmath={"contract"})
def _add(row, weight, low, old, new):
    """Add weight times the mean of old and new slopes (n,) to a row (n,)."""
    for j in range(len(row)):
        row[j] += weight * (0.5 * (1.0 if old[j] else low) + 0.5 * (1.0 if new[j] else low))


def _half_change(changed, old, new, squares, low, half):
    n_points = old.shape[1]
    for position in changed:
        k, i = position // n_points, position % n_points
        change = squares[k] * (1.0 - low)
        _add(half[i], change if new[k, i] else -change, low, old[k], new[k])


def half_change(
    changed: np.ndarray, old: np.ndarray, new: np.ndarray, squares: np.ndarray, low: np.floating
) -> np.ndarray:
    """Half of the change of sum_k c_k^2 s_k s_k^T (n, n); the other half is its transpose.

    changed: positions in the flat (m, n) where `old` and `new` differ, which say whether
    pre-activations are positive: slopes are 1 there, and `low` elsewhere. squares: c^2 (m,).
    s' s'^T - s s^T is half of (s' - s)(s + s')^T and its transpose.
    """
    half = np.zeros((old.shape[1], old.shape[1]), squares.dtype)
    compiled(_half_change)(changed, old, new, squares, low, half)
    return half
