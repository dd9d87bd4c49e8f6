"""Random initial weights of the networks of `regimes.engines.common.shallow`."""

from typing import Literal

import numpy as np

OutputWeights = Literal["rademacher", "gaussian"]


def initial_weights(
    random: np.random.Generator,
    width: int,
    n_features: int,
    n_outputs: int,
    output_weights: OutputWeights,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the initial weights of one network.

    Returns first-layer weights (width, n_features), standard normal, and output weights (n_outputs,
    width), which are -1 or 1 with equal probability, or standard normal.
    """
    hidden = random.standard_normal((width, n_features))
    if output_weights == "gaussian":
        return hidden, random.standard_normal((n_outputs, width))
    return hidden, 2.0 * random.integers(0, 2, (n_outputs, width)) - 1.0
