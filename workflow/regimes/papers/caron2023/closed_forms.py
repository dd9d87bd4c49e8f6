"""Closed forms of Caron et al. (2023), Section 5: mean rates of change when training starts.

They are for gradient flow on 1/2 sum_i (f(x_i) - y_i)^2 (5). inputs: (n, d); scales: lambda_mj
(m,).
"""

import itertools

import numpy as np

from regimes.activations.derivatives import ACTIVATIONS
from regimes.kernels.gaussian_expectations import expected_product

# Error of the quadrature, below which an expectation is taken as 0, as that of an odd function is.
ROUNDING = 1e-14


def g_1(inputs: np.ndarray, activation: str) -> np.ndarray:
    """Return E act(s z) act'(s z), s = |x| / d^(1/2), z standard normal: (n,), before Theorem 5.1.

    |x| / (2 pi d)^(1/2) for ReLU; 0 for an odd activation, such as tanh.
    """
    deviations = np.linalg.norm(inputs, axis=1) / np.sqrt(inputs.shape[1])
    if activation == "relu":
        return deviations / np.sqrt(2 * np.pi)
    chosen = ACTIVATIONS[activation]
    factors = [lambda z: chosen.value(z) * chosen.slope(z)]
    values = np.array([expected_product(factors, [[deviation**2]]) for deviation in deviations])
    return np.where(abs(values) > ROUNDING, values, 0.0)


def mean_weight_rate(inputs: np.ndarray, scales: np.ndarray, activation: str) -> np.ndarray:
    """Return E dw_jk/dt at t = 0, (m, d): Theorem 5.1."""
    direction = inputs.T @ g_1(inputs, activation) / np.sqrt(inputs.shape[1])
    return -np.outer(scales, direction)


def g_2(inputs: np.ndarray, activation: str) -> np.ndarray:
    """E act''(z_1) act'(z_2) act'(z_3) act(z_3), at [k, l, i]: (n, n, n), before Theorem 5.2.

    z_1, z_2, z_3 are the pre-activations of a neuron on x_k, x_l, x_i.
    """
    chosen = ACTIVATIONS[activation]
    if chosen.curvature is None:
        raise ValueError(f"{activation} has no second derivative")
    factors = [chosen.curvature, chosen.slope, lambda z: chosen.slope(z) * chosen.value(z)]
    covariance = inputs @ inputs.T / inputs.shape[1]
    values = np.empty((len(inputs),) * 3)
    for triple in itertools.product(range(len(inputs)), repeat=3):
        values[triple] = expected_product(factors, covariance[np.ix_(triple, triple)])
    return values


def mean_kernel_rate(
    inputs: np.ndarray, scales: np.ndarray, activation: str, printed: bool = False
) -> np.ndarray:
    """Return E dTheta_m(x_k, x_l)/dt at t = 0 for a smooth activation, (n, n): Theorem 5.2.

    With the factor 1/d^2 in place of the printed 1/d^(3/2): of the four factors d^(-1/2) that the
    gradients and the Hessian of f in Theta^(3) have, Appendix H has three. printed: as it is in the
    text, d^(1/2) times as much.
    """
    dimension = inputs.shape[1]
    products = inputs @ inputs.T
    along = np.einsum("ki,kli->kl", products, g_2(inputs, activation))
    power = 1.5 if printed else 2.0
    return -products / dimension**power * np.sum(scales**2) * (along + along.T)
