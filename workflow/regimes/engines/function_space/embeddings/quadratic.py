"""All products of two inputs, Phi(x) = vec(x x^T): Chen et al. (2022), Section 4.2.

x x^T is symmetric: x_i^2 and 2^(1/2) x_i x_j with i < j, d (d + 1)/2 coordinates, have the same
products Phi(x) . Phi(x') as the d^2 entries.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


def embed(
    inputs: np.ndarray, settings: Mapping[str, Any], random: np.random.Generator
) -> np.ndarray:
    """Phi(x)/D^(1/2) with D = d^2, in orthonormal coordinates: (n_points, d (d + 1)/2)."""
    n_features = inputs.shape[1]
    first, second = np.triu_indices(n_features)
    factor = np.where(first == second, 1.0, 2**0.5) / n_features
    return inputs[:, first] * inputs[:, second] * factor
