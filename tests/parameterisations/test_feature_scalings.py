"""The scalings of Table 1 of Chen et al. (2022)."""

import numpy as np
import pytest

from regimes.parameterisations.feature_scalings import SCALINGS

DELTA = 0.7


@pytest.mark.parametrize(
    ("name", "output", "hidden", "rate"),
    [
        ("ours", 1 / 64, 1 / 8, 64 * DELTA),
        ("ntk", 1 / 8, 1 / 8, DELTA),
        ("mean_field", 1 / 64, 1 / 64, 64**2 * DELTA),
    ],
)
def test_table_1(name: str, output: float, hidden: float, rate: float) -> None:
    scaling = SCALINGS[name]
    assert scaling.name == name
    assert scaling.output_scale(64) == pytest.approx(output)
    assert scaling.hidden_scale(64) == pytest.approx(hidden)
    assert scaling.rate(64, 64, DELTA) == pytest.approx(rate)


def test_only_ntk_is_symmetrised() -> None:
    assert [name for name, scaling in SCALINGS.items() if scaling.symmetrised] == ["ntk"]


@pytest.mark.parametrize("dimension", [3, 64, 4096])
@pytest.mark.parametrize(
    ("name", "expected"), [("ours", DELTA), ("ntk", DELTA / 8), ("mean_field", DELTA)]
)
def test_steps_depend_on_no_dimension(name: str, expected: float, dimension: int) -> None:
    assert SCALINGS[name].step_factor(64, dimension, DELTA) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize("dimension", [5, 12])
def test_step_factor_is_that_of_a_step_in_the_weights(name: str, dimension: int) -> None:
    random = np.random.default_rng(0)
    width, n = 12, 3
    scaling = SCALINGS[name]
    phi = random.standard_normal((n, dimension))
    signs = 2.0 * random.integers(0, 2, width) - 1
    slopes, errors = random.random((width, n)), random.standard_normal(n)
    # dL/dW as in (8), of the mean over the points
    to_hidden = scaling.output_scale(width) * signs[:, None] * slopes * errors / n
    gradient = scaling.hidden_scale(dimension) * to_hidden @ phi
    step = -scaling.rate(width, dimension, DELTA) * gradient
    moved = scaling.hidden_scale(dimension) * step @ phi.T
    gram = phi @ phi.T / dimension
    factor = scaling.step_factor(width, dimension, DELTA)
    expected = -factor / n * signs[:, None] * ((slopes * errors) @ gram)
    np.testing.assert_allclose(moved, expected, rtol=1e-12)


def test_mean_field_off_the_table() -> None:
    # D != m: the rate m D delta, not m^2 delta
    mean_field = SCALINGS["mean_field"]
    assert mean_field.rate(10, 1000, DELTA) == pytest.approx(10_000 * DELTA)
    assert mean_field.hidden_scale(1000) == pytest.approx(1e-3)
    assert mean_field.output_scale(10) == pytest.approx(0.1)


@pytest.mark.parametrize(("name", "expected"), [("ours", 1), ("ntk", 1), ("mean_field", 1 / 20)])
def test_spread_of_the_initial_features(name: str, expected: float) -> None:
    scaling = SCALINGS[name]
    assert scaling.initial_hidden_factor(400) == pytest.approx(expected)
    random = np.random.default_rng(0)
    phi = random.standard_normal(400)
    hidden = scaling.hidden_scale(400) * random.standard_normal((4000, 400)) @ phi
    gram = phi @ phi / 400
    assert hidden.std() == pytest.approx(expected * gram**0.5, rel=0.05)
