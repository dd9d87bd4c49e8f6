"""One random and fixed layer, phi_j(x) = act(z_j . x/d^(1/2)): (5) of Chen et al. (2022).

The network on it is the paper's partially trained network of three layers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regimes.engines.function_space.embeddings import random_layers


def embed(
    inputs: np.ndarray, settings: Mapping[str, Any], random: np.random.Generator
) -> np.ndarray:
    """Phi(x)/D^(1/2), (n_points, D), of inputs (n_points, d).

    settings: `embedding_width` D and `activation`.
    """
    return random_layers.embed(inputs, {**settings, "depth": 3}, random)
