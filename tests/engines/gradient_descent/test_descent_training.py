"""Training of a block by gradient descent: what comes out, and what it depends on."""

from typing import Any

import autograd_descent
import numpy as np
import pytest
import torch
import xarray as xr

from regimes.activations import relu
from regimes.datasets import points, unit_sphere
from regimes.engines.common.draws import initial_weights
from regimes.engines.common.runner import job_of, train
from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights
from regimes.engines.common.streams import stream
from regimes.engines.gradient_descent import engine as gradient_descent
from regimes.engines.gradient_descent.engine import Runs, learning_rate
from regimes.errors import DataError
from regimes.kernels.tangent_kernel import tangent_kernel
from regimes.storage.store import check_described

# Networks and points that do not fill the lines of the cache.
AXES = {"width": [20, 29], "n_train": [7, 12], "seed": [0, 2]}
STOPPING = {"residual_norm": 0.1, "abort_on_increase": True, "max_steps": 5000}
RECORD = {
    "points_per_decade": 2,
    "activation_changes": True,
    "kernel": "steps",
    "invariant": False,
}
DATA = {"draws": 3, "n_points": 15, "n_features": 10, "seed": 5}
RATE = 0.02


def block_of(axes: dict[str, list] = AXES, **changes: Any) -> dict[str, Any]:
    settings = {
        "experiment": "experiment",
        "dataset": "sphere",
        "root_seed": 7,
        "engine": "gradient_descent",
        "parameterisation": "unscaled",
        "activation": "relu",
        "loss": "half_sum",
        "layers": "first",
        "learning_rate": RATE,
        "learning_rate_exceptions": [],
        "rate_unit": "one",
        "output_weights": "rademacher",
        "target_scale": "sqrt_width",
        "labels": "random",
        "stopping": STOPPING,
        "record": RECORD,
        "precision": "float64",
        "axes": axes,
    }
    return settings | changes


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return unit_sphere.build(DATA)


@pytest.fixture(scope="module")
def trained(data: xr.Dataset) -> xr.Dataset:
    return train(block_of(), data, "cpu")


def start_of(
    width: int, n_train: int, seed: int, data: xr.Dataset
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """W (m, d), z (1, m) and X (d, n) of a run of `block_of`."""
    random = stream(7, "experiment", "sphere", width, seed, n_train)
    drawn = initial_weights(random, width, 10, 1, "rademacher")
    inputs = data["inputs"].values[seed, :n_train].T
    return (*map(torch.tensor, drawn), torch.tensor(inputs))


def test_variables_have_the_dimensions_of_the_block(trained: xr.Dataset) -> None:
    # Of one layer, one output, and without test points; the rest was not asked for.
    absent = {"output_weight_distance", "relative_distance_a", "invariant_drift", "sharpness"}
    absent |= {"test_loss", "train_accuracy", "test_accuracy"}
    absent |= {f"final_{name}" for name in absent} | {"initial_sharpness"}
    histories = {name for name, one in Runs.VARIABLES.items() if one.dims[:1] == ("step",)}
    assert set(trained.data_vars) == Runs.VARIABLES.keys() - absent
    sizes = {name: len(values) for name, values in AXES.items()}
    for name, variable in trained.data_vars.items():
        own = {"step": 9} if name in histories else {}
        assert dict(variable.sizes) == sizes | own, name
        assert variable.dims[:3] == tuple(AXES), name
    assert trained["step"].values.tolist() == [0, 1, 3, 10, 32, 100, 316, 1000, 3162]
    for name, values in AXES.items():
        assert trained[name].values.tolist() == values
    check_described(trained)
    assert trained["stopping_time"].dtype == np.int32 and trained["aborted"].dtype == np.int8
    assert trained.attrs["training_seconds"] >= 0


def test_each_run_is_that_of_autograd_on_its_own_data(
    data: xr.Dataset, trained: xr.Dataset
) -> None:
    for index in np.ndindex(2, 2, 2):
        setting = {name: AXES[name][i] for name, i in zip(AXES, index, strict=True)}
        run = trained.sel(setting)
        hidden, output, inputs = start_of(**setting, data=data)
        targets = data["targets"].values[setting["seed"], : setting["n_train"]]
        targets = torch.tensor(targets * setting["width"] ** 0.5)[None]
        steps = int(run["stopping_time"])
        path = autograd_descent.descend(hidden, output, inputs, targets, (RATE, 0.0), steps)
        losses = np.array([float(residuals.square().sum()) / 2 for residuals in path.residuals])
        assert (run["converged"], run["aborted"], run["diverged"]) == (1, 0, 0)
        assert losses[-1] < STOPPING["residual_norm"] ** 2 / 2 <= losses[-2]
        assert run["initial_loss"] == pytest.approx(losses[0])
        assert run["final_loss"] == pytest.approx(losses[-1], rel=1e-6)
        assert run["final_residual_norm"] == pytest.approx((2 * losses[-1]) ** 0.5, rel=1e-6)
        moved = float(torch.linalg.vector_norm(path.hidden[-1] - path.hidden[0]))
        assert run["final_weight_distance"] == pytest.approx(moved)
        assert run["activation_changes"] == path.activation_changes()
        reached = trained["step"].values <= steps
        np.testing.assert_allclose(
            run["train_loss"][reached], losses[trained["step"].values[reached]], rtol=1e-6
        )
        assert np.isnan(run["train_loss"][~reached]).all()
        kernels = [
            tangent_kernel(path.hidden[i], output, inputs, relu, second=0.0) for i in (0, -1)
        ]
        ends = [float(torch.linalg.eigvalsh(kernel)[0]) for kernel in kernels]
        assert run["initial_smallest_eigenvalue"] == pytest.approx(ends[0])
        assert run["final_smallest_eigenvalue"] == pytest.approx(ends[1])
        assert run["smallest_eigenvalue"][0] == run["initial_smallest_eigenvalue"]


def test_draws_are_fresh_for_each_setting(data: xr.Dataset) -> None:
    first = [
        start_of(width, n_train, seed, data)[0][0].tolist()
        for width, n_train, seed in [(20, 7, 0), (20, 7, 2), (20, 12, 0), (29, 7, 0)]
    ]
    assert len({value for row in first for value in row}) == 40


def test_results_do_not_depend_on_the_block_nor_on_the_memory(
    data: xr.Dataset, trained: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = []
    for width in AXES["width"]:
        for seed in AXES["seed"]:
            axes = AXES | {"width": [width], "seed": [seed]}
            pieces.append(train(block_of(axes), data, "cpu").drop_attrs())
    together = xr.combine_by_coords(pieces, data_vars="all")
    xr.testing.assert_identical(together, trained.drop_attrs())
    sizes = []
    descend = gradient_descent.descend

    def counting(networks: ShallowNetworks, *others: Any, **options: Any) -> Any:
        sizes.append(len(networks))
        return descend(networks, *others, **options)

    monkeypatch.setattr(gradient_descent, "descend", counting)
    monkeypatch.setattr(gradient_descent, "BATCH_BYTES", 1)
    single = train(block_of(), data, "cpu")
    assert sizes == [1] * 8
    xr.testing.assert_identical(single.drop_attrs(), trained.drop_attrs())


def test_both_layers_at_a_ratio_of_rates(data: xr.Dataset) -> None:
    axes = {"width": [20], "n_train": [12], "rate_ratio": [0.0, 0.5], "seed": [1]}
    record = RECORD | {"invariant": True, "kernel": "ends"}
    result = train(block_of(axes, layers="both", record=record), data, "cpu").squeeze()
    hidden, output, inputs = start_of(20, 12, 1, data)
    targets = torch.tensor(data["targets"].values[1, :12] * 20**0.5)[None]
    for ratio in (0.0, 0.5):
        run = result.sel(rate_ratio=ratio)
        steps = int(run["stopping_time"])
        path = autograd_descent.descend(
            hidden, output, inputs, targets, (RATE, ratio * RATE), steps
        )
        moved = float(torch.linalg.vector_norm(path.output[-1] - path.output[0]))
        assert run["final_output_weight_distance"] == pytest.approx(moved)
        kernel = tangent_kernel(path.hidden[-1], path.output[-1], inputs, relu)
        eigenvalue = float(torch.linalg.eigvalsh(kernel)[0])
        assert run["final_smallest_eigenvalue"] == pytest.approx(eigenvalue)
    assert (result["final_invariant_drift"] > 0).values.tolist() == [False, True]
    assert (result["invariant_drift"][:, 0] == 0).all()
    assert "smallest_eigenvalue" not in result


def test_the_second_layer_alone(data: xr.Dataset) -> None:
    axes = {"width": [40], "n_train": [6], "seed": [1]}
    result = train(block_of(axes, layers="second", learning_rate=0.01), data, "cpu").squeeze()
    assert result["converged"] == 1 and "final_weight_distance" not in result
    assert result["final_output_weight_distance"] > 0 and result["activation_changes"] == 0


@pytest.mark.parametrize("loss", ["half_sum", "half_mean", "mean_square"])
def test_losses_differ_by_their_factor(data: xr.Dataset, loss: str) -> None:
    factor = {"half_sum": 1.0, "half_mean": 1 / 12, "mean_square": 2 / 12}[loss]
    axes = {"width": [20], "n_train": [12], "seed": [1]}
    block = block_of(axes, loss=loss, learning_rate=RATE / factor)
    result, plain = train(block, data, "cpu"), train(block_of(axes), data, "cpu")
    assert result["stopping_time"] == plain["stopping_time"]
    for name in ("initial_loss", "final_loss", "train_loss"):
        xr.testing.assert_allclose(result[name], factor * plain[name], rtol=1e-6)
    assert result["final_residual_norm"].item() == pytest.approx(
        plain["final_residual_norm"].item()
    )


def test_rates_in_units_of_the_kernel_are_at_the_edge_of_stability(data: xr.Dataset) -> None:
    axes = {"width": [40], "n_train": [12], "rate_ratio": [0.0, 1.0], "seed": [1]}
    stopping = STOPPING | {"max_steps": 2}
    hidden, output, inputs = start_of(40, 12, 1, data)
    for loss, factor in (("half_sum", 1.0), ("half_mean", 1 / 12), ("mean_square", 2 / 12)):
        for share in (0.25, 2.5):
            block = block_of(
                axes,
                layers="both",
                rate_unit="stability_limit",
                learning_rate=share,
                loss=loss,
                stopping=stopping,
            )
            result = train(block, data, "cpu").squeeze()
            for ratio in (0.0, 1.0):
                kernel = tangent_kernel(hidden, output, inputs, relu, second=ratio)
                rate = 2 * share / (factor * float(torch.linalg.eigvalsh(kernel)[-1]))
                assert result["step_size"].sel(rate_ratio=ratio) == pytest.approx(rate)
            assert (result["aborted"] == (share > 1)).all()


def test_the_first_exception_that_applies_gives_the_rate() -> None:
    exceptions = [
        {"width": 500, "n_train_from": 900, "rate": 0.5},
        {"n_train_from": 900, "rate": 0.2},
        {"width": 500, "n_train_from": 0, "rate": 0.1},
    ]
    block = block_of(learning_rate=1.0, learning_rate_exceptions=exceptions)
    settings = job_of(block, Runs).settings

    def rate(width: int, n_train: int) -> float:
        return learning_rate(settings, {"width": width, "n_train": n_train})

    assert (rate(500, 900), rate(500, 1000), rate(500, 899)) == (0.5, 0.5, 0.1)
    assert (rate(1000, 900), rate(1000, 899)) == (0.2, 1.0)


@pytest.mark.parametrize("labels", ["low_spectrum", "high_spectrum", "local"])
def test_labels_give_the_residuals_of_the_paper(
    data: xr.Dataset, monkeypatch: pytest.MonkeyPatch, labels: str
) -> None:
    kept = {}
    descend = gradient_descent.descend

    def keeping(networks: ShallowNetworks, targets: torch.Tensor, *others: Any, **options: Any):
        kept["residuals"] = (networks.evaluate() - targets).clone()
        return descend(networks, targets, *others, **options)

    monkeypatch.setattr(gradient_descent, "descend", keeping)
    axes = {"width": [20], "n_train": [12], "seed": [1]}
    train(block_of(axes, labels=labels, target_scale="unit"), data, "cpu")
    found = kept["residuals"][0, 0]
    hidden, output, inputs = start_of(20, 12, 1, data)
    kernel = tangent_kernel(hidden, output, inputs, relu, second=0.0)
    if labels == "low_spectrum":
        smallest = torch.linalg.eigvalsh(kernel)[0]
        torch.testing.assert_close(kernel @ found, smallest * found, rtol=1e-9, atol=1e-9)
        assert float(found.norm()) == pytest.approx((12 * 20) ** 0.5)
        assert found[found.abs().argmax()] > 0
    elif labels == "high_spectrum":
        expected = (10 * 20) ** 0.5 * inputs.T @ inputs[:, 0]
        torch.testing.assert_close(found, expected)
    else:
        expected = torch.zeros(12, dtype=torch.float64)
        expected[0] = (12 * 20) ** 0.5
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_data_without_draws_are_shared_by_all_seeds() -> None:
    shared = points.build(
        {"inputs": [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], "targets": [1.0, -1.0, 0.5], "bias": True}
    )
    result = train(
        block_of({"width": [30], "seed": [0, 7]}, target_scale="unit"), shared, "cpu"
    ).squeeze()
    assert (result["converged"] == 1).all() and "n_train" not in result.dims
    assert result["stopping_time"][0] != result["stopping_time"][1]
    # Points that are not for training are left out of it.
    split = shared.copy()
    split["split"] = ("point", np.array([0, 0, 1], dtype=np.int8), split["split"].attrs)
    smaller = shared.isel(point=slice(2))
    axes = {"width": [30], "seed": [0]}
    beside = train(block_of(axes), split, "cpu").drop_attrs()
    assert {"test_loss", "final_test_loss"} <= set(beside.data_vars)
    xr.testing.assert_identical(
        beside.drop_vars(["test_loss", "final_test_loss"]),
        train(block_of(axes), smaller, "cpu").drop_attrs(),
    )


def test_several_outputs() -> None:
    inputs = np.random.default_rng(0).standard_normal((6, 4))
    one_hot = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    data = xr.Dataset(
        {
            "inputs": (("point", "feature"), inputs),
            "targets": (("point", "output"), one_hot),
            "split": ("point", np.zeros(6, dtype=np.int8)),
        }
    )
    axes = {"width": [25], "seed": [0]}
    block = block_of(
        axes, loss="mean_square", target_scale="unit", learning_rate=0.1, activation="gelu"
    )
    result = train(block, data, "cpu").squeeze()
    assert result["converged"] == 1
    drawn = initial_weights(stream(7, "experiment", "sphere", 25, 0, 6), 25, 4, 3, "rademacher")
    path = autograd_descent.descend(
        *map(torch.tensor, drawn),
        torch.tensor(inputs.T),
        torch.tensor(one_hot.T),
        (0.1, 0.0),
        int(result["stopping_time"]),
        "gelu",
        "mean_square",
    )
    assert result["final_loss"] == pytest.approx(float(path.residuals[-1].square().mean()))
    with pytest.raises(DataError, match="labels local need a data set with one output"):
        train(block_of(axes, labels="local", target_scale="unit"), data, "cpu")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"n_train": [16]}, "n_train = 16 but the data set sphere has only 15 training points"),
        ({"seed": [0, 3]}, "seed = 3 but the data set sphere has only the draws 0 to 2"),
    ],
)
def test_data_that_are_not_there_are_an_error(
    data: xr.Dataset, axes: dict[str, list], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        train(block_of(AXES | axes), data, "cpu")


def test_data_without_training_points_are_an_error(data: xr.Dataset) -> None:
    test_points = data.assign(split=data["split"] + 1)
    with pytest.raises(DataError, match="the data set sphere has no training points"):
        train(block_of(), test_points, "cpu")


def test_divergence_is_stored_as_nan(data: xr.Dataset) -> None:
    axes = {"width": [20], "n_train": [7], "seed": [0]}
    infinite = data.copy(deep=True)
    infinite["targets"][0, 0] = np.inf
    result = train(block_of(axes), infinite, "cpu").squeeze()
    assert result["diverged"] == 1 and result["converged"] == 0 and result["stopping_time"] == 0
    for name in ("final_weight_distance", "final_loss", "final_smallest_eigenvalue", "train_loss"):
        assert np.isnan(result[name]).all(), name


def test_single_precision(data: xr.Dataset, trained: xr.Dataset) -> None:
    axes = {"width": [20], "n_train": [7], "seed": [0]}
    single = train(block_of(axes, precision="float32"), data, "cpu").squeeze()
    double = trained.sel({name: values[0] for name, values in axes.items()})
    assert abs(int(single["stopping_time"]) - int(double["stopping_time"])) <= 1
    assert single["final_weight_distance"] != double["final_weight_distance"]
    assert float(single["final_weight_distance"]) == pytest.approx(
        float(double["final_weight_distance"]), 1e-3
    )


def test_progress_is_told(data: xr.Dataset) -> None:
    lines: list[str] = []
    train(block_of(), data, "cpu", lines.append)
    # Each batch is named when it starts and when it is done.
    assert [line.split(":")[0] for line in lines[::2]] == [
        "batch 1 of 4 (width 20, n_train 7, 2 runs)",
        "batch 2 of 4 (width 20, n_train 12, 2 runs)",
        "batch 3 of 4 (width 29, n_train 7, 2 runs)",
        "batch 4 of 4 (width 29, n_train 12, 2 runs)",
    ]
    assert lines[0].endswith(": start") and ": done in " in lines[1] and len(lines) == 8


def test_unit_sphere() -> None:
    dataset = unit_sphere.build({"draws": 3, "n_points": 400, "n_features": 5, "seed": 1})
    check_described(dataset)
    inputs, targets = dataset["inputs"].values, dataset["targets"].values
    assert inputs.shape == (3, 400, 5) and targets.shape == (3, 400)
    np.testing.assert_allclose((inputs**2).sum(2), 1, rtol=1e-12)
    # Uniform: mean 0 and covariance 1/d, within four standard errors
    flat = inputs.reshape(-1, 5)
    assert (abs(flat.mean(0)) < 4 * (1 / 5 / 1200) ** 0.5).all()
    np.testing.assert_allclose(flat.T @ flat / 1200, np.eye(5) / 5, atol=4 * (3 / 35 / 1200) ** 0.5)
    assert abs(targets.mean()) < 4 / 1200**0.5 and abs(targets.var() - 1) < 4 * (2 / 1200) ** 0.5
    assert len(set(targets.ravel())) == 1200
    smaller = unit_sphere.build({"draws": 2, "n_points": 7, "n_features": 5, "seed": 1})
    xr.testing.assert_identical(
        smaller.drop_attrs(), dataset.isel(draw=slice(2), point=slice(7)).drop_attrs()
    )
    other = unit_sphere.build({"draws": 2, "n_points": 7, "n_features": 5, "seed": 2})
    assert not (other["inputs"] == smaller["inputs"]).any()


def test_weights_and_rates_can_be_chosen_by_index() -> None:
    weights = Weights(torch.arange(12.0).view(3, 2, 2), torch.arange(6.0).view(3, 1, 2))
    assert torch.equal(weights[[2, 0]].hidden[0], weights.hidden[2])
    assert Rates(torch.arange(3.0), torch.arange(3.0))[[1]].output.tolist() == [1.0]
