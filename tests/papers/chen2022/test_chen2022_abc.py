"""abc-parameterisations: Appendix C of Chen et al. (2022), and what training then does."""

from fractions import Fraction

import numpy as np
import pytest

from regimes.papers.chen2022.abc import AbcParameterisation, from_scaling
from regimes.parameterisations.feature_scalings import SCALINGS, FeatureScaling

HALF = Fraction(1, 2)
DEPTHS = [2, 3, 5]


def of(scaling: str, n_hidden_layers: int = 2) -> AbcParameterisation:
    return from_scaling(SCALINGS[scaling], n_hidden_layers)


def maximum_update(n_hidden_layers: int) -> AbcParameterisation:
    """The maximum-update parameterisation (32)-(34)."""
    a = (-HALF, *[Fraction(0)] * (n_hidden_layers - 1), HALF)
    return AbcParameterisation(a, (HALF,) * len(a), Fraction(0))


def shifted(one: AbcParameterisation, theta: Fraction | float) -> AbcParameterisation:
    """The equivalent parameterisation (35): the same function at each step of training."""
    theta = Fraction(theta)
    return AbcParameterisation(
        a=tuple(exponent + theta for exponent in one.a),
        b=tuple(exponent - theta for exponent in one.b),
        c=one.c - 2 * theta,
    )


@pytest.mark.parametrize("n_hidden_layers", DEPTHS)
def test_ours_is_that_of_the_appendix(n_hidden_layers: int) -> None:
    ours = of("ours", n_hidden_layers)
    assert ours.a == (0, *[HALF] * (n_hidden_layers - 1), 1)
    assert ours.b == (0,) * (n_hidden_layers + 1)
    assert ours.c == -1
    assert ours.n_hidden_layers == n_hidden_layers
    assert ours.feature_learning_exponent() == 0


@pytest.mark.parametrize("n_hidden_layers", DEPTHS)
def test_ours_is_equivalent_to_maximum_update(n_hidden_layers: int) -> None:
    ours = of("ours", n_hidden_layers)
    assert shifted(maximum_update(n_hidden_layers), 0.5) == ours
    assert shifted(ours, -HALF) == maximum_update(n_hidden_layers)
    # No shift makes one of the others of it
    assert shifted(maximum_update(n_hidden_layers), HALF) != of("ntk", n_hidden_layers)


def test_maximum_update_of_one_hidden_layer() -> None:
    one = maximum_update(1)
    assert (one.a, one.b, one.c) == ((-HALF, HALF), (HALF, HALF), 0)
    assert one.feature_learning_exponent() == one.trained_layer_exponent() == 0
    assert one.initial_hidden_exponent() == 0


@pytest.mark.parametrize("theta", [0.1, -2, Fraction(1, 3)])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_shifts_change_no_exponent_of_the_function(scaling: str, theta: Fraction | float) -> None:
    here = of(scaling, 3)
    there = shifted(here, theta)
    assert there != here
    assert there.feature_learning_exponent() == here.feature_learning_exponent()
    assert there.trained_layer_exponent() == here.trained_layer_exponent()
    assert there.initial_hidden_exponent() == here.initial_hidden_exponent()
    assert there.learns_features == here.learns_features
    assert shifted(there, -Fraction(theta)) == here


@pytest.mark.parametrize(
    ("scaling", "all_layers", "one_layer", "initial"),
    [("ours", 0, 0, 0), ("ntk", HALF, HALF, 0), ("mean_field", -2, 0, HALF)],
)
def test_exponents_of_the_scalings(
    scaling: str, all_layers: Fraction, one_layer: Fraction, initial: Fraction
) -> None:
    exponents = of(scaling)
    assert exponents.feature_learning_exponent() == all_layers
    assert exponents.trained_layer_exponent() == one_layer
    assert exponents.initial_hidden_exponent() == initial
    assert exponents.learns_features == (one_layer == 0)


ODD = FeatureScaling("odd", "Odd", 0.75, 0.25, (0.5, -1.0))


@pytest.mark.parametrize("scaling", [*SCALINGS.values(), ODD], ids=lambda one: one.name)
def test_the_exponents_are_those_of_the_steps(scaling: FeatureScaling) -> None:
    # h <- h - (k/n) c_i sum_a G e_a act', with G of order one
    exponents = from_scaling(scaling, 2)
    few, many = (scaling.step_factor(width, width, 0.3) for width in (100, 10_000))
    assert np.log(many / few) / np.log(100) == pytest.approx(-exponents.trained_layer_exponent())
    few, many = (scaling.initial_hidden_factor(width) for width in (100, 10_000))
    assert np.log(many / few) / np.log(100) == pytest.approx(-exponents.initial_hidden_exponent())


@pytest.mark.parametrize("shift", [0, HALF])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_step_of_gradient_descent_moves_the_features_by_it(scaling: str, shift: Fraction) -> None:
    exponents = shifted(of(scaling), shift)
    changes = [typical_change(exponents, width) for width in (128, 1024)]
    slope = np.log(changes[1] / changes[0]) / np.log(8)
    assert slope == pytest.approx(-exponents.trained_layer_exponent(), abs=0.1)


def typical_change(exponents: AbcParameterisation, width: int) -> float:
    """Median change of h_i by a step of w^2 in a ReLU network as drawn, with errors of one."""
    random = np.random.default_rng(width)
    inputs = random.standard_normal((5, 4))
    shapes = [(width, 4), (width, width), (1, width)]
    drawn = [
        width ** float(-b) * random.standard_normal(shape)
        for b, shape in zip(exponents.b, shapes, strict=True)
    ]
    scales = [width ** float(-a) for a in exponents.a]
    features = np.maximum(scales[0] * inputs @ drawn[0].T, 0)
    hidden = scales[1] * features @ drawn[1].T
    to_hidden = scales[2] * drawn[2] * (hidden > 0)
    gradient = scales[1] * to_hidden.T @ features
    change = scales[1] * features @ (width ** float(-exponents.c) * gradient).T
    return float(np.median(np.abs(change)))


def test_features_before_the_trained_layer_must_be_of_order_one() -> None:
    ours = of("ours", 3)
    for layer, wrong in ((0, HALF), (1, Fraction(1))):
        a = tuple(wrong if place == layer else value for place, value in enumerate(ours.a))
        with pytest.raises(ValueError, match="order one"):
            AbcParameterisation(a, ours.b, ours.c).trained_layer_exponent()


def test_what_is_no_parameterisation() -> None:
    with pytest.raises(ValueError, match="2 exponents a and 1 exponents b"):
        AbcParameterisation((HALF, HALF), (HALF,), HALF)
    with pytest.raises(ValueError, match="embedding"):
        of("ours", 1)
