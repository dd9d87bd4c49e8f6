"""The start of gradient flow with scaled nodes, and its averages over initialisations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from regimes.activations.derivatives import ACTIVATIONS
from regimes.config.load import merge, validate
from regimes.datasets import sines_on_sphere
from regimes.engines.at_initialisation import first_update
from regimes.engines.at_initialisation.first_update import Moments
from regimes.engines.at_initialisation.first_update_network import FirstUpdate
from regimes.engines.common.runner import train
from regimes.errors import ConfigError, DataError
from regimes.parameterisations.node_scaling import node_scales
from regimes.plan.plan import Plan
from regimes.storage.grids import combine_blocks
from regimes.storage.store import check_described

ROOT = Path(__file__).resolve().parents[3]
SCALINGS = {"even": {"gamma": 1.0}, "uneven": {"gamma": 0.25, "alpha": 0.5}}
INPUTS = np.array([[0.6, 0.8, 0.1], [-0.5, 0.1, 0.4], [0.0, 0.3, -0.9], [0.7, -0.2, 0.2]])
TARGETS = np.array([1.0, -0.5, 2.0, 0.3])


# A batch of networks


def batch(activation: str, antithetic: bool = False) -> tuple[FirstUpdate, dict[str, np.ndarray]]:
    random = np.random.default_rng(5)
    weights = random.normal(size=(2, 6, 3))
    signs = random.choice([-1.0, 1.0], size=(2, 6))
    scales = node_scales(6, 0.25, 0.5)
    made = FirstUpdate(
        ACTIVATIONS[activation],
        INPUTS,
        TARGETS,
        scales,
        weights @ INPUTS.T / np.sqrt(3),
        signs,
        antithetic,
    )
    return made, {"weights": weights, "signs": signs, "scales": scales}


def by_autograd(
    activation: str, weights: np.ndarray, signs: np.ndarray, scales: np.ndarray
) -> dict[str, np.ndarray]:
    """The same of one network, from its outputs, loss and Jacobian alone."""
    act = {"relu": torch.relu, "tanh": torch.tanh, "softplus": torch.nn.functional.softplus}
    inputs, targets = torch.tensor(INPUTS), torch.tensor(TARGETS)
    factors = torch.tensor(np.sqrt(scales) * signs)

    def outputs(w: torch.Tensor) -> torch.Tensor:
        return act[activation](inputs @ w.T / 3**0.5) @ factors

    def gram(w: torch.Tensor) -> torch.Tensor:
        jacobian = torch.autograd.functional.jacobian(outputs, w, create_graph=True).flatten(1)
        return jacobian @ jacobian.T

    w = torch.tensor(weights, requires_grad=True)
    (gradient,) = torch.autograd.grad(((outputs(w) - targets) ** 2).sum() / 2, w)
    found = {"weight_rates": -gradient, "tangent_gram": gram(w), "outputs": outputs(w)}
    if activation != "relu":
        derivative = torch.autograd.functional.jacobian(gram, w)
        found["kernel_rates"] = torch.einsum("klij,ij->kl", derivative, -gradient)
    return {name: values.detach().numpy() for name, values in found.items()}


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_rates_are_those_of_autograd_along_the_flow(activation: str) -> None:
    made, drawn = batch(activation)
    for index in range(2):
        one = by_autograd(activation, drawn["weights"][index], drawn["signs"][index], made.scales)
        np.testing.assert_allclose(made.outputs[index], one["outputs"], rtol=1e-12)
        np.testing.assert_allclose(
            made.weight_rates(np.arange(6))[index], one["weight_rates"], rtol=1e-10
        )
        np.testing.assert_allclose(
            made.tangent_gram(made.scales)[index], one["tangent_gram"], rtol=1e-10
        )
        np.testing.assert_allclose(
            made.scaled_weight_rate()[index], made.scales @ one["weight_rates"], rtol=1e-10
        )
        if activation != "relu":
            np.testing.assert_allclose(
                made.kernel_rates()[index], one["kernel_rates"], rtol=1e-9, atol=1e-15
            )


def test_antithetic_rates_are_the_average_of_both_networks() -> None:
    made, drawn = batch("tanh", antithetic=True)
    rates = []
    for sign in (1, -1):
        one = by_autograd("tanh", drawn["weights"][0], sign * drawn["signs"][0], made.scales)
        rates.append(one)
    for name, found in (
        ("weight_rates", made.weight_rates(np.arange(6))),
        ("kernel_rates", made.kernel_rates()),
    ):
        np.testing.assert_allclose(
            found[0], (rates[0][name] + rates[1][name]) / 2, rtol=1e-9, atol=1e-15
        )


def test_moments_are_those_of_all_values() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 3)) @ np.triu(np.ones((3, 3))) + 5
    moments = Moments(3)
    moments.add(values[:400])
    moments.add(values[400:])
    np.testing.assert_allclose(moments.mean(), values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        moments.covariance_of_mean(), np.cov(values.T) / 1000, rtol=1e-9, atol=1e-15
    )


# Averages


def block_of(**changes: Any) -> dict[str, Any]:
    return {
        "experiment": "first",
        "root_seed": 3,
        "engine": "at_initialisation.first_update",
        "dataset": "sines",
        "node_scalings": SCALINGS,
        "activation": "tanh",
        "draws": 300,
        "antithetic": True,
        "shown_nodes": 2,
        "axes": {"node_scaling": ["even", "uneven"], "width": [8], "seed": [0, 1]},
    } | changes


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    settings = {"n_train": 3, "n_test": 2, "n_features": 4, "noise": 1.0, "seed": 0}
    return sines_on_sphere.build(settings)


@pytest.fixture(scope="module")
def trained(data: xr.Dataset) -> xr.Dataset:
    return train(block_of(), data, "cpu")


def test_what_is_averaged(trained: xr.Dataset) -> None:
    check_described(trained)
    axes = ("node_scaling", "width", "seed")
    assert trained["weight_rate_mean"].dims == (*axes, "node", "feature")
    assert trained["weight_rate_mean"].shape == (2, 1, 2, 2, 4)
    assert trained["kernel_rate_covariance"].dims == (*axes, "pair", "other_pair")
    assert trained["gram_deviation_standard_error"].dims == axes
    assert (trained["pair_first"] <= trained["pair_second"]).all() and trained.sizes["pair"] == 6
    assert trained.attrs["activation"] == "tanh" and (trained["draws"] == 300).all()
    np.testing.assert_allclose(trained["alpha"][:, 0, 0], [np.nan, 0.5])
    scales = node_scales(8, 0.25, 0.5)
    one = trained.sel(node_scaling="uneven", width=8, seed=1)
    np.testing.assert_allclose(one["node_scale"], scales[[0, 7]])
    assert one["node_index"].values.tolist() == [0, 7]
    assert float(one["sum_of_squared_scales"]) == pytest.approx(np.sum(scales**2))
    for name, values in trained.data_vars.items():
        if name != "alpha":
            assert np.isfinite(values).all(), name
        if name.endswith("error") and not name.startswith("small"):
            assert (values > 0).all(), name


def test_relu_has_no_change_of_the_kernel(data: xr.Dataset) -> None:
    runs = train(block_of(activation="relu", draws=20), data, "cpu")
    check_described(runs)
    assert "weight_rate_mean" in runs and "kernel_rate_mean" not in runs


def test_runs_repeat_whatever_the_block_and_the_chunks(
    data: xr.Dataset, trained: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    xr.testing.assert_identical(trained, train(block_of(), data, "cpu").assign_attrs(trained.attrs))
    alone = [
        train(block_of(axes={"node_scaling": [name], "width": [8], "seed": [seed]}), data, "cpu")
        for name in SCALINGS
        for seed in (0, 1)
    ]
    xr.testing.assert_equal(combine_blocks(alone), trained)
    monkeypatch.setattr(first_update, "VALUES_AT_ONCE", 7 * 8 * 4)
    xr.testing.assert_allclose(train(block_of(), data, "cpu"), trained, rtol=1e-9, atol=1e-15)


def test_settings_and_seeds_are_independent(trained: xr.Dataset) -> None:
    deviations = trained["gram_deviation_mean"].values.ravel()
    assert len(np.unique(deviations)) == 4
    twice = {"first": {"gamma": 1.0}, "second": {"gamma": 1.0}}
    runs = train(
        block_of(
            node_scalings=twice,
            axes={"node_scaling": list(twice), "width": [8], "seed": [0]},
            draws=20,
        ),
        sines_on_sphere.build(
            {"n_train": 3, "n_test": 0, "n_features": 4, "noise": 1.0, "seed": 0}
        ),
        "cpu",
    )
    first, second = runs["gram_deviation_mean"].values.ravel()
    assert first != second


def test_without_pairs_means_are_the_same_and_noisier(data: xr.Dataset) -> None:
    axes = {"node_scaling": ["uneven"], "width": [8], "seed": [0]}
    data = data.assign(targets=data["targets"] + 3)
    pairs = train(block_of(axes=axes, draws=20_000), data, "cpu")
    single = train(block_of(axes=axes, draws=20_000, antithetic=False), data, "cpu")
    for name in ("scaled_weight_rate", "kernel_rate"):
        errors = single[f"{name}_standard_error"]
        assert (errors > 1.5 * pairs[f"{name}_standard_error"]).all()
        difference = single[f"{name}_mean"] - pairs[f"{name}_mean"]
        assert (abs(difference) < 4.5 * errors).all()
    # The kernel at the start has no part in it.
    assert single["gram_deviation_mean"].item() == pairs["gram_deviation_mean"].item()


def test_progress_is_told(data: xr.Dataset) -> None:
    lines: list[str] = []
    train(block_of(), data, "cpu", lines.append)
    assert len(lines) == 8 and lines[1].startswith(
        "batch 1 of 4 (node_scaling even, width 8, seed 0): done in "
    )


def test_data_that_do_not_fit(data: xr.Dataset) -> None:
    with pytest.raises(DataError, match="sines has draws"):
        train(block_of(), data.expand_dims(draw=2), "cpu")
    with pytest.raises(DataError, match="several outputs"):
        train(block_of(), data.assign(targets=data["targets"].expand_dims(output=2)), "cpu")
    many = sines_on_sphere.build(
        {"n_train": 13, "n_test": 0, "n_features": 4, "noise": 1.0, "seed": 0}
    )
    with pytest.raises(DataError, match=r"13 training points; .* 1 to 12"):
        train(block_of(), many, "cpu")


# Configuration and plan


@pytest.fixture(scope="module")
def raw() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def experiment(**changes: Any) -> dict:
    settings = {
        "engine": "at_initialisation.first_update",
        "paper": "luo2021",
        "dataset": "few",
        "node_scalings": SCALINGS,
        "draws": 100,
        "axes": {"width": [8], "seed": [0]},
        "measure": "luo2021.growth",
    }
    few = {"kind": "sines_on_sphere", "n_train": 3, "n_features": 4}
    return {
        "datasets": {"few": few},
        "experiments": {"first": merge(settings, {}, changes)},
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"draws": 1}, ["experiments.first.draws = 1", "greater than or equal to 2"]),
        ({"activation": "leaky_relu"}, ["activation = 'leaky_relu'", "relu, tanh, softplus"]),
        ({"axes": {"width": [3]}}, ["axes.width: 3 is less than shown_nodes: 4"]),
        ({"axes": {"seed": None}}, ["axes.seed is missing"]),
        (
            {"axes": {"node_scaling": ["odd"]}},
            ["axes.node_scaling: 'odd'", "allowed: even, uneven"],
        ),
        (
            {"axes": {"node_scaling": ["even", "even"]}},
            ["axes.node_scaling: 'even' is there twice"],
        ),
        ({"axes": {"n_train": [3]}}, ["axes.n_train", "node_scaling, width, seed"]),
        ({"split_by": ["gamma"]}, ["split_by: 'gamma' is no axis", "node_scaling, width, seed"]),
        ({"node_scalings": {"odd": {"gamma": 0.5}}}, ["node_scalings.odd: alpha is missing"]),
        ({"node_scalings": {"odd": {"gamma": 2}}}, ["odd.gamma = 2", "less than or equal to 1"]),
        ({"node_scalings": {"odd": {"gamma": 1, "alpha": 1}}}, ["odd.alpha = 1", "less than 1"]),
        ({"node_scalings": {"odd": {"gama": 1}}}, ["node_scalings.odd.gama", "'gamma'"]),
        (
            {"dataset": "sphere"},
            ["first.dataset has draws", "engine: at_initialisation.first_update does not"],
        ),
    ],
    ids=str,
)
def test_errors_of_the_config_are_one_line(raw: dict, changes: dict, expected: list[str]) -> None:
    sphere = {"kind": "unit_sphere", "draws": 2, "n_points": 3, "n_features": 3}
    overrides = merge(experiment(**changes), {"datasets": {"sphere": sphere}}, {})
    with pytest.raises(ConfigError) as caught:
        validate(merge(raw, {}, overrides))
    message = str(caught.value)
    assert "\n" not in message
    for text in expected:
        assert text in message, message


def plan_of(raw: dict, **changes: Any) -> Plan:
    return Plan.from_config(validate(merge(raw, {}, experiment(**changes))))


def names(plan: Plan) -> set[str]:
    return {job.name for job in plan.jobs_of("first")}


def test_a_block_knows_its_own_node_scaling_alone(raw: dict) -> None:
    plan = plan_of(raw)
    blocks = plan.jobs_of("first")
    assert [block.settings["axes"]["node_scaling"] for block in blocks] == [["even"], ["uneven"]]
    assert [block.settings["node_scalings"] for block in blocks] == [
        {"even": {"gamma": 1.0}},
        {"uneven": {"gamma": 0.25, "alpha": 0.5}},
    ]
    json.dumps([block.settings for block in blocks])
    more = plan_of(raw, node_scalings={"most": {"gamma": 0.0, "alpha": 0.4}})
    assert names(plan) < names(more)
    changed = plan_of(raw, node_scalings={"uneven": {"alpha": 0.6}})
    assert len(names(plan) & names(changed)) == 1


def test_settings_can_be_chosen_and_batched(raw: dict) -> None:
    chosen = plan_of(raw, axes={"node_scaling": ["uneven"]}).jobs_of("first")
    assert [block.settings["axes"]["node_scaling"] for block in chosen] == [["uneven"]]
    (batched,) = plan_of(raw, split_by=["seed"]).jobs_of("first")
    assert list(batched.settings["node_scalings"]) == ["even", "uneven"]


def test_a_planned_block_can_be_trained(raw: dict, data: xr.Dataset) -> None:
    block = plan_of(raw).jobs_of("first")[0]
    assert train(block.settings, data, "cpu").sizes["node_scaling"] == 1
