"""Gram matrices of embeddings and their limits: quadrature, closed forms, wide layers."""

from collections.abc import Callable

import numpy as np
import pytest

from regimes.activations.apply import activate
from regimes.engines.function_space.embeddings import (
    identity,
    quadratic,
    random_features,
    random_layers,
)
from regimes.kernels.gram import by_quadrature, expected_products, gram, limiting_gram
from regimes.kernels.limiting_kernels import gram_a, gram_a_of_covariance, smallest_eigenvalue

KINKED = ["relu", "leaky_relu"]
SMOOTH = ["tanh", "gelu", "softplus"]
CORRELATIONS = [-1.0, -0.99, -0.5, 0.0, 0.3, 0.99, 0.9999, 1.0]


def points(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def covariance_of(correlation: float, first: float = 1.0, second: float = 1.0) -> np.ndarray:
    product = correlation * np.sqrt(first * second)
    return np.array([[first, product], [product, second]])


def on_a_circle(activation: str, covariance: np.ndarray) -> float:
    """E act(u) act(v) of a homogeneous activation: the radius integrates to 2 apart."""
    n_angles = 50_000
    turn = (np.arange(n_angles) + 0.5) * (2 * np.pi / n_angles)
    first, second = np.sqrt(np.diag(covariance))
    angle = np.arccos(np.clip(covariance[0, 1] / (first * second), -1, 1))
    u = activate(activation, first * np.cos(turn))
    v = activate(activation, second * np.cos(turn - angle))
    return 2 * (u @ v) / n_angles


def on_a_grid(activation: str, covariance: np.ndarray) -> float:
    """E act(u) act(v) of a smooth activation by the trapezoidal rule."""
    grid = np.linspace(-9, 9, 301)
    weights = np.exp(-(grid**2) / 2)
    weights /= weights.sum()
    first, second = np.sqrt(np.diag(covariance))
    correlation = np.clip(covariance[0, 1] / (first * second), -1, 1)
    rest = np.sqrt(1 - correlation**2)
    v = second * (correlation * grid[:, None] + rest * grid)
    return weights * activate(activation, first * grid) @ activate(activation, v) @ weights


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("activation", KINKED)
def test_closed_forms(activation: str, correlation: float) -> None:
    covariance = covariance_of(correlation, 0.7, 2.0)
    result = expected_products(covariance, activation)
    assert result[0, 1] == result[1, 0]
    assert result[0, 1] == pytest.approx(on_a_circle(activation, covariance), abs=2e-9)
    # As far as the docstring says that the quadrature goes at a kink
    approximate = by_quadrature(covariance, activation)
    np.testing.assert_allclose(approximate, result, rtol=0, atol=1e-3 * 2.0)
    if abs(correlation) <= 0.5:  # else the nodes lie along the kink, and few do as well
        coarse = by_quadrature(covariance, activation, nodes=15)
        assert np.abs(coarse - result).max() > 10 * np.abs(approximate - result).max()


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("activation", SMOOTH)
def test_quadrature_of_smooth_activations(activation: str, correlation: float) -> None:
    for variances, error in (((1.0, 0.3), 1e-13), ((3.0, 2.0), 1e-7)):
        # Only tanh has poles so near
        error = error if activation == "tanh" else 1e-13
        covariance = covariance_of(correlation, *variances)
        expected = on_a_grid(activation, covariance)
        result = expected_products(covariance, activation)
        assert result[0, 1] == pytest.approx(expected, rel=0, abs=error)


def test_the_kernel_of_a_covariance_is_that_of_its_inputs() -> None:
    inputs = points(20, 4)
    inputs[1], inputs[2], inputs[3] = inputs[0], -2 * inputs[0], 0
    with np.errstate(all="raise"):
        result = gram_a_of_covariance(inputs @ inputs.T)
    np.testing.assert_allclose(result, gram_a(inputs), rtol=0, atol=1e-14 * result.max())
    np.testing.assert_array_equal(result, result.T)
    assert not result[3].any()


def test_points_at_zero_in_quadrature() -> None:
    covariance = np.diag([1.0, 0.0])
    with np.errstate(all="raise"):
        result = expected_products(covariance, "softplus")
    grid = np.linspace(-9, 9, 301)
    density = np.exp(-(grid**2) / 2)
    density /= density.sum()
    mean = density @ np.log1p(np.exp(grid))
    assert result[1, 1] == pytest.approx(np.log(2) ** 2, rel=1e-13)
    assert result[0, 1] == result[1, 0] == pytest.approx(mean * np.log(2), rel=1e-13)


def test_chunks_of_pairs_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = points(9, 3)
    whole = limiting_gram(inputs, "random_features", "tanh")
    monkeypatch.setattr("regimes.kernels.gram.VALUES_AT_ONCE", 20_000)
    pieces = limiting_gram(inputs, "random_features", "tanh")
    np.testing.assert_allclose(pieces, whole, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "embed"), [("identity", identity.embed), ("quadratic", quadratic.embed)]
)
def test_fixed_embeddings_are_their_limit(name: str, embed: Callable) -> None:
    inputs = points(8, 5)
    finite = gram(embed(inputs, {}, np.random.default_rng(0)))
    np.testing.assert_allclose(limiting_gram(inputs, name, "relu"), finite, rtol=0, atol=1e-13)
    product = inputs[0] @ inputs[1] / 5
    assert finite[0, 1] == pytest.approx(product if name == "identity" else product**2)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_random_features_converge_as_the_root_of_their_number(activation: str) -> None:
    inputs = points(6, 4)
    limit = limiting_gram(inputs, "random_features", activation)
    dimensions = np.array([128, 512, 2048, 8192])
    errors = []
    for dimension in dimensions:
        settings = {"activation": activation, "embedding_width": int(dimension)}
        draws = [
            gram(random_features.embed(inputs, settings, np.random.default_rng(seed))) - limit
            for seed in range(20)
        ]
        errors.append(np.sqrt(np.mean(np.square(draws))))
        # The mean over draws has no bias that would stay as D grows
        assert np.abs(np.mean(draws)) < errors[-1]
    slope = np.polyfit(np.log(dimensions), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.08)


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("activation", ["relu", "tanh", "leaky_relu"])
def test_the_recursion_is_the_limit_of_random_layers(activation: str, depth: int) -> None:
    inputs = points(6, 4)
    limit = limiting_gram(inputs, "random_layers", activation, depth)
    settings = {"activation": activation, "embedding_width": 1000, "depth": depth}
    draws = [
        gram(random_layers.embed(inputs, settings, np.random.default_rng(seed)))
        for seed in range(3)
    ]
    finite = np.mean(draws, axis=0)
    # 3000 features in all, and an error that adds up over the layers
    assert np.abs(finite - limit).max() < 0.1 * np.abs(limit).max()
    for other in {3, 4, 5} - {depth}:
        wrong = limiting_gram(inputs, "random_layers", activation, other)
        assert np.abs(finite - wrong).max() > 2 * np.abs(finite - limit).max()


def test_depth_counts_in_random_layers_alone() -> None:
    inputs = points(5, 3)
    one = limiting_gram(inputs, "random_features", "relu", depth=5)
    np.testing.assert_array_equal(one, limiting_gram(inputs, "random_layers", "relu", depth=3))
    np.testing.assert_allclose(one, gram_a(inputs / 3**0.5), rtol=0, atol=1e-14)


def test_a_wide_layer_makes_more_points_than_inputs_independent() -> None:
    inputs = points(40, 10)
    shallow = limiting_gram(inputs, "identity", "relu")
    assert abs(smallest_eigenvalue(shallow)) < 1e-13
    assert np.linalg.matrix_rank(shallow) == 10
    wide = limiting_gram(inputs, "random_features", "relu")
    assert smallest_eigenvalue(wide) > 0.005
    # Assumption 4: no two points may be parallel, and ReLU knows their directions alone.
    inputs[1] = 3 * inputs[0]
    parallel = limiting_gram(inputs, "random_features", "relu")
    assert abs(smallest_eigenvalue(parallel)) < 1e-13


@pytest.mark.parametrize(
    ("embedding", "depth", "message"),
    [("random_layers", 2, "2 layers"), ("fourier", 3, "no limit .* 'fourier'")],
)
def test_what_has_no_limit(embedding: str, depth: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        limiting_gram(points(3, 2), embedding, "relu", depth)
