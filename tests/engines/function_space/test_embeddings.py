"""Embeddings: their coordinates, their products, and the distribution of the random ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from regimes.activations.apply import activate
from regimes.engines.function_space.embeddings import (
    identity,
    quadratic,
    random_features,
    random_layers,
)

SETTINGS = {"embedding_width": 30, "activation": "tanh", "depth": 4}


def points(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def made(module: Any, inputs: np.ndarray, seed: int = 1, **settings: object) -> np.ndarray:
    return module.embed(inputs, SETTINGS | settings, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("activation", "below", "above"),
    [
        ("relu", 0, 2),
        ("leaky_relu", -0.02, 2),
        ("tanh", -np.tanh(2), np.tanh(2)),
        ("softplus", np.log1p(np.exp(-2)), np.log1p(np.exp(2))),
        ("gelu", -2 * 0.022750131948179, 2 * 0.977249868051821),
    ],
)
def test_activations_of_arrays(activation: str, below: float, above: float) -> None:
    z = np.array([[-2.0, 2.0]])
    result = activate(activation, z)
    np.testing.assert_allclose(result, [[below, above]], rtol=1e-12)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(z, [[-2, 2]])  # not in place


def test_identity() -> None:
    inputs = points(4, 9)
    np.testing.assert_allclose(3 * made(identity, inputs), inputs, rtol=1e-15)


def test_quadratic_has_the_products_of_all_products() -> None:
    inputs = points(6, 5)
    flat = np.stack([np.outer(x, x).ravel() for x in inputs])
    psi = made(quadratic, inputs)
    assert psi.shape == (6, 15)
    np.testing.assert_allclose(psi @ psi.T, flat @ flat.T / 25, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_random_features_are_a_layer(activation: str) -> None:
    inputs = points(6, 4)
    weights = np.random.default_rng(1).standard_normal((30, 4))
    expected = activate(activation, inputs @ weights.T / 2) / 30**0.5
    psi = made(random_features, inputs, activation=activation)
    np.testing.assert_allclose(psi, expected, rtol=1e-13, atol=1e-15)


def test_random_features_are_random_layers_of_depth_three() -> None:
    inputs = points(6, 4)
    # Their own setting of the depth does not count
    features = made(random_features, inputs, depth=7)
    np.testing.assert_array_equal(features, made(random_layers, inputs, depth=3))
    assert np.abs(features - made(random_layers, inputs, depth=4)).max() > 0.01
    assert np.abs(features - made(random_features, inputs, seed=2)).max() > 0.01


@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("at_once", [1, 7, 30])
def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch, depth: int, at_once: int) -> None:
    inputs = points(6, 4)
    whole = made(random_layers, inputs, depth=depth)
    monkeypatch.setattr(random_layers, "FEATURES_AT_ONCE", at_once)
    pieces = made(random_layers, inputs, depth=depth)
    np.testing.assert_allclose(pieces, whole, rtol=1e-12, atol=1e-15)


LEAK = 0.01


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize(
    ("activation", "inverse"),
    [("tanh", np.arctanh), ("leaky_relu", lambda value: np.where(value > 0, value, value / LEAK))],
)
def test_pre_activations_have_the_covariance_of_the_layer_before(
    activation: str, inverse: Callable[[np.ndarray], np.ndarray], depth: int
) -> None:
    n, width = 5, 3000
    inputs = points(n, 4)
    settings = {"activation": activation, "embedding_width": width}
    hidden = inverse(made(random_layers, inputs, depth=depth, **settings) * width**0.5)
    # The same numbers are drawn for the first layer of any depth
    before = made(random_layers, inputs, depth=depth - 1, **settings) if depth > 3 else inputs / 2
    expected = before @ before.T
    variances = np.diag(expected)
    error = np.sqrt((np.outer(variances, variances) + expected**2) / width)
    assert (np.abs(hidden @ hidden.T / width - expected) < 4.5 * error).all()
    assert (np.abs(hidden.mean(axis=1)) < 4.5 * np.sqrt(variances / width)).all()
    # Neighbouring features are independent
    products = (hidden[:, ::2] * hidden[:, 1::2]).mean(axis=1)
    assert (np.abs(products) < 4.5 * variances / np.sqrt(width / 2)).all()
