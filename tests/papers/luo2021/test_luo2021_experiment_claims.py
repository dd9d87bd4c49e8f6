"""Claims L3, L6 and L8 on made-up measures that fulfil them or break one condition."""

from collections.abc import Mapping

import numpy as np
import pytest
import xarray as xr

from regimes.claims.core import evaluate
from regimes.claims.discover import claims_of

WIDTHS = [1000, 5000, 10_000, 20_000, 40_000]
FAMILIES = ("growth_unit", "growth_inverse_root", "growth_inverse")


def verdict(claim_id: str, measures: Mapping[str, xr.Dataset]) -> tuple[str, float, str]:
    """Verdict, value and detail of one claim."""
    (claim,) = [claim for claim in claims_of("luo2021") if claim.id == claim_id]
    row = evaluate([claim], measures, "laptop").isel(claim=0)
    return row["verdict"].item(), row["value"].item(), row["detail"].item()


@pytest.mark.parametrize("claim_id", ["L3", "L6", "L8"])
def test_they_say_where_they_stand(claim_id: str) -> None:
    (claim,) = [claim for claim in claims_of("luo2021") if claim.id == claim_id]
    assert claim.statement and claim.source and claim.figure.startswith("luo2021/")
    found, value, detail = verdict(claim_id, {})
    assert found == "not run" and np.isnan(value)
    assert detail == f"not measured: {', '.join(claim.needs)}"


# L3


@pytest.fixture
def growth() -> dict[str, xr.Dataset]:
    """Three families with the slopes gamma - 1."""
    axes = {"gamma_prime": [0.0], "gamma": [0.5, 1.0, 1.75], "width": WIDTHS, "seed": [0, 1]}
    families = {}
    for index, name in enumerate(FAMILIES):
        family = xr.Dataset(coords=axes)
        slope = family["gamma"] - 1 + 0 * family["gamma_prime"]
        # In another order in each
        family["slope_w"] = slope.transpose() if index else slope
        family["slope_w_stderr"] = xr.full_like(family["slope_w"], 0.001 * (index + 1))
        families[name] = family
    return families


def test_l3_holds_where_families_agree(growth: dict[str, xr.Dataset]) -> None:
    assert verdict("L3", growth)[:2] == ("reproduced", 0)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("size", "expected"), [(0.029, "reproduced"), (0.031, "not reproduced")])
def test_l3_finds_the_family_that_differs(
    growth: dict[str, xr.Dataset], name: str, sign: int, size: float, expected: str
) -> None:
    growth[name]["slope_w"].loc[{"gamma": 1.75}] += sign * size
    growth[name]["slope_w"].loc[{"gamma": 0.5}] += sign * 0.01
    found, value, detail = verdict("L3", growth)
    assert found == expected
    assert value == pytest.approx(size)
    slopes = [0.75 + sign * size * (family == name) for family in FAMILIES]
    shown = ", ".join(
        f"{slope:.4f} +- {0.001 * (index + 1):.4f}" for index, slope in enumerate(slopes)
    )
    assert detail == f"worst at gamma = 1.75: {shown}"


def test_l3_takes_the_largest_difference_of_any_two(growth: dict[str, xr.Dataset]) -> None:
    growth["growth_inverse_root"]["slope_w"].loc[{"gamma": 1.0}] += 0.02
    growth["growth_inverse"]["slope_w"].loc[{"gamma": 1.0}] -= 0.02
    found, value, _ = verdict("L3", growth)
    assert found == "not reproduced" and value == pytest.approx(0.04)


@pytest.mark.parametrize("name", FAMILIES)
def test_l3_needs_every_slope(growth: dict[str, xr.Dataset], name: str) -> None:
    growth[name]["slope_w"].loc[{"gamma": 1.0}] = np.nan
    found, value, detail = verdict("L3", growth)
    assert found == "not reproduced" and np.isnan(value)
    assert "a slope is missing" in detail


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("index", [0, 2, 4])
def test_l3_needs_the_papers_widths_of_each_family(
    growth: dict[str, xr.Dataset], name: str, index: int
) -> None:
    growth[name] = growth[name].drop_isel(width=index)
    found, value, detail = verdict("L3", growth)
    assert found == "not run" and np.isnan(value)
    assert detail == (
        f"widths of {name} lack some of 1000, 5000, 10000, 20000, 40000 (scale laptop)"
    )


def test_l3_may_have_more_widths(growth: dict[str, xr.Dataset]) -> None:
    more = {name: family.reindex(width=[100, *WIDTHS, 80_000]) for name, family in growth.items()}
    assert verdict("L3", more)[0] == "reproduced"


def test_l3_needs_all_three_families(growth: dict[str, xr.Dataset]) -> None:
    del growth["growth_inverse_root"]
    found, _, detail = verdict("L3", growth)
    assert found == "not run" and detail == "not measured: growth_inverse_root"


# L6


@pytest.fixture
def condensation() -> xr.Dataset:
    """Shares that are the same at all widths but past the boundary, where they grow by 0.3."""
    axes = {
        "gamma_prime": [-1.0, -0.5, 0.0, 0.5, 1.0],
        "gamma": [0.5, 1.0, 1.5, 2.0, 2.5],
        "width": [1000, 10_000, 1_000_000],
        "seed": [0, 1],
    }
    measures = xr.Dataset(coords=axes)
    share = xr.DataArray(np.full((5, 5, 3, 2), 0.2), coords=axes, dims=tuple(axes))
    past = measures["gamma"] - 1 - measures["gamma_prime"].clip(min=0)
    growth = xr.DataArray([0.0, 0.7, 0.3], dims="width")  # what is between does not count
    noise = xr.DataArray([-0.05, 0.05], dims="seed")  # nor does the spread over seeds
    share = share + growth * (past > 0.1) + noise
    measures["heaviest_bins_share"] = share.transpose("seed", "gamma", "gamma_prime", "width")
    return measures


def l6(condensation: xr.Dataset) -> tuple[str, float, str]:
    return verdict("L6", {"condensation": condensation})


def test_l6_holds_where_neurons_condense_inside_alone(condensation: xr.Dataset) -> None:
    found, value, detail = l6(condensation)
    assert found == "reproduced"
    assert value == pytest.approx(0.3)
    # Three settings past 1 for each gamma' <= 0, two for 1/2, one for 1
    assert detail.startswith("inside: 12 of 12 settings grow by 0.1 or more")
    assert detail.endswith("on the boundary the largest change is 0.000")


@pytest.mark.parametrize(
    ("gamma_prime", "gamma"), [(-1.0, 1.5), (-0.5, 2.5), (0.0, 1.5), (0.5, 2.0), (1.0, 2.5)]
)
@pytest.mark.parametrize(("size", "expected"), [(0.101, "reproduced"), (0.099, "not reproduced")])
def test_l6_finds_the_setting_that_condenses_least(
    condensation: xr.Dataset, gamma_prime: float, gamma: float, size: float, expected: str
) -> None:
    place = {"gamma_prime": gamma_prime, "gamma": gamma, "width": 1_000_000}
    condensation["heaviest_bins_share"].loc[place] += size - 0.3
    found, value, detail = l6(condensation)
    assert found == expected
    assert value == pytest.approx(size)
    grown = 12 if expected == "reproduced" else 11
    assert detail.startswith(f"inside: {grown} of 12 settings")
    assert f"at gamma' = {gamma_prime:g}, gamma = {gamma:g}: 0.200 to {0.2 + size:.3f};" in detail


@pytest.mark.parametrize(
    ("gamma_prime", "gamma"), [(-1.0, 1.0), (0.0, 1.0), (0.5, 1.5), (1.0, 2.0)]
)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("size", "expected"), [(0.099, "reproduced"), (0.101, "not reproduced")])
def test_l6_wants_little_change_on_the_boundary(
    condensation: xr.Dataset,
    gamma_prime: float,
    gamma: float,
    sign: int,
    size: float,
    expected: str,
) -> None:
    place = {"gamma_prime": gamma_prime, "gamma": gamma, "width": 1_000_000}
    condensation["heaviest_bins_share"].loc[place] += sign * size
    found, value, detail = l6(condensation)
    assert found == expected
    assert value == pytest.approx(0.3)
    assert detail.endswith(f"on the boundary the largest change is {size:.3f}")


@pytest.mark.parametrize(
    ("gamma_prime", "gamma"),
    # In the linear regime, and (on a grid of that step) past the boundary by less than 0.4
    [(-1.0, 0.5), (0.5, 1.0), (1.0, 1.5), (0.0, 1.375), (0.5, 1.875)],
)
def test_l6_looks_at_nothing_else(
    condensation: xr.Dataset, gamma_prime: float, gamma: float
) -> None:
    finer = sorted({*condensation["gamma"].values.tolist(), gamma})
    condensation = condensation.reindex(gamma=finer, method="nearest")
    for share in (0.0, 1.0, np.nan):
        place = {"gamma_prime": gamma_prime, "gamma": gamma, "width": 1_000_000}
        condensation["heaviest_bins_share"].loc[place] = share
        # The other gamma' have the new gamma too: take these out of the regime.
        others = condensation["gamma_prime"] != gamma_prime
        new = (condensation["gamma"] == gamma) & ~condensation["gamma"].isin([0.5, 1.0, 1.5])
        kept = condensation.where(~(others & new), condensation.sel(gamma=2.5))
        found, value, _ = l6(kept)
        assert found == "reproduced" and value == pytest.approx(0.3)


def test_l6_counts_what_is_0_4_past_the_boundary(condensation: xr.Dataset) -> None:
    # 1.4 - 1 is less than 0.4 in floating point.
    moved = condensation.assign_coords(gamma=[0.5, 1.0, 1.4, 2.0, 2.5])
    moved = moved.sel(gamma_prime=[-1.0, -0.5, 0.0])
    moved["heaviest_bins_share"].loc[{"gamma": 1.4, "gamma_prime": 0.0}] = 0.2
    found, value, detail = l6(moved)
    assert found == "not reproduced" and value == pytest.approx(0)
    assert "at gamma' = 0, gamma = 1.4" in detail


@pytest.mark.parametrize(("gamma_prime", "gamma"), [(0.0, 2.0), (0.0, 1.0)])
def test_l6_counts_a_lost_setting_as_a_failure(
    condensation: xr.Dataset, gamma_prime: float, gamma: float
) -> None:
    run = {"gamma_prime": gamma_prime, "gamma": gamma, "width": 1000, "seed": 1}
    condensation["heaviest_bins_share"].loc[run] = np.nan
    assert l6(condensation)[0] == "not reproduced"


@pytest.mark.parametrize("width", [1000, 1_000_000])
def test_l6_needs_both_widths(condensation: xr.Dataset, width: int) -> None:
    found, value, detail = l6(condensation.drop_sel(width=width))
    assert found == "not run" and np.isnan(value)
    assert "needs 1000 and 1000000" in detail and "scale laptop" in detail


@pytest.mark.parametrize("gamma", [[0.5, 1.0], [1.5, 2.5]])
def test_l6_needs_settings_on_the_boundary_and_past_it(
    condensation: xr.Dataset, gamma: list[float]
) -> None:
    found, _, detail = l6(condensation.sel(gamma=gamma, gamma_prime=[-0.5, 0.0]))
    assert found == "not run"
    assert "needs settings on the boundary and past it" in detail


# L8


@pytest.fixture
def conservation() -> xr.Dataset:
    """Drifts that are a third of the tolerance at all but the first snapshot."""
    axes = {
        "gamma_prime": [-0.5, 0.0],
        "gamma": [0.5, 1.0],
        "solver_tolerance": [0.01, 0.03, 0.1],
        "width": [1000],
        "seed": [0, 1],
        "snapshot": [1.0, 0.1, 0.0],
    }
    measures = xr.Dataset(coords=axes)
    shape = tuple(len(values) for values in axes.values())
    drift = xr.DataArray(np.ones(shape), coords=axes, dims=tuple(axes))
    measures["conservation_drift"] = (
        drift * measures["solver_tolerance"] / 3 * (measures["snapshot"] < 1)
    ).transpose(*axes)
    measures["largest_output_weight_ratio"] = 0.9 * drift
    return measures


def l8(conservation: xr.Dataset) -> tuple[str, float, str]:
    return verdict("L8", {"conservation": conservation})


PLACE = {"gamma_prime": 0.0, "gamma": 1.0, "width": 1000, "seed": 1, "snapshot": 0.1}


def test_l8_holds_where_the_drift_is_small_and_falls(conservation: xr.Dataset) -> None:
    found, value, detail = l8(conservation)
    assert found == "reproduced"
    assert value == pytest.approx(0.01)
    for tolerance, drift in ((0.01, "0.0033"), (0.03, "0.01"), (0.1, "0.033")):
        assert f"{drift} (largest {drift}) at tolerance {tolerance:g}" in detail
    assert detail.endswith("largest |a(t)| over its bound 0.900000")


@pytest.mark.parametrize(("size", "expected"), [(0.0499, "reproduced"), (0.0501, "not reproduced")])
def test_l8_takes_the_largest_drift_at_the_default_tolerance(
    conservation: xr.Dataset, size: float, expected: str
) -> None:
    conservation["conservation_drift"].loc[{**PLACE, "solver_tolerance": 0.03}] = size
    found, value, detail = l8(conservation)
    assert (found, value) == (expected, size)
    # One of sixteen drifts
    mean = (15 * 0.01 + size) / 16
    assert f"{mean:.2g} (largest 0.05) at tolerance 0.03" in detail


def test_l8_allows_a_larger_drift_at_a_larger_tolerance(conservation: xr.Dataset) -> None:
    conservation["conservation_drift"].loc[{**PLACE, "solver_tolerance": 0.1}] = 0.9
    found, value, detail = l8(conservation)
    assert found == "reproduced" and value == pytest.approx(0.01)
    assert "(largest 0.9) at tolerance 0.1" in detail


@pytest.mark.parametrize(
    ("tolerance", "other", "share", "expected"),
    [
        # Mean drift at a tolerance, as a share of that at the next larger one
        (0.01, 0.03, 0.99, "reproduced"),
        (0.01, 0.03, 1.01, "not reproduced"),
        (0.03, 0.1, 0.99, "reproduced"),
        (0.03, 0.1, 1.01, "not reproduced"),
    ],
)
def test_l8_wants_the_mean_drift_to_fall_with_the_tolerance(
    conservation: xr.Dataset, tolerance: float, other: float, share: float, expected: str
) -> None:
    drift = conservation["conservation_drift"]
    larger = drift.sel({"solver_tolerance": other}, drop=True)
    drift.loc[{"solver_tolerance": tolerance}] = share * larger
    assert l8(conservation)[0] == expected
    # Whatever the order of the tolerances
    assert l8(conservation.isel({"solver_tolerance": [2, 0, 1]}))[0] == expected


def test_l8_leaves_the_start_out_of_the_mean(conservation: xr.Dataset) -> None:
    # As many snapshots without drift as with one would halve the mean.
    *_, detail = l8(conservation.isel(snapshot=[0, 1]))
    assert "0.033 (largest 0.033) at tolerance 0.1" in detail


@pytest.mark.parametrize("tolerance", [0.01, 0.1])
@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.000009, "reproduced"), (1.00002, "not reproduced")]
)
def test_l8_wants_the_bound_at_all_tolerances(
    conservation: xr.Dataset, tolerance: float, ratio: float, expected: str
) -> None:
    place = {**PLACE, "solver_tolerance": tolerance}
    conservation["largest_output_weight_ratio"].loc[place] = ratio
    found, value, detail = l8(conservation)
    assert found == expected and value == pytest.approx(0.01)
    assert detail.endswith(f"largest |a(t)| over its bound {ratio:.6f}")


@pytest.mark.parametrize("name", ["conservation_drift", "largest_output_weight_ratio"])
@pytest.mark.parametrize("tolerance", [0.01, 0.03, 0.1])
def test_l8_counts_a_diverged_run_as_a_failure(
    conservation: xr.Dataset, name: str, tolerance: float
) -> None:
    conservation[name].loc[{**PLACE, "solver_tolerance": tolerance}] = np.nan
    found, value, _ = l8(conservation)
    assert found == "not reproduced"
    # There is no largest drift with one missing.
    assert np.isnan(value) == (name == "conservation_drift" and tolerance == 0.03)


def test_l8_is_not_run_below_its_width(conservation: xr.Dataset) -> None:
    found, value, detail = l8(conservation.assign_coords(width=[998]))
    assert found == "not run" and np.isnan(value)
    assert "width 998, needs 1000" in detail


@pytest.mark.parametrize("tolerances", [[0.03], [0.01, 0.1]])
def test_l8_needs_tolerances_the_default_among_them(
    conservation: xr.Dataset, tolerances: list[float]
) -> None:
    found, _, detail = l8(conservation.sel({"solver_tolerance": tolerances}))
    assert found == "not run"
    assert "needs tolerances of the solver, 0.03 among them" in detail


def test_l8_needs_the_axis(conservation: xr.Dataset) -> None:
    found, _, detail = l8(conservation.sel({"solver_tolerance": 0.03}, drop=True))
    assert found == "not run" and "needs tolerances" in detail


# All of them


@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize("claim_id", ["L3", "L6", "L8"])
def test_they_do_nothing_that_a_later_xarray_does_otherwise(
    claim_id: str,
    growth: dict[str, xr.Dataset],
    condensation: xr.Dataset,
    conservation: xr.Dataset,
) -> None:
    measures = {**growth, "condensation": condensation, "conservation": conservation}
    assert verdict(claim_id, measures)[0] == "reproduced"
