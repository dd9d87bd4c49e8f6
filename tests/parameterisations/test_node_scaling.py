"""Node scales of Caron et al. (2023)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import zeta

from regimes.parameterisations.node_scaling import (
    node_scales,
    zipf_sum_of_squares,
)


@given(
    width=st.integers(2, 3000),
    gamma=st.floats(0, 1),
    alpha=st.floats(0.05, 0.99),
    skip_first=st.booleans(),
)
def test_scales_sum_to_one_and_meet_proposition_a2(width, gamma, alpha, skip_first) -> None:
    scales = node_scales(width, gamma, alpha, skip_first=skip_first)
    assert scales.shape == (width,)
    assert scales.sum() == pytest.approx(1, rel=1e-12)
    assert scales.min() >= gamma / width * (1 - 1e-12)
    roots = np.sqrt(scales).sum()
    assert np.sqrt(gamma * width) * (1 - 1e-12) <= roots <= np.sqrt(width) * (1 + 1e-12)


def zipf_weights(count: int, alpha: float) -> np.ndarray:
    """The first `count` weights lambda~_j of (4), whose infinite sum is 1."""
    return np.arange(1, count + 1, dtype=float) ** (-1 / alpha) / zeta(1 / alpha)


def test_symmetrical_scaling_needs_no_alpha() -> None:
    np.testing.assert_allclose(node_scales(10, 1.0), 0.1)


def test_weights_of_the_text_and_of_the_code() -> None:
    harmonic = 1 + 1 / 4 + 1 / 9
    np.testing.assert_allclose(node_scales(3, 0.0, 0.5), np.array([1, 1 / 4, 1 / 9]) / harmonic)
    shifted = node_scales(3, 0.25, 0.5, skip_first=True)
    np.testing.assert_allclose(shifted, 0.25 / 3 + 0.75 * np.array([0, 1, 1 / 4]) / 1.25)


def test_limits_as_the_width_grows() -> None:
    limit = 0.6 * zipf_weights(3, 0.5)
    np.testing.assert_allclose(node_scales(1_000_000, 0.4, 0.5)[:3], limit, rtol=2e-5)
    # (17) with r = 2
    squares = np.sum(node_scales(1_000_000, 0.4, 0.5) ** 2)
    assert squares == pytest.approx(0.6**2 * zipf_sum_of_squares(0.5), rel=1e-5)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.7])
def test_closed_form_of_figure_5_is_the_sum(alpha: float) -> None:
    # What is left of the sum, by the integral test
    count = 200_000
    left = count ** (1 - 2 / alpha) / (2 / alpha - 1) / zeta(1 / alpha) ** 2
    partial = np.sum(zipf_weights(count, alpha) ** 2)
    assert zipf_sum_of_squares(alpha) == pytest.approx(partial + left, rel=1e-9)


@pytest.mark.parametrize(("gamma", "alpha"), [(-0.1, 0.5), (1.1, 0.5), (0.5, None), (0.5, 1.0)])
def test_what_is_not_allowed(gamma: float, alpha: float | None) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        node_scales(10, gamma, alpha)
