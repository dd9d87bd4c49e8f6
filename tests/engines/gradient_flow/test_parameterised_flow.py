"""Gradient flow with its losses, layers and parameterisations, and what it measures at levels."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from flow_blocks import SOLVER, block_of, four_points
from flow_names import LONG_NAMES, MEASURED
from own_forms import CASES

from regimes.activations import relu
from regimes.engines.common.runner import train
from regimes.kernels.tangent_kernel import tangent_kernel
from regimes.storage.missing import check_complete

WIDTH = 20
AXES = {"gamma_prime": [0.0, 0.4], "gamma": [0.5, 1.2], "width": [WIDTH], "seed": [0, 1]}
ONE = {"gamma_prime": [0.2], "gamma": [0.9], "width": [WIDTH], "seed": [0]}
LEVELS = [1.0, 0.5, 0.1, 0.0]
N_TRAIN, N_FEATURES = 3, 5
FINE = SOLVER | {"tolerance": 1e-3, "relative_loss": 0.01}


def few_points(test: str) -> xr.Dataset:
    """Fewer points than features, and test points in their span, outside of it, or both."""
    random = np.random.default_rng(2)
    inputs = random.standard_normal((N_TRAIN, N_FEATURES))
    inside = random.standard_normal((2, N_TRAIN)) @ inputs
    outside = random.standard_normal((2, N_FEATURES))
    parts = {"inside": [inside], "outside": [outside], "both": [inside, outside]}[test]
    every = np.concatenate([inputs, *parts])
    split = np.arange(len(every)) >= N_TRAIN
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), every),
            "targets": ("point", random.standard_normal(len(every))),
            "split": ("point", split.astype(np.int8)),
        }
    )


@pytest.fixture(scope="module")
def plain() -> xr.Dataset:
    return train(block_of(AXES, activation="tanh"), four_points(), "cpu")


@pytest.mark.parametrize(("loss", "factor"), [("half_sum", 4.0), ("mean_square", 2.0)])
def test_losses_scale_the_time(plain: xr.Dataset, loss: str, factor: float) -> None:
    other = train(block_of(AXES, activation="tanh", loss=loss), four_points(), "cpu")
    for name in ("initial_loss", "final_loss", "train_loss"):
        np.testing.assert_allclose(other[name], factor * plain[name], rtol=1e-7)
    for name in ("flow_time", "time"):
        np.testing.assert_allclose(other[name], plain[name] / factor, rtol=1e-7)
    for name in (f"final_relative_distance_{layer}" for layer in ("w", "a", "theta")):
        xr.testing.assert_allclose(other[name], plain[name], rtol=1e-7)
    xr.testing.assert_equal(other["solver_steps"], plain["solver_steps"])


def test_a_layer_alone() -> None:
    data = four_points()
    solver = SOLVER | {"relative_loss": 0.5}
    first, second = (
        train(block_of(ONE, activation="tanh", layers=layers, solver=solver), data, "cpu")
        for layers in ("first", "second")
    )
    assert (first["final_relative_distance_a"] == 0).all() and (
        first["final_relative_distance_w"] > 0
    ).all()
    assert (second["final_relative_distance_w"] == 0).all() and (
        second["final_relative_distance_a"] > 0
    ).all()
    # Of the output weights alone the problem is linear: e(t) = exp(-t G) e(0).
    run = train(
        block_of(
            ONE,
            activation="tanh",
            layers="second",
            snapshots=[1.0, 0.0],
            solver=SOLVER | {"tolerance": 1e-3, "relative_loss": 0.5},
        ),
        data,
        "cpu",
    ).squeeze()
    a = run["output_weights"].values[0]
    features = np.tanh(data["inputs"].values @ run["input_weights"].values[0])
    kappa, rate = WIDTH**-0.9, WIDTH**0.2
    start = kappa * features @ a - data["targets"].values
    values, vectors = np.linalg.eigh(rate * kappa**2 / 4 * features @ features.T)
    end = vectors @ (np.exp(-values * float(run["flow_time"])) * (vectors.T @ start))
    assert float(run["final_loss"]) == pytest.approx((end**2).sum() / 8, rel=1e-3)


@pytest.mark.parametrize("test", ["inside", "outside", "both"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("name", ["normalised", "lecun", "chen_ntk", "node_scaled"])
def test_measurements_in_the_span_are_those_in_the_whole_space(
    name: str, activation: str, test: str
) -> None:
    data, case = few_points(test), CASES[name]
    keys = case.keys | {"activation": activation}
    keys["layers"] = case.form(2, 2).trained[-1]
    record = {"levels": LEVELS, "kernel": "steps", "sharpness": "ends"}
    block = block_of(
        case.axes | {"width": [WIDTH], "seed": [0]}, record=record, solver=FINE, **keys
    )
    reduced = train(block, data, "cpu").squeeze()
    whole = train(block | {"reduce_inputs": False}, data, "cpu").squeeze()
    assert set(reduced.data_vars) == set(whole.data_vars)
    assert reduced["record"].values.tolist() == LEVELS
    names = MEASURED & set(reduced.data_vars)
    assert {"test_loss", "final_test_loss", "kernel_change", "initial_sharpness"} <= names
    for one in names | {"record_time"}:
        np.testing.assert_allclose(reduced[one], whole[one], rtol=2e-6, atol=1e-9, err_msg=one)
    assert len(set(reduced["test_loss"].values.tolist())) == len(LEVELS)


@pytest.mark.parametrize(
    ("solver", "reached"),
    [({"relative_loss": 0.3}, [1.0, 0.5, 0.0]), ({"max_steps": 1}, [1.0, 0.0])],
)
def test_levels_that_a_run_does_not_get_to_have_no_values(
    solver: dict, reached: list[float]
) -> None:
    record = {"levels": [1.0, 0.5, 0.1, 0.01, 0.0], "kernel": "steps"}
    block = block_of(ONE, record=record, solver=SOLVER | solver)
    run = train(block, few_points("inside"), "cpu").squeeze()
    for name in ("record_time", "test_loss", "kernel_change", "relative_distance_w"):
        there = run["record"].values[run[name].notnull().values].tolist()
        assert there == reached, name
    assert run["test_loss"].sel(record=0.0) == run["final_test_loss"]
    check_complete("made_up", run.expand_dims("seed"))


@pytest.mark.parametrize("reduce_inputs", [True, False])
def test_measurements_are_those_of_the_weights(reduce_inputs: bool) -> None:
    data = few_points("inside")
    record = {"levels": LEVELS, "kernel": "steps"}
    # Levels of the snapshots are others: each finds its own.
    block = block_of(
        ONE, record=record, snapshots=[1.0, 0.7, 0.5, 0.1, 0.0], reduce_inputs=reduce_inputs
    )
    run = train(block, data, "cpu").squeeze()
    inputs, targets = data["inputs"].values, data["targets"].values
    if reduce_inputs:
        # Weights are kept in the basis of the span, in which all points lie.
        basis = np.linalg.qr(inputs[:N_TRAIN].T)[0]
        inputs = inputs @ basis
    kappa, rate = WIDTH**-0.9, WIDTH**0.2
    kernels = []
    for level in LEVELS:
        kept, at = run.sel(snapshot=level), run.sel(record=level)
        assert at["record_time"] == kept["snapshot_time"]
        a, w = kept["output_weights"].values * kappa, kept["input_weights"].values
        residuals = np.maximum(inputs @ w, 0) @ a - targets
        loss = (residuals[N_TRAIN:] ** 2).sum() / (2 * (len(inputs) - N_TRAIN))
        assert float(at["test_loss"]) == pytest.approx(loss, rel=1e-9)
        moving = np.linalg.norm(a - run["output_weights"].values[0] * kappa) / kappa
        assert float(at["output_weight_distance"]) == pytest.approx(moving, rel=1e-9)
        kernel = tangent_kernel(
            torch.tensor(w.T),
            torch.tensor(a[None]),
            torch.tensor(inputs[:N_TRAIN].T),
            relu,
            first=1 / rate,
            second=rate * kappa**2,
        ).numpy()
        kernels.append(kernel)
        values = np.linalg.eigvalsh(kernel)
        assert float(at["largest_eigenvalue"]) == pytest.approx(values[-1], rel=1e-9)
        change = np.linalg.norm(kernel - kernels[0]) / np.linalg.norm(kernels[0])
        assert float(at["kernel_change"]) == pytest.approx(change, rel=1e-8, abs=1e-12)
    assert run["final_test_loss"] == run["test_loss"][-1]
    assert run["final_kernel_change"] == run["kernel_change"][-1] > 0


def test_nothing_is_measured_that_was_not_asked_for() -> None:
    run = train(block_of(ONE), four_points(), "cpu")
    assert set(run.data_vars) == set(LONG_NAMES) - {"time"} and "record" not in run.dims
    ends = train(block_of(ONE, record={"sharpness": "ends"}), four_points(), "cpu")
    assert ends["record"].values.tolist() == [1.0, 0.0]
    assert "sharpness" not in ends
    assert np.isfinite(ends[["final_sharpness", "initial_sharpness"]].to_array()).all()
    xr.testing.assert_identical(ends[LONG_NAMES].drop_attrs(), run[LONG_NAMES].drop_attrs())


@pytest.mark.parametrize("record", [{"kernel": "steps"}, {"sharpness": "steps"}])
def test_divergence_is_no_error_where_things_are_measured(record: dict[str, Any]) -> None:
    bad = four_points()
    bad["targets"][0] = np.inf
    run = train(block_of(ONE, record=record), bad, "cpu").squeeze()
    assert run["diverged"] == 1
    assert np.isnan(run["final_loss"])
