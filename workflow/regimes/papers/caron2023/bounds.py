"""Bounds of Theorems 4.1 and 4.2 of Caron et al. (2023), at given data and node scales.

The first is for ReLU, the second for smooth activations. They hold with probability 1 - delta
where m is at least the least width, for all times t of the gradient flow of (5). n is the
number of training points, d that of features, C the largest |y_i|, D_0 = (2 C^2 + 2/d)^(1/2), and
kappa the smallest eigenvalue (10) of the mean NTG.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from regimes.activations.derivatives import ACTIVATIONS
from regimes.kernels.gaussian_expectations import expected_product


@dataclass(frozen=True)
class Problem:
    """The quantities that the bounds depend on.

    n, d: numbers of training points and of features. kappa, largest_target: numbers, or arrays over
    `seed`. delta: probability with which the theorem may fail.
    """

    n: int
    d: int
    kappa: xr.DataArray
    largest_target: xr.DataArray
    delta: float

    @property
    def d_0(self) -> xr.DataArray:
        """The constant D_0 of the theorem."""
        return np.sqrt(2 * self.largest_target**2 + 2 / self.d)


def eigenvalue_bound(gamma: xr.DataArray, kappa: xr.DataArray) -> xr.DataArray:
    """Bound (a): lower bound gamma kappa_n / 4 on the smallest eigenvalue of the NTG."""
    return gamma * kappa / 4


def risk_bound(
    first: xr.DataArray, gamma: xr.DataArray, kappa: xr.DataArray, time: xr.DataArray
) -> xr.DataArray:
    """Bound (b): upper bound exp(-gamma kappa_n t / 2) L_0 on the loss.

    first: L_0 in the units that the bound is to have; the mean of the squares serves as well as
    half their sum.
    """
    return np.exp(-gamma * kappa * time / 2) * first


def weight_change_factor(gamma: xr.DataArray, problem: Problem) -> xr.DataArray:
    """Bound (c): upper bound on |w_tj - w_0j| over lambda_mj^(1/2), the same for all nodes."""
    factor = 8 * problem.n * problem.d_0 / (problem.kappa * problem.d**0.5 * problem.delta**0.5)
    return factor / gamma.where(gamma > 0)


def ntg_change_bound(
    gamma: xr.DataArray, node_scale: xr.DataArray, problem: Problem
) -> xr.DataArray:
    """Bound (d): upper bound on the spectral norm |NTG_t - NTG_0|.

    node_scale: over node_scaling and node.
    """
    n, d, delta = problem.n, problem.d, problem.delta
    gamma = gamma.where(gamma > 0)
    powers = (node_scale**1.5).sum("node")
    first = 2**9 * n**2 * problem.d_0 / (problem.kappa * d**1.5 * gamma * delta**2.5) * powers
    second = 2**6 * n**1.5 * np.sqrt(problem.d_0 / (problem.kappa * gamma))
    return first + second / (d**1.25 * delta**1.25) * np.sqrt(powers)


def least_width(gamma: xr.DataArray, problem: Problem) -> xr.DataArray:
    """The width m from which on the theorem holds."""
    n, d, delta, kappa = problem.n, problem.d, problem.delta, problem.kappa
    gamma = gamma.where(gamma > 0)
    squares = problem.d_0**2 / (gamma**2 * delta**5)
    terms = xr.broadcast(
        8 * n * np.log(4 * n / delta) / (kappa * d),
        2**25 * n**4 * squares / (kappa**4 * d**3),
        2**35 * n**6 * squares / (kappa**6 * d**5),
    )
    return xr.concat(terms, "term").max("term", skipna=False)


# Pre-activations among which the largest second derivative of an activation is looked for.
CURVED = np.linspace(-10, 10, 200_001)


@dataclass(frozen=True)
class SmoothProblem:
    """Theorem 4.2 for an activation: bounds (c) and (d), and the width that it asks for.

    n, d: numbers of training points and of features. kappa: smallest eigenvalue (10) of the mean
    NTG. largest_target: C. delta: probability with which the theorem may fail. activation: odd and
    rising, such as tanh, for which the supremum C_1 of (13) is at c = 1.
    """

    n: int
    d: int
    kappa: float
    largest_target: float
    delta: float
    activation: str

    @property
    def curvature(self) -> float:
        """M, the largest second derivative of the activation."""
        curvature = ACTIVATIONS[self.activation].curvature
        assert curvature is not None
        return float(abs(curvature(CURVED)).max())

    @property
    def square(self) -> float:
        """C^2 + C_1."""
        value = ACTIVATIONS[self.activation].value
        return self.largest_target**2 + expected_product([lambda z: value(z) ** 2], [[1 / self.d]])

    def weight_change_factor(self, gamma: xr.DataArray) -> xr.DataArray:
        """Bound (c): upper bound on |w_tj - w_0j| over lambda_mj^(1/2), the same for all nodes."""
        root = np.sqrt(2**7 * self.square / (gamma**2 * self.delta))
        return self.n / (self.kappa * self.d**0.5) * root

    def ntg_change_bound(self, gamma: xr.DataArray, node_scale: xr.DataArray) -> xr.DataArray:
        """Bound (d) on the spectral norm |NTG_t - NTG_0|; node_scale: over node_scaling, node."""
        squares = (node_scale**2).sum("node")
        root = self.n**2 * self.curvature / (self.kappa * self.d**2 * gamma) * self.square**0.5
        first = 2**7 * root**2 / self.n * self.d / self.delta * squares
        return first + 2**5 * root / self.delta**0.5 * np.sqrt(squares)

    def least_width(self, gamma: xr.DataArray) -> xr.DataArray:
        """The width m from which on the theorem holds."""
        ratio = self.n / (self.kappa * self.d)
        smooth = self.curvature**2 * self.square / (gamma**2 * self.delta)
        first = 8 * ratio * np.log(2 * self.n / self.delta)
        second = 2**10 * ratio**3 * smooth
        third = 2**15 * ratio**4 * smooth
        return np.maximum(first, np.maximum(second, third))
