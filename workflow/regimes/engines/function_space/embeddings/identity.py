"""The inputs themselves, Phi(x) = x: shallow networks, (1) of Chen et al. (2022)."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def embed(
    inputs: np.ndarray, settings: Mapping[str, Any], random: np.random.Generator
) -> np.ndarray:
    """Rows Phi(x)/D^(1/2) = x/d^(1/2), (n_points, d), of inputs (n_points, d)."""
    return inputs / inputs.shape[1] ** 0.5
