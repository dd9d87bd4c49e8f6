"""Lemma 3 of Song et al. (2021), the conditions of Theorem 2, and the bound on lazy training.

Networks Phi(W, V) = V act(W X) (15) with the loss h = |Phi - Y|^2 (16). Arrays are those of the
paper: inputs X (d_0, n), one point per column; W (d_1, d_0); V (d_2, d_1); Y (d_2, n).
"""

from dataclasses import dataclass

import numpy as np

from regimes.networks.activation_derivatives import ACTIVATIONS

# Of f(Z) = |Z - Y|^2: constant of the PL condition (7), and smoothness.
ALPHA_F = 2.0
BETA_F = 2.0
# C of (14), which the proof leaves open: the descent inequality has the factor
# 1 - eta (beta |grad f| + 9 beta_f nu^2 / 4) / 2 >= 1/2, Lemma 1 gives |grad h|^2 >=
# mu^2 |grad f|^2 / 4, and (7) |grad f|^2 >= 2 alpha_f f; these make 1/4.
RATE_CONSTANT = 0.25
# sup |act'| and sup |act''|; those of GELU are at z = 2^(1/2) and 0.
LARGEST_DERIVATIVES = {
    "gelu": (float(ACTIVATIONS["gelu"].slope(np.sqrt(2.0))), float(np.sqrt(2 / np.pi))),
    "tanh": (1.0, 4 / (3 * np.sqrt(3))),
    "softplus": (1.0, 0.25),
}


@dataclass(frozen=True)
class Constants:
    """mu, nu, beta of Lemma 3: (mu, nu)-near-isometry at the start, beta-smoothness."""

    mu: float
    nu: float
    beta: float


def largest_singular_value(matrix: np.ndarray) -> float:
    """sigma_max of a matrix."""
    return float(np.linalg.norm(matrix, 2))


def constants(
    inputs: np.ndarray,
    weights: np.ndarray,
    output_weights: np.ndarray,
    activation: str,
    largest_output_norm: float,
) -> Constants:
    """(18) at an initialisation.

    activation: a key of LARGEST_DERIVATIVES. largest_output_norm: chi_max, a bound on sigma_max(V)
    wherever V goes. beta needs |x_i| <= 1. mu is sigma_min of the map of Lemma 5, V -> V act(W X)
    transposed: the n-th singular value of act(W X), and 0 with fewer neurons than points.
    """
    slope, curvature = LARGEST_DERIVATIVES[activation]
    hidden = np.linalg.svd(ACTIVATIONS[activation].value(weights @ inputs), compute_uv=False)
    of_inputs = largest_singular_value(inputs)
    enough = weights.shape[0] >= inputs.shape[1]
    return Constants(
        mu=float(hidden[-1]) if enough else 0.0,
        nu=slope * of_inputs * largest_singular_value(output_weights) + float(hidden[0]),
        beta=float(np.sqrt(2)) * of_inputs * (slope + curvature * largest_output_norm),
    )


def jacobian(
    inputs: np.ndarray, weights: np.ndarray, output_weights: np.ndarray, activation: str
) -> np.ndarray:
    """Derivative (37) of Phi by (W, V), (d_2 n, d_1 d_0 + d_2 d_1), for small networks."""
    chosen = ACTIVATIONS[activation]
    before = weights @ inputs
    n_outputs, n_points = output_weights.shape[0], inputs.shape[1]
    by_weights = np.einsum("kj,ja,ia->kaji", output_weights, chosen.slope(before), inputs)
    by_outputs = np.einsum("kl,ja->kalj", np.eye(n_outputs), chosen.value(before))
    rows = n_outputs * n_points
    return np.concatenate([by_weights.reshape(rows, -1), by_outputs.reshape(rows, -1)], axis=1)


def singular_value_range(
    inputs: np.ndarray, weights: np.ndarray, output_weights: np.ndarray, activation: str
) -> tuple[float, float]:
    """sigma_min and sigma_max of the adjoint (39), from its Gram matrix (d_2 n, d_2 n).

    What Lemma 3 bounds by mu and nu, for networks whose `jacobian` is too large.
    """
    chosen = ACTIVATIONS[activation]
    before = weights @ inputs
    slopes, hidden = chosen.slope(before), chosen.value(before)
    n_outputs, n_points = output_weights.shape[0], inputs.shape[1]
    gram = np.empty((n_outputs, n_points, n_outputs, n_points))
    products = inputs.T @ inputs
    for k in range(n_outputs):
        for other in range(k + 1):
            weighted = slopes * (output_weights[k] * output_weights[other])[:, None]
            block = products * (slopes.T @ weighted)
            if k == other:
                block += hidden.T @ hidden
            gram[k, :, other] = gram[other, :, k] = block
    values = np.linalg.eigvalsh(gram.reshape(n_outputs * n_points, -1))
    return float(np.sqrt(max(values[0], 0.0))), float(np.sqrt(values[-1]))


def locality(found: Constants, initial_loss: float) -> float:
    """h(Theta_0) over the right side of (9) without its constant: (9) wants it to be O(1).

    Infinite where mu = 0.
    """
    if found.mu == 0:
        return float("inf")
    return initial_loss * found.beta**2 * found.nu**2 / (ALPHA_F * found.mu**6)


def largest_learning_rate(found: Constants, gradient_norm: float) -> float:
    """1 / (beta |grad f(Z)| + 9 beta_f nu^2 / 4): what the descent inequality of Appendix C needs.

    gradient_norm: |grad f(Z)| = 2 |Z - Y| of the start, for which the loss must not grow.
    """
    return 1 / (found.beta * gradient_norm + 9 * BETA_F * found.nu**2 / 4)


def rate_bound(found: Constants, learning_rate: float) -> float:
    """Factor of the loss in a step of gradient descent by (14), with RATE_CONSTANT."""
    return 1 - RATE_CONSTANT * learning_rate * ALPHA_F * found.mu**2


def output_norm_bound(found: Constants, initial_loss: float, output_weights: np.ndarray) -> float:
    """chi_max by the second line of (84): nu h(Theta_0)^(1/2) / (alpha_f^(1/2) mu^2) + |V_0|.

    It bounds up to a constant, as (33) does. mu and nu do not depend on chi_max, so that `found`
    may be made with any.
    """
    way = found.nu * np.sqrt(initial_loss / ALPHA_F)
    return float(way / found.mu**2 if found.mu > 0 else np.inf) + largest_singular_value(
        output_weights
    )


def lazy_bound(found: Constants) -> float:
    """Right side of (82), without its constant: Lip(grad Phi) / Lip(Phi)^2 = beta / nu^2."""
    return found.beta / found.nu**2


def smallest_of_power(inputs: np.ndarray, power: int) -> float:
    """sigma_min(X^(*t)) of the Khatri-Rao power t in (20).

    The products of its columns are those of the points to the power of t.
    """
    values = np.linalg.eigvalsh((inputs.T @ inputs) ** power)
    return float(np.sqrt(max(values[0], 0.0)))


def least_hidden_singular_value(
    inputs: np.ndarray, n_hidden: int, power: int, coefficient: float
) -> float:
    """(c_t^2 d_1 / t!)^(1/2) sigma_min(X^(*t)), the lower bound of Section 5.3 on
    sigma_min(act(W_0 X)) for omega_1 = 1, without its constant.

    power: t; coefficient: c_t / (t!)^(1/2), of `hermite.normalised_coefficients`.
    """
    return float(abs(coefficient) * np.sqrt(n_hidden)) * smallest_of_power(inputs, power)
