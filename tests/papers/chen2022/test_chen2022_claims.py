"""Claims of Chen et al. (2022) on made-up measures for which the right verdict is known."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from chen_runs import STEPS, made_up_measures, made_up_runs, made_up_theory, without

from regimes.claims.core import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED, Wanted, evaluate
from regimes.claims.discover import claims_of
from regimes.claims.sampling import deviates_of_means, jackknifed, largest_deviate
from regimes.papers.chen2022 import starts, theorem_1, theorem_3
from regimes.papers.chen2022.decay import residual_ratio
from regimes.papers.chen2022.paper import (
    EXPERIMENTS,
    LEAKY_RELU,
    LEMMA_1_RELU,
    LEMMA_1_TANH,
    MOVEMENT,
    QUADRATIC_EMBEDDING,
    RANDOM_LABELS,
    RANDOM_LABELS_DRAWS,
    SCALINGS,
    STARTS,
    THEOREM_1,
    THEOREM_1_DRAWN_SIGNS,
    THEOREM_3,
)

Measures = dict[str, xr.Dataset]
Change = Callable[[Measures], None]


def noise(runs: xr.Dataset, name: str, deviation: float) -> xr.DataArray:
    """A factor of each run, the exponential of normal numbers of a deviation."""
    like = runs[name].isel(step=0, drop=True)
    draws = np.random.default_rng(3).standard_normal(like.shape)
    return np.exp(deviation * like.copy(data=draws))


@pytest.fixture(scope="module")
def all_measures() -> Measures:
    found = {name: made_up_measures(name, seeds=5) for name in (*EXPERIMENTS, RANDOM_LABELS_DRAWS)}
    # Slower with n in the time of flow, too.
    runs = found[RANDOM_LABELS]
    loss = runs["train_loss"]
    runs["train_loss"] = 0.04 * (loss / 0.04) ** ((20 / runs["n_train"]) ** 0.2)
    runs["train_loss"] = runs["train_loss"].transpose(*loss.dims)
    # Not the same for all seeds.
    runs = found[SCALINGS]
    runs["fitted_rate"] = runs["fitted_rate"] * noise(runs, "train_loss", 0.1)
    return found | made_up_theory()


@pytest.fixture
def measures(all_measures: Measures) -> Measures:
    """Measures at the paper's size, to be changed."""
    return {name: runs.copy(deep=True) for name, runs in all_measures.items()}


def judged(claim_id: str, changed: Measures) -> tuple[str, float, str]:
    """Verdict, value and detail of one claim."""
    (claim,) = [claim for claim in claims_of("chen2022") if claim.id == claim_id]
    row = evaluate([claim], changed, "laptop").isel(claim=0)
    return row["verdict"].item(), row["value"].item(), row["detail"].item()


def test_all_claims_hold_on_runs_like_the_papers(measures: Measures) -> None:
    found = evaluate(claims_of("chen2022"), measures, "laptop")
    assert found["claim"].values.tolist() == [f"C{number}" for number in range(1, 39)]
    errata = found["kind"].values == "erratum"
    assert set(found["verdict"].values[~errata]) == {REPRODUCED}, [
        (row, verdict, detail)
        for row, verdict, detail in zip(
            found["claim"].values, found["verdict"].values, found["detail"].values, strict=True
        )
        if verdict != REPRODUCED
    ]
    assert set(found["verdict"].values[errata]) == {NOT_REPRODUCED}


def change(name: str, variable: str, place: dict[str, object], factor: object) -> Change:
    """Multiply a variable at a place."""

    def changed(measures: Measures) -> None:
        values = measures[name][variable]
        values.loc[place] = values.loc[place] * factor

    return changed


def uneven(name: str, variable: str, deviation: float, **place: object) -> Change:
    """Multiply a variable by factors that differ from run to run."""

    def changed(measures: Measures) -> None:
        runs = measures[name]
        factors = noise(runs, variable, deviation)
        shown = runs[variable] * factors
        runs[variable] = runs[variable].copy(data=shown.transpose(*runs[variable].dims).values)

    return changed


def standstill(name: str, share: float, seeds: slice = slice(None), **place: object) -> Change:
    """Losses that stay above a share of the start in some seeds."""

    def changed(measures: Measures) -> None:
        loss = measures[name]["train_loss"]
        where = {"seed": seeds, **place}
        start = loss.isel(step=0, drop=True).loc[where]
        loss.loc[where] = loss.loc[where] + share * start

    return changed


WIDE = {"width": 8192, "n_train": 600}
SEEDS = xr.DataArray([2.0, 0.4, 1.6, 0.5, 1.3], dims="seed")
BELOW = [
    ("C1", standstill(RANDOM_LABELS, 1e-2, n_train=[40]), NOT_REPRODUCED),
    ("C1", standstill(RANDOM_LABELS, 1e-2, n_train=[100]), REPRODUCED),
    ("C9", standstill(RANDOM_LABELS_DRAWS, 1e-2, n_train=[20]), NOT_REPRODUCED),
    ("C13", standstill(RANDOM_LABELS_DRAWS, 1e-2, slice(3, 3), n_train=[20]), NOT_REPRODUCED),
    (
        "C3",
        change(
            SCALINGS,
            "train_loss",
            {"model": "ours", "width": 1024},
            xr.DataArray(1 / (1 + STEPS / 10), dims="step"),
        ),
        NOT_REPRODUCED,
    ),
    ("C3", standstill(SCALINGS, 1e-2, model="ntk"), REPRODUCED),
    (
        "C2",
        change(
            QUADRATIC_EMBEDDING,
            "test_error",
            {"model": "quadratic", "width": 8192, "n_train": 400},
            9.0,
        ),
        NOT_REPRODUCED,
    ),
    ("C2", uneven(QUADRATIC_EMBEDDING, "test_error", 1.0), UNDECIDED),
    (
        "C6",
        change(QUADRATIC_EMBEDDING, "test_error", {"width": 2048, "n_train": 1000}, 1.4),
        NOT_REPRODUCED,
    ),
    ("C6", uneven(QUADRATIC_EMBEDDING, "test_error", 0.3), UNDECIDED),
    ("C4", change(SCALINGS, "test_error", {"model": "ntk", "n_train": 600}, 0.2), NOT_REPRODUCED),
    ("C4", uneven(SCALINGS, "test_error", 1.0), UNDECIDED),
    (
        "C19",
        change(SCALINGS, "test_error", {"model": "mean_field", "n_train": 800}, 4.0),
        NOT_REPRODUCED,
    ),
    ("C19", uneven(SCALINGS, "test_error", 3.0), UNDECIDED),
    ("C20", change(SCALINGS, "test_error", {"model": "ntk", "n_train": 600}, 2.0), NOT_REPRODUCED),
    ("C20", uneven(SCALINGS, "test_error", 1.0), UNDECIDED),
    (
        "C14",
        change(
            SCALINGS,
            "fitted_rate",
            {"model": "ours"},
            xr.DataArray(np.arange(5) + 1.0, dims="width"),
        ),
        NOT_REPRODUCED,
    ),
    (
        "C15",
        change(SCALINGS, "feature_movement", {"model": "ntk", **WIDE}, 12.0),
        NOT_REPRODUCED,
    ),
    ("C15", change(SCALINGS, "feature_movement", {"model": "ntk", **WIDE}, 9 * SEEDS), UNDECIDED),
    (
        "C16",
        change(
            SCALINGS,
            "feature_movement",
            {"model": "ntk"},
            xr.DataArray(4.0 ** np.arange(5), dims="width"),
        ),
        NOT_REPRODUCED,
    ),
    (
        "C16",
        change(
            SCALINGS,
            "feature_movement",
            {"model": "ntk"},
            SEEDS ** xr.DataArray(2.0 * np.arange(5), dims="width"),
        ),
        UNDECIDED,
    ),
    ("C17", change(SCALINGS, "feature_map", {"model": "ours", "moment": 0}, 1e3), REPRODUCED),
    (
        "C18",
        change(SCALINGS, "feature_map", {"model": "mean_field", "moment": 0}, 3.0),
        NOT_REPRODUCED,
    ),
    ("C5", change(RANDOM_LABELS, "train_loss", {"width": 8192, "n_train": 60}, 1.0), REPRODUCED),
    (
        "C21",
        change(
            MOVEMENT,
            "feature_movement",
            {"model": "ntk"},
            xr.DataArray([1.0, 1.3, 1.69, 2.197], dims="width"),
        ),
        NOT_REPRODUCED,
    ),
    # The exponent still falls.
    (
        "C21",
        change(
            MOVEMENT,
            "feature_movement",
            {"model": "ntk"},
            xr.DataArray([1.0, 1.6, 2.1, 2.4], dims="width"),
        ),
        UNDECIDED,
    ),
    (
        "C22",
        change(
            MOVEMENT,
            "feature_movement",
            {"model": "ours"},
            xr.DataArray([1.0, 0.97, 0.95, 0.92], dims="width"),
        ),
        NOT_REPRODUCED,
    ),
    (
        "C23",
        change(
            MOVEMENT,
            "kernel_change",
            {"model": "ours"},
            xr.DataArray([1.0, 0.9, 0.8, 0.7], dims="width"),
        ),
        NOT_REPRODUCED,
    ),
    (
        "C24",
        change(SCALINGS, "feature_movement", {"model": "mean_field", "seed": 1}, 0.1),
        NOT_REPRODUCED,
    ),
    (
        "C25",
        change(RANDOM_LABELS, "train_loss", {"seed": 2, "width": 4096, "step": 1000}, 1.5),
        NOT_REPRODUCED,
    ),
    ("C7", change(SCALINGS, "least_decay_ratio", {"seed": 2, **WIDE}, 0.1), NOT_REPRODUCED),
    ("C26", change(LEAKY_RELU, "gram_min_eigenvalue", {"seed": 2}, 1e6), NOT_REPRODUCED),
    ("C8", change(LEMMA_1_RELU, "active_fraction", {"seed": 1}, 0.1), NOT_REPRODUCED),
    ("C27", change(LEMMA_1_TANH, "active_fraction", {"seed": 1}, 0.1), NOT_REPRODUCED),
    ("C28", change(THEOREM_1, "theorem_ratio", {"seed": slice(20)}, 0.01), NOT_REPRODUCED),
    ("C28", change(THEOREM_1, "theorem_ratio", {"seed": slice(9)}, 0.01), UNDECIDED),
    ("C28", change(THEOREM_1, "theorem_ratio", {"seed": slice(0)}, 0.01), REPRODUCED),
    ("C28", change(THEOREM_1, "weight_ratio", {}, 0.01), NOT_RUN),
    (
        "C29",
        change(THEOREM_1_DRAWN_SIGNS, "theorem_ratio", {"seed": slice(20)}, 0.01),
        NOT_REPRODUCED,
    ),
    ("C31", change(THEOREM_3, "gram_ratio", {}, 0.1), NOT_RUN),
    ("C31", change(THEOREM_3, "theorem_ratio", {"seed": slice(25)}, 0.01), NOT_REPRODUCED),
    (
        "C30",
        change(THEOREM_1, "theorem_ratio", {}, xr.DataArray([1, 0.9, 0.8], dims="n_train")),
        NOT_REPRODUCED,
    ),
    ("C33", change(STARTS, "initial_loss_ratio", {"n_train": 250}, 9.0), NOT_REPRODUCED),
    ("C33", change(STARTS, "initial_loss_ratio", {"seed": slice(19)}, 9.0), UNDECIDED),
    ("C32", change(STARTS, "initial_loss_ratio", {}, 0.01), REPRODUCED),
    ("C32", change(STARTS, "lemma_2_constant", {"n_train": 250}, 1e-3), NOT_RUN),
]


@pytest.mark.parametrize(("claim_id", "changed", "expected"), BELOW)
def test_changed_measures(
    measures: Measures, claim_id: str, changed: Change, expected: str
) -> None:
    changed(measures)
    found = judged(claim_id, measures)
    assert found[0] == expected, found


@pytest.mark.parametrize("claim_id", ["C10", "C11", "C12"])
def test_a_rate_that_does_not_fall_with_n(measures: Measures, claim_id: str) -> None:
    name = RANDOM_LABELS_DRAWS if claim_id == "C12" else RANDOM_LABELS
    loss = measures[name]["train_loss"]
    faster = loss.sel(n_train=40).values
    loss.loc[{"n_train": 80}] = faster
    assert judged(claim_id, measures)[0] == NOT_REPRODUCED
    # With rates that differ more from seed to seed than from n to n nothing is decided.
    runs = made_up_runs(name, seeds=5)
    rates = 0.2 * noise(runs, "train_loss", 1.0)
    runs["train_loss"] = 0.04 * np.exp(-rates * runs["step"] / runs["n_train"] ** 2)
    measures[name]["train_loss"] = runs["train_loss"].transpose(*loss.dims)
    assert judged(claim_id, measures)[0] == UNDECIDED


def test_a_rate_that_is_the_same_in_flow_time(measures: Measures) -> None:
    """Losses 1/(2n) sum e^2 fall as 1/n in steps when flow on the sum does not depend on n."""
    runs = measures[RANDOM_LABELS]
    runs["train_loss"] = 0.04 * np.exp(
        -0.01
        * (1 + 0.1 * (runs["seed"] % 2) * (runs["n_train"] % 40 == 0))
        * runs["step"]
        / runs["n_train"]
        + 0 * runs["train_loss"]
    )
    assert judged("C10", measures)[0] == REPRODUCED
    assert judged("C11", measures)[0] in (UNDECIDED, NOT_REPRODUCED)


@pytest.mark.parametrize(("factor", "expected"), [(1.01, REPRODUCED), (1.2, NOT_REPRODUCED)])
def test_c5_compares_the_times(measures: Measures, factor: float, expected: str) -> None:
    runs = measures[RANDOM_LABELS]
    place = {"width": 4096, "n_train": 60}
    loss = runs["train_loss"]
    loss.loc[place] = (
        loss.loc[place].isel(step=0) * (loss.loc[place] / loss.loc[place].isel(step=0)) ** factor
    )
    found = judged("C5", measures)
    assert found[0] == expected and (expected == REPRODUCED or "n = 60" in found[2]), found


@pytest.mark.parametrize(
    ("claims", "name", "smaller"),
    [
        (("C1", "C5", "C10", "C11"), RANDOM_LABELS, {"seed": [0, 1]}),
        (("C1", "C5", "C10", "C11"), RANDOM_LABELS, {"width": [4096]}),
        (("C1", "C10"), RANDOM_LABELS, {"n_train": [20, 40]}),
        (("C1", "C10"), RANDOM_LABELS, {"step": slice(40_000)}),
        (("C9", "C12", "C13"), RANDOM_LABELS_DRAWS, {"seed": [0, 1]}),
        (("C2", "C6"), QUADRATIC_EMBEDDING, {"width": [2048]}),
        (("C2", "C6"), QUADRATIC_EMBEDDING, {"n_train": [50, 100]}),
        (("C2", "C6"), QUADRATIC_EMBEDDING, {"model": ["plain"]}),
        (("C3", "C4", "C14", "C15", "C18", "C19", "C20"), SCALINGS, {"width": [512, 2048]}),
        (("C4", "C15", "C16", "C18", "C19", "C20"), SCALINGS, {"model": ["ours"]}),
        (("C21", "C22", "C23"), MOVEMENT, {"width": [512, 2048]}),
        (("C28", "C30"), THEOREM_1, {"seed": slice(50)}),
        (("C32", "C33"), STARTS, {"n_train": [10]}),
    ],
)
def test_below_their_sizes_claims_are_not_run(
    measures: Measures, claims: tuple[str, ...], name: str, smaller: dict[str, object]
) -> None:
    measures[name] = measures[name].sel(smaller)
    for one in claims:
        assert judged(one, measures)[0] == NOT_RUN, one


def test_runs_that_were_not_made_or_diverged(measures: Measures) -> None:
    runs = measures[SCALINGS]
    lacking = {SCALINGS: without(runs, model="ntk", width=8192, n_train=600, seed=1)}
    for one in ("C4", "C15", "C20"):
        assert judged(one, measures | lacking)[0] == NOT_RUN
    for variable in ("test_error", "train_loss", "feature_movement", "feature_map"):
        runs[variable].loc[{"width": 8192, "n_train": 600, "seed": 1}] = np.nan
    runs["diverged"].loc[{"width": 8192, "n_train": 600, "seed": 1}] = 1
    for one in ("C3", "C4", "C15", "C16", "C20"):
        assert judged(one, measures)[0] == NOT_REPRODUCED, one


def test_lemma_1_says_nothing_where_its_bound_is_0(measures: Measures) -> None:
    for name in (LEMMA_1_TANH, LEMMA_1_RELU):
        measures[name]["active_fraction_bound"] *= 0
    assert judged("C27", measures)[0] == NOT_RUN
    assert judged("C8", measures)[0] == REPRODUCED


# Sampling: a true statement is refused, and a false one accepted, in at most 5 % of cases.

DRAWS = 400


def test_the_limits_of_linearity_hold_at_their_rate() -> None:
    """Curves between an exponential and a power, mixed so that their mean is on the threshold."""
    steps = np.arange(0, 2000.0, 20)
    random = np.random.default_rng(5)

    def ratio(mixture: float) -> float:
        return residual_ratio(steps, curve(mixture))

    def curve(mixture: float) -> np.ndarray:
        fallen = mixture * steps / 200 + (1 - mixture) * 3 * np.log1p(steps / 40)
        return np.exp(-fallen)

    grid = np.linspace(0.05, 0.95, 400)
    ratios = np.array([ratio(one) for one in grid])
    threshold = grid[np.argmin(abs(np.log(ratios)))]
    wanted = Wanted(-np.inf, ratio(threshold))
    verdicts = []
    for _ in range(DRAWS):
        samples = np.array([curve(one) for one in threshold + 0.02 * random.standard_normal(5)])
        found = jackknifed(samples, lambda one: residual_ratio(steps, one.mean(0)), wanted)
        verdicts.append(wanted.verdict(found))
    for one in (REPRODUCED, NOT_REPRODUCED):
        assert verdicts.count(one) / DRAWS < 0.05 + 3 * np.sqrt(0.05 * 0.95 / DRAWS), verdicts
    assert verdicts.count(UNDECIDED) > DRAWS / 2


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_deviates_exceed_their_quantile_at_the_stated_rate(seeds: int) -> None:
    random = np.random.default_rng(6)
    draws = 1000
    sizes = [
        np.abs(deviates_of_means(random.standard_normal((seeds, 3)))).max() for _ in range(draws)
    ]
    share = np.mean(np.array(sizes) > largest_deviate(3))
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / draws)


# Measures of the theory


def test_theorem_1_by_hand() -> None:
    """Two orthogonal points with G = 1: the constants of (58) and (61)."""
    runs = made_up_runs(RANDOM_LABELS, widths=[64], n_train=[2], seeds=2)
    runs = runs.assign_coords(model=["ntk"])
    data = points(np.eye(2) * 2**0.5, [3e-4, 4e-4])
    for name in ("gram_smallest_eigenvalue", "gram_largest_eigenvalue"):
        runs[name] = xr.ones_like(runs[name])
    found = theorem_1.measure(runs, data)
    share = 0.2611173 / 2
    # K_act' = 1/2 and I of length 2 in the made-up runs; c^ = 8, |y| = 5e-4
    kappa = 9 / (2**0.5 * 2 * 0.5)
    np.testing.assert_allclose(
        found["weight_ratio"], 8 * share**1.5 / (2 * kappa * 5e-4), rtol=1e-6
    )
    rate = 2 ** (1 / 3) * 0.25 * share / 2
    np.testing.assert_allclose(found["theorem_rate"], rate, rtol=1e-6)
    decay = 8e-3 / 2 * (1 + 0.01 * found["seed"])
    np.testing.assert_allclose(found["theorem_ratio"].squeeze(), (decay / rate).values, rtol=1e-6)
    np.testing.assert_allclose(found["initial_loss_ratio"], 2 * 0.04 / 25e-8, rtol=1e-6)


def points(inputs: np.ndarray, targets: list[float]) -> xr.Dataset:
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), inputs),
            "targets": ("point", targets),
            "split": ("point", np.zeros(len(targets), dtype=int)),
        }
    )


def test_theorem_3_is_of_the_limit() -> None:
    runs = made_up_runs(RANDOM_LABELS, widths=[64], n_train=[2], seeds=1)
    runs = runs.assign_coords(model=["ntk"])
    # Of orthogonal points with |x|^2 = d the limit of ReLU is 1/2 and 1/(2 pi).
    data = points(np.eye(2) * 2**0.5, [3e-4, 4e-4])
    smallest = 0.5 - 1 / (2 * np.pi)
    runs["gram_smallest_eigenvalue"] = xr.full_like(runs["gram_smallest_eigenvalue"], smallest)
    found = theorem_3.measure(runs, data)
    assert found["gram_ratio"].item() == pytest.approx(1)
    # The share of (1/3, 2/3) for variances 1/4 and 1.
    share = min(0.1613, 0.1169) / 2
    rate = 2 ** (-2 / 3) * 0.25 * share * smallest / 2
    assert found["theorem_rate"].item() == pytest.approx(rate, rel=1e-3)


def test_starts_of_known_runs() -> None:
    runs = made_up_runs(RANDOM_LABELS, widths=[64], n_train=[2], seeds=3)
    found = starts.measure(runs, points(np.eye(2) * 2**0.5, [0.3, 0.4]))
    np.testing.assert_allclose(found["initial_loss_ratio"], 2 * 0.04 / 0.25)
    assert found["lemma_2_constant"].item() == pytest.approx(64 * 0.25 / np.log(20))
    # The review of the text: K = 1.6e-4 far from 0, where the share is 4.1e-8.
    far = found.sel(region="(5, 6)", form="printed")
    assert float(far["least_share"]) == pytest.approx(1.65e-4, rel=0.01)
    assert float(far["middle_share"]) == pytest.approx(4.09e-8, rel=0.01)
    assert float(far["failing_share"]) > 0.99
    assert float(found["failing_share"].sel(form="corrected").max()) < 1e-6
