"""Random initial weights of two-layer networks."""

import numpy as np


def gaussian(
    random: np.random.Generator, width: int, n_features: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal weights: output weights (width,), first-layer weights (n_features, width)."""
    return random.standard_normal(width), random.standard_normal((n_features, width))


def antisymmetric(output: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two copies of the first half of the neurons, with output weights +a and -a, so that f = 0.

    Luo et al. (2021), Remark 5 (Zhang et al., 2019). Shapes as in `gaussian`, which are kept.
    Raises ValueError for an odd width.
    """
    width = output.shape[-1]
    if width % 2:
        raise ValueError(f"antisymmetric initialisation needs an even width, not {width}")
    half = width // 2
    return (
        np.concatenate([output[:half], -output[:half]]),
        np.concatenate([hidden[:, :half], hidden[:, :half]], axis=1),
    )
