"""Training blocks in function space: independence, restarts, what is recorded, errors."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from regimes.datasets import xor_with_noise
from regimes.engines.common.recording import recorded_steps
from regimes.engines.common.runner import job_of, train
from regimes.engines.function_space.engine import Runs
from regimes.errors import DataError
from regimes.storage.store import check_described

AXES = {"model": ["ours", "ntk"], "width": [16, 24], "n_train": [6, 10], "seed": [0, 1]}
MAX_STEPS, EVERY, MAPPED = 300, 50, 20


def block_of(axes: dict[str, list] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "experiment": "features",
        "root_seed": 1,
        "engine": "function_space",
        "dataset": "xor",
        "models": {
            "ours": {"embedding": "random_features", "depth": 3, "scaling": "ours"},
            "ntk": {"embedding": "random_layers", "depth": 4, "scaling": "ntk"},
        },
        "activation": "relu",
        "learning_rate": 1.0,
        "max_steps": MAX_STEPS,
        "multistep": {"enabled": True, "tolerance": 0.01},
        "record": {"points_per_decade": 4, "every": EVERY, "feature_map_neurons": MAPPED},
        "precision": "float64",
        "axes": AXES if axes is None else axes,
    } | changes


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    settings = {"n_train": 10, "n_test": 5, "n_features": 6, "seed": 0, "draws": 2}
    return xor_with_noise.build(settings)


@pytest.fixture(scope="module")
def trained(data: xr.Dataset) -> xr.Dataset:
    return train(block_of(), data, "cpu")


def test_what_is_recorded(trained: xr.Dataset) -> None:
    check_described(trained)
    steps = recorded_steps(4, EVERY, MAX_STEPS)
    np.testing.assert_array_equal(trained["step"], steps)
    assert steps[0] == 0 and steps[-1] == MAX_STEPS and set(range(0, 301, 50)) <= set(steps)
    others = ("feature_movement", "weight_distance", "active_fraction")
    for name in ("train_loss", "test_loss", *others):
        assert trained[name].dims == (*AXES, "step")
        assert np.isfinite(trained[name]).all()
    losses = trained["train_loss"]
    assert (losses.isel(step=-1) < losses.isel(step=0)).all()
    assert (trained["feature_movement"].isel(step=0) == 0).all()
    # Multisteps, where there are some, save steps.
    assert (trained["plain_steps"] <= MAX_STEPS).all() and int(trained["multisteps"].sum()) > 0
    # Pairs of neurons start from f = 0: the loss is that of the labels, -1 and 1.
    np.testing.assert_allclose(losses.sel(model="ntk").isel(step=0), 0.5, rtol=1e-12)


def test_the_tangent_kernel_says_what_a_step_does(data: xr.Dataset) -> None:
    record = {"points_per_decade": 1, "every": 0, "feature_map_neurons": 0, "kernel": "steps"}
    delta, n_train = 1e-6, 10
    axes = {"model": ["ours", "ntk"], "width": [24], "n_train": [n_train], "seed": [0]}
    block = block_of(axes, record=record, activation="tanh", learning_rate=delta, max_steps=1)
    run = train(block, data, "cpu").squeeze()
    engine = Runs(job_of(block, Runs), data, "cpu")
    for model in axes["model"]:
        one = engine.start({"model": model, "width": 24, "n_train": n_train, "seed": 0})
        network, recorded = one.network, run.sel(model=model)
        before, kernel = network.errors.clone(), one._kernel()
        eigenvalues = np.linalg.eigvalsh(kernel.numpy())
        assert recorded["smallest_eigenvalue"][0] == pytest.approx(eigenvalues[0])
        assert recorded["largest_eigenvalue"][0] == pytest.approx(eigenvalues[-1])
        aligned = float(network.targets @ kernel @ network.targets)
        size = float(network.targets @ network.targets) * np.linalg.norm(kernel.numpy())
        assert recorded["kernel_alignment"][0] == pytest.approx(aligned / size)
        network.step()
        change, expected = network.errors - before, -delta / n_train * (kernel @ before)
        np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-13)
        moved = np.linalg.norm((one._kernel() - kernel).numpy()) / np.linalg.norm(kernel.numpy())
        assert recorded["kernel_change"].values.tolist() == pytest.approx([0, moved], rel=1e-6)
        assert moved > 0


def test_feature_maps_have_as_many_neurons_as_there_are(trained: xr.Dataset) -> None:
    maps = trained["feature_map"]
    assert maps.dims[-3:] == ("moment", "map_point", "neuron") and maps.sizes["neuron"] == MAPPED
    known = np.isfinite(maps).all(["moment", "map_point"])
    assert (known.sel(width=24).sum("neuron") == MAPPED).all()
    assert (known.sel(width=16).sum("neuron") == 16).all()


def test_results_do_not_depend_on_the_block(data: xr.Dataset, trained: xr.Dataset) -> None:
    for place in (
        {"model": "ours", "width": 24, "n_train": 6, "seed": 1},
        {"model": "ntk", "width": 16, "n_train": 10, "seed": 0},
    ):
        axes = {name: [value] for name, value in place.items()}
        alone = train(block_of(axes), data, "cpu").isel(dict.fromkeys(axes, 0))
        xr.testing.assert_identical(alone.drop_attrs(), trained.sel(place).drop_attrs())


@pytest.mark.slow
def test_single_precision_and_plain_steps_agree(data: xr.Dataset, trained: xr.Dataset) -> None:
    single = train(block_of(precision="float32"), data, "cpu")
    plain = train(block_of(multistep={"enabled": False, "tolerance": 0.01}), data, "cpu")
    assert int(plain["multisteps"].sum()) == 0 and (plain["plain_steps"] == MAX_STEPS).all()
    for other in (single, plain):
        decades = np.log10(other["train_loss"] / trained["train_loss"])
        assert float(abs(decades).max()) < 0.05


def test_a_run_that_diverges_is_data(data: xr.Dataset) -> None:
    axes = {"model": ["ours"], "width": [16], "n_train": [6], "seed": [0]}
    runs = train(block_of(axes, learning_rate=1e200), data, "cpu").squeeze()
    assert int(runs["diverged"]) == 1
    losses = runs["train_loss"].values
    assert np.isfinite(losses[0]) and np.isnan(losses[-1]) and not np.isinf(losses).any()
    assert not np.isinf(runs["feature_map"]).any()
    # At the start, where nothing has been recorded yet
    huge = train(block_of(axes), data.assign(targets=1e200 * data["targets"]), "cpu").squeeze()
    assert int(huge["diverged"]) == 1 and set(huge.data_vars) == set(runs.data_vars)
    assert np.isnan(huge["train_loss"]).all()


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"n_train": [11]}, "n_train = 11 but the data set xor has only 10 training points"),
        ({"seed": [2]}, "seed = 2 but the data set xor has only the draws 0 to 1"),
    ],
)
def test_data_that_do_not_suffice(data: xr.Dataset, axes: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        train(block_of(AXES | axes), data, "cpu")


def test_data_without_test_points(data: xr.Dataset) -> None:
    with pytest.raises(DataError, match="xor has no test points"):
        train(block_of(), data.isel(point=data["split"].values == 0), "cpu")
