"""Claims with experiments of their own, on made-up measures for which the verdict is known."""

from collections.abc import Mapping

import numpy as np
import pytest
import xarray as xr

from regimes.claims.core import evaluate
from regimes.claims.discover import claims_of
from regimes.papers.luo2021.paper import FAMILIES

WIDTHS = [1000, 5000, 10_000, 20_000, 40_000]
SEEDS = 5


def verdict(claim_id: str, measures: Mapping[str, xr.Dataset]) -> tuple[str, float, str]:
    """Verdict, value and detail of one claim."""
    (claim,) = [claim for claim in claims_of("luo2021") if claim.id == claim_id]
    row = evaluate([claim], measures, "laptop").isel(claim=0)
    return row["verdict"].item(), row["value"].item(), row["detail"].item()


# Figure 3


def growth(random: np.random.Generator, noise: float = 0.01) -> dict[str, xr.Dataset]:
    """Three families with slopes gamma - 1 that scatter over ten seeds."""
    gammas = [0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.75, 2.0, 2.2]
    axes = {"gamma_prime": [0.0], "gamma": gammas, "width": WIDTHS, "seed": list(range(10))}
    families = {}
    for name in FAMILIES:
        family = xr.Dataset(coords=axes)
        scatter = xr.DataArray(random.normal(0, noise, (11, 10)), dims=("gamma", "seed"))
        family["slope_w_by_seed"] = family["gamma"] - 1 + scatter + 0 * family["gamma_prime"]
        family["relative_distance_w"] = family["width"] ** family["slope_w_by_seed"]
        families[name] = family
    return families


def test_l3_finds_the_family_that_differs() -> None:
    measures = growth(np.random.default_rng(0))
    found, value, detail = verdict("L3", measures)
    assert found == "reproduced" and 0 < value < 3.2 and "33 comparisons" in detail
    measures[FAMILIES[1]]["slope_w_by_seed"].loc[{"gamma": 1.4}] += 0.05
    found, value, detail = verdict("L3", measures)
    assert found == "not reproduced" and "at gamma = 1.4" in detail
    measures[FAMILIES[1]]["slope_w_by_seed"].loc[{"gamma": 1.4, "seed": 0}] = np.nan
    assert verdict("L3", measures)[0] == "not reproduced"
    short = {name: one.isel(width=slice(4)) for name, one in measures.items()}
    assert verdict("L3", short)[0] == "not run"
    measures[FAMILIES[2]] = measures[FAMILIES[2]].isel(gamma=slice(5))
    assert verdict("L3", measures)[0] == "not run"


def test_l3_is_rarely_wrong_where_families_agree() -> None:
    random = np.random.default_rng(3)
    (claim,) = [one for one in claims_of("luo2021") if one.id == "L3"]
    draws = 100
    refuted = sum(
        claim.wanted.verdict(claim.check(growth(random))) == "not reproduced" for _ in range(draws)
    )
    # 5 % and three standard errors
    assert refuted <= 0.115 * draws


def test_l15_wants_slopes_that_do_not_change_with_the_width() -> None:
    measures = growth(np.random.default_rng(0), noise=1e-4)
    assert verdict("L15", measures)[0] == "reproduced"
    distance = measures["growth_unit"]["relative_distance_w"]
    # What a factor log m does is the most that is allowed, and known to be undecided.
    measures["growth_unit"]["relative_distance_w"] = distance * np.log(distance["width"]) ** 2
    found, _, detail = verdict("L15", measures)
    assert found == "not reproduced" and "18 points" in detail
    measures["growth_unit"] = measures["growth_unit"].isel(gamma=slice(3))
    assert verdict("L15", measures)[0] == "not run"


# Figure 2


def cases(**changes: np.ndarray | float) -> xr.Dataset:
    """Networks as the paper shows them, with a scatter over the seeds."""
    axes = {
        "gamma_prime": [0.0],
        "gamma": [0.5, 1.0, 1.75],
        "snapshot": [1.0, 0.0],
        "width": [1000],
        "seed": list(range(SEEDS)),
    }
    cases = xr.Dataset(coords=axes)
    scatter = np.exp(xr.DataArray(np.random.default_rng(0).normal(0, 0.1, SEEDS), dims="seed"))
    values = {
        "slope_variation": [5.0, 3.0, 2.0],
        "distance_to_linear_spline": [0.5, 0.3, 0.1],
        "distance_to_cubic_spline": [0.4, 0.1, 0.3],
        "scatter_distance": [0.05, 0.4, 0.9],
    }
    over = 1 + 0 * (cases["snapshot"] + cases["gamma_prime"] + cases["width"])
    for name, by_gamma in (values | changes).items():
        cases[name] = xr.DataArray(by_gamma, dims="gamma") * scatter * over
    cases["scatter_distance_of_starts"] = 0.3 + 0 * (
        cases["gamma"] + cases["gamma_prime"] + cases["width"]
    )
    return cases


@pytest.mark.parametrize(
    ("claim_id", "changes"),
    [
        ("L11a", {"slope_variation": [2.0, 3.0, 1.0]}),
        ("L11b", {"distance_to_linear_spline": [0.5, 0.01, 0.1]}),
        ("L11c", {"distance_to_linear_spline": [0.5, 0.3, 0.9]}),
        ("L12a", {"scatter_distance": [0.5, 0.4, 0.9]}),
        ("L12b", {"scatter_distance": [0.05, 0.4, 0.1]}),
    ],
)
def test_the_shapes_of_figure_2(claim_id: str, changes: dict[str, list[float]]) -> None:
    name = "typical_cases"
    assert verdict(claim_id, {name: cases()})[0] == "reproduced"
    assert verdict(claim_id, {name: cases(**changes)})[0] == "not reproduced"
    assert verdict(claim_id, {name: cases().isel(seed=slice(4))})[0] == "not run"
    assert verdict(claim_id, {name: cases().assign_coords(width=[100])})[0] == "not run"
    if claim_id.startswith("L11"):
        other = {"typical_cases_other_points": cases(**changes)}
        assert verdict(f"{claim_id}-other", other)[0] == "not reproduced"


def test_shapes_that_differ_between_seeds_are_undecided() -> None:
    measures = cases()
    near = [0.01, 1.0, 0.01, 1.0, 0.01]
    measures["distance_to_linear_spline"].loc[{"gamma": 1.75}] = measures[
        "distance_to_linear_spline"
    ].sel(gamma=1.75) * 0 + xr.DataArray(near, dims="seed")
    assert verdict("L11c", {"typical_cases": measures})[0] == "undecided"


# Condensation


def neurons(widths: list[int], exponent: float = -0.5) -> xr.Dataset:
    """Shares outside of the heaviest bins that fall with the width and the distance."""
    axes = {
        "gamma_prime": [-1.0, 0.0, 1.0],
        "gamma": [0.5, 1.0, 1.5, 2.0, 2.5],
        "width": widths,
        "seed": [2, 3, 4],
    }
    found = xr.Dataset(coords=axes)
    past = found["gamma"] - 1 - found["gamma_prime"].clip(min=0)
    random = np.random.default_rng(0)
    scatter = xr.DataArray(random.normal(0, 0.05, (3, 3)), dims=("width", "seed"))
    outside = 0.1 * found["width"].astype(float) ** (exponent * past.clip(min=0)) * np.exp(scatter)
    found["heaviest_bins_share_of_all"] = 1 - outside
    found["initial_heaviest_bins_share_of_all"] = 0.6 + 0 * outside
    found["bins_holding"] = xr.where(past > 0, 8, 20) + 0 * outside
    return found


@pytest.mark.parametrize("claim_id", ["L6a", "L6b", "L6c", "L6d"])
def test_condensation(claim_id: str) -> None:
    measures = neurons([1000, 10_000, 1_000_000])
    name = "condensation"
    assert verdict(claim_id, {name: measures})[0] == "reproduced"
    assert verdict(claim_id, {name: measures.isel(width=slice(2))})[0] == "not run"
    assert verdict(claim_id, {name: measures.isel(seed=slice(2))})[0] == "not run"
    width = measures["width"].astype(float) / 1000
    broken = measures.copy(deep=True)
    if claim_id == "L6a":
        broken["heaviest_bins_share_of_all"].loc[{"gamma": 2.5, "gamma_prime": 1.0}] = 0.9
        broken["heaviest_bins_share_of_all"].loc[
            {"gamma": 2.5, "gamma_prime": 1.0, "width": 1000}
        ] = 0.99
    elif claim_id == "L6b":
        broken["heaviest_bins_share_of_all"].loc[{"gamma": 1.0, "gamma_prime": 0.0}] = (
            1 - 0.1 * width.expand_dims(seed=3) ** -0.3
        ).T.values
    elif claim_id == "L6c":
        broken["bins_holding"].loc[{"gamma": 2.0, "gamma_prime": 0.0, "width": 1_000_000}] = 9
    else:
        broken["gamma"] = broken["gamma"].values[::-1]
    assert verdict(claim_id, {name: broken})[0] == "not reproduced"


def test_no_trend_is_undecided() -> None:
    measures = neurons([1000, 10_000, 1_000_000])
    random = np.random.default_rng(2)
    measures["heaviest_bins_share_of_all"].values[:] = random.uniform(
        0.5, 0.9, measures["heaviest_bins_share_of_all"].shape
    )
    assert verdict("L6d", {"condensation": measures})[0] == "undecided"


def test_condensation_on_mnist_is_compared_with_the_start() -> None:
    measures = neurons([1000, 10_000, 250_000])
    name = "condensation_mnist"
    assert verdict("L23a", {name: measures})[0] == "reproduced"
    assert verdict("L23b", {name: measures})[0] == "reproduced"
    # One seed is enough: widths have draws of their own.
    assert verdict("L23b", {name: measures.isel(seed=[0])})[0] == "reproduced"
    high = measures.assign(
        initial_heaviest_bins_share_of_all=0 * measures["bins_holding"] + 0.999999
    )
    assert verdict("L23a", {name: high})[0] == "not reproduced"
    assert verdict("L23a", {name: measures.isel(width=slice(2))})[0] == "not run"


# Along the flow


def flow() -> xr.Dataset:
    """Runs whose linearisation gets better in the linear regime and worse in the condensed one."""
    axes = {
        "gamma_prime": [-0.5, 0.0, 0.5],
        "gamma": [0.6, 0.8, 1.25, 1.75],
        "width": WIDTHS,
        "seed": list(range(SEEDS)),
        "snapshot": [1.0, 0.1, 0.0],
    }
    runs = xr.Dataset(coords=axes)
    past = runs["gamma"] - 1 - runs["gamma_prime"].clip(min=0)
    width = runs["width"].astype(float)
    scatter = np.exp(xr.DataArray(np.random.default_rng(0).normal(0, 0.01, SEEDS), dims="seed"))
    progress = xr.DataArray([1e-9, 0.5, 1.0], dims="snapshot")
    runs["relative_distance_w"] = width**past * scatter * progress
    runs["linearisation_error"] = 2 * width**past * scatter * progress
    once = (0 * width + 0 * past) * scatter
    runs["first_layer_ratio"] = (once * progress + 2).where(past > 0)
    for layer in "aw":
        runs[f"movement_ratio_{layer}"] = (once + 0.1).where(past < 0)
    runs["start_largest_ratio"] = once + 0.9
    for name in ("start_norm", "start_norm_w", "start_norm_a"):
        runs[name] = once + 1.0
    runs["start_gram_error"] = once + scatter * width**-0.5
    runs["start_eigenvalue_ratio"] = once + 0.8
    runs["start_eigenvalue_ratio_a"] = once + 0.9
    runs["start_loss_ratio"] = once + 0.01
    return runs


PLACE = {"gamma_prime": 0.5, "gamma": 1.25}
BROKEN = {
    "L13a": ("linearisation_error", PLACE, lambda one: 0 * one + one["width"].astype(float)),
    "L13b": ("linearisation_error", {"gamma": 1.75}, lambda one: one / one["width"]),
    "L14": ("relative_distance_w", {"snapshot": 0.1}, lambda one: 3 * one * one["width"] ** 0.1),
    "L18": ("first_layer_ratio", {"gamma": 1.75, "seed": 1}, lambda one: 0 * one + 0.99),
    "L21": ("movement_ratio_a", {"gamma": 0.6, "seed": 1}, lambda one: 0 * one + 1.1),
    "L22a": ("start_norm", {"seed": [0, 1]}, lambda one: 0 * one + 1.6),
    "L22b": ("start_gram_error", {}, lambda one: 0 * one + one["width"] ** -0.2),
    "L22c": ("start_eigenvalue_ratio_a", {"seed": 0}, lambda one: 0 * one + 0.7),
    "L22d": ("start_loss_ratio", {"seed": 0}, lambda one: 0 * one + 1.1),
}


@pytest.mark.parametrize("claim_id", BROKEN)
def test_claims_along_the_flow(claim_id: str) -> None:
    runs = flow()
    is_bound = claim_id in ("L21", "L22c")
    found, _, detail = verdict(claim_id, {"along_the_flow": runs})
    assert found == ("undecided" if is_bound else "reproduced")
    assert not is_bound or detail.startswith("the bound holds")
    name, place, change = BROKEN[claim_id]
    broken = runs.copy(deep=True)
    chosen = broken[name].sel(place)
    broken[name].loc[place] = change(chosen).transpose(*chosen.dims)
    found, _, detail = verdict(claim_id, {"along_the_flow": broken})
    assert found == ("undecided" if is_bound else "not reproduced")
    assert not is_bound or detail.startswith("the bound fails")


def test_l18_is_not_run_without_the_conditions_of_the_proof() -> None:
    runs = flow()
    runs["first_layer_ratio"][:] = np.nan
    assert verdict("L18", {"along_the_flow": runs})[0] == "not run"


# Conservation


def conservation() -> xr.Dataset:
    axes = {"gamma": [1.0], "solver_tolerance": [0.1, 0.01], "width": [1000], "seed": [0, 1]}
    runs = xr.Dataset(coords=axes)
    over = sum(0.0 * runs[name] for name in axes)
    runs["conservation_drift"] = over + xr.DataArray([1e-3, 1e-7], dims="solver_tolerance")
    runs["largest_output_weight_ratio"] = over + xr.DataArray([1.2, 0.9], dims="solver_tolerance")
    return runs


@pytest.mark.parametrize(
    ("claim_id", "name", "value"),
    [("L8a", "conservation_drift", 1e-4), ("L8b", "largest_output_weight_ratio", 1.0001)],
)
def test_conservation_is_judged_at_the_finest_tolerance(
    claim_id: str, name: str, value: float
) -> None:
    runs = conservation()
    found, _, detail = verdict(claim_id, {"conservation": runs})
    assert found == "reproduced" and "at 0.1" in detail
    broken = runs.copy(deep=True)
    broken[name].loc[{"solver_tolerance": 0.01, "seed": 1}] = value
    assert verdict(claim_id, {"conservation": broken})[:2] == ("not reproduced", value)
    broken[name].loc[{"solver_tolerance": 0.01, "seed": 1}] = np.nan
    assert verdict(claim_id, {"conservation": broken})[0] == "not reproduced"
    small = runs.assign_coords(width=[998])
    assert verdict(claim_id, {"conservation": small})[0] == "not run"
    one = runs.isel(solver_tolerance=0, drop=True)
    assert verdict(claim_id, {"conservation": one})[0] == "not run"
