"""Gradient descent of every parameterisation against autograd, on the network as its paper writes
it, and its learning rates in units of the limit of stability.
"""

from typing import Any

import autograd_descent
import numpy as np
import pytest
import torch
import xarray as xr
from own_forms import CASES, Form
from torch import Tensor

from regimes.engines.common.draws import initial_weights
from regimes.engines.common.runner import train
from regimes.engines.common.streams import stream

WIDTH, N_POINTS, N_FEATURES, STEPS, RATE = 12, 6, 3, 20, 0.05
ACTIVATIONS = list(autograd_descent.ACTIVATIONS)
# Each activation with several parameterisations, and each parameterisation with each choice of
# layers.
TRAINED = [
    (name, layers, ACTIVATIONS[i % len(ACTIVATIONS)])
    for i, (name, layers) in enumerate(
        (name, layers) for name, case in CASES.items() for layers in case.form(2, 2).trained
    )
]


def data_of(n_outputs: int = 1, n_test: int = 0) -> xr.Dataset:
    random = np.random.default_rng(3)
    n_points = N_POINTS + n_test
    targets = random.standard_normal((n_points, n_outputs))
    dims = ("point", "output") if n_outputs > 1 else ("point",)
    split = np.repeat(np.array([0, 1], dtype=np.int8), [N_POINTS, n_test])
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), random.standard_normal((n_points, N_FEATURES))),
            "targets": (dims, targets if n_outputs > 1 else targets[:, 0]),
            "split": ("point", split),
        }
    )


def block_of(axes: dict[str, list] | None = None, **changes: Any) -> dict[str, Any]:
    settings = {
        "experiment": "experiment",
        "dataset": "random",
        "root_seed": 7,
        "engine": "gradient_descent",
        "learning_rate": RATE,
        "stopping": {"max_steps": STEPS},
        "record": {"every": 1},
        "axes": {**(axes or {}), "width": [WIDTH], "seed": [0]},
    }
    return settings | changes


def start_of(form: Form, n_outputs: int = 1) -> tuple[Tensor, Tensor]:
    """The weights w (m, d) and a (k, m) that a run of `block_of` starts from."""
    kind = "rademacher" if form.rates[1] is None else "gaussian"
    random = stream(7, "experiment", "random", WIDTH, 0, N_POINTS)
    return form.start(*initial_weights(random, WIDTH, N_FEATURES, n_outputs, kind))


def path_of(
    form: Form, layers: str, data: xr.Dataset, activation: str, rate: float, loss: str
) -> tuple[list[float], list[tuple[Tensor, Tensor]]]:
    """Losses and weights along the steps of torch.optim.SGD."""
    inputs = torch.tensor(data["inputs"].values[:N_POINTS].T)
    targets = torch.tensor(data["targets"].values[:N_POINTS].reshape(N_POINTS, -1).T)
    w, a = (one.clone().requires_grad_() for one in start_of(form, len(targets)))
    rate_w = form.rates[0] * rate * (layers != "second")
    rate_a = (form.rates[1] or 0.0) * rate * (layers != "first")
    optimiser = torch.optim.SGD([{"params": [w], "lr": rate_w}, {"params": [a], "lr": rate_a}])
    losses, weights = [], []
    act = autograd_descent.ACTIVATIONS[activation]
    for _ in range(STEPS + 1):
        optimiser.zero_grad()
        value = autograd_descent.LOSSES[loss](form.outputs(w, a, inputs, act) - targets)
        value.backward()
        losses.append(float(value.detach()))
        weights.append((w.detach().clone(), a.detach().clone()))
        optimiser.step()
    return losses, weights


def assert_is_the_path(
    run: xr.Dataset, form: Form, losses: list[float], weights: list[tuple[Tensor, Tensor]]
) -> None:
    assert run["step"].values.tolist() == list(range(STEPS + 1))
    np.testing.assert_allclose(run["train_loss"], losses, rtol=1e-10)
    assert abs(losses[-1] / losses[0] - 1) > 1e-4, "a path that goes nowhere tells nothing"
    norms = [
        [float((now - start).norm()) for now, start in zip(both, weights[0], strict=True)]
        for both in weights
    ]
    sizes = [float(one.norm()) for one in weights[0]]
    for layer, factor, names in (
        (0, form.inner, ("relative_distance_w", "weight_distance")),
        (1, 1.0, ("relative_distance_a", "output_weight_distance")),
    ):
        moved = np.array(norms)[:, layer]
        assert (names[0] in run) is bool(moved[-1] > 0)
        if names[0] in run:
            for name, expected in zip(names, (moved / sizes[layer], factor * moved), strict=True):
                np.testing.assert_allclose(run[name], expected, rtol=1e-9, atol=1e-14, err_msg=name)
                assert run[f"final_{name}"] == run[name][-1]


@pytest.mark.parametrize(("name", "layers", "activation"), TRAINED)
def test_every_parameterisation_is_that_of_its_paper(
    name: str, layers: str, activation: str
) -> None:
    case, data = CASES[name], data_of()
    form = case.form(WIDTH, N_FEATURES)
    block = block_of(case.axes, layers=layers, activation=activation, **case.keys)
    run = train(block, data, "cpu").squeeze()
    assert_is_the_path(run, form, *path_of(form, layers, data, activation, RATE, "half_mean"))


@pytest.mark.parametrize("loss", ["half_sum", "half_mean", "mean_square"])
@pytest.mark.parametrize("name", ["normalised", "chen_mean_field"])
def test_several_outputs_and_every_loss(name: str, loss: str) -> None:
    case, data = CASES[name], data_of(n_outputs=3)
    form = case.form(WIDTH, N_FEATURES)
    layers = form.trained[-1]
    block = block_of(case.axes, layers=layers, activation="tanh", loss=loss, **case.keys)
    run = train(block, data, "cpu").squeeze()
    assert_is_the_path(run, form, *path_of(form, layers, data, "tanh", RATE, loss))


def test_rates_of_an_axis_and_a_ratio() -> None:
    case, data = CASES["normalised"], data_of()
    own = case.form(WIDTH, N_FEATURES)
    ratio = 0.3
    form = Form(own.output, (own.rates[0], ratio * (own.rates[1] or 0)), own.deviations)
    axes = case.axes | {"learning_rate": [0.02, RATE], "rate_ratio": [ratio]}
    block = block_of(axes, learning_rate=None, activation="tanh", **case.keys)
    runs = train(block, data, "cpu").squeeze()
    for rate in (0.02, RATE):
        run = runs.sel(learning_rate=rate)
        assert run["step_size"] == rate
        assert_is_the_path(run, form, *path_of(form, "both", data, "tanh", rate, "half_mean"))


@pytest.mark.parametrize("name", ["chen_ours", "node_scaled", "mean_field"])
def test_test_points_are_looked_at_and_not_trained_on(name: str) -> None:
    case, data = CASES[name], data_of(n_test=4)
    form = case.form(WIDTH, N_FEATURES)
    block = block_of(case.axes, layers="first", activation="gelu", **case.keys)
    run = train(block, data, "cpu").squeeze()
    losses, weights = path_of(form, "first", data, "gelu", RATE, "half_mean")
    assert_is_the_path(run, form, losses, weights)
    inputs = torch.tensor(data["inputs"].values[N_POINTS:].T)
    act = autograd_descent.ACTIVATIONS["gelu"]
    residuals = [
        form.outputs(w, a, inputs, act)[0].numpy() - data["targets"].values[N_POINTS:]
        for w, a in weights
    ]
    expected = [(one**2).sum() / (2 * 4) for one in residuals]
    np.testing.assert_allclose(run["test_loss"], expected, rtol=1e-10)
    assert run["final_test_loss"] == run["test_loss"][-1]


@pytest.mark.parametrize("loss", ["half_sum", "half_mean", "mean_square"])
@pytest.mark.parametrize("name", ["normalised", "ntk", "unscaled"])
def test_the_limit_of_stability_is_where_a_linear_problem_becomes_unstable(
    name: str, loss: str
) -> None:
    # The output weights alone: the loss is quadratic, and its largest mode ends up alone.
    case, data = CASES[name], data_of()
    found = {}
    for share in (0.9, 1.1):
        block = block_of(
            case.axes,
            layers="second",
            loss=loss,
            rate_unit="stability_limit",
            learning_rate=share,
            stopping={"max_steps": 200},
            record={"sharpness": "ends"},
            **case.keys,
        )
        run = found[share] = train(block, data, "cpu").squeeze()
        # The Hessian is that of the kernel, so that the limit is 2 over the sharpness.
        limit = 2 / float(run["initial_sharpness"])
        assert float(run["step_size"]) == pytest.approx(share * limit, rel=1e-3)
    assert (np.diff(found[0.9]["train_loss"].dropna("step")) < 0).all()
    # Each step multiplies the residuals along the largest mode by -1.2.
    late = found[1.1]["train_loss"].sel(step=[100, 178]).values
    assert late[1] / late[0] == pytest.approx(1.2 ** (2 * 78), rel=1e-3)


def test_the_sharpness_has_the_ratio_of_the_rates_and_the_kernel_has_not() -> None:
    case, data = CASES["unscaled"], data_of()
    axes = case.axes | {"rate_ratio": [1.0, 50.0]}
    block = block_of(
        axes, activation="tanh", record={"kernel": "ends", "sharpness": "ends"}, **case.keys
    )
    run = train(block, data, "cpu").squeeze()
    one, other = (run.sel(rate_ratio=ratio) for ratio in (1.0, 50.0))
    assert one["initial_largest_eigenvalue"] == other["initial_largest_eigenvalue"]
    assert float(other["initial_sharpness"]) > 5 * float(one["initial_sharpness"])
