"""Caron et al. (2023): measures of made-up runs, and the bounds of Theorem 4.1."""

import json

import numpy as np
import pytest
import xarray as xr
from caron_runs import (
    CIFAR10,
    CIFAR10_GAMMA,
    CODE_OF,
    EXPERIMENTS,
    FIRST_RISK,
    IMAGES,
    LEFT,
    MNIST,
    SETTINGS,
    SIMULATED,
    SIMULATED_HALF_SUM,
    SIMULATIONS,
    made_up_data,
    made_up_measures,
    made_up_runs,
    measured,
)

from regimes.datasets import points
from regimes.engines.common.runner import train
from regimes.errors import DataError
from regimes.kernels.mean_tangent_gram import kappa
from regimes.papers.caron2023 import bounds, simulated, smooth, training
from regimes.papers.caron2023.node_settings import by_asymmetry, label, shown_settings
from regimes.papers.caron2023.paper import CONCRETE, SMOOTH
from regimes.parameterisations.node_scaling import node_scales
from regimes.storage import store
from regimes.storage.store import check_described

SMALL = {"n_train": 30, "width": 40, "seeds": 2, "steps": 100}


def test_points_that_were_not_trained_on_do_not_count() -> None:
    data = made_up_data(CONCRETE, n_train=30)
    # Equal inputs with other targets, none of them among the first 20
    data["inputs"][25:30] = data["inputs"][24]
    runs = made_up_runs(CONCRETE, data, width=40, seeds=2, steps=100)
    whole = measured(CONCRETE, runs, data)
    assert whole.attrs["n_train"] == whole.attrs["n_ntg"] == 30
    assert float(whole["least_train_risk"]) > 0.01
    for n_points, n_ntg in ((0, 20), (5, 5), (50, 20)):
        settings = {"n_train": 20, "record": {"ntg_points": n_points}}
        result = measured(CONCRETE, runs.assign_attrs(config=json.dumps(settings)), data)
        assert result.attrs["n_train"] == 20 and result.attrs["n_ntg"] == n_ntg
        assert float(result["least_train_risk"]) < 1e-20


def test_theorem_is_that_of_the_points_trained_on() -> None:
    data = made_up_data(SIMULATED, n_train=30)
    runs = made_up_runs(SIMULATED, data, width=40, seeds=2, steps=100)
    few = measured(SIMULATED, runs.assign_attrs(config=json.dumps({"n_train": 20})), data)
    assert float(few["kappa_n"]) == pytest.approx(kappa(data["inputs"].values[:20], "relu"))


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in CODE_OF])
def test_measures_of_known_runs(name: str) -> None:
    result = made_up_measures(name, **SMALL)
    check_described(result)
    over = ("node_scaling", "seed")
    assert result["train_risk"].dims == result["test_risk"].dims == (*over, "step")
    assert result["weight_change"].dims == (*over, "step", "neuron")
    assert result["final_weight_change"].dims == (*over, "node")
    assert result["gamma"].dims == result["alpha"].dims == ("node_scaling",)
    assert result["node_scale"].dims == ("node_scaling", "node")
    assert result["diverged"].dtype == float
    assert result.attrs["width"] == 40 and result.attrs["n_train"] == 30
    assert {"width", "moved", "feature", "output"}.isdisjoint(result.dims)
    names = " ".join(map(str, result.variables))
    assert "history" not in names and "final_weights" not in names
    assert ("backbone" in result.attrs) == (name in IMAGES)
    assert ("ntg_change" in result) == ("flow_time" in result) == (name not in IMAGES)
    assert ("pruned_test_risk" in result) == (name not in SIMULATIONS)
    if name != CIFAR10_GAMMA:
        assert result["node_scaling"].values.tolist() == list(SETTINGS)
        final = result["train_risk"].isel(step=-1, seed=0) / FIRST_RISK
        np.testing.assert_allclose(final, LEFT)
    if name == MNIST:
        assert result["transfer_test_accuracy"].dims == (*over, "n_transfer_features")
        assert result["pruned_test_accuracy"].dims == (*over, "kept")
        assert result["transfer_diverged"].dtype == float


def test_settings_are_in_the_papers_order() -> None:
    """Blocks of one setting each come sorted by name."""
    data = made_up_data(CONCRETE, 30)
    runs = made_up_runs(CONCRETE, data, width=40, seeds=2, steps=100)
    shuffled = runs.sortby("node_scaling")
    assert shuffled["node_scaling"].values.tolist() != list(SETTINGS)
    assert measured(CONCRETE, shuffled, data).identical(measured(CONCRETE, runs, data))
    gammas = made_up_measures(CIFAR10_GAMMA, **SMALL)["gamma"]
    assert gammas.values.tolist() == [0.7, 0.5, 0.2, 0.1]


@pytest.mark.parametrize("axes", [("node_scaling",), ("seed",), ("node_scaling", "seed")])
def test_measures_do_not_depend_on_the_blocks(axes: tuple[str, ...]) -> None:
    data = made_up_data(SIMULATED, 30)
    runs = made_up_runs(SIMULATED, data, width=40, seeds=2, steps=100)
    result = measured(SIMULATED, runs, data, axes)
    xr.testing.assert_identical(result, simulated.measure(simulated.reduce(runs, data), data))


def test_reduce_drops_what_is_large() -> None:
    data = made_up_data(CONCRETE, 30)
    runs = made_up_runs(CONCRETE, data, width=40, seeds=1, steps=10)
    reduced = training.reduce(runs, data)
    assert {"final_weights", "output_weights"} <= set(runs)
    assert {"final_weights", "output_weights", "failed_multisteps"}.isdisjoint(reduced)
    assert {"feature", "output"}.isdisjoint(reduced.dims)


def test_measures_need_one_width_and_one_time() -> None:
    data = made_up_data(CONCRETE, 30)
    runs = made_up_runs(CONCRETE, data, width=40, seeds=2, steps=10)
    wide = runs.drop_vars([name for name in runs.data_vars if "node" in runs[name].dims])
    two = xr.concat([wide, wide.assign_coords(width=[80])], "width", data_vars="minimal")
    with pytest.raises(DataError, match="one width, not 2"):
        training.measure(two, data)
    with pytest.raises(DataError, match="with gamma"):
        training.measure(runs.drop_vars("gamma"), data)
    runs["flow_time_per_step"].loc[{"seed": 1}] = 1.0
    with pytest.raises(DataError, match="flow_time_per_step is not one number"):
        training.measure(training.reduce(runs, data), data)


@pytest.mark.parametrize(("name", "time"), [(SIMULATED, 2 / 30), (SIMULATED_HALF_SUM, 1.0)])
def test_flow_time(name: str, time: float) -> None:
    result = made_up_measures(name, **SMALL)
    np.testing.assert_allclose(result["flow_time"], time * result["step"])
    assert result["flow_time"].dims == ("step",)


def test_least_risk_of_repeated_inputs() -> None:
    inputs = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    assert training.least_risk(inputs, np.array([1.0, 7.0, 4.0, 2.0])) == pytest.approx(4.5 / 4)
    two = np.array([[1.0, 0.0], [7.0, 1.0], [4.0, 0.0], [2.0, 5.0]])
    assert training.least_risk(inputs, two) == pytest.approx(4.5 / 8)
    assert training.least_risk(inputs[:2], two[:2]) == 0


def test_bounds_by_hand() -> None:
    gamma = xr.DataArray([1.0, 0.5, 0.0], dims="node_scaling")
    kappa_n, n, d, delta, largest = 0.02, 7, 4, 0.25, 3.0
    problem = bounds.Problem(n, d, xr.DataArray(kappa_n), xr.DataArray(largest), delta)
    d_0 = (2 * 9 + 0.5) ** 0.5
    scale = xr.DataArray([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0]], dims=("node_scaling", "node"))
    np.testing.assert_allclose(
        bounds.weight_change_factor(gamma, problem),
        [8 * n * d_0 / (kappa_n * 2 * one * 0.5) for one in (1, 0.5)] + [np.nan],
    )
    powers = [2 * 0.5**1.5, 0.9**1.5 + 0.1**1.5]
    np.testing.assert_allclose(
        bounds.ntg_change_bound(gamma, scale, problem),
        [
            512 * n**2 * d_0 / (kappa_n * 8 * one * 0.5**5) * power
            + 64 * n**1.5 * d_0**0.5 / (kappa_n * one) ** 0.5 / (4**1.25 * 0.25**1.25) * power**0.5
            for one, power in zip((1, 0.5), powers, strict=True)
        ]
        + [np.nan],
    )
    np.testing.assert_allclose(
        bounds.least_width(gamma, problem),
        [2**35 * n**6 * d_0**2 / (kappa_n**6 * 4**5 * one**2 * 0.25**5) for one in (1, 0.5)]
        + [np.nan],
    )
    easy = bounds.Problem(1, 10**6, xr.DataArray(1.0), xr.DataArray(0.0), 0.5)
    assert bounds.least_width(gamma[:1], easy) == pytest.approx(8 * np.log(8) / 1e6)


def test_bounds_of_smooth_activations_by_hand() -> None:
    n, d, kappa, largest, delta, gamma = 3, 5, 0.1, 0.4, 0.2, 0.5
    problem = bounds.SmoothProblem(n, d, kappa, largest, delta, "tanh")
    z = np.random.default_rng(0).normal(size=10**6) / d**0.5
    assert problem.square == pytest.approx(largest**2 + np.mean(np.tanh(z) ** 2), rel=5e-3)
    # The largest second derivative of tanh, where tanh^2 is 1/3.
    assert problem.curvature == pytest.approx(4 / 3**1.5, rel=1e-8)
    square, curvature = problem.square, problem.curvature
    gammas = xr.DataArray([gamma], dims="node_scaling")
    scales = xr.DataArray([[0.7, 0.3]], dims=("node_scaling", "node"))
    assert float(problem.weight_change_factor(gammas)[0]) == pytest.approx(
        n / (kappa * d**0.5) * (128 * square / (gamma**2 * delta)) ** 0.5
    )
    squares = 0.49 + 0.09
    assert float(problem.ntg_change_bound(gammas, scales)[0]) == pytest.approx(
        128 * n**3 * curvature**2 * square / (kappa**2 * d**3 * gamma**2 * delta) * squares
        + 32 * n**2 * curvature * square**0.5 / (kappa * d**2 * gamma * delta**0.5) * squares**0.5
    )
    assert float(problem.least_width(gammas)[0]) == pytest.approx(
        2**15 * n**4 * curvature**2 * square / (kappa**4 * d**4 * gamma**2 * delta)
    )


def test_measures_of_theorem_42() -> None:
    data = points.build({"inputs": np.eye(4)[:2].tolist(), "targets": [0.1, -0.1], "bias": False})
    block = {
        "experiment": SMOOTH,
        "root_seed": 0,
        "engine": "function_space.node_scaled",
        "dataset": "two",
        "node_scalings": {"mixed": {"gamma": 0.5, "alpha": 0.5}, "even": {"gamma": 1.0}},
        "activation": "tanh",
        "loss": "half_sum",
        "max_steps": 20,
        "record": {"moved": 1},
        "axes": {"node_scaling": ["mixed", "even"], "width": [50], "seed": [0, 1]},
    }
    run = train(block, data, "cpu").assign_attrs(config=json.dumps(block))
    measured = smooth.measure(smooth.reduce(run, data), data)
    check_described(measured)
    assert "node" not in measured.dims
    assert measured["gamma"].values.tolist() == [1.0, 0.5]
    one, two = measured.sel(node_scaling="mixed", seed=1), run.sel(node_scaling="mixed", seed=1)
    kappa_n = kappa(np.eye(4)[:2], "tanh")
    least = float(two["ntg_smallest_eigenvalue"].min())
    assert float(one["eigenvalue_bound_ratio"]) == pytest.approx(0.5 * kappa_n / 4 / least)
    # Before the first step the risk is the bound; afterwards it falls faster.
    assert float(one["risk_bound_ratio"]) == pytest.approx(1)
    problem = bounds.SmoothProblem(2, 4, kappa_n, 0.1, 0.5, "tanh")
    gammas = xr.DataArray([0.5], dims="node_scaling")
    moved = float((two["final_weight_change"] / two["node_scale"].squeeze() ** 0.5).max())
    assert float(one["weight_change_over_bound"]) >= moved / float(
        problem.weight_change_factor(gammas)[0]
    )
    assert float(one["width_over_least"]) == pytest.approx(
        50 / float(problem.least_width(gammas)[0])
    )


def test_bounds_on_simulated_runs() -> None:
    data = made_up_data(SIMULATED, 30)
    result = measured(SIMULATED, made_up_runs(SIMULATED, data, width=40, seeds=2, steps=100), data)
    inputs, targets = data["inputs"].values[:30], data["targets"].values[:30]
    kappa_n = kappa(inputs)
    assert result["kappa_n"].dims == () and float(result["kappa_n"]) == pytest.approx(kappa_n)
    np.testing.assert_allclose(result["eigenvalue_bound"], np.array([1, 0.5, 0.5, 0]) * kappa_n / 4)
    first = result["train_risk"].isel(step=0)
    bound = result["risk_bound"]
    assert bound.dims == ("node_scaling", "seed", "step")
    expected = first.sel(node_scaling="gamma_05_alpha_05") * np.exp(-0.25 * kappa_n * 100 * 2 / 30)
    np.testing.assert_allclose(bound.sel(node_scaling="gamma_05_alpha_05").isel(step=-1), expected)
    np.testing.assert_allclose(bound.isel(step=0), first)
    # (c): |w_tj - w_0j| of the node that moved most is beside the scale of moved_node.
    over = result["weight_change_over_bound"]
    d_0 = np.sqrt(2 * abs(targets).max() ** 2 + 2 / 50)
    factor = 8 * 30 * d_0 / (kappa_n * 50**0.5 * 0.1**0.5)
    along = result["weight_change"].max("step").sel(node_scaling="gamma_1") * 40**0.5 / factor
    np.testing.assert_allclose(over.sel(node_scaling="gamma_1"), along.max("neuron"))
    scales = node_scales(40, 0.5, 0.7)[result["moved_node"].sel(node_scaling="gamma_05_alpha_07")]
    along = result["weight_change"].max("step").sel(node_scaling="gamma_05_alpha_07") / scales**0.5
    np.testing.assert_allclose(
        over.sel(node_scaling="gamma_05_alpha_07"), along.max("neuron") * 0.5 / factor
    )
    assert over.sel(node_scaling="gamma_0_alpha_04").isnull().all()
    ratio = result["ntg_change"].max("step") / result["ntg_change_bound"]
    np.testing.assert_allclose(result["ntg_change_over_bound"], ratio)


def test_a_node_that_moved_beyond_the_recorded_ones_counts() -> None:
    data = made_up_data(SIMULATED, 30)
    runs = made_up_runs(SIMULATED, data, width=40, seeds=2, steps=100)
    before = measured(SIMULATED, runs, data)["weight_change_over_bound"]
    runs["final_weight_change"].loc[{"node_scaling": "gamma_1", "seed": 1, "node": 30}] = 1e3
    after = measured(SIMULATED, runs, data)["weight_change_over_bound"]
    assert after.sel(node_scaling="gamma_1", seed=1) > 1e3 * before.sel(
        node_scaling="gamma_1", seed=1
    )
    assert after.sel(node_scaling="gamma_1", seed=0) == before.sel(node_scaling="gamma_1", seed=0)


def test_nodes_without_a_scale_are_left_out() -> None:
    data = made_up_data(SIMULATED, 30)
    runs = made_up_runs(SIMULATED, data, width=40, seeds=1, steps=100)
    runs["node_scale"].loc[{"node_scaling": "gamma_1", "node": 7}] = 0.0
    runs["final_weight_change"].loc[{"node_scaling": "gamma_1", "node": 7}] = 0.0
    over = measured(SIMULATED, runs, data)["weight_change_over_bound"]
    assert np.isfinite(over.sel(node_scaling="gamma_1")).all()


def test_bounds_of_data_for_each_seed() -> None:
    result = made_up_measures(SIMULATED, draws=2, **SMALL)
    check_described(result)
    assert result["kappa_n"].dims == ("seed",)
    assert result["eigenvalue_bound"].dims == ("node_scaling", "seed")
    assert float(result["kappa_n"][0]) != float(result["kappa_n"][1])
    second = made_up_data(SIMULATED, 30, draws=2).isel(draw=1)["inputs"].values[:30]
    assert float(result["kappa_n"][1]) == pytest.approx(kappa(second))


def test_measures_of_a_run_that_diverged() -> None:
    data = made_up_data(SIMULATED, 30)
    runs = made_up_runs(SIMULATED, data, width=40, seeds=2, steps=100)
    place = {"node_scaling": "gamma_1", "seed": 0}
    runs["diverged"].loc[place] = 1
    for name in ("train_loss", "ntg_change", "weight_change"):
        runs[name].loc[place | {"step": slice(10, None)}] = np.nan
    runs["final_weight_change"].loc[place] = np.nan
    result = measured(SIMULATED, runs, data)
    for name in ("weight_change_over_bound", "ntg_change_over_bound"):
        assert result[name].sel(place).isnull() and result[name].sel(place | {"seed": 1}) > 0
    assert result["diverged"].sum() == 1
    assert result["flow_time"].notnull().all()


def test_measures_survive_their_file(tmp_path) -> None:
    result = made_up_measures(MNIST, **SMALL)
    path = tmp_path / "measures.nc"
    store.write(result, path, title="t", source="s", references="r", config={})
    read = store.read(path)
    assert read["node_scaling"].values.tolist() == list(SETTINGS)
    assert read.attrs["width"] == 40 and read.attrs["n_train"] == 30


def test_labels_and_colours() -> None:
    assert label(1.0, np.nan) == label(1.0, 0.5) == r"$\gamma=1$"
    assert label(0.5, 0.7) == r"$\gamma=0.5$, $\alpha=0.7$"
    paper = shown_settings(made_up_measures(CIFAR10, **SMALL))
    gammas = shown_settings(made_up_measures(CIFAR10_GAMMA, **SMALL))
    assert gammas[0].label == r"$\gamma=0.7$, $\alpha=0.5$"
    colours = {one.label: one.colour for one in paper} | {one.label: one.colour for one in gammas}
    # (0.5, 0.5) is in both, in one colour.
    assert len(colours) == len(set(colours.values())) == 7
    runs = made_up_measures(CONCRETE, **SMALL)
    runs["gamma"][:] = [0.3, 0.5, 0.9, 0.0]
    runs["alpha"][:] = [0.3, 0.5, 0.6, 0.4]
    names = [one.name for one in shown_settings(runs)]
    assert names == by_asymmetry(runs)["node_scaling"].values.tolist()
    assert len({one.colour for one in shown_settings(runs)}) == 4
