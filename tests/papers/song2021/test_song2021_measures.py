"""Theory of Song et al. (2021): measures, figures and Table 1."""

import itertools
from typing import Any

import numpy as np
import pytest
import xarray as xr
from isometry_blocks import block_of, data_of

from regimes.engines.common.runner import runs_of, train
from regimes.errors import DataError
from regimes.kernels.hermite import normalised_coefficients
from regimes.kernels.near_isometry import Constants, constants
from regimes.papers.song2021 import (
    fig_lazy_training,
    fig_lemma3,
    fig_order,
    lazy,
    order,
    spectrum,
    success,
    table1_scaling,
)
from regimes.papers.song2021.convergence import convergence
from regimes.papers.song2021.lemma3 import (
    lazy_bound,
    least_hidden_singular_value,
    locality,
    output_norm_bound,
    rate_bound,
)
from regimes.papers.song2021.paper import LAZY, LEMMA3, ORDER
from regimes.storage.store import check_described

RATIOS = [0.01, 0.1, 1.0]
ONE_SIZE = {"n_features": [6], "n_train": [8], "width": [16]}


@pytest.fixture(scope="module")
def all_runs() -> dict[str, xr.Dataset]:
    descent = "gradient_descent.linearised"
    blocks = {
        LEMMA3: block_of("at_initialisation.jacobian_spectrum", axes={"width": [8, 80, 160]}),
        LAZY: block_of(descent, axes={**ONE_SIZE, "scale_ratio": RATIOS}, max_steps=2000),
        ORDER: block_of(descent, axes={"width": [2, 8, 16]}, max_steps=400),
    }
    return {name: train(block, data_of(), "cpu") for name, block in blocks.items()}


@pytest.fixture
def runs(all_runs: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Runs, to be changed."""
    return {name: one.copy(deep=True) for name, one in all_runs.items()}


def measured(runs: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    modules = {LEMMA3: spectrum, LAZY: lazy, ORDER: order}
    return {name: modules[name].measure(one, data_of()) for name, one in runs.items()}


# Measures


def test_every_variable_is_described(runs: dict[str, xr.Dataset]) -> None:
    for one in measured(runs).values():
        check_described(one)


def test_convergence_written_out(runs: dict[str, xr.Dataset]) -> None:
    found = convergence(runs[ORDER])
    one = found.sel(n_features=4, n_train=5, width=16, seed=1)
    written = Constants(float(one["mu"]), float(one["nu"]), float(one["beta"]))
    assert one["locality"] == pytest.approx(locality(written, float(one["initial_loss"])))
    rate = float(one["step_size"])
    bound = -np.log(rate_bound(written, rate))
    assert one["decay_ratio"] == pytest.approx(float(one["slowest_decay"]) / bound)
    isometry = -np.log(1 - rate / 2 * float(one["initial_smallest_singular_value"]) ** 2)
    assert one["isometry_decay_ratio"] == pytest.approx(float(one["slowest_decay"]) / isometry)
    assert one["isometry_decay_ratio"] < one["decay_ratio"]
    narrow = found.sel(n_features=4, n_train=5, width=2)
    assert narrow["decay_ratio"].isnull().all() and np.isinf(narrow["locality"]).all()
    assert narrow["ball_ratio"].isnull().all() and narrow["isometry_decay_ratio"].notnull().all()


def test_lemmas_1_and_2_along_runs(runs: dict[str, xr.Dataset]) -> None:
    found = convergence(runs[LAZY])
    # A way is no shorter than what it comes to, which is no more than its farthest.
    assert (found["path_length"] >= found["distance"] * (1 - 1e-12)).all()
    assert (found["farthest_distance"] >= found["distance"] * (1 - 1e-12)).all()
    scale = found["nu"] * np.sqrt(found["initial_loss"] / 2) / found["mu"] ** 2
    np.testing.assert_allclose(found["length_ratio"] * scale, found["path_length"])
    ratio = found["isometry_ratio"]
    # At the start: mu / 2 over sigma_min, or sigma_max over 3 nu / 2.
    start = np.maximum(
        found["mu"] / 2 / found["initial_smallest_singular_value"],
        found["initial_largest_singular_value"] / (1.5 * found["nu"]),
    )
    assert (ratio >= start * (1 - 1e-9)).all() and (ratio <= 1).all()


def test_points_on_the_sphere(runs: dict[str, xr.Dataset]) -> None:
    found = success.measure(runs[ORDER], data_of())
    check_described(found)
    xr.testing.assert_equal(
        found["smallest_width"], order.measure(runs[ORDER], data_of())["smallest_width"]
    )
    inputs = data_of()["inputs"].values[1, :5, :4].T
    inputs = inputs / np.linalg.norm(inputs, axis=0)
    one = found.sel(n_features=4, n_train=5, seed=1)
    ratio = np.linalg.norm(inputs, 2) / np.sqrt(5 / 4)
    assert one["input_ratio"].item() == pytest.approx(ratio)
    square = np.stack([np.kron(x, x) for x in inputs.T], axis=1)
    smallest = np.linalg.svd(square, compute_uv=False)[-1]
    assert one["power_singular_value"].item() == pytest.approx(smallest, rel=1e-6)


def test_lazy_bound_written_out(runs: dict[str, xr.Dataset]) -> None:
    found = measured(runs)[LAZY]
    assert found.sizes["scale_ratio"] == 3 and "width" not in found.dims
    assert [found.attrs[name] for name in ("n_features", "n_train", "width")] == [6, 8, 16]
    assert found["he_ratio"] == pytest.approx((6 / 16) ** 0.5)
    setting = {"n_features": 6, "n_train": 8, "width": 16, "seed": 1, "scale_ratio": 0.1}
    block = block_of("gradient_descent.linearised")
    start = runs_of(block, data_of(), "cpu").start(setting)
    network = (start.inputs, start.weights, start.output_weights)
    one = found.sel(scale_ratio=0.1, seed=1)
    norm, loss = float(one["initial_output_norm"]), float(one["initial_loss"])
    chi = output_norm_bound(constants(*network, "gelu", 0.0), loss, norm)
    assert one["chi_84"] == pytest.approx(chi)
    assert one["lazy_bound"] == pytest.approx(lazy_bound(constants(*network, "gelu", chi)))
    assert one["lazy_bound_start"] == pytest.approx(lazy_bound(constants(*network, "gelu", norm)))
    product = one["first_scale"] * one["second_scale"]
    assert product == pytest.approx(1 / np.sqrt(6 * 16))
    assert one["second_scale"] / one["first_scale"] == pytest.approx(0.1)
    assert (found["gap"].max("step") <= found["largest_gap"]).all()


def test_lazy_training_is_measured_at_one_size_over_ratios(runs: dict[str, xr.Dataset]) -> None:
    with pytest.raises(DataError, match=r"axes.n_features: 4, 6: .* at one size"):
        lazy.measure(runs[ORDER], data_of())
    one = runs[ORDER].isel(n_features=[0], n_train=[0], width=[0])
    with pytest.raises(DataError, match=r"axes\.scale_ratio is missing"):
        lazy.measure(one, data_of())


def made_up_order(runs: xr.Dataset, exponents: tuple[float, float]) -> xr.Dataset:
    """Runs that are linear from a width on that is a power law in n and d_0."""
    widths = np.unique(np.round(2.0 ** np.arange(0, 12, 0.5))).astype(int)
    one = runs.isel(width=0, drop=True).expand_dims(width=widths, axis=2)
    needed = 2 * one["n_train"] ** exponents[0] * one["n_features"] ** exponents[1]
    shape = xr.ones_like(one["converged"])
    for name in ("converged", "r_squared"):
        one[name] = shape
    one["slowest_decay"] = shape
    one["converged"] = (one["width"] >= needed).astype(float) * shape
    return one


def test_smallest_width_and_its_exponents(runs: dict[str, xr.Dataset]) -> None:
    found = order.measure(made_up_order(runs[ORDER], (1.5, -1.0)), data_of())
    needed = 2 * found["n_train"] ** 1.5 / found["n_features"]
    assert (found["smallest_width"] >= needed).all()
    assert (found["smallest_width"] <= 1.5 * needed).all()
    np.testing.assert_allclose(found["theory_width"], (needed / 2).values)
    assert found["fit"].sel(term="n_train") == pytest.approx(1.5, abs=0.4)
    assert found["fit"].sel(term="n_features") == pytest.approx(-1, abs=0.4)
    assert found["fit_cells"] == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("converged", 0.0), ("slowest_decay", 1e-9), ("r_squared", 0.9), ("r_squared", np.nan)],
)
def test_a_run_that_fails_moves_the_smallest_width(
    runs: dict[str, xr.Dataset], name: str, value: float
) -> None:
    one = made_up_order(runs[ORDER], (0.0, 0.0))
    assert (order.measure(one, data_of())["smallest_width"] == 2).all()
    at = {"n_features": 4, "n_train": 5, "seed": 1}
    one[name].loc[at | {"width": 16}] = value
    found = order.measure(one, data_of())
    # The next one of the grid
    assert found["smallest_width"].sel(at) == 23
    assert found["smallest_width"].sel(at | {"seed": 0}) == 2
    one[name].loc[at | {"width": int(one["width"][-1])}] = value
    found = order.measure(one, data_of())
    assert found["smallest_width"].sel(at).isnull() and found["fit_cells"] == 3


def test_the_fluctuation_of_m_0(runs: dict[str, xr.Dataset]) -> None:
    """Its mean square, for the closed form of the mean, falls beside the mean as 1/d_1."""
    found = runs[LEMMA3]["fluctuation"]
    size = np.sqrt((found**2).mean(["seed", "n_features", "n_train"]))
    shares = size / size["width"]
    assert shares.sel(width=160).item() < 0.5 * shares.sel(width=8).item()
    other = block_of("at_initialisation.jacobian_spectrum", first_scale=2.0)
    assert train(other, data_of(), "cpu")["fluctuation"].isnull().all()


def test_activations_that_the_text_names(runs: dict[str, xr.Dataset]) -> None:
    found = spectrum.measure(runs[LEMMA3], data_of())
    assert found["value_at_zero"].sel(named="sigmoid").item() == 0.5
    assert (found["value_at_zero"].sel(named=["gelu", "tanh", "elu"]) == 0).all()
    assert (found["hermite_growth"] > 1e6).all() and (found["normalised_growth"] < 1.001).all()
    # sigmoid(tau a) / sigmoid(a) is exp((1 - tau) |a|) for a far below 0.
    power = found["least_power"].sel(named="sigmoid", range=40.0).item()
    assert power == pytest.approx(40 * 0.01 / np.log(0.99), rel=1e-3)
    assert (abs(found["least_power"].sel(named=["tanh", "elu"])) < 1e-6).all()


def test_spectrum_beside_the_theory(runs: dict[str, xr.Dataset]) -> None:
    found = measured(runs)[LEMMA3]
    at = {"n_features": 6, "n_train": 8, "seed": 1}
    start = runs_of(block_of("at_initialisation.jacobian_spectrum"), data_of(), "cpu").start(
        at | {"width": 160}
    )
    one = found.sel(at | {"width": 160})
    coefficients = normalised_coefficients("gelu", 9)
    bounds = [
        least_hidden_singular_value(start.inputs, 160, t, coefficients[t]) for t in range(1, 9)
    ]
    assert one["mu_bound"] == pytest.approx(max(bounds))
    # Eight points in six dimensions have dependent columns; their squares have not.
    assert bounds[0] == pytest.approx(0, abs=1e-6) and one["mu_bound_power"] == 2
    assert one["mu_ratio"] == pytest.approx(
        float(one["mu"] / one["initial_smallest_singular_value"])
    )
    assert one["nu_ratio"] == pytest.approx(
        float(one["initial_largest_singular_value"] / one["nu"])
    )
    assert one["beta_ratio"] == one["change_over_bound"].max()
    assert found["hermite"].sel(activation="tanh", degree=2) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found["hermite"].sel(activation="gelu")[:9], coefficients)
    assert found["hermite_norm"].sel(activation="relu") == pytest.approx(0.5**0.5)


def test_exponents_of_made_up_powers(runs: dict[str, xr.Dataset]) -> None:
    one = runs[LEMMA3]
    one["mu"] = 0.3 * one["width"] ** 0.5 * xr.ones_like(one["mu"])
    one["nu"] = 2.0 * one["width"] ** 0.5 * xr.ones_like(one["nu"])
    one["beta"], one["initial_loss"] = xr.full_like(one["nu"], 3), xr.full_like(one["nu"], 1.5)
    found = spectrum.measure(one, data_of())
    # n = 8: 80 and 160 are at least 64 wide.
    np.testing.assert_allclose(found["mu_exponent"], 0.5)
    np.testing.assert_allclose(found["locality_exponent"], -2)
    least = np.sqrt(1.5 * 9 * 4 / (2 * 0.3**6))
    np.testing.assert_allclose(found["least_width"], least)
    short = spectrum.measure(one.isel(width=[0, 1]), data_of())
    assert short["mu_exponent"].isnull().all()


# Figures and table; claims: test_song2021_claims.py


def enlarged(runs: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Measures as if there had been as many draws, ratios and runs as the figures ask for."""
    found = measured(runs)
    few = found[LAZY].isel(seed=0)
    ratios = np.geomspace(1e-3, 1, 5)
    parts = [
        few.isel(scale_ratio=0).assign_coords(scale_ratio=ratio) * ratio**0 for ratio in ratios
    ]
    one = xr.concat(parts, "scale_ratio").expand_dims(seed=range(30)).copy(deep=True)
    one["he_ratio"] = few["he_ratio"]
    one.attrs = few.attrs
    for name, power in (("largest_gap", 1.5), ("lazy_bound", 1.0), ("lazy_bound_start", -1.0)):
        one[name] = one["scale_ratio"] ** power * xr.ones_like(one[name])
    found[LAZY] = one
    drawn = found[LEMMA3]
    found[LEMMA3] = xr.concat(
        [drawn.assign_coords(seed=drawn["seed"] + 2 * copy) for copy in range(5)],
        "seed",
        data_vars="minimal",
    )
    return found


def marked(figure: Any) -> bool:
    figure.canvas.draw()
    return any("scale" in text.get_text() for text in figure.texts)


@pytest.mark.slow
def test_figures_are_drawn_and_marked_when_small(runs: dict[str, xr.Dataset]) -> None:
    small, large = measured(runs), enlarged(runs)
    for module in (fig_lazy_training, fig_lemma3, fig_order):
        assert marked(module.draw(small, "smoke"))
        assert not marked(module.draw(large, "smoke"))


def test_lazy_training_shows_gaps_and_bounds(runs: dict[str, xr.Dataset]) -> None:
    measures = measured(runs)
    found = measures[LAZY]
    figure = fig_lazy_training.draw(measures, "laptop")
    history, gap, bound = figure.axes[:3]
    assert len(history.lines) == 3
    mean = np.exp(np.log(found["largest_gap"]).mean("seed"))
    np.testing.assert_allclose(gap.lines[0].get_ydata(), mean)
    np.testing.assert_allclose(gap.lines[0].get_xdata(), RATIOS)
    mean = np.exp(np.log(found["lazy_bound"]).mean("seed"))
    np.testing.assert_allclose(bound.lines[0].get_ydata(), mean)
    assert all(axes.get_yscale() == "log" for axes in (history, gap, bound))
    assert "fewer seeds" not in figure.get_supxlabel()
    found["largest_gap"].loc[{"scale_ratio": RATIOS[0], "seed": found["seed"][0]}] = np.nan
    text = fig_lazy_training.draw(measures, "laptop").get_supxlabel()
    assert "means of fewer seeds at 1 point" in text


def test_order_shows_widths_theory_and_those_beyond_the_grid(runs: dict[str, xr.Dataset]) -> None:
    measures = measured(runs)
    one = made_up_order(runs[ORDER], (1.0, 0.0))
    one["converged"].loc[{"n_features": 4, "n_train": 8, "seed": 0}] = 0
    measures[ORDER] = order.measure(one, data_of())
    figure = fig_order.draw(measures, "laptop")
    first = figure.axes[0]
    shown = dict(zip(first.lines[0].get_xdata(), first.lines[0].get_ydata(), strict=True))
    known, unknown = shown.values()
    assert known == pytest.approx(11) and np.isnan(unknown)
    arrows = [line for line in first.lines if line.get_marker() == r"$\uparrow$"]
    assert [len(line.get_xdata()) for line in arrows] == [1, 0]
    dashed = [line.get_ydata() for line in first.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed[0], [5**1.5 / 4, 8**1.5 / 4])
    powers = measures[ORDER]["fit"].sel(term="n_train").item()
    assert f"n^{{{powers:.2f}}}" in figure.get_supxlabel()
    # One point for each run with mu > 0
    points = figure.axes[2].lines[0].get_xdata()
    assert len(points) == measures[ORDER]["mu"].size


def test_lemma3_shows_bounds_about_singular_values(runs: dict[str, xr.Dataset]) -> None:
    measures = measured(runs)
    figure = fig_lemma3.draw(measures, "laptop")
    lines = {str(line.get_label()): line.get_ydata() for line in figure.axes[0].lines}
    order_of = [r"$\mu_\Phi$", r"$\sigma_{\min}$", r"$\sigma_{\max}$", r"$\nu_\Phi$"]
    for low, high in itertools.pairwise(order_of):
        assert (lines[low] <= lines[high] * (1 + 1e-9)).all()
    # Four sizes, their bounds beside them
    assert len(figure.axes[1].lines) == 8
    ratios = figure.axes[2].lines[:3]
    assert all((line.get_ydata() > 0).all() and (line.get_ydata() <= 1).all() for line in ratios)
    odd = figure.axes[4].lines[0].get_ydata()[[3, 5, 7]]
    # c_i of GELU is 0 for odd i but 1: z Phi(z) is z/2 and an even function.
    assert np.isnan(odd).all()


def test_table_1() -> None:
    table = table1_scaling.table({})
    assert len(table) == 7
    row = table[table["reference"] == "Song et al., Theorem 3"].iloc[0]
    assert row["n = 100"] == pytest.approx(1000) and row["activation"] == "smooth"
    assert table.loc[4, "n = 1000"] == pytest.approx(1e24 * 2**12)
    assert table.loc[1, "n = 60000"] == 60_000
    values = table.filter(like="n = ")
    assert (values.iloc[5] < values.iloc[6]).all() and (values.iloc[6] < values.iloc[0]).all()
    figure = table1_scaling.draw({}, "smoke")
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert r"$1.0 \times 10^{3}$" in texts and len(texts) == 8 * 10
