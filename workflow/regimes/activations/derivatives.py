"""Activation functions on NumPy arrays with their first two derivatives, for theory.

Training has modules of its own, in `regimes.activations`; a test compares the two.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Activation:
    """act, act' and act'' of arrays of any shape; `curvature` is None where act' jumps."""

    value: Function
    slope: Function
    curvature: Function | None


def _density(z: np.ndarray) -> np.ndarray:
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def _tanh_slope(z: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(z) ** 2


def _tanh_curvature(z: np.ndarray) -> np.ndarray:
    value = np.tanh(z)
    return -2 * value * (1 - value**2)


ACTIVATIONS = {
    "relu": Activation(
        lambda z: np.maximum(z, 0.0), lambda z: (np.asarray(z) > 0).astype(np.float64), None
    ),
    "tanh": Activation(np.tanh, _tanh_slope, _tanh_curvature),
    "softplus": Activation(
        lambda z: np.logaddexp(z, 0.0), expit, lambda z: expit(z) * expit(-np.asarray(z))
    ),
    # z Phi(z), with the density phi and the distribution function Phi of the standard normal
    "gelu": Activation(
        lambda z: z * ndtr(z),
        lambda z: ndtr(z) + z * _density(z),
        lambda z: (2 - np.square(z)) * _density(z),
    ),
}
