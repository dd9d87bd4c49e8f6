"""Training in the span of the inputs is training on the inputs."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from regimes.datasets import mnist
from regimes.engines.common.draws import antisymmetric
from regimes.engines.common.runner import train
from regimes.engines.common.span import project_to_span
from regimes.engines.common.streams import stream
from regimes.engines.gradient_flow.initialisation import gaussian, gaussian_in_span

N_POINTS, N_FEATURES = 6, 40  # more features than are drawn at once


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    random = np.random.default_rng(3)
    inputs = random.standard_normal((N_POINTS, N_FEATURES)) / np.sqrt(N_FEATURES) + 0.1
    inputs[:, -1] = 1.0
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), inputs),
            "targets": ("point", random.standard_normal(N_POINTS)),
            "split": ("point", np.zeros(N_POINTS, dtype=np.int8)),
        }
    )


def test_the_span_keeps_all_scalar_products(data: xr.Dataset) -> None:
    inputs = data["inputs"].values
    domain = project_to_span(inputs)
    assert not domain.whole and domain.basis.shape == (N_FEATURES, N_POINTS)
    np.testing.assert_allclose(domain.basis.T @ domain.basis, np.eye(N_POINTS), atol=1e-14)
    np.testing.assert_allclose(domain.inputs @ domain.basis.T, inputs, atol=1e-14)


def test_as_many_points_as_features_reduce_nothing() -> None:
    inputs = np.random.default_rng(0).standard_normal((4, 4))
    for domain in (project_to_span(inputs), project_to_span(inputs[:2], project=False)):
        assert domain.whole
        np.testing.assert_array_equal(domain.basis, np.eye(4))
    np.testing.assert_array_equal(project_to_span(inputs).inputs, inputs)


def test_weights_in_the_span_are_those_of_the_whole_space(data: xr.Dataset) -> None:
    basis = project_to_span(data["inputs"].values).basis
    directions = np.vstack([np.ones(N_FEATURES), np.arange(N_FEATURES)])
    output, whole = gaussian(stream(1, "run"), 50, N_FEATURES)
    a, w, frozen = gaussian_in_span(stream(1, "run"), 50, basis, directions)
    np.testing.assert_array_equal(a, output)
    np.testing.assert_allclose(w, basis.T @ whole, atol=1e-12)
    rest = whole - basis @ (basis.T @ whole)
    np.testing.assert_allclose(frozen.squared_norm, (rest**2).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(frozen.products, directions @ rest, atol=1e-10)


def test_antisymmetric_neurons_keep_all_that_they_have() -> None:
    a, w, norm = antisymmetric(np.arange(4.0), np.arange(8.0).reshape(2, 4), np.arange(4.0))
    np.testing.assert_array_equal(a, [0, 1, 0, -1])
    np.testing.assert_array_equal(w, [[0, 1, 0, 1], [4, 5, 4, 5]])
    np.testing.assert_array_equal(norm, [0, 1, 0, 1])


def block(**changes: Any) -> dict[str, Any]:
    return {
        "engine": "gradient_flow",
        "experiment": "experiment",
        "dataset": "data",
        "root_seed": 7,
        "parameterisation": "normalised",
        "activation": "relu",
        "antisymmetric_initialisation": "auto",
        "axes": {"gamma_prime": [0.0, 0.5], "gamma": [0.5, 1.0, 1.5], "width": [60], "seed": [0]},
        "solver": {
            "tolerance": 0.03,
            "relative_loss": 1e-6,
            "max_steps": 5000,
            "max_time": 1e30,
            "precision": "float64",
        },
        "history_points": 8,
        "snapshots": [1.0, 0.0],
        "snapshot_content": "projections",
    } | changes


@pytest.mark.parametrize(
    "parameterisation", [{}, {"parameterisation": "alpha_beta", "exponents": {"beta2": -0.5}}]
)
def test_reduced_training_is_full_training(data: xr.Dataset, parameterisation: dict) -> None:
    reduced = train(block(**parameterisation), data, "cpu")
    full = train(block(reduce_inputs=False, **parameterisation), data, "cpu")
    assert bool(reduced["converged"].all())
    for name in full.data_vars:
        # Rounding grows where neurons cross kinks; far below any difference of method.
        size = float(abs(full[name]).max())
        np.testing.assert_allclose(reduced[name], full[name], rtol=1e-6, atol=1e-6 * size)


def test_projections_are_those_of_the_weights(data: xr.Dataset) -> None:
    projected = train(block(reduce_inputs=False), data, "cpu")
    weights = train(block(reduce_inputs=False, snapshot_content="weights"), data, "cpu")
    w = weights["input_weights"]
    assert w.sizes["feature"] == N_FEATURES
    np.testing.assert_allclose(projected["input_norm"], np.sqrt((w**2).sum("feature")))
    expected = w.sum("feature") / np.sqrt(N_FEATURES)
    np.testing.assert_allclose(projected["input_projection"], expected, atol=1e-12)


def test_the_frozen_part_counts_in_the_relative_distance(data: xr.Dataset) -> None:
    # The whole initial weights are sqrt(40 / 6) times as long as those in the span.
    run = train(block(snapshot_content="weights"), data, "cpu")
    w = run["input_weights"]
    moved = np.sqrt(((w.sel(snapshot=0.0) - w.sel(snapshot=1.0)) ** 2).sum(["feature", "neuron"]))
    whole = moved / run["final_relative_distance_w"]
    in_span = np.sqrt((w.sel(snapshot=1.0) ** 2).sum(["feature", "neuron"]))
    np.testing.assert_allclose(whole / in_span, np.sqrt(N_FEATURES / N_POINTS), rtol=0.1)


@pytest.mark.slow
def test_mnist_reduced_is_mnist_in_full() -> None:
    settings = {"first_train": 0, "n_train": 45, "n_test": 3, "pixels": [-0.5, 0.5]}
    data = mnist.build(settings | {"targets": "label", "bias": True})
    changes = {
        "axes": {"gamma_prime": [0.0], "gamma": [0.6, 1.0, 1.5], "width": [100], "seed": [0]},
        "antisymmetric_initialisation": "never",
    }
    reduced = train(block(**changes), data, "cpu")
    full = train(block(reduce_inputs=False, **changes), data, "cpu")
    plain = train(block(reduce_inputs=False, snapshot_content="weights", **changes), data, "cpu")
    assert plain["input_weights"].sizes["feature"] == 785
    assert bool(reduced["converged"].all())
    for name in full.data_vars:
        size = float(abs(full[name]).max())
        np.testing.assert_allclose(reduced[name], full[name], rtol=2e-5, atol=1e-5 * size)
    for name in (
        "final_relative_distance_w",
        "final_relative_distance_a",
        "final_relative_distance_theta",
    ):
        np.testing.assert_allclose(reduced[name], plain[name], rtol=1e-7)
    # The scatter of the condensation map, from the plain weights.
    w = plain["input_weights"].isel(snapshot=-1)
    norm = np.sqrt((w**2).sum("feature"))
    position = w.sum("feature") / np.sqrt(785) / norm
    measured = reduced.isel(snapshot=-1)
    np.testing.assert_allclose(
        measured["input_projection"] / measured["input_norm"], position, atol=1e-5
    )
    np.testing.assert_allclose(measured["input_norm"], norm, rtol=1e-6)
    np.testing.assert_allclose(
        measured["output_weights"], plain["output_weights"].isel(snapshot=-1), rtol=1e-5, atol=1e-6
    )
