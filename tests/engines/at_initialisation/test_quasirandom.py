"""Starts of random networks: what is measured, against its definition."""

import numpy as np
import pytest

from regimes.engines.at_initialisation import quasirandom
from regimes.engines.common.runner import train


def start(n_features: int = 4, n_train: int = 6, width: int = 50):
    random = np.random.default_rng(0)
    inputs = random.standard_normal((n_features, n_train))
    inputs /= np.linalg.norm(inputs, axis=0)
    weights = random.standard_normal((width, n_features))
    return inputs, weights, random.choice([-1.0, 1.0], width), random.standard_normal(n_train)


def test_quantities_are_those_of_their_definitions() -> None:
    inputs, weights, output, _ = start()
    found = quasirandom.measured(inputs, weights, output)
    values = weights @ inputs
    jacobian = [
        np.outer(output * (values[:, j] > 0), inputs[:, j]).ravel() for j in range(inputs.shape[1])
    ]
    first, second = np.array(jacobian) @ np.array(jacobian).T, np.maximum(values, 0)
    second = second.T @ second
    assert found["smallest_eigenvalue_first"] == pytest.approx(np.linalg.eigvalsh(first)[0])
    assert found["smallest_eigenvalue_second"] == pytest.approx(np.linalg.eigvalsh(second)[0])
    crowding = max(
        np.sum(abs(values[:, j]) <= bound) / (len(weights) * bound + 1)
        for j in range(inputs.shape[1])
        for bound in abs(values[:, j])
    )
    assert found["largest_crowding"] == pytest.approx(crowding)
    pairs = np.triu_indices(inputs.shape[1], 1)
    cosines = (inputs.T @ inputs)[pairs]
    assert found["largest_product"] == pytest.approx(abs(cosines).max())
    expected = np.mean(first[pairs] / 50 - quasirandom.first_kernel(cosines))
    assert found["first_kernel_deviation"] == pytest.approx(expected)


def test_kernels_are_means_over_networks() -> None:
    random = np.random.default_rng(1)
    angle = 1.1
    weights = random.standard_normal((400_000, 2))
    values = weights @ np.array([[1, np.cos(angle)], [0, np.sin(angle)]])
    cosine = np.array([np.cos(angle)])
    both = np.mean((values > 0).all(axis=1)) * cosine
    assert quasirandom.first_kernel(cosine) == pytest.approx(both, abs=2e-3)
    products = np.mean(np.prod(np.maximum(values, 0), axis=1))
    assert quasirandom.second_kernel(cosine) == pytest.approx([products], abs=4e-3)


def test_the_mended_series_is_the_kernel_and_the_printed_one_is_not() -> None:
    cosines = np.linspace(-1, 1, 21)
    exact = quasirandom.second_kernel(cosines)
    np.testing.assert_allclose(quasirandom.second_series(cosines), exact, atol=2e-5)
    off = quasirandom.second_series(cosines, printed=True) - exact
    assert off[10] == pytest.approx(0) and abs(off).max() > 0.03
    # By the coefficient of the square, 1 / (48 pi) for 1 / (4 pi)
    near = quasirandom.second_series(np.array([0.01]), printed=True)
    near -= quasirandom.second_kernel(np.array([0.01]))
    assert near == pytest.approx([1e-4 * (1 / 48 - 1 / 4) / np.pi], rel=1e-3)


def test_the_step_of_lecuns_start_has_the_ratio_of_the_layers_inputs() -> None:
    inputs, weights, output, errors = start(n_features=4, n_train=6, width=50)
    ratio = quasirandom.lecun_rate_ratio(inputs, weights, output, errors)
    assert ratio == pytest.approx(50 / 4)


def test_a_job_measures_its_grid() -> None:
    from regimes.datasets import unit_sphere

    data = unit_sphere.build({"n_points": 8, "n_features": 6, "draws": 2, "seed": 0})
    block = {
        "experiment": "starts",
        "engine": "at_initialisation.quasirandom",
        "dataset": "points",
        "root_seed": 0,
        "axes": {"n_features": [3, 6], "n_train": [4, 8], "width": [10, 40], "seed": [0, 1]},
    }
    runs = train(block, data, "cpu")
    assert runs["largest_product"].dims == ("n_features", "n_train", "width", "seed")
    # Points are those of the seed, whatever the network.
    assert (runs["largest_product"].std("width") == 0).all()
    assert (runs["largest_product"].std("seed") > 0).all()
    ratio = runs["lecun_rate_ratio"] * runs["n_features"] / runs["width"]
    np.testing.assert_allclose(ratio, 1)
