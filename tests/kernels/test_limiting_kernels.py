"""The limiting Gram matrices against known values and Monte Carlo."""

import numpy as np
import pytest

from regimes.kernels.limiting_kernels import gram_a, gram_w, smallest_eigenvalue

FOUR_POINTS = np.array([[-1, 1], [-1 / 3, 1], [1 / 3, 1], [1, 1]])


def test_known_values() -> None:
    # Angles of 0, 90, 180 and 45 degrees, of lengths 1 and 2
    x, y = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    inputs = np.stack([x, 2 * y, -x, (x + y) / np.sqrt(2)])
    root = np.sqrt(0.5)
    a, w = gram_a(inputs), gram_w(inputs)
    np.testing.assert_allclose(np.diag(a), [0.5, 2, 0.5, 0.5], rtol=1e-15)
    np.testing.assert_allclose(np.diag(w), [0.5, 2, 0.5, 0.5], rtol=1e-15)
    assert a[0, 1] == pytest.approx(2 / (2 * np.pi), rel=1e-14)
    assert w[0, 1] == 0
    assert a[0, 2] == pytest.approx(0, abs=1e-16)
    assert w[0, 2] == 0
    assert a[0, 3] == pytest.approx((root + 3 / 4 * np.pi * root) / (2 * np.pi), rel=1e-14)
    assert w[0, 3] == pytest.approx(3 / 8 * root, rel=1e-14)


@pytest.mark.parametrize("dimension", [2, 5])
def test_they_are_the_expectations(dimension: int) -> None:
    random = np.random.default_rng(dimension)
    inputs = random.normal(size=(6, dimension))
    inputs[:, -1] = 1
    samples = 400_000
    w = random.normal(size=(samples, dimension))
    a = random.normal(size=(samples, 1))
    before = w @ inputs.T
    after = np.maximum(before, 0)
    moved = a * (before > 0)
    for gram, features, factor in (
        (gram_a(inputs), after, 1.0),
        (gram_w(inputs), moved, inputs @ inputs.T),
    ):
        mean = features.T @ features / samples * factor
        square = (features**2).T @ (features**2) / samples * factor**2
        error = np.sqrt((square - mean**2) / samples)
        assert (np.abs(gram - mean) < 5 * error).all()


@pytest.mark.parametrize("gram", [gram_a, gram_w])
def test_parallel_antiparallel_and_zero_inputs(gram) -> None:
    x = np.array([0.1, 0.7, 0.3])
    inputs = np.stack([x, 3 * x, -x, np.zeros(3), x * (1 + 1e-16)])
    with np.errstate(all="raise"):
        values = gram(inputs)
    half = x @ x / 2
    expected = half * np.array(
        [[1, 3, 0, 0, 1], [3, 9, 0, 0, 3], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 3, 0, 0, 1]]
    )
    np.testing.assert_allclose(values, expected, atol=1e-14)


@pytest.mark.parametrize("gram", [gram_a, gram_w])
def test_they_are_symmetric_and_positive(gram) -> None:
    values = gram(FOUR_POINTS)
    assert values.shape == (4, 4)
    np.testing.assert_array_equal(values, values.T)
    assert smallest_eigenvalue(values) > 0


def test_smallest_eigenvalue() -> None:
    assert smallest_eigenvalue(np.array([[2.0, 1], [1, 2]])) == pytest.approx(1)
    # Points on a line through 0 are no independent functions of the first layer's weights.
    assert smallest_eigenvalue(gram_w(np.array([[1.0, 2], [2, 4]]))) == pytest.approx(0, abs=1e-14)
