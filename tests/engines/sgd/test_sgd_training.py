"""Training blocks on minibatches: the file's contents, independence, restarts, errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from class_points import class_points

from regimes.engines.common.runner import runs_of, train
from regimes.engines.common.streams import stream
from regimes.engines.sgd import runs as minibatch_problem
from regimes.errors import DataError
from regimes.parameterisations.node_scaling import node_scales
from regimes.storage import store
from regimes.storage.grids import combine_blocks

AXES = {"node_scaling": ["gamma_1", "gamma_05"], "width": [30], "seed": [0, 1, 2]}
N_TRAIN, N_TEST, N_FEATURES, N_CLASSES, BATCH_SIZE, EPOCHS = 50, 20, 7, 4, 16, 5
STEPS_IN_EPOCH = 4


def block_of(axes: dict[str, list] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "experiment": "minibatches",
        "root_seed": 1,
        "engine": "sgd.node_scaled",
        "dataset": "classes",
        "node_scalings": {"gamma_1": {"gamma": 1.0}, "gamma_05": {"gamma": 0.5, "alpha": 0.5}},
        "skip_first": False,
        "initial_variance": 2.0,
        "activation": "relu",
        "loss": "cross_entropy",
        "learning_rate": 2.0,
        "batch_size": BATCH_SIZE,
        "epochs": EPOCHS,
        "record": {"moved": 3, "every": 2},
        "precision": "float32",
        "axes": AXES | (axes or {}),
    } | changes


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return class_points(N_TRAIN, N_TEST, 5, N_FEATURES, N_CLASSES)


@pytest.fixture(scope="module")
def trained(data: xr.Dataset) -> xr.Dataset:
    return train(block_of(), data, "cpu")


def test_what_is_in_the_file(trained: xr.Dataset, tmp_path: Path) -> None:
    store.check_described(trained)
    expected = {
        **{
            f"{part}_{name}": ("step",)
            for part in ("train", "test")
            for name in ("loss", "accuracy")
        },
        "weight_change": ("step", "moved"),
        "moved_node": ("moved",),
        "final_weight_change": ("node",),
        "final_weights": ("node", "feature"),
        "output_weights": ("output", "node"),
        "step_size": (),
        "diverged": (),
    }
    dims = {name: (*AXES, *own) for name, own in expected.items()}
    dims |= {"gamma": ("node_scaling",), "alpha": ("node_scaling",)}
    dims["node_scale"] = ("node_scaling", "width", "node")
    assert {name: trained[name].dims for name in trained.data_vars} == dims
    assert trained["step"].values.tolist() == [STEPS_IN_EPOCH * epoch for epoch in (0, 2, 4, 5)]
    assert trained["epoch"].dims == ("step",) and trained["epoch"].values.tolist() == [0, 2, 4, 5]
    assert trained["output_weights"].dtype == np.int8
    assert trained["final_weights"].dtype == trained["weight_change"].dtype == np.float32
    assert trained["gamma"].values.tolist() == [1.0, 0.5]
    np.testing.assert_array_equal(trained["alpha"], [np.nan, 0.5])
    for name in trained.data_vars:
        assert name == "alpha" or np.isfinite(trained[name]).all(), name
    risk, accuracy = trained["train_loss"], trained["train_accuracy"]
    assert (risk[..., -1] < risk[..., 0]).all() and (accuracy[..., -1] > accuracy[..., 0]).all()
    path = tmp_path / "runs.nc"
    store.write(trained, path, title="t", source="s", references="r", config={})
    xr.testing.assert_equal(store.read(path), trained)


def test_what_is_in_the_file_belongs_together(trained: xr.Dataset, data: xr.Dataset) -> None:
    for setting, seed in (("gamma_1", 0), ("gamma_05", 2)):
        run = trained.sel(node_scaling=setting, width=30, seed=seed)
        key = (1, "minibatches", "classes", 30, seed)
        start = 2.0**0.5 * stream(*key, "weights").standard_normal((30, N_FEATURES))
        signs = 2 * stream(*key, "signs").integers(0, 2, (N_CLASSES, 30)) - 1
        np.testing.assert_array_equal(run["output_weights"], signs)
        scales = node_scales(30, *((1.0,) if setting == "gamma_1" else (0.5, 0.5)))
        np.testing.assert_array_equal(run["node_scale"], scales)
        # Of the network that the file describes. A node with all signs alike does not move: the
        # gradients in the outputs sum to 0.
        change = np.linalg.norm(run["final_weights"] - start, axis=1)
        np.testing.assert_allclose(run["final_weight_change"], change, rtol=1e-4, atol=1e-6)
        moved = np.argsort(-run["final_weight_change"].values, kind="stable")[:3]
        np.testing.assert_array_equal(run["moved_node"], moved)
        history = run["weight_change"]
        np.testing.assert_array_equal(history[-1], run["final_weight_change"][moved])
        assert (history[0] == 0).all() and (history[1:] > 0).all()
        for part, code in (("train", 0), ("test", 1)):
            chosen = data["split"].values == code
            inputs = data["inputs"].values[chosen] / N_FEATURES**0.5
            labels = data["targets"].values[chosen].argmax(axis=1)
            for weights, place in ((start, 0), (run["final_weights"].values, -1)):
                outputs = (signs * scales**0.5) @ np.maximum(weights @ inputs.T, 0)
                risk = torch.nn.functional.cross_entropy(
                    torch.tensor(outputs.T), torch.tensor(labels)
                )
                found = float(run[f"{part}_loss"][place])
                assert found == pytest.approx(float(risk), rel=1e-5)
                accuracy = (outputs.argmax(axis=0) == labels).mean()
                assert float(run[f"{part}_accuracy"][place]) == pytest.approx(accuracy)


def test_settings_share_weights_and_orders(data: xr.Dataset) -> None:
    # A scaling that is the same by another name is the same run.
    scalings = {"gamma_1": {"gamma": 1.0}, "gamma_05": {"gamma": 1.0}}
    runs = train(block_of(node_scalings=scalings), data, "cpu")
    first, second = (runs.isel(node_scaling=index, drop=True) for index in (0, 1))
    xr.testing.assert_identical(first, second)
    other = train(block_of(skip_first=True), data, "cpu")
    scales = other["node_scale"].sel(node_scaling="gamma_05").squeeze()
    np.testing.assert_array_equal(scales, node_scales(30, 0.5, 0.5, skip_first=True))


def test_each_epoch_takes_the_points_in_another_order(data: xr.Dataset) -> None:
    problem = runs_of(block_of(), data, "cpu")
    settings = [{"node_scaling": "x", "width": 30, "seed": seed} for seed in (0, 1, 0)]
    orders = [problem._orders(settings, epoch) for epoch in (0, 1)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order, axis=1), [np.arange(N_TRAIN)] * 3)
        np.testing.assert_array_equal(order[0], order[2])
    seen = [tuple(order[run]) for order in orders for run in (0, 1)]
    assert len(set(seen)) == 4
    np.testing.assert_array_equal(problem._orders(settings[1:2], 1)[0], orders[1][1])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_results_do_not_depend_on_the_block(
    data: xr.Dataset, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    whole = train(block_of(precision=precision), data, "cpu")
    blocks = [
        train(block_of({"node_scaling": [setting]}, precision=precision), data, "cpu")
        for setting in AXES["node_scaling"]
    ]
    together = combine_blocks(blocks).sel(node_scaling=AXES["node_scaling"])
    xr.testing.assert_identical(together.drop_attrs(), whole.drop_attrs())
    place = {"node_scaling": ["gamma_05"], "seed": [1]}
    alone = train(block_of(place, precision=precision), data, "cpu")
    xr.testing.assert_identical(
        alone.squeeze().drop_attrs(),
        whole.sel(node_scaling="gamma_05", seed=1).squeeze().drop_attrs(),
    )
    monkeypatch.setattr(minibatch_problem, "BATCH_BYTES", 1)
    one_by_one = train(block_of(precision=precision), data, "cpu")
    xr.testing.assert_identical(one_by_one.drop_attrs(), whole.drop_attrs())


def test_a_run_that_diverges_is_data(data: xr.Dataset) -> None:
    place = {"node_scaling": ["gamma_1"], "seed": [0]}
    runs = train(block_of(place, loss="mean_square", learning_rate=1e9), data, "cpu").squeeze()
    assert int(runs["diverged"]) == 1
    for name in ("train_loss", "test_accuracy", "weight_change"):
        assert np.isfinite(runs[name][0]).all() and np.isnan(runs[name][1:]).all(), name
    assert np.isnan(runs["final_weights"]).all() and np.isnan(runs["final_weight_change"]).all()
    assert (runs["moved_node"] == -1).all() and np.isfinite(runs["output_weights"]).all()


def test_labels_and_no_test_points(data: xr.Dataset, trained: xr.Dataset) -> None:
    labels = data["targets"].argmax("output").astype(np.float64)
    runs = train(block_of(), data.drop_vars("targets").assign(targets=labels), "cpu")
    xr.testing.assert_identical(runs.drop_attrs(), trained.drop_attrs())
    without = train(block_of(), data.isel(point=data["split"].values == 0), "cpu")
    assert not any(str(name).startswith("test") for name in without)
    kept = without.drop_attrs()
    xr.testing.assert_identical(kept, trained[list(without.data_vars)].drop_attrs())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.assign(targets=data["targets"] * 0.5), "classes are no classes"),
        (lambda data: data.assign(targets=data["inputs"][:, 0]), "classes are no classes"),
        (lambda data: data.assign(targets=0 * data["split"]), "classes has one class"),
        (lambda data: data.assign(split=data["split"] + 1), "classes has no training points"),
        (lambda data: data.expand_dims("draw"), "classes has draws"),
    ],
)
def test_data_that_do_not_suffice(data: xr.Dataset, change: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        train(block_of(), change(data), "cpu")
