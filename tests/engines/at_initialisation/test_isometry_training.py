"""Random starts, Lemma 3 on them, and gradient descent beside the linearised network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from isometry_blocks import block_of, data_of

from regimes.activations.derivatives import ACTIVATIONS
from regimes.config.load import merge, validate
from regimes.engines.common.runner import runs_of, train
from regimes.engines.gradient_descent.linearised import LinearisedModel, r_squared, slowest_decay
from regimes.errors import ConfigError, DataError
from regimes.kernels.near_isometry import (
    LARGEST_DERIVATIVES,
    constants,
    jacobian,
    largest_singular_value,
)
from regimes.plan.plan import Plan
from regimes.storage.grids import combine_blocks
from regimes.storage.store import check_described

ROOT = Path(__file__).resolve().parents[3]
SETTING = {"n_features": 4, "n_train": 5, "width": 16, "seed": 1}
ENGINES = ("at_initialisation.jacobian_spectrum", "gradient_descent.linearised")


# Starts


def test_data_are_those_of_assumption_2() -> None:
    data = data_of()
    start = runs_of(block_of("at_initialisation.jacobian_spectrum"), data, "cpu").start(SETTING)
    np.testing.assert_allclose(np.linalg.norm(start.inputs, axis=0), 1)
    assert start.inputs.shape == (4, 5) and start.targets.shape == (1, 5)
    assert np.linalg.norm(start.targets) == pytest.approx(1)
    raw = data["inputs"].values[1, :5, :4]
    np.testing.assert_allclose(start.inputs.T, raw / np.linalg.norm(raw, axis=1, keepdims=True))
    targets = data["targets"].values[1, :5]
    np.testing.assert_allclose(start.targets[0], targets / np.linalg.norm(targets))


def test_scales_have_their_product_and_ratio() -> None:
    def scales(block: dict[str, Any], ratio: float | None = None) -> tuple[float, float]:
        start = runs_of(block, data_of(), "cpu").start(
            SETTING | {"width": 25} | ({"scale_ratio": ratio} if ratio else {})
        )
        return start.first_scale, start.second_scale

    block = block_of("gradient_descent.linearised", scale_product=3.0, first_scale=0.5)
    first, second = scales(block)
    assert (first, second) == (0.5, pytest.approx(0.6))
    first, second = scales(block, 0.03)
    assert first * second == pytest.approx(0.3) and second / first == pytest.approx(0.03)
    # He: omega_1^2 = 2 / d_0, omega_2^2 = 2 / d_1
    block["scale_product"] = 2.0
    np.testing.assert_allclose(scales(block, 0.4), [0.5**0.5, 0.08**0.5])


def test_ratios_share_their_numbers_and_seeds_do_not() -> None:
    problem = runs_of(block_of("gradient_descent.linearised"), data_of(), "cpu")
    low, high = (problem.start(SETTING | {"scale_ratio": ratio}) for ratio in (0.01, 1.0))
    np.testing.assert_allclose(low.weights, 10 * high.weights)
    np.testing.assert_allclose(low.output_weights, 0.1 * high.output_weights)
    other = problem.start(SETTING | {"scale_ratio": 1.0, "seed": 0})
    assert abs(np.corrcoef(other.weights.ravel(), high.weights.ravel())[0, 1]) < 0.6
    many = problem.start(SETTING | {"width": 20_000})
    assert many.weights.std() == pytest.approx(1, rel=0.02)
    assert many.output_weights.std() == pytest.approx(1 / np.sqrt(4 * 20_000), rel=0.03)


def test_data_with_several_outputs_or_one_draw() -> None:
    data = data_of().isel(draw=0)
    both = xr.concat([data["targets"], data["targets"] ** 2], "output")
    start = runs_of(
        block_of("at_initialisation.jacobian_spectrum"), data.assign(targets=both), "cpu"
    ).start(SETTING)
    assert start.targets.shape == (2, 5) and start.output_weights.shape == (2, 16)
    assert np.linalg.norm(start.targets) == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": 2}, "seed = 2 but the data set sphere has only the draws 0 to 1"),
        ({"n_train": 13}, "n_train = 13 but the data set sphere has only 12 training points"),
        ({"n_features": 7}, "n_features = 7 but the data set sphere has only 6 features"),
    ],
)
def test_data_that_are_too_small(change: dict, text: str) -> None:
    with pytest.raises(DataError, match=text):
        runs_of(block_of("at_initialisation.jacobian_spectrum"), data_of(), "cpu").start(
            SETTING | change
        )


def test_points_that_cannot_be_scaled() -> None:
    with pytest.raises(DataError, match="of length 0"):
        data = data_of()
        runs_of(
            block_of("at_initialisation.jacobian_spectrum"),
            data.assign(targets=0 * data["targets"]),
            "cpu",
        ).start(SETTING)


# Lemma 3 at the start


@pytest.mark.parametrize("activation", sorted(LARGEST_DERIVATIVES))
def test_constants_are_those_of_lemma_3(activation: str) -> None:
    block, data = block_of("at_initialisation.jacobian_spectrum", activation=activation), data_of()
    runs = train(block, data, "cpu")
    check_described(runs)
    assert runs.attrs["activation"] == activation
    start = runs_of(block, data, "cpu").start(SETTING)
    network = (start.inputs, start.weights, start.output_weights)
    one = runs.sel(SETTING)
    found = constants(*network, activation, 1.0)
    assert one["mu"] == pytest.approx(found.mu) and one["nu"] == pytest.approx(found.nu)
    singular = np.linalg.svd(jacobian(*network, activation), compute_uv=False)
    assert one["initial_smallest_singular_value"] == pytest.approx(singular[-1], rel=1e-7)
    assert one["initial_largest_singular_value"] == pytest.approx(singular[0])
    hidden = ACTIVATIONS[activation].value(start.weights @ start.inputs)
    loss = np.sum((start.output_weights @ hidden - start.targets) ** 2)
    assert one["initial_loss"] == pytest.approx(loss)
    # beta has the bound on sigma_max(V) in a ball of radius mu / (2 beta).
    chi = one["initial_output_norm"] + one["mu"] / (2 * one["beta"])
    assert one["beta"] == pytest.approx(constants(*network, activation, float(chi)).beta)
    changes = runs["change_over_bound"]
    assert ((changes > 0) & (changes < 1)).all()
    assert changes.dims[-2:] == ("direction", "distance")
    # With V alone the Jacobian is linear, so that only chi, convex in the distance, changes.
    straight = changes.sel(direction="output")
    assert (straight.isel(distance=0) >= straight.isel(distance=1) * (1 - 1e-9)).all()


def test_fewer_neurons_than_points_have_no_mu() -> None:
    axes = {"width": [4], "n_train": [8], "seed": [0]}
    for name in ENGINES:
        runs = train(block_of(name, axes=axes), data_of(), "cpu")
        assert (runs["mu"] == 0).all() and (runs["initial_smallest_singular_value"] > 0).all()


@pytest.mark.parametrize("name", ENGINES)
def test_results_do_not_depend_on_the_block(name: str) -> None:
    data = data_of()
    together = train(block_of(name), data, "cpu")
    alone = [
        train(block_of(name, axes={"n_features": [d], "seed": [seed]}), data, "cpu")
        for d in (4, 6)
        for seed in (0, 1)
    ]
    xr.testing.assert_equal(combine_blocks(alone).drop_attrs(), together.drop_attrs())


# Gradient descent and the linearised model


def outputs_of(inputs: np.ndarray, activation: str) -> Any:
    act = {"gelu": torch.nn.functional.gelu, "tanh": torch.tanh}[activation]
    return lambda w, v: v @ act(w @ torch.tensor(inputs))


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
def test_both_descents_are_those_of_autograd(activation: str) -> None:
    """Of two outputs, by Jacobian products on the parameters of the linearised model."""
    data = data_of().isel(draw=0)
    data = data.assign(targets=xr.concat([data["targets"], data["targets"] ** 2], "output"))
    block = block_of(
        "gradient_descent.linearised",
        activation=activation,
        max_steps=30,
        relative_loss=1e-9,
        axes={name: [value] for name, value in SETTING.items()} | {"scale_ratio": [2.0]},
    )
    runs = train(block, data, "cpu").squeeze()
    start = runs_of(block, data, "cpu").start(SETTING | {"scale_ratio": 2.0})
    function = outputs_of(start.inputs, activation)
    targets = torch.tensor(start.targets)
    initial = (torch.tensor(start.weights), torch.tensor(start.output_weights))
    rate = float(runs["step_size"])
    first, back = torch.func.vjp(function, *initial)
    theta, moved = initial, tuple(torch.zeros_like(one) for one in initial)
    for step in range(31):
        outputs, pull = torch.func.vjp(function, *theta)
        linear = first + torch.func.jvp(function, initial, moved)[1]
        if step in runs["step"]:
            one = runs.sel(step=step)
            loss, linear_loss = (float(((z - targets) ** 2).sum()) for z in (outputs, linear))
            assert one["train_loss"] == pytest.approx(loss, rel=1e-10)
            assert one["linearised_train_loss"] == pytest.approx(linear_loss, rel=1e-9)
            gap = float((outputs - linear).norm() / outputs.norm())
            assert one["gap"] == pytest.approx(gap, rel=1e-6, abs=1e-13)
        last = theta
        gradients = pull(2 * (outputs - targets))
        theta = tuple(t - rate * g for t, g in zip(theta, gradients, strict=True))
        gradients = back(2 * (linear - targets))
        moved = tuple(m - rate * g for m, g in zip(moved, gradients, strict=True))
    assert runs["gap"].max() > 1e-5
    assert runs["stopping_time"] == 30 and runs["converged"] == 0 and runs["diverged"] == 0
    distance = sum(float((a - b).square().sum()) for a, b in zip(last, initial, strict=True))
    assert runs["final_distance"] == pytest.approx(distance**0.5, rel=1e-9)
    norms = runs["largest_output_norm"], runs["initial_output_norm"]
    assert norms[0] >= norms[1] == pytest.approx(largest_singular_value(start.output_weights))


def test_the_linearised_model_is_solved_at_any_step() -> None:
    random = np.random.default_rng(0)
    root, residuals = random.normal(size=(6, 9)), random.normal(size=(2, 3))
    model = LinearisedModel(root @ root.T, residuals, 0.01)
    present = residuals.ravel()
    for step in range(5):
        np.testing.assert_allclose(model.residuals(step), present.reshape(2, 3), rtol=1e-10)
        present = present - 0.02 * root @ (root.T @ present)


def test_runs_end_at_the_wanted_loss() -> None:
    runs = train(block_of("gradient_descent.linearised", max_steps=3000), data_of(), "cpu")
    check_described(runs)
    assert runs.attrs["relative_loss"] == 0.1 and runs.attrs["max_steps"] == 3000
    assert (runs["converged"] == 1).all() and (runs["stopping_time"] < 3000).all()
    assert (runs["final_loss"] < 0.1 * runs["initial_loss"]).all()
    before = runs["train_loss"].min("step")
    assert (before >= runs["final_loss"]).all()
    after = runs["train_loss"].where(runs["step"] > runs["stopping_time"])
    assert after.isnull().all()
    assert (runs["train_loss"].isel(step=0) == runs["initial_loss"]).all()
    ratio = np.log(runs["initial_loss"] / runs["train_loss"]) / runs["step"].where(runs["step"] > 0)
    assert (runs["slowest_decay"] <= ratio.min("step") * (1 + 1e-9)).all()
    # The learning rate of the theory
    gradient = 2 * np.sqrt(runs["initial_loss"])
    rate = 1 / (runs["beta"] * gradient + 4.5 * runs["nu"] ** 2)
    np.testing.assert_allclose(runs["step_size"], rate, rtol=1e-12)


def test_summaries_of_losses() -> None:
    steps = np.arange(50)
    assert slowest_decay(3 * np.exp(-0.1 * steps)) == pytest.approx(0.1)
    # 1/2 after 10 steps, but 0.9 after one.
    losses = np.array([1.0, 0.9, 0.6, 0.5])
    assert slowest_decay(losses) == pytest.approx(-np.log(0.9))
    assert np.isnan(slowest_decay(losses[:1]))
    assert r_squared(np.exp(-0.1 * steps)) == pytest.approx(1)
    resting = np.where(steps < 40, 1.0, np.exp(-(steps - 39.0)))
    assert r_squared(resting) < 0.95
    assert np.isnan(r_squared(losses)) and np.isnan(r_squared(np.append(losses, [np.inf] * 9)))


def test_progress_is_told() -> None:
    for name in ENGINES:
        lines: list[str] = []
        train(block_of(name), data_of(), "cpu", lines.append)
        assert len(lines) == 32 and "16 of 16" in lines[-1]


# Configuration and plan


@pytest.fixture(scope="module")
def raw() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def experiment(engine: str, **changes: Any) -> dict:
    settings = {
        "engine": engine,
        "paper": "luo2021",
        "dataset": "sphere",
        "axes": {"n_features": [4], "n_train": [5], "width": [8], "seed": [0, 1]},
        "measure": "luo2021.growth",
    }
    if engine == "gradient_descent.linearised":
        settings["max_steps"] = 10
    sphere = {"kind": "unit_sphere", "draws": 2, "n_points": 12, "n_features": 6}
    return {"datasets": {"sphere": sphere}, "experiments": {"new": merge(settings, {}, changes)}}


@pytest.mark.parametrize(
    ("engine", "changes", "expected"),
    [
        (
            "at_initialisation.jacobian_spectrum",
            {"activation": "relu"},
            ["activation = 'relu'", "gelu, tanh"],
        ),
        (
            "at_initialisation.jacobian_spectrum",
            {"axes": {"n_features": [7]}},
            ["n_features 7", "n_features: 6"],
        ),
        (
            "gradient_descent.linearised",
            {"axes": {"n_train": [13]}},
            ["n_train 13", "n_points: 12"],
        ),
        (
            "gradient_descent.linearised",
            {"axes": {"seed": [2]}},
            ["seed 2 needs a draw", "draws: 2"],
        ),
        (
            "at_initialisation.jacobian_spectrum",
            {"axes": {"scale_ratio": [1]}},
            ["axes.scale_ratio"],
        ),
        (
            "gradient_descent.linearised",
            {"axes": {"scale_ratio": [0]}},
            ["0 is not greater than 0"],
        ),
        (
            "at_initialisation.jacobian_spectrum",
            {"distances": [0]},
            ["distances.0 = 0", "greater than 0"],
        ),
        (
            "at_initialisation.jacobian_spectrum",
            {"max_steps": 3},
            ["unknown key experiments.new.max_steps"],
        ),
        ("gradient_descent.linearised", {"max_steps": 0}, ["max_steps = 0"]),
        (
            "gradient_descent.linearised",
            {"split_by": ["scale_ratio"]},
            ["'scale_ratio' is no axis"],
        ),
        (
            "gradient_descent.linearised",
            {"scale_product": 0},
            ["scale_product = 0", "greater than 0"],
        ),
    ],
    ids=str,
)
def test_errors_of_the_config_are_one_line(
    raw: dict, engine: str, changes: dict, expected: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(merge(raw, {}, experiment(engine, **changes)))
    message = str(caught.value)
    assert "\n" not in message
    for text in expected:
        assert text in message, message


@pytest.mark.parametrize("name", ENGINES)
def test_a_planned_block_can_be_trained(raw: dict, name: str) -> None:
    changes = {"axes": {"scale_ratio": [0.1, 1.0]}} if name == "gradient_descent.linearised" else {}
    config = validate(merge(raw, {}, experiment(name, split_by=["seed"], **changes)))
    blocks = Plan.from_config(config).jobs_of("new")
    assert [block.settings["axes"]["seed"] for block in blocks] == [[0], [1]]
    json.dumps(blocks[0].settings)
    runs = train(blocks[0].settings, data_of(), "cpu")
    assert runs.sizes["seed"] == 1 and ("scale_ratio" in runs.sizes) == bool(changes)
