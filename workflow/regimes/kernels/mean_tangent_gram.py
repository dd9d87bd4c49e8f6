"""Mean tangent Gram matrix of a network with scaled nodes, and its variance.

Caron et al. (2023), Section 3: with f(x) = sum_j lambda_j^(1/2) a_j act(w_j . x / d^(1/2)), |a_j| =
1, sum_j lambda_j = 1 and standard normal w, the tangent kernel (6) of the first layer has the mean
(9) whatever the lambda. In closed form for ReLU, by quadrature for smooth activations.
"""

from collections.abc import Callable

import numpy as np

from regimes.activations.derivatives import ACTIVATIONS
from regimes.kernels.gaussian_expectations import expected_product
from regimes.kernels.limiting_kernels import gram_w, smallest_eigenvalue


def mean_tangent_gram(inputs: np.ndarray, activation: str = "relu") -> np.ndarray:
    """Theta*(X) of (9): (1/d) x . x' E act'(u) act'(u') with u = w . x / d^(1/2), (n, n).

    inputs: (n, d). activation: a key of `regimes.activations.derivatives`. For smooth ones the
    expectations have errors below 1e-12 whatever the variance |x|^2 / d of u, which may be up to
    about 4000: see `gaussian_expectations`.
    """
    dimension = inputs.shape[1]
    if activation == "relu":
        # The indicator 1[u > 0] does not depend on the scale of u.
        return gram_w(inputs) / dimension
    slope = ACTIVATIONS[activation].slope
    return inputs @ inputs.T / dimension * _of_pairs(inputs, slope)


def kappa(inputs: np.ndarray, activation: str = "relu") -> float:
    """Return kappa_n of (10), the smallest eigenvalue of `mean_tangent_gram`."""
    return smallest_eigenvalue(mean_tangent_gram(inputs, activation))


def limiting_variance_constant(inputs: np.ndarray, activation: str = "relu") -> float:
    """Return C_0(X) of (12): sum over all pairs of points of (x . x' / d)^2 Var(act'(u) act'(u')).

    At any width m, E |Theta_m(X; W_0) - Theta*(X)|_F^2 = C_0(X) sum_j lambda_mj^2, since the nodes
    are independent; (12) is the limit of that for wide networks.
    """
    products = inputs @ inputs.T / inputs.shape[1]
    if activation == "relu":
        # The product of two indicators is 1 with a probability p; its variance is p (1 - p).
        mean = mean_tangent_gram(inputs)
        return float(np.sum(mean * (products - mean)))
    slope = ACTIVATIONS[activation].slope
    square = _of_pairs(inputs, lambda z: slope(z) ** 2)
    variance = square - _of_pairs(inputs, slope) ** 2
    return float(np.sum(products**2 * variance))


def _of_pairs(inputs: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return E g(u) g(u') of all pairs of points, (n, n), for a smooth g."""
    covariance = inputs @ inputs.T / inputs.shape[1]
    values = np.empty_like(covariance)
    for a, b in zip(*np.triu_indices(len(inputs)), strict=True):
        pair = covariance[np.ix_([a, b], [a, b])]
        values[a, b] = values[b, a] = expected_product([function, function], pair)
    return values
