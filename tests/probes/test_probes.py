"""Pruning and transfer of trained runs: against the networks as the paper writes them."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from node_scaled_blocks import NODE_SCALINGS, block, made_up_data

from regimes.engines.common.runner import train
from regimes.errors import DataError
from regimes.probes import pruning, transfer
from regimes.probes.importance import ranked_nodes
from regimes.storage.store import check_described

KEPT = [0.05, 0.3, 0.55, 1.0]


def pruning_settings(**changes: Any) -> dict[str, Any]:
    return {"kept": KEPT, "importance": "node_scale_and_weights"} | changes


def transfer_settings(**changes: Any) -> dict[str, Any]:
    return {
        "n_features": [1, 4, 20],
        "hidden_layers": 1,
        "hidden_width": 6,
        "parameterisation": "ntk",
        "learning_rate": 0.5,
        "max_steps": 30,
        "train_share": 0.5,
        "feature_scale": "none",
        "importance": "node_scale_and_weights",
    } | changes


@pytest.fixture(scope="module", params=[1, 3])
def trained(request: pytest.FixtureRequest) -> tuple[xr.Dataset, xr.Dataset]:
    """Runs with one output and with three, and their data."""
    data = made_up_data(n_outputs=request.param)
    return train(block(), data, "cpu"), data


def test_nothing_pruned_is_the_network_itself(trained: tuple) -> None:
    runs, data = trained
    pruned = pruning.probe(runs, [data], pruning_settings(), block(), "cpu")
    check_described(pruned)
    for part in ("train", "test"):
        for what in ("loss", "accuracy"):
            if f"{part}_{what}" not in runs:
                continue
            whole = pruned[f"pruned_{part}_{what}"].sel(kept=1.0)
            np.testing.assert_allclose(whole, runs[f"{part}_{what}"].isel(step=-1), rtol=1e-9)


def test_pruned_networks_are_those_of_the_most_important_nodes(trained: tuple) -> None:
    runs, data = trained
    pruned = pruning.probe(runs, [data], pruning_settings(), block(), "cpu")
    points = data.isel(point=data["split"].values == 1)
    for setting in NODE_SCALINGS:
        run = runs.sel(node_scaling=setting, seed=1, width=20)
        importance = run["node_scale"] * np.square(run["final_weights"]).sum("feature")
        for share, count in zip(KEPT, [1, 6, 11, 20], strict=True):
            kept = run.isel(node=np.argsort(-importance.values)[:count])
            values = np.maximum(kept["final_weights"] @ points["inputs"] / 4**0.5, 0)
            outputs = (np.sqrt(kept["node_scale"]) * kept["output_weights"] * values).sum("node")
            targets = points["targets"] if "output" in points.dims else outputs * 0
            targets = (
                points["targets"].broadcast_like(targets) if runs.sizes["output"] == 1 else targets
            )
            expected = float(np.square(outputs - targets).mean())
            found = pruned["pruned_test_loss"].sel(
                node_scaling=setting, seed=1, width=20, kept=share
            )
            assert float(found) == pytest.approx(expected, rel=1e-9)


def test_pruning_by_the_scales_alone_breaks_ties_at_random(trained: tuple) -> None:
    runs, _ = trained
    orders = [
        ranked_nodes(
            runs.sel(node_scaling="symmetrical", seed=seed, width=20), "node_scale", block()
        )
        for seed in (0, 0, 1)
    ]
    assert sorted(orders[0]) == list(range(20))
    assert orders[0].tolist() == orders[1].tolist()
    assert orders[0].tolist() != orders[2].tolist()
    assert orders[0].tolist() != list(range(20))
    zipf = runs.sel(node_scaling="zipf", seed=0, width=20)
    assert ranked_nodes(zipf, "node_scale", block()).tolist() == list(range(20))


@pytest.mark.slow
@pytest.mark.parametrize("hidden_layers", [1, 2])
@pytest.mark.parametrize("feature_scale", ["none", "root_node_scale"])
def test_transfer_with_all_features_is_training_on_all_features(
    trained: tuple, feature_scale: str, hidden_layers: int
) -> None:
    runs, data = trained
    settings = transfer_settings(feature_scale=feature_scale, hidden_layers=hidden_layers)
    found = transfer.probe(runs, [data], settings, block(), "cpu")
    check_described(found)
    assert found["transfer_test_loss"].dims == (
        "node_scaling",
        "width",
        "seed",
        "n_transfer_features",
    )
    run = runs.sel(node_scaling="mixed", seed=1, width=20)
    points = data.isel(point=data["split"].values == 2)
    values = np.maximum(run["final_weights"] @ points["inputs"] / 4**0.5, 0)
    if feature_scale == "root_node_scale":
        values = values * np.sqrt(run["node_scale"])
    # All features, in the order of the nodes; the weights that meet them are permuted alike.
    order = ranked_nodes(run, "node_scale_and_weights", block())
    key = ("small", "made_up", 20, 1, "transfer", 20)
    random = transfer.stream(5, *key)
    hidden = np.empty((6, 20))
    hidden[:, order] = random.standard_normal((6, 20))
    targets = np.atleast_2d(points["targets"].values.T)
    weights = [hidden]
    if hidden_layers == 2:
        weights.append(random.standard_normal((6, 6)))
    weights.append(random.standard_normal((len(targets), 6)))
    risks = _trained_by_autograd(
        values.transpose("point", "node").values, targets, weights, settings
    )
    one = found.sel(node_scaling="mixed", seed=1, width=20, n_transfer_features=20)
    assert float(one["transfer_train_loss"]) == pytest.approx(risks[0], rel=1e-8)
    assert float(one["transfer_test_loss"]) == pytest.approx(risks[1], rel=1e-8)


def _trained_by_autograd(
    values: np.ndarray,
    targets: np.ndarray,
    weights: list[np.ndarray],
    settings: dict[str, Any],
) -> tuple[float, float]:
    inputs, targets = torch.tensor(values), torch.tensor(targets)
    parameters = [torch.tensor(array, requires_grad=True) for array in weights]
    optimiser = torch.optim.SGD(parameters, lr=settings["learning_rate"])

    def errors(points: slice) -> torch.Tensor:
        first, *others = parameters
        values = first @ inputs[points].T / inputs.shape[1] ** 0.5
        for layer in others:
            values = layer @ torch.relu(values) / 6**0.5
        return values - targets[:, points]

    train, test = slice(0, 4), slice(4, None)
    for _ in range(settings["max_steps"]):
        optimiser.zero_grad()
        errors(train).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        return float(errors(train).square().mean()), float(errors(test).square().mean())


@pytest.mark.parametrize("hidden_layers", [1, 2])
def test_standard_networks_are_those_of_pytorch(hidden_layers: int) -> None:
    random = np.random.default_rng(2)
    values, targets = random.normal(size=(9, 5)), random.normal(size=(9, 2))
    settings = transfer_settings(
        parameterisation="standard", hidden_layers=hidden_layers, learning_rate=0.1
    )
    found = transfer.train_on(values, targets, 6, settings, np.random.default_rng(3))
    sizes = [5, *[settings["hidden_width"]] * hidden_layers, 2]
    layers = [torch.nn.Linear(*pair).double() for pair in itertools.pairwise(sizes)]
    stream = np.random.default_rng(3)
    with torch.no_grad():
        for part in ("weight", "bias"):
            for layer in layers:
                tensor = getattr(layer, part)
                drawn = stream.uniform(-1, 1, tensor.shape) / layer.in_features**0.5
                tensor.copy_(torch.tensor(drawn))
    parts = [part for layer in layers for part in (layer, torch.nn.ReLU())]
    network = torch.nn.Sequential(*parts[:-1])
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    inputs, wanted = torch.tensor(values), torch.tensor(targets)
    for _ in range(settings["max_steps"]):
        optimiser.zero_grad()
        (network(inputs[:6]) - wanted[:6]).square().mean().backward()
        optimiser.step()
    errors = (network(inputs) - wanted).detach().square()
    assert found["transfer_train_loss"] == pytest.approx(float(errors[:6].mean()), rel=1e-9)
    assert found["transfer_test_loss"] == pytest.approx(float(errors[6:].mean()), rel=1e-9)


def test_transfer_to_another_data_set(trained: tuple) -> None:
    runs, data = trained
    n_outputs = runs.sizes["output"]
    other = made_up_data(n_outputs=n_outputs, n_train=30)
    settings = transfer_settings(dataset="other")
    found = transfer.probe(runs, [data, other], settings, block(), "cpu")
    own = transfer.probe(runs, [data], transfer_settings(), block(), "cpu")
    assert not np.allclose(found["transfer_test_loss"], own["transfer_test_loss"])
    # Its training points train, its test points test.
    assert (found["transfer_n_train"] == 30).all() and (own["transfer_n_train"] == 4).all()
    no_test = other.isel(point=other["split"].values != 1)
    halved = transfer.probe(runs, [data, no_test], settings, block(), "cpu")
    assert (halved["transfer_n_train"] == 15).all()
    assert (halved["transfer_steps"] == 30).all()


def test_external_network_that_diverges_is_data(trained: tuple) -> None:
    runs, data = trained
    settings = transfer_settings(learning_rate=1e200)
    found = transfer.probe(runs, [data], settings, block(), "cpu")
    assert (found["transfer_diverged"].sel(n_transfer_features=20) == 1).any()
    diverged = found["transfer_diverged"] == 1
    assert np.isnan(found["transfer_test_loss"].where(diverged)).all()


def test_transfer_without_points(trained: tuple) -> None:
    runs, data = trained
    without = data.isel(point=data["split"].values < 2)
    with pytest.raises(DataError, match=r"probes\.transfer of small has 0 points"):
        transfer.probe(runs, [without], transfer_settings(), block(), "cpu")


def test_transfer_to_data_of_another_dimension(trained: tuple) -> None:
    runs, data = trained
    other = made_up_data(n_features=3, n_outputs=runs.sizes["output"])
    with pytest.raises(DataError, match="'other' of small has 3 features, made_up has 4"):
        transfer.probe(runs, [data, other], transfer_settings(dataset="other"), block(), "cpu")


def test_labels_count_as_classes() -> None:
    data = made_up_data(n_outputs=3)
    runs = train(block(), data, "cpu")
    labels = data["targets"].argmax("output").astype(float).assign_attrs(data["targets"].attrs)
    labelled = data.assign(targets=labels)
    for loss in ("cross_entropy", "mean_square"):
        settings = block(loss=loss)
        expected = pruning.probe(runs, [data], pruning_settings(), settings, "cpu")
        found = pruning.probe(runs, [labelled], pruning_settings(), settings, "cpu")
        xr.testing.assert_identical(found, expected)


def test_probes_of_diverged_runs_are_nan() -> None:
    data = made_up_data(n_outputs=3)
    settings = block(learning_rate=1e6, max_steps=400)
    runs = train(settings, data, "cpu")
    assert (runs["diverged"] == 1).all()
    pruned = pruning.probe(runs, [data], pruning_settings(), settings, "cpu")
    transferred = transfer.probe(runs, [data], transfer_settings(), settings, "cpu")
    assert (transferred["transfer_diverged"] == 1).all()
    for found in (pruned, transferred.drop_vars(["transfer_diverged", *transfer.SIZES])):
        for name, values in found.items():
            assert np.isnan(values).all(), name
