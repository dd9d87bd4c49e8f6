"""Theory of Song et al. (2021): Hermite coefficients, Lemma 3, Theorem 2, lazy training."""

import numpy as np
import pytest
import torch
from scipy import integrate

from regimes.activations.derivatives import ACTIVATIONS
from regimes.kernels.hermite import (
    coefficients,
    norm,
    normalised_coefficients,
    normalised_polynomials,
)
from regimes.kernels.near_isometry import (
    ALPHA_F,
    LARGEST_DERIVATIVES,
    constants,
    gram,
    jacobian,
    largest_change,
    largest_learning_rate,
    largest_singular_value,
    output_norm_in_ball,
    singular_value_range,
)
from regimes.papers.song2021.lemma3 import (
    lazy_bound,
    least_hidden_singular_value,
    locality,
    output_norm_bound,
    rate_bound,
    smallest_of_power,
)

SMOOTH = sorted(LARGEST_DERIVATIVES)


def density(z: float) -> float:
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


# Hermite


def test_polynomials_are_orthonormal_and_those_of_numpy() -> None:
    places, weights = np.polynomial.hermite_e.hermegauss(60)
    values = normalised_polynomials(places, 20)
    np.testing.assert_allclose(
        values @ np.diag(weights / weights.sum()) @ values.T, np.eye(20), atol=1e-11
    )
    fourth = np.polynomial.hermite_e.hermeval(places, [0, 0, 0, 0, 1]) / np.sqrt(24)
    np.testing.assert_allclose(values[4], fourth, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_coefficients_are_the_integrals_of_definition_4(activation: str) -> None:
    found = coefficients(activation, 7)
    for index in range(7):
        order = [0.0] * index + [1.0]
        integral, _ = integrate.quad(
            lambda z, order=order: (
                ACTIVATIONS[activation].value(np.float64(z))
                * np.polynomial.hermite_e.hermeval(z, order)
                * density(z)
            ),
            -12,
            12,
            points=[0],
            limit=200,
            epsabs=1e-12,
        )
        assert found[index] == pytest.approx(integral, abs=2e-10)
    assert len(normalised_coefficients(activation, 1)) == 1


def test_known_coefficients() -> None:
    root = np.sqrt(2 * np.pi)
    np.testing.assert_allclose(coefficients("relu", 6), [1 / root, 0.5, 1 / root, 0, -1 / root, 0])
    # E GELU(z) = E z Phi(z) = 1/(2 pi^(1/2)); the slope is 1/2 on average.
    np.testing.assert_allclose(coefficients("gelu", 2), [1 / (2 * np.sqrt(np.pi)), 0.5], rtol=1e-12)
    assert abs(coefficients("tanh", 9)[::2]).max() < 1e-12


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_norm_is_the_sum_of_the_normalised_coefficients(activation: str) -> None:
    squares = normalised_coefficients(activation, 50) ** 2
    # The tail of ReLU falls as i^(-5/2), that of tanh is the slowest of the smooth ones.
    assert squares.sum() == pytest.approx(norm(activation) ** 2, rel=1e-3)
    assert squares.sum() <= norm(activation) ** 2 * (1 + 1e-12)
    # With the polynomials of (47) the sum has no limit: its terms grow.
    terms = coefficients(activation, 40) ** 2
    assert terms[20:40].max() > 1e3 * terms[:20].max()


# Lemma 3


@pytest.mark.parametrize("activation", SMOOTH)
def test_largest_derivatives(activation: str) -> None:
    z = np.linspace(-8, 8, 1_600_001)
    slope, curvature = LARGEST_DERIVATIVES[activation]
    act = ACTIVATIONS[activation]
    # tanh and softplus: the supremum may be a limit.
    assert abs(act.slope(z)).max() == pytest.approx(slope, rel=4e-4)
    assert abs(act.curvature(z)).max() == pytest.approx(curvature, rel=1e-9)
    assert abs(act.slope(z)).max() <= slope * (1 + 1e-12)
    if activation == "gelu":
        assert slope == pytest.approx(1.129, abs=5e-4)
        assert curvature == pytest.approx(0.798, abs=5e-4)


def network(seed: int, n: int = 5, d_0: int = 4, d_1: int = 12, d_2: int = 2) -> tuple:
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(d_0, n))
    inputs /= np.linalg.norm(inputs, axis=0)
    return inputs, random.normal(size=(d_1, d_0)), 0.5 * random.normal(size=(d_2, d_1))


def test_jacobian_is_that_of_autograd() -> None:
    inputs, w, v = network(0)

    def outputs(w: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (v @ torch.nn.functional.gelu(w @ torch.tensor(inputs))).flatten()

    by_w, by_v = torch.autograd.functional.jacobian(outputs, (torch.tensor(w), torch.tensor(v)))
    expected = torch.cat([by_w.flatten(1), by_v.flatten(1)], dim=1).numpy()
    found = jacobian(inputs, w, v, "gelu")
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(gram(inputs, w, v, "gelu"), found @ found.T, rtol=1e-10, atol=1e-13)
    singular = np.linalg.svd(found, compute_uv=False)
    np.testing.assert_allclose(
        singular_value_range(inputs, w, v, "gelu"), (singular[-1], singular[0]), rtol=1e-9
    )


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("seed", range(5))
def test_lemma_3_holds_on_draws(activation: str, seed: int) -> None:
    inputs, w, v = network(seed)
    _, other_w, other_v = network(seed + 100)
    step = 10.0 ** -(seed % 3)
    other_w, other_v = w + step * other_w, v + step * other_v
    chi = max(largest_singular_value(v), largest_singular_value(other_v))
    found = constants(inputs, w, v, activation, chi)
    smallest, largest = singular_value_range(inputs, w, v, activation)
    assert 0 < found.mu <= smallest and largest <= found.nu
    change = jacobian(inputs, other_w, other_v, activation) - jacobian(inputs, w, v, activation)
    distance = np.sqrt(np.sum((other_w - w) ** 2) + np.sum((other_v - v) ** 2))
    largest = largest_change(inputs, (w, v), (other_w, other_v), activation)
    assert largest == pytest.approx(largest_singular_value(change), rel=1e-6)
    assert largest <= found.beta * distance


def test_lemma_3_written_out() -> None:
    # One point, one neuron, one output
    found = constants(np.array([[1.0]]), np.array([[0.3]]), np.array([[-2.0]]), "tanh", 3.0)
    assert found.mu == pytest.approx(np.tanh(0.3))
    assert found.nu == pytest.approx(2 + np.tanh(0.3))
    assert found.beta == pytest.approx(np.sqrt(2) * (1 + 3 * 4 / (3 * np.sqrt(3))))


def test_fewer_neurons_than_points_have_no_isometry() -> None:
    inputs, w, v = network(1, n=6, d_1=4)
    found = constants(inputs, w, v, "gelu", 1.0)
    assert found.mu == 0 and locality(found, 1.0) == np.inf
    assert output_norm_bound(found, 1.0, 0.5) == np.inf
    assert singular_value_range(inputs, w, v, "gelu")[0] >= 0


@pytest.mark.parametrize("activation", SMOOTH)
def test_the_bound_on_the_output_weights_is_that_of_its_own_ball(activation: str) -> None:
    inputs, w, v = network(8)
    norm = largest_singular_value(v)
    mu = constants(inputs, w, v, activation, 0.0).mu
    chi, radius = output_norm_in_ball(mu, largest_singular_value(inputs), norm, activation)
    assert radius > 0 and chi == pytest.approx(norm + radius, rel=1e-12)
    found = constants(inputs, w, v, activation, chi)
    assert radius == pytest.approx(found.mu / (2 * found.beta), rel=1e-12)
    assert output_norm_in_ball(0.0, 1.0, norm, activation)[0] == pytest.approx(norm)


# Theorem 2 and lazy training


def test_gradient_descent_stays_below_the_rate() -> None:
    """From near a solution, so that (9) holds even with its constant 1."""
    inputs, w, v = network(2, n=3, d_0=4, d_1=200)
    v *= 0.1
    act = ACTIVATIONS["gelu"]
    residual = 1e-4 * np.random.default_rng(3).normal(size=(2, 3))
    targets = v @ act.value(w @ inputs) - residual
    found = constants(inputs, w, v, "gelu", 2 * largest_singular_value(v))
    loss = np.sum(residual**2)
    assert locality(found, loss) < 0.1
    rate = largest_learning_rate(found, 2 * np.sqrt(loss))
    factor = rate_bound(found, rate)
    assert 0 < factor < 1
    bound = loss
    for _ in range(200):
        before = w @ inputs
        error = 2 * (v @ act.value(before) - targets)
        by_w = (act.slope(before) * (v.T @ error)) @ inputs.T
        by_v = error @ act.value(before).T
        w, v = w - rate * by_w, v - rate * by_v
        bound *= factor
        loss = np.sum((v @ act.value(w @ inputs) - targets) ** 2)
        assert loss <= bound
    assert bound < 0.9 * np.sum(residual**2)


def test_conditions_written_out() -> None:
    inputs, w, v = network(4)
    found = constants(inputs, w, v, "gelu", 1.5)
    assert locality(found, 3.0) == pytest.approx(
        3.0 / (ALPHA_F * found.mu**6 / (found.beta * found.nu) ** 2)
    )
    assert largest_learning_rate(found, 7.0) == pytest.approx(
        1 / (7 * found.beta + 4.5 * found.nu**2)
    )
    assert rate_bound(found, 0.01) == pytest.approx(1 - 0.005 * found.mu**2)
    assert lazy_bound(found) == pytest.approx(found.beta / found.nu**2)
    assert output_norm_bound(found, 2.0, 0.7) == pytest.approx(found.nu / found.mu**2 + 0.7)


def test_khatri_rao_power() -> None:
    inputs, _, _ = network(5, n=6, d_0=3)
    columns = [np.kron(x, x) for x in inputs.T]
    singular = np.linalg.svd(np.stack(columns, axis=1), compute_uv=False)
    assert smallest_of_power(inputs, 2) == pytest.approx(singular[-1], rel=1e-7)
    assert smallest_of_power(inputs, 1) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("power", [1, 2])
def test_hidden_singular_values_grow_as_section_5_3_says(power: int) -> None:
    inputs, _, _ = network(6, n=4, d_0=5)
    width = 20_000
    w = np.random.default_rng(7).normal(size=(width, 5))
    found = constants(inputs, w, np.ones((1, width)), "gelu", 1.0)
    coefficient = normalised_coefficients("gelu", 3)[power]
    bound = least_hidden_singular_value(inputs, width, power, coefficient)
    assert 0 < bound < 1.02 * found.mu
    # E act(u) act(u') is the sum over t of c_t^2 / t! (x . x')^t, each positive semi-definite.
    products = inputs.T @ inputs
    series = sum(c**2 * products**t for t, c in enumerate(normalised_coefficients("gelu", 40)))
    expected = np.sqrt(width * np.linalg.eigvalsh(series)[0])
    assert found.mu == pytest.approx(expected, rel=0.03)
