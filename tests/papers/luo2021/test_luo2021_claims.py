"""Claims L4, L5 and L7 on made-up measures that fulfil them exactly or break them somewhere."""

import numpy as np
import pytest
import xarray as xr
from luo_runs import made_up_runs, measured

from regimes.claims.core import evaluate
from regimes.claims.discover import claims_of

GAMMA = np.round(np.arange(0.4, 2.25, 0.1), 10)
GAMMA_PRIME = np.round(np.arange(-1, 1.05, 0.25), 10)
WIDTHS = [1000, 5000, 10_000, 20_000, 40_000]


@pytest.fixture
def diagram() -> xr.Dataset:
    """Measures of a theory that is exact: slopes on their bounds, zeros and rates as proved."""
    axes = {"gamma_prime": GAMMA_PRIME, "gamma": GAMMA, "width": WIDTHS, "seed": [0, 1]}
    coordinates = xr.Dataset(coords=axes)
    gamma_prime, gamma = coordinates["gamma_prime"], coordinates["gamma"]
    below = np.minimum(gamma - 1, gamma - 1 - gamma_prime)
    above = (gamma - 1 - gamma_prime.clip(min=0)) / 2
    theory = 1 + gamma_prime.clip(min=0)
    diagram = coordinates.assign(
        slope_w=xr.where(gamma < theory, below, above),
        slope_theta=gamma - 1 + 0 * gamma_prime,
        slope_a=gamma + gamma_prime.clip(max=0) - 1,
        boundary_gamma=theory,
        boundary_gamma_a=1 - gamma_prime.clip(max=0),
        boundary_gamma_theta=xr.ones_like(gamma_prime),
        decay_rate_ratio=2.0 + 0 * gamma_prime * gamma * coordinates["width"] * coordinates["seed"],
    ).transpose("gamma_prime", "gamma", ...)
    for name in ("boundary_gamma", "boundary_gamma_a", "boundary_gamma_theta"):
        diagram[f"theory_{name}"] = diagram[name].copy()
        diagram[f"{name}_stderr"] = xr.full_like(diagram[name], 0.01)
    return diagram


def verdict(claim_id: str, diagram: xr.Dataset) -> tuple[str, float, str]:
    """Verdict, value and detail of one claim."""
    (claim,) = [claim for claim in claims_of("luo2021") if claim.id == claim_id]
    row = evaluate([claim], {"phase_diagram": diagram}, "laptop").isel(claim=0)
    return row["verdict"].item(), row["value"].item(), row["detail"].item()


def test_the_claims_are_in_order_and_say_where_they_stand() -> None:
    ids = [claim.id for claim in claims_of("luo2021")]
    assert ids == sorted(ids)
    assert {"L1", "L4", "L5", "L7"} <= set(ids)
    assert all(claim.statement and claim.source and claim.needs for claim in claims_of("luo2021"))


@pytest.mark.parametrize("claim_id", ["L4", "L5", "L7"])
def test_they_need_the_papers_widths(claim_id: str, diagram: xr.Dataset) -> None:
    found, value, detail = verdict(claim_id, diagram.isel(width=slice(4)))
    assert found == "not run" and np.isnan(value)
    assert "4 widths up to 20000, needs 5 up to 40000" in detail


@pytest.mark.parametrize("claim_id", ["L4", "L5", "L7"])
def test_they_read_what_is_measured(claim_id: str) -> None:
    found, value, _ = verdict(claim_id, measured(made_up_runs()))
    assert found in ("reproduced", "not reproduced") and np.isfinite(value)


# L4


def test_l4_holds_on_the_bounds(diagram: xr.Dataset) -> None:
    found, value, detail = verdict("L4", diagram)
    assert found == "reproduced"
    assert value == pytest.approx(0, abs=1e-12)
    assert detail.count("excess") == 5


BREACHES = [
    # Slope, gamma', gamma, direction of the breach, and the first words of the bound
    ("slope_w", -1.0, 0.5, 1, "slope_w <= gamma - 1:"),
    ("slope_w", 0.75, 0.9, 1, "slope_w <= gamma - gamma' - 1:"),
    ("slope_w", 1.0, 1.9, 1, "slope_w <= gamma - gamma' - 1:"),
    ("slope_theta", -1.0, 0.9, 1, "slope_theta <= gamma - 1:"),
    ("slope_theta", 1.0, 1.9, 1, "slope_theta <= gamma - 1:"),
    ("slope_w", 0.5, 1.6, -1, "slope_w >= (gamma - 1 - max(gamma', 0)) / 2:"),
    ("slope_w", -1.0, 1.1, -1, "slope_w >= (gamma - 1 - max(gamma', 0)) / 2:"),
    ("slope_a", -1.0, 1.9, 1, "slope_a <= gamma + gamma' - 1:"),
    ("slope_a", 0.25, 0.7, 1, "slope_a <= gamma + gamma' - 1:"),
]


@pytest.mark.parametrize(("slope", "gamma_prime", "gamma", "sign", "bound"), BREACHES)
@pytest.mark.parametrize(("size", "expected"), [(0.09, "reproduced"), (0.11, "not reproduced")])
def test_l4_finds_a_breach_of_each_bound(
    diagram: xr.Dataset,
    slope: str,
    gamma_prime: float,
    gamma: float,
    sign: int,
    bound: str,
    size: float,
    expected: str,
) -> None:
    # Everything else is far on the safe side.
    safe = {"slope_w": xr.where(diagram["slope_w"] > 0, 1, -1), "slope_theta": -1, "slope_a": -1}
    for name, sign_of_safety in safe.items():
        diagram[name] = diagram[name] + 5.0 * sign_of_safety
    exact = {
        "slope_w <= gamma - 1:": gamma - 1,
        "slope_w <= gamma - gamma' - 1:": gamma - gamma_prime - 1,
        "slope_theta <= gamma - 1:": gamma - 1,
        "slope_w >= (gamma - 1 - max(gamma', 0)) / 2:": (gamma - 1 - max(gamma_prime, 0)) / 2,
        "slope_a <= gamma + gamma' - 1:": gamma + gamma_prime - 1,
    }[bound]
    diagram[slope].loc[{"gamma_prime": gamma_prime, "gamma": gamma}] = exact + sign * size
    found, value, detail = verdict("L4", diagram)
    assert found == expected
    assert value == pytest.approx(size)
    (mine,) = [part for part in detail.split("; ") if part.startswith(bound)]
    assert mine.endswith(f"excess +{size:.3f} at gamma = {gamma:g}, gamma' = {gamma_prime:g}")


@pytest.mark.slow
@pytest.mark.parametrize("rounding", [-1e-15, 0, 1e-15])
@pytest.mark.parametrize(
    ("slope", "gamma_prime", "gamma"),
    [
        # On the edges, where the grid's floats may say otherwise
        *[("slope_w", value, 1 + value) for value in (0.0, 0.5, 1.0)],
        *[("slope_w", value, 1.0) for value in (-1.0, -0.75, -0.5, -0.25)],
        *[("slope_theta", value, 1.0) for value in (-1.0, 0.0)],
        *[("slope_a", value, 1 - value) for value in (-1.0, -0.5, 0.0)],
        # Beyond them
        ("slope_theta", 0.25, 1.3),
        ("slope_a", -0.5, 1.6),
    ],
)
def test_l4_looks_inside_the_regions_alone(
    diagram: xr.Dataset, slope: str, gamma_prime: float, gamma: float, rounding: float
) -> None:
    place = {
        "gamma_prime": list(GAMMA_PRIME).index(gamma_prime),
        "gamma": int(np.abs(GAMMA - gamma).argmin()),
    }
    diagram = diagram.assign_coords(gamma=diagram["gamma"] * (1 + rounding))
    for value in (9.0, -9.0):
        diagram[slope][place] = value
        assert verdict("L4", diagram)[0] == "reproduced"


def test_l4_needs_every_slope_in_its_regions(diagram: xr.Dataset) -> None:
    diagram["slope_theta"].loc[{"gamma_prime": 0.5, "gamma": 1.2}] = np.nan
    found, value, detail = verdict("L4", diagram)
    assert found == "not reproduced" and np.isnan(value)
    assert "slope_theta <= gamma - 1: no slope at gamma = 1.2, gamma' = 0.5" in detail
    assert detail.count("excess") == 4


def test_l4_is_not_run_on_a_grid_without_one_of_the_regions(diagram: xr.Dataset) -> None:
    found, _, detail = verdict("L4", diagram.sel(gamma=slice(None, 0.95)))
    assert found == "not run"
    assert "no point of the grid is in the region of slope_w >=" in detail


# L5


@pytest.mark.parametrize("boundary", ["boundary_gamma_theta", "boundary_gamma_a"])
@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0.0, "reproduced"),
        (0.14, "reproduced"),
        (-0.14, "reproduced"),
        (0.16, "not reproduced"),
        (-0.16, "not reproduced"),
    ],
)
def test_l5_compares_both_boundaries(
    diagram: xr.Dataset, boundary: str, offset: float, expected: str
) -> None:
    diagram[boundary].loc[{"gamma_prime": -0.75}] += offset
    found, value, detail = verdict("L5", diagram)
    assert found == expected
    assert value == pytest.approx(abs(offset), abs=1e-12)
    theory = 1.75 if boundary.endswith("_a") else 1
    if offset:
        assert (
            f"slope_{boundary.removeprefix('boundary_gamma_')}: worst at gamma' = -0.75: measured "
            f"{theory + offset:.3f} +- 0.010, theory {theory:g}"
        ) in detail
    assert "slope_theta: " in detail and "slope_a: " in detail


@pytest.mark.parametrize("layer", ["theta", "a"])
def test_l5_without_a_zero_is_not_reproduced(diagram: xr.Dataset, layer: str) -> None:
    diagram[f"boundary_gamma_{layer}"].loc[{"gamma_prime": 0.5}] = np.nan
    found, value, detail = verdict("L5", diagram)
    assert found == "not reproduced" and np.isnan(value)
    assert f"slope_{layer}: no zero of slope_{layer} at gamma' = 0.5" in detail


# L7


def test_l7_holds_when_every_run_is_fast_enough(diagram: xr.Dataset) -> None:
    runs = {"gamma_prime": 0.25, "gamma": 1.1, "width": 40_000, "seed": 1}
    diagram["decay_rate_ratio"].loc[runs] = 1.0
    found, value, detail = verdict("L7", diagram)
    assert (found, value) == ("reproduced", 1)
    assert detail.startswith("smallest at gamma = 1.1, gamma' = 0.25, seed 1")
    # Two seeds; gamma from 0.4 to 0.9 for five gamma', 1.1, 1.4, 1.6 and 1.9 for the others
    count = 2 * (5 * 6 + 8 + 11 + 13 + 16)
    assert detail.endswith(f"holds for {count} of {count} runs")


@pytest.mark.parametrize(("gamma_prime", "gamma"), [(-1.0, 0.9), (0.5, 1.4), (1.0, 1.9), (0, 0.4)])
def test_l7_finds_one_slow_run(diagram: xr.Dataset, gamma_prime: float, gamma: float) -> None:
    run = {"gamma_prime": gamma_prime, "gamma": gamma, "width": 40_000, "seed": 0}
    diagram["decay_rate_ratio"].loc[run] = 0.99
    found, value, detail = verdict("L7", diagram)
    assert (found, value) == ("not reproduced", 0.99)
    assert f"gamma = {gamma:g}, gamma' = {gamma_prime:g}, seed 0" in detail
    assert "holds for 155 of 156 runs" in detail


def test_l7_leaves_out_what_it_is_not_about(diagram: xr.Dataset) -> None:
    ratio = diagram["decay_rate_ratio"]
    ratio.loc[{"width": WIDTHS[:-1]}] = 0.5
    ratio.loc[{"gamma_prime": 0.0, "gamma": 1.0}] = 0.5
    ratio.loc[{"gamma_prime": 0.5, "gamma": 1.5}] = np.nan
    assert verdict("L7", diagram)[:2] == ("reproduced", 2)


def test_l7_counts_a_diverged_run_as_a_failure(diagram: xr.Dataset) -> None:
    run = {"gamma_prime": 0.0, "gamma": 0.5, "width": 40_000, "seed": 0}
    diagram["decay_rate_ratio"].loc[run] = np.nan
    found, value, detail = verdict("L7", diagram)
    assert found == "not reproduced" and np.isnan(value)
    assert "1 runs have no rate (diverged); holds for 155 of 156 runs" in detail


def test_l7_is_not_run_without_the_linear_regime(diagram: xr.Dataset) -> None:
    found, _, detail = verdict("L7", diagram.sel(gamma=slice(1.95, None), gamma_prime=[-1.0, 0.0]))
    assert found == "not run"
    assert "no run has gamma <= boundary - 0.1" in detail
