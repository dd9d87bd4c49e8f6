"""Gram matrices of a ReLU network in the limit of infinite width, in closed form.

For standard normal weights the expectations of Luo et al. (2021), equations (30) and (31), are
the arc-cosine kernels of Cho and Saul (2009) of degrees 1 and 0, halved.
"""

import numpy as np


def gram_a(inputs: np.ndarray) -> np.ndarray:
    """Return E relu(w . x) relu(w . x') for standard normal w: kernel of the output weights.

    inputs: (n, d), with the constant feature of the bias, if there is one. Returns (n, n).
    """
    norms = np.linalg.norm(inputs, axis=1)
    return _halved_degree_one(norms, _angles(inputs), inputs @ inputs.T)


def gram_a_of_covariance(covariance: np.ndarray) -> np.ndarray:
    """Return E relu(u_a) relu(u_b) for centred normal u of a covariance (n, n): (n, n).

    `gram_a` of inputs whose products are the covariance.
    """
    deviations = np.sqrt(np.diag(covariance))
    cosines = correlations(covariance)
    # The arccos of a cosine is inexact near 1, but the kernel is flat there in the angle.
    return _halved_degree_one(deviations, np.arccos(cosines), covariance)


def correlations(covariance: np.ndarray) -> np.ndarray:
    """Correlations (n, n) of a covariance (n, n), within [-1, 1].

    A variable that does not vary has correlation 0 with all others.
    """
    deviations = np.sqrt(np.diag(covariance))
    scales = np.where(deviations > 0, deviations, 1)
    return np.clip(covariance / np.outer(scales, scales), -1, 1)


def gram_w(inputs: np.ndarray) -> np.ndarray:
    """Return the kernel of the first layer, E a^2 1[w . x > 0] 1[w . x' > 0] x . x'.

    a, w: standard normal. inputs: (n, d), as for `gram_a`. Returns (n, n).
    """
    return (np.pi - _angles(inputs)) / (2 * np.pi) * (inputs @ inputs.T)


def smallest_eigenvalue(gram: np.ndarray) -> float:
    """Smallest eigenvalue of a symmetric matrix (n, n)."""
    return float(np.linalg.eigvalsh(gram)[0])


def _halved_degree_one(norms: np.ndarray, angles: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Half the arc-cosine kernel of degree 1 from the inputs' norms (n,), angles and products."""
    in_angles = np.outer(norms, norms) * np.sin(angles) + (np.pi - angles) * products
    return in_angles / (2 * np.pi)


def _angles(inputs: np.ndarray) -> np.ndarray:
    """Angles between all pairs of inputs (n, d): (n, n), from 0 to pi.

    Any angle serves for an input of 0, whose kernels vanish.
    """
    norms = np.linalg.norm(inputs, axis=1, keepdims=True)
    units = inputs / np.where(norms > 0, norms, 1)
    # The arccos of a cosine would lose half of the digits near 0 and pi.
    rows = [
        2 * np.arctan2(np.linalg.norm(units - one, axis=1), np.linalg.norm(units + one, axis=1))
        for one in units
    ]
    return np.stack(rows)
