"""Hermite coefficients of activation functions, and their norm.

With the polynomials He_i of the probabilists, E He_i(z) He_j(z) = i! for i = j, else 0, for
standard normal z: (47) of Song et al. (2021). Normalised, He_i / (i!)^(1/2), they are orthonormal.
"""

import numpy as np

from regimes.activations.derivatives import ACTIVATIONS

# Nodes of the Gauss-Hermite rule: with them tanh, which has the nearest poles, is exact to 1e-12.
NODES = 240


def normalised_polynomials(places: np.ndarray, count: int) -> np.ndarray:
    """Return He_i(z) / (i!)^(1/2) for i < count at places (k,): (count, k)."""
    values = np.zeros((count, len(places)))
    values[0] = 1
    if count > 1:
        values[1] = places
    for index in range(1, count - 1):
        # He_(i+1) = z He_i - i He_(i-1)
        values[index + 1] = places * values[index] - np.sqrt(index) * values[index - 1]
        values[index + 1] /= np.sqrt(index + 1)
    return values


def normalised_coefficients(activation: str, count: int) -> np.ndarray:
    """Return E act(z) He_i(z) / (i!)^(1/2) for i < count, z standard normal: (count,).

    In closed form for ReLU; by quadrature for the smooth activations of
    `regimes.activations.derivatives`, good for i below about 60.
    """
    if activation == "relu":
        return _of_relu(count)
    places, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights /= weights.sum()
    return normalised_polynomials(places, count) @ (weights * ACTIVATIONS[activation].value(places))


def coefficients(activation: str, count: int) -> np.ndarray:
    """c_i = E act(z) He_i(z) for i < count, of Definition 4 of Song et al. (2021): (count,)."""
    roots = np.sqrt(np.arange(1, count, dtype=np.float64))
    factorials = np.concatenate([[1.0], np.cumprod(roots)])[:count]
    return normalised_coefficients(activation, count) * factorials


def norm(activation: str) -> float:
    """Return the Hermite norm (E act(z)^2)^(1/2), the root of the sum of c_i^2 / i! over all i.

    Definition 4 of Song et al. (2021) has the sum of c_i^2. That is the same for the normalised
    polynomials, but for those of (47) it is infinite for GELU, tanh, softplus and ReLU alike.
    """
    if activation == "relu":
        return float(np.sqrt(0.5))
    places, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return float(np.sqrt(weights @ ACTIVATIONS[activation].value(places) ** 2 / weights.sum()))


def _of_relu(count: int) -> np.ndarray:
    """Coefficients of ReLU: 1/(2 pi)^(1/2), 1/2, and He_(i-2)(0) / (2 pi)^(1/2) from i = 2 on.

    The last ones follow since ReLU'' is a unit mass at 0.
    """
    values = np.zeros(max(count, 2))
    values[:2] = 1 / np.sqrt(2 * np.pi), 0.5
    at_zero = normalised_polynomials(np.zeros(1), max(count, 2))[:, 0]
    index = np.arange(2, count)
    values[2:count] = at_zero[: max(count - 2, 0)] / np.sqrt(2 * np.pi * index * (index - 1))
    return values[:count]
