"""The conditions of Theorem 2 of Song et al. (2021), its rate, and the bound on lazy training.

All are computed from the constants of Lemma 3, see `regimes.kernels.near_isometry`, for networks
(15) with the loss h = |Phi - Y|^2 (16). Functions of numbers take arrays too, and `Constants` of
arrays.
"""

from typing import TypeVar

import numpy as np
import xarray as xr

from regimes.kernels.near_isometry import ALPHA_F, Constants

Numbers = TypeVar("Numbers", float, np.ndarray, xr.DataArray)

# C of (14), which the proof leaves open: the descent inequality has the factor
# 1 - eta (beta |grad f| + 9 beta_f nu^2 / 4) / 2 >= 1/2, Lemma 1 gives |grad h|^2 >=
# mu^2 |grad f|^2 / 4, and (7) |grad f|^2 >= 2 alpha_f f; these make 1/4.
RATE_CONSTANT = 0.25


def locality(found: Constants, initial_loss: Numbers) -> Numbers:
    """Return h(Theta_0) over the right side of (9) without its constant, infinite where mu = 0.

    Condition (9) asks it to be O(1).
    """
    with np.errstate(divide="ignore"):
        return np.divide(initial_loss * found.beta**2 * found.nu**2, ALPHA_F * found.mu**6)


def rate_bound(found: Constants, learning_rate: Numbers) -> Numbers:
    """Factor of the loss in a step of gradient descent by (14), with RATE_CONSTANT."""
    return 1 - RATE_CONSTANT * learning_rate * ALPHA_F * found.mu**2


def output_norm_bound(found: Constants, initial_loss: Numbers, output_norm: Numbers) -> Numbers:
    """Bound chi_max by the second line of (84).

    It is nu h(Theta_0)^(1/2) / (alpha_f^(1/2) mu^2) + |V_0|_2.

    output_norm: |V_0|_2. It bounds up to a constant, as (33) does; infinite where mu = 0. mu and nu
    do not depend on chi_max, so that `found` may be made with any.
    """
    with np.errstate(divide="ignore"):
        return np.divide(found.nu * np.sqrt(initial_loss / ALPHA_F), found.mu**2) + output_norm


def lazy_bound(found: Constants) -> float:
    """Right side of (82), without its constant: Lip(grad Phi) / Lip(Phi)^2 = beta / nu^2."""
    return found.beta / found.nu**2


def smallest_of_power(inputs: np.ndarray, power: int) -> float:
    """Return sigma_min(X^(*t)) of the Khatri-Rao power t in (20).

    The products of the power's columns are the products of the points, to the power of t.
    """
    values = np.linalg.eigvalsh((inputs.T @ inputs) ** power)
    return float(np.sqrt(max(values[0], 0.0)))


def least_hidden_singular_value(
    inputs: np.ndarray, n_hidden: int, power: int, coefficient: float
) -> float:
    """Lower bound of Section 5.3 on sigma_min(act(W_0 X)) for omega_1 = 1, without its constant.

    It is (c_t^2 d_1 / t!)^(1/2) sigma_min(X^(*t)).

    power: t; coefficient: c_t / (t!)^(1/2), of `hermite.normalised_coefficients`.
    """
    return float(abs(coefficient) * np.sqrt(n_hidden)) * smallest_of_power(inputs, power)
