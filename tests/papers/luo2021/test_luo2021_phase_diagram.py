"""Growth with the width and the measures of the phase diagram, on known answers."""

import numpy as np
import pytest
import xarray as xr
from luo_runs import (
    SMALLEST_EIGENVALUE_A,
    SMALLEST_EIGENVALUE_W,
    WIDTHS,
    made_up_runs,
    measured,
)

from regimes.papers.luo2021.boundaries import boundary_gamma, boundary_gamma_a, boundary_gamma_theta
from regimes.papers.luo2021.phase_diagram import KEPT, LOSS_POINTS
from regimes.statistics import (
    error_of_zero,
    mean_and_error,
    power_law_slope,
    upward_zero,
)
from regimes.storage.grids import combine_blocks, merge_grids
from regimes.storage.store import check_described


def over_width(values: list[float], widths: list[int] | None = None) -> xr.DataArray:
    return xr.DataArray(values, {"width": widths or WIDTHS[: len(values)]}, ["width"])


# Growth


@pytest.mark.parametrize("exponent", [-0.7, 0.0, 1.5])
def test_slope_of_an_exact_power_law(exponent: float) -> None:
    width = over_width(WIDTHS).astype(float)
    slope, error = power_law_slope(3e-4 * width**exponent)
    assert float(slope) == pytest.approx(exponent, abs=1e-12)
    assert float(error) == pytest.approx(0, abs=1e-12)


def test_slope_and_error_of_a_hand_computed_fit() -> None:
    # log values 0, 1, 1 over log widths -1, 0, 1: slope 1/2, residuals -1/6, 1/3, -1/6, and the
    # error sqrt((1/6) / (3 - 2) / 2).
    values = xr.DataArray(np.exp([0.0, 1, 1]), {"width": np.exp([-1.0, 0, 1])}, ["width"])
    slope, error = power_law_slope(values)
    assert float(slope) == pytest.approx(0.5)
    assert float(error) == pytest.approx(np.sqrt(1 / 12))


@pytest.mark.parametrize("missing", [np.nan, 0.0, -1.0, np.inf])
def test_slope_leaves_out_what_is_no_length(missing: float) -> None:
    values = over_width(WIDTHS).astype(float) ** 0.3
    values[2] = missing
    slope, error = power_law_slope(values)
    assert float(slope) == pytest.approx(0.3)
    assert float(error) == pytest.approx(0, abs=1e-12)


def test_slope_needs_two_widths_and_its_error_three() -> None:
    slope, error = power_law_slope(over_width([2.0, 10.0], [10, 50]))
    assert float(slope) == pytest.approx(1) and np.isnan(error)
    slope, error = power_law_slope(over_width([2.0, np.nan], [10, 50]))
    assert np.isnan(slope) and np.isnan(error)


def test_slopes_are_taken_along_the_width_alone() -> None:
    width = over_width(WIDTHS).astype(float)
    exponents = xr.DataArray([0.1, 0.2], {"seed": [0, 1]}, ["seed"])
    slope, _ = power_law_slope(width**exponents)
    xr.testing.assert_allclose(slope, exponents)


def test_mean_and_its_standard_error_over_seeds() -> None:
    values = xr.DataArray([[1.0, 2, 3], [5, np.nan, 7]], dims=("gamma", "seed"))
    mean, error = mean_and_error(values, xr.full_like(values, 9.0))
    # Deviations of 1 over three seeds, of sqrt(2) over the two that are left
    np.testing.assert_allclose(mean, [2, 6])
    np.testing.assert_allclose(error, [1 / np.sqrt(3), 1])


def test_one_seed_has_the_error_of_its_fit() -> None:
    values = xr.DataArray([[1.0], [4.0]], dims=("gamma", "seed"))
    mean, error = mean_and_error(values, xr.DataArray([[0.1], [0.2]], dims=("gamma", "seed")))
    np.testing.assert_allclose(mean, [1, 4])
    np.testing.assert_allclose(error, [0.1, 0.2])


def test_one_seed_that_is_left_has_the_error_of_its_fit() -> None:
    values = xr.DataArray([[1.0, np.nan], [4.0, 6.0]], dims=("gamma", "seed"))
    single = xr.DataArray([[0.1, np.nan], [0.2, 0.2]], dims=("gamma", "seed"))
    mean, error = mean_and_error(values, single)
    np.testing.assert_allclose(mean, [1, 5])
    np.testing.assert_allclose(error, [0.1, 1])


def along_gamma(values: list[float]) -> xr.DataArray:
    return xr.DataArray(values, {"gamma": np.arange(len(values), dtype=float)}, ["gamma"])


@pytest.mark.parametrize(
    ("values", "zero"),
    [
        ([-1.0, 1, 2], 0.5),
        ([-3.0, -1, 3], 1.25),
        ([-1.0, 0, 1], 1.0),  # on a point
        ([-1.0, 1, -1, 1], 0.5),  # the first of two
        ([1.0, -1, 1], 1.5),  # falling through 0 does not count
        ([-1.0, np.nan, 1], 1.0),  # across a gap
        ([1.0, 2, 3], np.nan),  # none
        ([-3.0, -2, -1], np.nan),
        ([2.0, -1, -2], np.nan),
        ([np.nan, np.nan, 1], np.nan),
    ],
)
def test_upward_zero(values: list[float], zero: float) -> None:
    assert float(upward_zero(along_gamma(values))) == pytest.approx(zero, nan_ok=True)


def test_error_of_the_zero() -> None:
    # Between -1 (error 0.3) at 1 and 3 (error 0.4) at 2 the zero is a quarter on, where the
    # errors weigh 3/4 and 1/4 and the slope is 4.
    values, errors = along_gamma([-3.0, -1, 3]), along_gamma([9.0, 0.3, 0.4])
    expected = np.hypot(0.75 * 0.3, 0.25 * 0.4) / 4
    assert float(error_of_zero(values, errors)) == pytest.approx(expected)
    assert np.isnan(error_of_zero(along_gamma([1.0, 2, 3]), errors))


def test_error_of_the_zero_is_that_of_simulated_zeros() -> None:
    random = np.random.default_rng(0)
    values, errors = along_gamma([-1.0, 2.0]), along_gamma([0.03, 0.05])
    noise = xr.DataArray(random.normal(size=(4000, 2)), dims=("trial", "gamma"))
    zeros = upward_zero(values + noise * errors)
    # The standard deviation of 4000 numbers is known within 1.1 %; the zero is linear in such
    # small errors but for their square, 5 % of 2 %.
    assert float(zeros.std()) == pytest.approx(float(error_of_zero(values, errors)), rel=0.05)


def test_boundary_of_the_theory() -> None:
    gamma_prime = xr.DataArray([-1.0, -0.25, 0.0, 0.25, 1.0], dims="gamma_prime")
    np.testing.assert_array_equal(boundary_gamma(gamma_prime), [1, 1, 1, 1.25, 2])
    np.testing.assert_array_equal(boundary_gamma_a(gamma_prime), [2, 1.25, 1, 1, 1])
    np.testing.assert_array_equal(boundary_gamma_theta(gamma_prime), [1, 1, 1, 1, 1])


# The phase diagram


def test_measures_of_known_runs() -> None:
    runs = made_up_runs()
    measures = measured(runs)
    expected = 0.4 * (measures["gamma"] - boundary_gamma(measures["gamma_prime"]))
    for layer, factor in (("w", 1), ("a", 2), ("theta", 0.5)):
        slope = measures[f"slope_{layer}"].transpose(*expected.dims)
        np.testing.assert_allclose(slope, factor * expected, atol=1e-12)
        np.testing.assert_allclose(measures[f"slope_{layer}_stderr"], 0, atol=1e-12)
    np.testing.assert_allclose(measures["boundary_gamma"], [1, 1, 1.5])
    np.testing.assert_allclose(measures["boundary_gamma_stderr"], 0, atol=1e-12)
    np.testing.assert_array_equal(measures["theory_boundary_gamma"], [1, 1, 1.5])
    # All slopes vanish in the same place.
    for layer, theory in (("a", [1.5, 1, 1]), ("theta", [1, 1, 1])):
        np.testing.assert_allclose(measures[f"boundary_gamma_{layer}"], [1, 1, 1.5])
        np.testing.assert_allclose(measures[f"boundary_gamma_{layer}_stderr"], 0, atol=1e-12)
        np.testing.assert_array_equal(measures[f"theory_boundary_gamma_{layer}"], theory)
    np.testing.assert_array_equal(measures["converged_share"], 1)
    np.testing.assert_array_equal(measures["n_runs"], 2 * len(WIDTHS))


def test_measures_keep_the_runs_and_describe_themselves() -> None:
    runs = made_up_runs()
    measures = measured(runs)
    assert set(KEPT.values()) < set(measures.data_vars) and "not_kept" not in measures
    for there, name in KEPT.items():
        assert measures[name].dims == ("gamma_prime", "gamma", "width", "seed")
        xr.testing.assert_equal(measures[name], runs[there].transpose(*measures[name].dims))
    for name in ("slope_w", "slope_a", "slope_theta", "converged_share"):
        assert set(measures[name].dims) == {"gamma_prime", "gamma"}
    for name in ("boundary_gamma", "boundary_gamma_a", "boundary_gamma_theta"):
        assert measures[name].dims == ("gamma_prime",)
        assert measures[f"{name}_stderr"].dims == ("gamma_prime",)
        assert measures[f"theory_{name}"].dims == ("gamma_prime",)
    assert measures["decay_rate_ratio"].dims == ("gamma_prime", "gamma", "width", "seed")
    assert "checkpoint" not in measures.variables
    check_described(measures)


def test_errors_come_from_the_seeds() -> None:
    measures = measured(made_up_runs(seeds=3, noise=0.02))
    # Slopes of the seeds differ by 0.02, 0, -0.02, and the zeros by 0.05, 0, -0.05.
    np.testing.assert_allclose(measures["slope_w_stderr"], 0.02 / np.sqrt(3), rtol=1e-9)
    np.testing.assert_allclose(measures["boundary_gamma_stderr"], 0.05 / np.sqrt(3), rtol=1e-9)
    np.testing.assert_allclose(measures["boundary_gamma"], [1, 1, 1.5], rtol=1e-9)
    # Slopes of a, and how they spread, are twice those of w.
    np.testing.assert_allclose(measures["slope_a_stderr"], 0.04 / np.sqrt(3), rtol=1e-9)
    np.testing.assert_allclose(measures["boundary_gamma_a_stderr"], 0.05 / np.sqrt(3), rtol=1e-9)
    np.testing.assert_allclose(measures["boundary_gamma_a"], [1, 1, 1.5], rtol=1e-9)


def test_means_say_how_many_seeds_they_have() -> None:
    runs = made_up_runs(seeds=3, noise=0.02)
    cell = {"gamma_prime": 0.0, "gamma": 0.75}
    runs["final_relative_distance_w"].loc[cell | {"seed": 1}] = np.nan
    runs["final_relative_distance_a"].loc[{"gamma_prime": 0.5, "seed": 2}] = np.nan
    measures = measured(runs)
    assert int(measures["slope_w_n_seeds"].sel(cell)) == 2
    assert int((measures["slope_w_n_seeds"] < 3).sum()) == 1
    np.testing.assert_array_equal(measures["slope_theta_n_seeds"], 3)
    np.testing.assert_array_equal(measures["boundary_gamma_n_seeds"], 3)
    np.testing.assert_array_equal(measures["boundary_gamma_a_n_seeds"], [3, 3, 2])


def test_with_one_seed_errors_come_from_the_fit() -> None:
    runs = made_up_runs(seeds=1)
    ripple = xr.DataArray([0.1, -0.1, 0.1, -0.1, 0.1], {"width": WIDTHS}, ["width"])
    runs["final_relative_distance_w"] = runs["final_relative_distance_w"] * np.exp(ripple)
    measures = measured(runs)
    _, error = power_law_slope(np.exp(ripple))
    np.testing.assert_allclose(measures["slope_w_stderr"], float(error), rtol=1e-9)
    # The boundary may lie on a point or between two, which share its error.
    in_gamma = float(error) / 0.4
    assert (measures["boundary_gamma_stderr"] <= in_gamma * (1 + 1e-9)).all()
    assert (measures["boundary_gamma_stderr"] >= in_gamma / np.sqrt(2) * (1 - 1e-9)).all()


def test_capped_and_diverged_runs() -> None:
    runs = made_up_runs(seeds=2)
    cell = {"gamma_prime": 0.0, "gamma": 0.75}
    capped = {**cell, "width": 1000, "seed": 0}
    runs["converged"].loc[capped] = 0
    lost = {**cell, "width": 5000, "seed": 1}
    for name in (f"final_relative_distance_{layer}" for layer in ("w", "a", "theta")):
        runs[name].loc[lost] = np.nan
    measures = measured(runs)
    # One of ten runs; its distance counts, and the one that is missing is left out.
    assert float(measures["converged_share"].sel(cell)) == pytest.approx(0.9)
    assert float((measures["converged_share"] < 1).sum()) == 1
    assert float(measures["slope_w"].sel(cell)) == pytest.approx(0.4 * (0.75 - 1))


def test_the_decay_is_compared_with_the_limiting_gram_matrices() -> None:
    measures = measured(made_up_runs(decay_rate_ratio=1.7))
    assert float(measures["smallest_eigenvalue_a"]) == pytest.approx(SMALLEST_EIGENVALUE_A)
    assert float(measures["smallest_eigenvalue_w"]) == pytest.approx(SMALLEST_EIGENVALUE_W)
    np.testing.assert_allclose(measures["decay_rate_ratio"], 1.7, rtol=1e-9)


def test_the_decay_counts_where_it_is_slowest() -> None:
    runs = made_up_runs(decay_rate_ratio=2.0)
    run = {"gamma_prime": 0.5, "gamma": 1.25, "width": 5000, "seed": 1}
    # At the last time the loss has decayed by exp(-20).
    runs["train_loss"].loc[run][-1] *= np.exp(5)
    ratio = measured(runs)["decay_rate_ratio"]
    assert float(ratio.sel(run)) == pytest.approx(1.5)
    assert float(ratio.sum()) == pytest.approx(2 * ratio.size - 0.5)
    runs["train_loss"].loc[run][-1] *= np.exp(16)  # above the initial loss
    assert float(measured(runs)["decay_rate_ratio"].sel(run)) == pytest.approx(-0.1)


def test_the_decay_leaves_out_rounding_and_diverged_runs() -> None:
    runs = made_up_runs(decay_rate_ratio=2.0)
    # The first time moves to an exponent of 1e-7, where the loss is still the initial one.
    runs["time"][{"checkpoint": 0}] /= 1000
    runs["train_loss"][{"checkpoint": 0}] = 1.5
    lost = {"gamma_prime": 0.0, "gamma": 0.75, "width": 5000, "seed": 1}
    runs["diverged"].loc[lost] = 1
    ratio = measured(runs)["decay_rate_ratio"]
    assert np.isnan(ratio.sel(lost)) and int(ratio.isnull().sum()) == 1
    np.testing.assert_allclose(ratio.fillna(2), 2, rtol=1e-9)
    # At an exponent of 1e-5 it would count.
    runs["time"][{"checkpoint": 0}] *= 100
    np.testing.assert_allclose(measured(runs)["decay_rate_ratio"].fillna(0), 0, atol=1e-9)


# Grids


def block_of_runs(**axes: list[int]) -> xr.Dataset:
    """Runs whose value says which they are."""
    dataset = xr.Dataset(coords={name: (name, values) for name, values in axes.items()})
    value = sum(10**place * dataset[name] for place, name in enumerate(axes))
    dataset["value"] = value.assign_attrs(long_name="value", units="1")
    dataset["flag"] = xr.zeros_like(value).astype(np.int8).assign_attrs(long_name="f", units="1")
    return dataset


def test_grids_are_united_with_gaps() -> None:
    one = combine_blocks([block_of_runs(width=[2], seed=[seed], n=[5, 7]) for seed in (1, 0)])
    other = combine_blocks([block_of_runs(width=[1], seed=[0], n=[5, 6])])
    runs = merge_grids([one, other])
    assert {name: runs[name].values.tolist() for name in runs.dims} == {
        "width": [1, 2],
        "seed": [0, 1],
        "n": [5, 6, 7],
    }
    assert runs["value"].attrs == {"long_name": "value", "units": "1"}
    for width, seed, n in np.ndindex(2, 2, 3):
        point = {"width": width + 1, "seed": seed, "n": n + 5}
        was_run = (width == 1 and n != 1) or (width == 0 and seed == 0 and n != 2)
        expected = point["width"] + 10 * seed + 100 * point["n"] if was_run else np.nan
        np.testing.assert_equal(float(runs["value"].sel(point)), expected)
        assert np.isnan(float(runs["flag"].sel(point))) == (not was_run)


def test_one_grid_stays_as_it_is() -> None:
    grid = block_of_runs(width=[2, 1], seed=[0])
    xr.testing.assert_identical(merge_grids([grid]), grid)
    assert merge_grids([grid])["flag"].dtype == np.int8


def test_blocks_of_a_grid_must_fit() -> None:
    with pytest.raises(ValueError, match="exact"):
        combine_blocks([block_of_runs(width=[1], n=[5]), block_of_runs(width=[2], n=[6])])


def test_the_loss_over_time_is_that_of_the_largest_width() -> None:
    runs = made_up_runs(seeds=3)
    recorded = xr.concat([runs["train_loss"]] * 6, "checkpoint")  # 66 times
    runs = runs.drop_vars(["train_loss", "time"])
    runs = runs.assign(train_loss=recorded).assign_coords(time=1 / recorded)
    measures = measured(runs)
    loss = measures["train_loss"]
    assert loss.dims == ("gamma_prime", "gamma", "seed", "checkpoint")
    assert loss.dtype == measures["time"].dtype == np.float32
    assert loss.sizes["checkpoint"] == LOSS_POINTS
    widest = recorded.sel(width=runs["width"].max()).transpose(*loss.dims)
    np.testing.assert_allclose(loss[..., [0, -1]], widest[..., [0, -1]], rtol=1e-6)
    np.testing.assert_allclose(loss * measures["time"], 1.0, rtol=1e-6)
    assert np.isin(loss.values, widest.values.astype(np.float32)).all()
    check_described(measures)
