"""Gradient descent with small steps is gradient flow, in every regime."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from flow_blocks import four_points
from own_forms import CASES

from regimes.engines.common.draws import antisymmetric
from regimes.engines.common.runner import train
from regimes.engines.common.streams import stream
from regimes.engines.gradient_descent import engine as gradient_descent
from regimes.engines.gradient_flow.initialisation import gaussian

WIDTH = 20
COMMON = {"experiment": "experiment", "dataset": "four_point", "root_seed": 7}
DISTANCES = ("final_relative_distance_w", "final_relative_distance_a")


@pytest.fixture(autouse=True)
def same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descent starts from the weights of the flow, whose streams are others."""

    def draws(random: Any, settings: Any, scales: Any, sizes: tuple[int, int, int]) -> Any:
        width, n_features, _ = sizes
        a, w = gaussian(stream(7, "experiment", "four_point", width, 0), width, n_features)
        if scales.rate_a is None:
            a = np.where(a < 0, -1.0, 1.0)
        if scales.symmetric:
            a, w = antisymmetric(a, w)
        node = 1.0 if scales.node is None else scales.node
        return w.T * scales.deviation_w, (a * scales.output * scales.deviation_a * node)[None]

    monkeypatch.setattr(gradient_descent, "scaled_weights", draws)


def flow(data: xr.Dataset, share: float, **keys: Any) -> xr.Dataset:
    """The flow until the loss has fallen to a share."""
    solver = {"tolerance": 1e-5, "relative_loss": share, "max_steps": 20_000}
    block = COMMON | {"engine": "gradient_flow", "solver": solver} | keys
    return train(block, data, "cpu").squeeze()


def descent(data: xr.Dataset, time: float, steps: int, **keys: Any) -> xr.Dataset:
    """Descent for as long, in so many steps."""
    rates = {"learning_rate": time / steps, "stopping": {"max_steps": steps}}
    block = COMMON | {"engine": "gradient_descent"} | rates | keys
    return train(block, data, "cpu").squeeze()


def errors(run: xr.Dataset, truth: xr.Dataset) -> np.ndarray:
    """Of the loss over the initial one, and of the relative distances."""
    loss = float(run["final_loss"] - truth["final_loss"]) / float(truth["initial_loss"])
    moved = [float(run[name] / truth[name]) - 1 for name in DISTANCES]
    return np.array([loss, *moved])


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize(
    ("gamma", "gamma_prime"), [(0.5, 0.0), (1.0, 0.0), (1.75, 0.0), (1.2, 0.5)]
)
def test_descent_approaches_the_flow_in_proportion_to_its_steps(
    gamma: float, gamma_prime: float, share: float
) -> None:
    data = four_points()
    axes = {"gamma_prime": [gamma_prime], "gamma": [gamma], "width": [WIDTH], "seed": [0]}
    keys = {"axes": axes, "activation": "tanh"}
    truth = flow(data, share, **keys)
    time = float(truth["flow_time"])
    coarse, middle, fine = (descent(data, time, steps, **keys) for steps in (500, 1000, 2000))
    assert coarse["initial_loss"] == pytest.approx(float(truth["initial_loss"]), rel=1e-12)
    off = np.array([errors(run, truth) for run in (coarse, middle, fine)])
    assert (abs(off[-1]) < 5e-3).all(), off
    # By itself: the flow's own error is not in the differences.
    apart = np.array([errors(coarse, middle), errors(middle, fine)])
    np.testing.assert_allclose(apart[1] / apart[0], 0.5, atol=0.1)
    np.testing.assert_allclose(off[2] / off[1], 0.5, atol=0.1)


@pytest.mark.parametrize("loss", ["half_sum", "mean_square"])
@pytest.mark.parametrize("layers", ["first", "second", "both"])
def test_losses_and_layers_are_the_same_in_both(layers: str, loss: str) -> None:
    data = four_points()
    axes = {"gamma_prime": [0.3], "gamma": [0.8], "width": [WIDTH], "seed": [0]}
    keys = {"axes": axes, "loss": loss, "layers": layers}
    truth = flow(data, 0.5, **keys)
    run = descent(data, float(truth["flow_time"]), 4000, **keys)
    assert float(run["final_loss"]) == pytest.approx(float(truth["final_loss"]), rel=5e-3)
    for name, moves in zip(DISTANCES, (layers != "second", layers != "first"), strict=True):
        assert (name in run) is moves
        assert (float(truth[name]) > 0) is moves
        if moves:
            assert float(run[name]) == pytest.approx(float(truth[name]), rel=5e-3)


# Shares of the loss that are soon reached, or steps would have to be many.
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("abc", 0.7),
        ("lecun", 0.95),
        ("xavier", 0.7),
        ("ntk", 0.7),
        ("mean_field", 0.7),
        ("chen_ours", 0.7),
        ("chen_ntk", 0.7),
        ("chen_mean_field", 0.7),
        ("node_scaled", 0.7),
    ],
)
def test_parameterisations_are_the_same_in_both(name: str, share: float) -> None:
    data, case = four_points(), CASES[name]
    axes = case.axes | {"width": [WIDTH], "seed": [0]}
    keys = case.keys | {"axes": axes, "activation": "softplus"}
    if case.form(2, 2).rates[1] is None:
        keys["layers"] = "first"
    truth = flow(data, share, **keys)
    assert truth["converged"] == 1
    run = descent(data, float(truth["flow_time"]), 2000, **keys)
    loss = float(run["final_loss"] - truth["final_loss"]) / float(truth["initial_loss"])
    moved = [float(run[name] / truth[name]) - 1 for name in DISTANCES if name in run]
    assert max(abs(one) for one in [loss, *moved]) < 3e-3, (loss, moved)


def test_the_draws_are_the_flows() -> None:
    # Or the tests above would compare two things that differ.
    a, w = gaussian(stream(7, "experiment", "four_point", WIDTH, 0), WIDTH, 2)
    data = four_points()
    axes = {"gamma_prime": [0.0], "gamma": [0.8], "width": [WIDTH], "seed": [0]}
    run = flow(data, 0.5, axes=axes, snapshots=[1.0])
    outputs = torch.tensor(a * WIDTH**-0.8) @ torch.relu(
        torch.tensor(w.T @ data["inputs"].values.T)
    )
    residuals = outputs.numpy() - data["targets"].values
    assert float(run["initial_loss"]) == pytest.approx((residuals**2).mean() / 2, rel=1e-12)
