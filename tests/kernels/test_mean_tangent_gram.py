"""Mean tangent Gram matrices, their variance, and what they are made of."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, special

from regimes.activations.apply import activate
from regimes.activations.derivatives import ACTIVATIONS
from regimes.kernels.gaussian_expectations import expected_product
from regimes.kernels.mean_tangent_gram import (
    kappa,
    limiting_variance_constant,
    mean_tangent_gram,
)

POINTS = np.array([[0.6, 0.8, 0.0], [-0.5, 0.1, 0.4], [0.0, 0.3, -0.9]])
SMOOTH = ["tanh", "softplus", "gelu"]


# Activations


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_are_those_of_training(name: str) -> None:
    z = np.linspace(-6, 6, 241)
    np.testing.assert_allclose(ACTIVATIONS[name].value(z), activate(name, z), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_are_those_of_the_values(name: str) -> None:
    z, step = np.linspace(-5, 5, 101), 1e-5
    act = ACTIVATIONS[name]
    for function, derivative in ((act.value, act.slope), (act.slope, act.curvature)):
        difference = (function(z + step) - function(z - step)) / (2 * step)
        np.testing.assert_allclose(derivative(z), difference, rtol=0, atol=1e-9)


def test_relu_has_a_slope_and_no_second_derivative() -> None:
    relu = ACTIVATIONS["relu"]
    assert relu.curvature is None
    np.testing.assert_array_equal(relu.slope(np.array([-1.0, 0.0, 2.0])), [0, 0, 1])


# Quadrature


def test_moments_of_normal_variables_are_exact() -> None:
    factor = np.array([[1.0, 0.0, 0.0], [0.3, 0.7, 0.0], [-0.4, 0.2, 0.5]])
    covariance = factor @ factor.T
    one, two, three = (covariance[i, i] for i in range(3))
    a, b, c = covariance[0, 1], covariance[0, 2], covariance[1, 2]
    # Isserlis
    assert expected_product([np.square, np.square], covariance[:2, :2]) == pytest.approx(
        one * two + 2 * a**2, rel=1e-13
    )
    assert expected_product([np.square] * 3, covariance) == pytest.approx(
        one * two * three + 2 * (one * c**2 + two * b**2 + three * a**2) + 8 * a * b * c, rel=1e-13
    )


def test_singular_covariances() -> None:
    # u, u and -2 u
    vector = np.array([0.5, 0.5, -1.0])
    found = expected_product([np.tanh, np.tanh, np.cosh], np.outer(vector, vector))
    alone = expected_product([lambda u: np.tanh(u) ** 2 * np.cosh(2 * u)], [[0.25]])
    assert found == pytest.approx(alone, rel=1e-12)
    assert expected_product([np.cos, np.exp], np.zeros((2, 2))) == pytest.approx(1)


def test_quadrature_of_smooth_functions_has_converged() -> None:
    covariance = np.array([[0.25, 0.1, -0.2], [0.1, 0.25, 0.05], [-0.2, 0.05, 0.25]])
    act = ACTIVATIONS["tanh"]
    factors = [act.curvature, act.slope, lambda z: act.slope(z) * act.value(z)]
    found = expected_product(factors, covariance)
    assert found == pytest.approx(expected_product(factors, covariance, spacing=0.1), abs=1e-13)
    density = lambda u: np.exp(-2 * u**2) * np.sqrt(2 / np.pi)  # noqa: E731 (variance 1/4)
    by_scipy, _ = integrate.quad(lambda u: act.slope(u) ** 4 * density(u), -8, 8, epsabs=1e-13)
    assert expected_product([lambda u: act.slope(u) ** 4], [[0.25]]) == pytest.approx(
        by_scipy, abs=1e-12
    )


def by_panels(function: Callable[[np.ndarray], np.ndarray], variance: float, r: float) -> float:
    """E g(u) g(u') at a correlation r, by Gauss-Legendre rules of 20 nodes in 60 panels."""
    nodes, node_weights = np.polynomial.legendre.leggauss(20)
    ends = np.linspace(-10, 10, 61)
    half = (ends[1] - ends[0]) / 2
    z = ((ends[:-1] + half)[:, None] + half * nodes).ravel()
    weights = np.tile(half * node_weights, 60) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    first = variance**0.5 * z
    if abs(r) == 1:
        return float(weights @ (function(first) * function(r * first)))
    second = r * first[:, None] + (1 - r**2) ** 0.5 * first
    return float((weights * function(first)) @ (function(second) @ weights))


@pytest.mark.slow
@pytest.mark.parametrize("variance", [0.1, 1.0, 3.5, 10.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_expectations_are_accurate_at_any_variance(name: str, variance: float) -> None:
    for r in (-1.0, -0.9999, 0.4, 0.99, 0.999999, 1.0):
        covariance = variance * np.array([[1, r], [r, 1]])
        slope = ACTIVATIONS[name].slope
        for function in (slope, lambda z, slope=slope: slope(z) ** 2):
            found = expected_product([function, function], covariance)
            assert found == pytest.approx(by_panels(function, variance, r), abs=1e-12)


def test_expectations_that_would_take_too_many_points() -> None:
    with pytest.raises(ValueError, match=r"variances up to 100 are too large .* 3 functions"):
        expected_product([np.tanh] * 3, 100 * np.eye(3))


# The matrix


@pytest.mark.slow
@pytest.mark.parametrize("variance", [0.1, 1.0, 3.5, 10.0])
@pytest.mark.parametrize("activation", ["relu", *SMOOTH])
def test_matrix_at_any_variance_and_correlation(activation: str, variance: float) -> None:
    angles = np.arccos([1.0, 0.999999, 0.99, 0.4, -0.99, -0.9999])
    points = np.sqrt(2 * variance) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    gram = mean_tangent_gram(points, activation)[0]
    for angle, found in zip(angles, gram, strict=True):
        r = float(np.cos(angle))
        if activation == "relu":
            # P(u > 0, u' > 0), with u' given u normal of mean r u and variance 1 - r^2.
            spread = np.sqrt(1 - r**2) or 1e-300
            density = lambda z: np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)  # noqa: E731
            ratio = r / spread
            expected, _ = integrate.quad(
                lambda z, ratio=ratio, density=density: density(z) * special.ndtr(ratio * z),
                *(0, 12),
                points=[1e-3, 1e-2, 0.1, 1],
                epsabs=1e-13,
            )
        else:
            expected = by_panels(ACTIVATIONS[activation].slope, variance, r)
        assert found == pytest.approx(variance * r * expected, abs=1e-10)


def drawn_slopes(activation: str, draws: int = 400_000) -> np.ndarray:
    """act'(u) act'(u') of all pairs of POINTS: (draws, n, n)."""
    w = np.random.default_rng(3).normal(size=(draws, POINTS.shape[1]))
    slopes = ACTIVATIONS[activation].slope(w @ POINTS.T / np.sqrt(POINTS.shape[1]))
    return slopes[:, :, None] * slopes[:, None, :]


@pytest.mark.parametrize("activation", ["relu", *SMOOTH])
def test_mean_and_variance_are_those_of_draws(activation: str) -> None:
    products = POINTS @ POINTS.T / 3
    drawn = drawn_slopes(activation)
    errors = abs(products) * drawn.std(axis=0) / np.sqrt(len(drawn))
    gram = mean_tangent_gram(POINTS, activation)
    assert np.all(abs(gram - products * drawn.mean(axis=0)) <= 4.5 * errors + 1e-12)
    constant = limiting_variance_constant(POINTS, activation)
    assert constant == pytest.approx(np.sum(products**2 * drawn.var(axis=0)), rel=0.01)
    assert kappa(POINTS, activation) == pytest.approx(np.linalg.eigvalsh(gram).min(), rel=1e-12)
    assert kappa(POINTS, activation) > 0  # Proposition 3.1


def test_known_values_for_relu() -> None:
    # Angles of 90, 180 and 60 degrees to the first: p = 1/4, 0, 1/3
    angles = np.deg2rad([0, 90, 180, 60])
    points = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(mean_tangent_gram(points)[0], [1, 0, 0, 1 / 3], atol=1e-15)
    p = (np.pi - abs(angles[:, None] - angles)) / (2 * np.pi)
    products = points @ points.T / 2
    assert limiting_variance_constant(points) == pytest.approx(
        np.sum(products**2 * p * (1 - p)), rel=1e-12
    )
    # x and -x: Theta* is not singular, but a copy of a point makes it so.
    assert kappa(points[[0, 2]]) == pytest.approx(1)
    assert kappa(points[[1, 1]]) == pytest.approx(0, abs=1e-15)
    assert mean_tangent_gram(np.zeros((2, 3))).tolist() == [[0, 0], [0, 0]]


def test_smooth_matrix_goes_over_into_that_of_relu() -> None:
    # softplus of steep pre-activations is nearly ReLU: large inputs, whose d is 1 each.
    points = 40 * np.array([[1.0, 0.0], [0.6, 0.8]])
    ratio = mean_tangent_gram(points, "softplus") / mean_tangent_gram(points, "relu")
    np.testing.assert_allclose(ratio, 1, atol=0.05)
