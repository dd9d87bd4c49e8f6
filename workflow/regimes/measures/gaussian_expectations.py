"""Expectations of products of smooth functions of jointly normal variables, by quadrature."""

from collections.abc import Callable, Sequence

import numpy as np

# Nodes of the Gauss-Hermite rule in each dimension.
NODES = 60
# A node with less than this weight does not count in float64.
LEAST_WEIGHT = 1e-18

Function = Callable[[np.ndarray], np.ndarray]


def expected_product(
    factors: Sequence[Function], covariance: np.ndarray, nodes: int = NODES
) -> float:
    """E f_1(u_1) ... f_p(u_p) for centred normal u of a covariance (p, p), which may be singular.

    By a tensor product of Gauss-Hermite rules, exact for polynomials of degree below 2 `nodes`.
    For act''(u_1) act'(u_2) act(u_3) act'(u_3) the error is below 1e-13 with variances up to 1/4;
    up to 1 it is below 1e-6 for tanh and below 1e-14 for GELU and softplus. A function with a jump
    needs another method.
    """
    axes = _square_root(np.asarray(covariance, dtype=np.float64))
    places, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights /= weights.sum()
    places, weights = places[weights > LEAST_WEIGHT], weights[weights > LEAST_WEIGHT]
    rank = axes.shape[1]
    grid = np.stack(np.meshgrid(*[places] * rank, indexing="ij")).reshape(rank, -1)
    total = np.ones(grid.shape[1])
    for grid_weights in np.meshgrid(*[weights] * rank, indexing="ij"):
        total *= grid_weights.ravel()
    for factor, row in zip(factors, axes, strict=True):
        total *= factor(row @ grid)
    return float(total.sum())


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """A (p, rank) with A A^T the covariance, without the directions in which nothing varies."""
    values, vectors = np.linalg.eigh(covariance)
    varies = values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    if not varies.any():
        return np.zeros((len(covariance), 1))
    return vectors[:, varies] * np.sqrt(values[varies])
