"""Random and fixed hidden layers of a deeper network: Chen et al. (2022), Appendix H.

h^(1) = z x/d^(1/2) and h^(l+1) = W^(l) act(h^(l))/D^(1/2), with standard normal z and W^(l); the
embedding is act(h^(L-2)) of a network of L layers, of which the last two follow.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regimes.activations.apply import activate

# Weights are drawn for this many features at once.
FEATURES_AT_ONCE = 512


def embed(
    inputs: np.ndarray, settings: Mapping[str, Any], random: np.random.Generator
) -> np.ndarray:
    """Phi(x)/D^(1/2), (n_points, D), of inputs (n_points, d).

    settings: `depth` L of at least 3, `embedding_width` D and `activation`.
    """
    features = inputs
    for _ in range(settings["depth"] - 2):
        hidden = _linear(features, settings["embedding_width"], random)
        features = activate(settings["activation"], hidden)
    return features / settings["embedding_width"] ** 0.5


def _linear(inputs: np.ndarray, width: int, random: np.random.Generator) -> np.ndarray:
    """Standard normal weights times inputs (n_points, d), over d^(1/2): (n_points, width)."""
    result = np.empty((len(inputs), width))
    for first in range(0, width, FEATURES_AT_ONCE):
        count = min(FEATURES_AT_ONCE, width - first)
        weights = random.standard_normal((count, inputs.shape[1]))
        result[:, first : first + count] = inputs @ weights.T
    return result / inputs.shape[1] ** 0.5
