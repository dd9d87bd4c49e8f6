"""Near-isometry and smoothness of two-layer networks: Lemma 3 of Song et al. (2021).

Networks Phi(W, V) = V act(W X) (15) with the loss f(Z) = |Z - Y|^2 (16). Arrays are those of the
paper: inputs X (d_0, n), one point per column; W (d_1, d_0); V (d_2, d_1); Y (d_2, n).
"""

from dataclasses import dataclass

import numpy as np

from regimes.activations.derivatives import ACTIVATIONS

# For f(Z) = |Z - Y|^2: constant of the PL condition (7), and smoothness.
ALPHA_F = 2.0
BETA_F = 2.0
# sup |act'| and sup |act''|; those of GELU are at z = 2^(1/2) and 0.
LARGEST_DERIVATIVES = {
    "gelu": (float(ACTIVATIONS["gelu"].slope(np.sqrt(2.0))), float(np.sqrt(2 / np.pi))),
    "tanh": (1.0, 4 / (3 * np.sqrt(3))),
    "softplus": (1.0, 0.25),
}


@dataclass(frozen=True)
class Constants:
    """Constants mu, nu and beta of Lemma 3.

    The network is a (mu, nu)-near-isometry at the start, and beta-smooth.
    """

    mu: float
    nu: float
    beta: float


def largest_singular_value(matrix: np.ndarray) -> float:
    """Return sigma_max of a matrix."""
    return float(np.linalg.norm(matrix, 2))


def constants(
    inputs: np.ndarray,
    weights: np.ndarray,
    output_weights: np.ndarray,
    activation: str,
    largest_output_norm: float,
) -> Constants:
    """Return the constants (18) at an initialisation.

    activation: a key of LARGEST_DERIVATIVES. largest_output_norm: chi_max, a bound on sigma_max(V)
    wherever V goes. beta needs |x_i| <= 1. mu is sigma_min of the map of Lemma 5, V -> V act(W X)
    transposed: the n-th singular value of act(W X), and 0 with fewer neurons than points.
    """
    slope, _ = LARGEST_DERIVATIVES[activation]
    hidden = np.linalg.svd(ACTIVATIONS[activation].value(weights @ inputs), compute_uv=False)
    of_inputs = largest_singular_value(inputs)
    enough = weights.shape[0] >= inputs.shape[1]
    return Constants(
        mu=float(hidden[-1]) if enough else 0.0,
        nu=slope * of_inputs * largest_singular_value(output_weights) + float(hidden[0]),
        beta=smoothness(of_inputs, activation, largest_output_norm),
    )


def smoothness(input_norm: float, activation: str, largest_output_norm: float) -> float:
    """Return beta of (18), for numbers or arrays of them. input_norm: sigma_max(X)."""
    slope, curvature = LARGEST_DERIVATIVES[activation]
    return np.sqrt(2.0) * input_norm * (slope + curvature * largest_output_norm)


def output_norm_in_ball(
    mu: float, input_norm: float, output_norm: float, activation: str
) -> tuple[float, float]:
    """Return chi_max in the ball of Lemma 1 around the start, and the ball's radius mu / (2 beta).

    Theorem 2 keeps gradient descent in the ball, where sigma_max(V) is at most chi = sigma_max(V_0)
    + rho; since beta depends on chi, this is the positive root of a quadratic equation.
    """
    slope, curvature = LARGEST_DERIVATIVES[activation]
    radius = mu / (2 * np.sqrt(2.0) * input_norm)
    # chi = output_norm + radius / (slope + curvature chi)
    middle = slope - curvature * output_norm
    root = np.sqrt(middle**2 + 4 * curvature * (slope * output_norm + radius))
    chi = float(root - middle) / (2 * curvature)
    return chi, mu / (2 * smoothness(input_norm, activation, chi))


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
    """Return sigma_min and sigma_max of the adjoint (39), from its Gram matrix (d_2 n, d_2 n).

    Lemma 3 bounds them by mu and nu. For networks whose `jacobian` is too large.
    """
    values = np.linalg.eigvalsh(gram(inputs, weights, output_weights, activation))
    return float(np.sqrt(max(values[0], 0.0))), float(np.sqrt(values[-1]))


def gram(
    inputs: np.ndarray, weights: np.ndarray, output_weights: np.ndarray, activation: str
) -> np.ndarray:
    """Return `jacobian` times its transpose, the tangent kernel of both layers: (d_2 n, d_2 n)."""
    chosen = ACTIVATIONS[activation]
    before = weights @ inputs
    slopes = output_weights[:, :, None] * chosen.slope(before)
    return _gram(inputs, slopes, chosen.value(before))


def largest_change(
    inputs: np.ndarray,
    start: tuple[np.ndarray, np.ndarray],
    end: tuple[np.ndarray, np.ndarray],
    activation: str,
) -> float:
    """Return sigma_max of the difference of the `jacobian` at two networks, start and end (W, V).

    Lemma 3 bounds it by beta times their distance.
    """
    chosen = ACTIVATIONS[activation]
    slopes, hidden = [], []
    for weights, output_weights in (start, end):
        before = weights @ inputs
        slopes.append(output_weights[:, :, None] * chosen.slope(before))
        hidden.append(chosen.value(before))
    change = _gram(inputs, slopes[1] - slopes[0], hidden[1] - hidden[0])
    return float(np.sqrt(np.linalg.eigvalsh(change)[-1]))


def _gram(inputs: np.ndarray, slopes: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Tangent kernel from the factors of the Jacobian.

    slopes: V_kj act'(w_j . x_i), or a change of it, (d_2, d_1, n). hidden: (d_1, n).
    """
    n_outputs, _, n_points = slopes.shape
    products = inputs.T @ inputs
    values = np.empty((n_outputs, n_points, n_outputs, n_points))
    for k in range(n_outputs):
        for other in range(k + 1):
            block = products * (slopes[k].T @ slopes[other])
            if k == other:
                block += hidden.T @ hidden
            values[k, :, other] = block
            values[other, :, k] = block.T
    return values.reshape(n_outputs * n_points, -1)


def largest_learning_rate(found: Constants, gradient_norm: float) -> float:
    """Largest learning rate that the descent inequality of Appendix C allows at the start.

    It is 1 / (beta |grad f(Z)| + 9 beta_f nu^2 / 4).

    gradient_norm: |grad f(Z)| = 2 |Z - Y| of the start, for which the loss must not grow.
    """
    return 1 / (found.beta * gradient_norm + 9 * BETA_F * found.nu**2 / 4)
