"""Claims on the phase diagram, on made-up measures for which the verdict is known."""

import numpy as np
import pytest
import xarray as xr
from luo_runs import made_up_runs, measured

from regimes.claims.core import VERDICTS, at_most, evaluate
from regimes.claims.discover import claims_of
from regimes.papers.luo2021.claims.points import at_points
from regimes.papers.luo2021.paper import FOUR_POINTS, MNIST, WIDTHS

GAMMA = np.round(np.arange(0.4, 2.25, 0.1), 10)
GAMMA_PRIME = np.round(np.arange(-1, 1.05, 0.25), 10)
SEEDS = 5
# Verdict of each claim where the theory holds exactly.
EXPECTED = {
    **dict.fromkeys(
        ["L1", "L1-signs", "L4e", "L5a", "L5b", "L9", "L10", "L16", "L17a", "L17b", "L19"],
        "reproduced",
    ),
    "L20-corrected": "reproduced",
    **dict.fromkeys(["L5c", "L7c", "L17c", "L20"], "not reproduced"),
    **dict.fromkeys(
        ["L4a", "L4b", "L4c", "L4d", "L4f", "L4g", "L7a", "L7b", "L7d"],
        "undecided",
    ),
}


def made_up(widths: tuple[int, ...] = WIDTHS[FOUR_POINTS], noise: float = 0.0) -> xr.Dataset:
    """Measures of a theory that is exact, with slopes that scatter over the seeds."""
    axes = {
        "gamma_prime": GAMMA_PRIME,
        "gamma": GAMMA,
        "width": list(widths),
        "seed": list(range(SEEDS)),
    }
    diagram = xr.Dataset(coords=axes)
    gamma_prime, gamma = diagram["gamma_prime"], diagram["gamma"]
    edge = 1 + gamma_prime.clip(min=0)
    below = gamma - edge
    slopes = {
        # A little above the bounds, so that noise leaves zeros where they are.
        "w": xr.where(below < -1e-9, below - 0.001, xr.where(below > 1e-9, 0.55, 0.2) * below),
        "theta": gamma - 1 + 0 * gamma_prime,
        "a": gamma + gamma_prime.clip(max=0) - 1,
    }
    scatter = xr.DataArray(np.random.default_rng(1).normal(0, noise, SEEDS), dims="seed")
    width = diagram["width"].astype(float)
    for layer, slope in slopes.items():
        diagram[f"relative_distance_{layer}"] = 0.1 * width ** (slope + scatter)
    runs = diagram["relative_distance_w"]
    diagram["final_loss"] = xr.full_like(runs, 1e-6)
    diagram["initial_loss"] = xr.full_like(runs, 0.5)
    diagram["decay_rate_ratio"] = xr.full_like(runs, 2.0)
    diagram["smallest_eigenvalue_a"] = 0.01
    diagram["smallest_eigenvalue_w"] = 0.1
    diagram["n_train"] = 4.0
    # Twice as fast as the sharpest of the bounds.
    widest = float(max(widths))
    kappa_prime = widest**-gamma_prime
    rate = widest ** (1 - 2 * gamma) / 4 * (0.01 / kappa_prime + 0.1 * kappa_prime)
    share = xr.DataArray([1e-6, 0.01, 1.0, 10.0], dims="checkpoint")
    diagram = diagram.assign_coords(time=share / rate)
    diagram["train_loss"] = 0.5 * np.exp(-2 * share) * xr.ones_like(rate) + 0 * diagram["seed"]
    return diagram


def verdict(claim_id: str, measures: xr.Dataset) -> tuple[str, float, str]:
    """Verdict, value and detail of one claim."""
    (claim,) = [claim for claim in claims_of("luo2021") if claim.id == claim_id]
    row = evaluate([claim], {claim.needs[0]: measures}, "laptop").isel(claim=0)
    return row["verdict"].item(), row["value"].item(), row["detail"].item()


def shifted(diagram: xr.Dataset, layer: str, by: float, **place: float) -> xr.Dataset:
    """Measures with another slope of a layer at a place, or everywhere."""
    factor = diagram["width"].astype(float) ** by
    for name, value in place.items():
        factor = xr.where(abs(diagram[name] - value) < 1e-9, factor, 1.0)
    name = f"relative_distance_{layer}"
    return diagram.assign({name: (diagram[name] * factor).transpose(*diagram[name].dims)})


def test_the_claims_say_where_they_stand() -> None:
    claims = claims_of("luo2021")
    assert len({claim.id for claim in claims}) == len(claims)
    assert all(claim.statement and claim.source and claim.needs for claim in claims)


@pytest.mark.parametrize("claim_id", EXPECTED)
def test_verdicts_where_the_theory_is_exact(claim_id: str) -> None:
    found, value, detail = verdict(claim_id, made_up())
    assert found == EXPECTED[claim_id] and np.isfinite(value)
    if found == "undecided":
        assert detail.startswith("the bound holds, outside")


@pytest.mark.parametrize("claim_id", EXPECTED)
def test_they_need_the_papers_widths_and_seeds(claim_id: str) -> None:
    found, value, detail = verdict(claim_id, made_up().isel(width=slice(4)))
    assert found == "not run" and np.isnan(value) and "lacks width = 40000" in detail
    found, *_ = verdict(claim_id, made_up().isel(seed=slice(2)))
    assert found == "not run"


def test_they_read_what_is_measured() -> None:
    measures = measured(made_up_runs(seeds=3, noise=0.001))
    for claim_id in EXPECTED:
        # The grid of these runs lacks some of the regions.
        assert verdict(claim_id, measures)[0] in VERDICTS
    assert verdict("L1", measures)[0] == "reproduced"


BREACHES = [
    # Claim, layer, by how much its slope is shifted, and where
    ("L1", "w", 0.3, {"gamma_prime": 0.5}),
    ("L1", "w", -0.3, {"gamma_prime": -0.5}),
    ("L1-signs", "w", 1.0, {"gamma": 0.6, "gamma_prime": -1.0}),
    ("L1-signs", "w", -1.0, {"gamma": 1.8, "gamma_prime": -1.0}),
    ("L4a", "w", 0.2, {"gamma": 0.5}),
    ("L4b", "w", 0.2, {"gamma_prime": 0.75, "gamma": 1.5}),
    ("L4c", "theta", 0.2, {"gamma": 0.5}),
    ("L4d", "theta", 0.1, {"gamma": 0.5}),
    ("L4e", "w", -0.3, {"gamma_prime": -0.5, "gamma": 2.0}),
    ("L4f", "a", 0.2, {"gamma_prime": -0.5, "gamma": 1.2}),
    ("L4g", "a", 0.2, {"gamma_prime": 0.5, "gamma": 0.6}),
    ("L5a", "theta", 0.3, {"gamma_prime": 1.0}),
    ("L5b", "a", -0.3, {"gamma_prime": -0.25}),
    ("L9", "w", 1.5, {"gamma": 0.5, "gamma_prime": 0.0}),
    ("L10", "w", 1.5, {"gamma": 1.0, "gamma_prime": 1.0}),
    ("L16", "w", 0.2, {"gamma": 1.5, "gamma_prime": 0.5}),
    ("L16", "w", -0.2, {"gamma": 1.0, "gamma_prime": -1.0}),
    ("L17a", "a", -1.0, {"gamma": 1.3, "gamma_prime": 1.0}),
    ("L17a", "w", 1.0, {"gamma": 1.3, "gamma_prime": 1.0}),
    ("L17b", "w", -1.0, {"gamma": 1.3, "gamma_prime": -1.0}),
    ("L20-corrected", "a", 1.0, {"gamma": 1.3, "gamma_prime": -1.0}),
]


@pytest.mark.parametrize(("claim_id", "layer", "by", "place"), BREACHES)
def test_they_find_one_breach(
    claim_id: str, layer: str, by: float, place: dict[str, float]
) -> None:
    found, _, detail = verdict(claim_id, shifted(made_up(), layer, by, **place))
    if claim_id in ("L4a", "L4b", "L4c", "L4d", "L4f", "L4g"):
        assert found == "undecided" and detail.startswith("the bound fails")
    else:
        assert found == "not reproduced"
    for name, value in place.items():
        if name == "gamma_prime" or claim_id not in ("L1", "L5a", "L5b"):
            assert f"{name.replace('gamma_prime', 'gamma' + chr(39))} = {value:g}" in detail


def test_the_window_of_zeros_is_not_symmetric() -> None:
    diagram = made_up()
    # Theorem 6 lets slopes of 1 be higher by log m; above, no more than interpolation does.
    assert verdict("L5a", shifted(diagram, "theta", 0.1))[0] == "reproduced"
    assert verdict("L5a", shifted(diagram, "theta", -0.03))[0] == "not reproduced"


def test_a_slope_without_zero_is_not_reproduced() -> None:
    found, value, detail = verdict("L1", shifted(made_up(), "w", -9, gamma_prime=0.25))
    assert found == "not reproduced" and np.isnan(value)
    assert "1 of 9 points have no value, first gamma' = 0.25" in detail


def test_noise_leaves_them_undecided() -> None:
    assert verdict("L16", made_up(noise=0.1))[0] == "undecided"
    assert verdict("L1-signs", made_up(noise=0.5))[0] == "undecided"
    assert verdict("L16", made_up(noise=0.001))[0] == "reproduced"


def test_decays_and_losses_find_one_slow_run() -> None:
    diagram = made_up()
    place = {"gamma_prime": 0, "gamma": 1, "seed": 2}
    slow = diagram.copy(deep=True)
    slow["decay_rate_ratio"][{**place, "width": -1}] = 0.9
    found, value, detail = verdict("L7a", slow)
    assert (found, value) == ("undecided", 0.9) and "the bound fails" in detail
    assert "gamma = 0.5, gamma' = -1, seed = 2" in detail
    slow["train_loss"] = 0.5 * (slow["train_loss"] / 0.5) ** 0.4
    for claim_id in ("L7b", "L7d"):
        found, value, detail = verdict(claim_id, slow)
        assert found == "undecided" and "the bound fails" in detail
    assert verdict("L7b", slow)[1] == pytest.approx(0.8)
    high = diagram.copy(deep=True)
    high["final_loss"].loc[{"gamma_prime": -1.0, "gamma": 1.5, "seed": 0, "width": 1000}] = 0.01
    found, value, detail = verdict("L19", high)
    # 22 points, five widths, five seeds
    assert found == "not reproduced" and value == pytest.approx(549 / 550)


def test_mnist_has_windows_of_its_own() -> None:
    diagram = made_up(WIDTHS[MNIST])
    assert verdict("L2", diagram)[0] == "reproduced"
    assert verdict("L2-signs", diagram)[0] == "reproduced"
    # On a coarser grid interpolation may put a zero twice as high.
    assert verdict("L2", shifted(diagram, "w", -0.015))[0] == "reproduced"
    assert verdict("L1", shifted(made_up(), "w", -0.015))[0] == "not reproduced"
    assert verdict("L2", shifted(diagram, "w", 0.3, gamma_prime=0.5))[0] == "not reproduced"
    assert verdict("L2", made_up())[0] == "not run"


def test_points_on_their_limit_are_rarely_refuted_and_rarely_confirmed() -> None:
    draws, random = 400, np.random.default_rng(0)
    region = xr.DataArray([True] * 20, dims="gamma", coords={"gamma": np.arange(20.0)})
    counts = dict.fromkeys(VERDICTS, 0)
    for _ in range(draws):
        values = xr.DataArray(random.normal(size=(20, SEEDS)), dims=("gamma", "seed"))
        values = values.assign_coords(region.coords)
        wanted = at_most(0.0)
        counts[wanted.verdict(at_points(values, region, wanted))] += 1
    # 5 % and three standard errors
    assert counts["not reproduced"] <= 0.083 * draws
    assert counts["reproduced"] <= 0.083 * draws
