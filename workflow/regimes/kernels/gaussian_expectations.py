"""Expectations of products of smooth functions of jointly normal variables, by quadrature."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

# Spacing of the nodes: the first at most, and at most the second over the largest coefficient with
# which a direction enters the variables. The error of equidistant nodes is about
# exp(-2 pi a / spacing) where the poles of the functions are at a distance a from the real axis:
# pi/2 for tanh, which has the nearest ones.
LARGEST_SPACING, SPACING = 0.5, 0.2
# Nodes reach this many standard deviations to either side; beyond, the density is below 1e-18.
REACH = 9.0
# Largest number of points at which a product is evaluated.
MOST_POINTS = 2**25

Function = Callable[[np.ndarray], np.ndarray]


def expected_product(
    factors: Sequence[Function], covariance: ArrayLike, spacing: float = SPACING
) -> float:
    """Return E f_1(u_1) ... f_p(u_p) for centred normal u of a covariance (p, p).

    The covariance may be singular. The expectation is computed by the trapezoidal rule in each of
    the directions in which u varies, whose spacing adapts to the variances. For products of act,
    act' and act'' of tanh, GELU and softplus the error is below 1e-12 whatever the variances; so it
    is for other functions whose poles are no nearer to the real axis than those of tanh. A function
    with a jump needs another method. Raises ValueError where more than MOST_POINTS points would be
    needed: with two variables from variances of about 4000 on, with three from about 10 on.
    """
    axes = _square_root(np.asarray(covariance, dtype=np.float64))
    places = [_nodes(column, spacing) for column in axes.T]
    n_points = math.prod(len(each) for each in places)
    if n_points > MOST_POINTS:
        raise ValueError(
            f"variances up to {np.diag(covariance).max():.3g} are too large for an expectation of "
            f"{len(factors)} functions: {n_points:.1e} points, at most {MOST_POINTS:.1e}"
        )
    grid = np.stack(np.meshgrid(*places, indexing="ij")).reshape(len(places), -1)
    total = np.ones(n_points)
    weights = [np.exp(-np.square(each) / 2) for each in places]
    for grid_weights in np.meshgrid(*[each / each.sum() for each in weights], indexing="ij"):
        total *= grid_weights.ravel()
    for factor, row in zip(factors, axes, strict=True):
        total *= factor(row @ grid)
    return float(total.sum())


def _nodes(coefficients: np.ndarray, spacing: float) -> np.ndarray:
    """Nodes of a standard normal variable that enters the others with some coefficients (p,)."""
    largest = abs(coefficients).max()
    distance = min(LARGEST_SPACING, spacing / largest) if largest > 0 else LARGEST_SPACING
    count = math.ceil(REACH / distance)
    return distance * np.arange(-count, count + 1)


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Return A (p, rank) with A A^T the covariance; directions without variance are left out."""
    values, vectors = np.linalg.eigh(covariance)
    varies = values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    if not varies.any():
        return np.zeros((len(covariance), 1))
    return vectors[:, varies] * np.sqrt(values[varies])
