"""The claim mechanism."""

import json
import math
from types import ModuleType

import pytest
import xarray as xr

from regimes.claims.core import (
    BOUND,
    ERRATUM,
    TEST,
    Claim,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
    declared_in,
    evaluate,
    tally,
    to_table,
    within,
)
from regimes.claims.discover import claims_of
from regimes.plan.declared import claims_need
from regimes.plan.parts import modules_with
from regimes.storage import store


def made_up(identifier: str = "X1", **changes: object) -> Claim:
    settings = {
        "says": "the slope is one",
        "statistic": "it | about",
        "wanted": within(0.9, 1.1, "as drawn"),
        "source": "Fig. 1",
        "needs": ("runs",),
        "check": lambda measures: Finding(float(measures["runs"]["slope"]), "best"),
        "figure": "luo2021/fig01",
    }
    return Claim(id=identifier, **(settings | changes))


@pytest.fixture
def measures() -> dict[str, xr.Dataset]:
    return {"runs": xr.Dataset({"slope": 1.05}), "other": xr.Dataset()}


def one(claim_: Claim, measures: dict[str, xr.Dataset]) -> dict[str, object]:
    row = evaluate([claim_], measures, "smoke").isel(claim=0)
    return {str(name): row[name].item() for name in row.data_vars}


def test_reproduced(measures: dict[str, xr.Dataset]) -> None:
    row = one(made_up(), measures)
    assert row["verdict"] == "reproduced"
    assert row["value"] == pytest.approx(1.05)
    assert (row["low"], row["high"], row["reason"]) == (0.9, 1.1, "as drawn")
    assert row["lower"] == row["upper"] == row["value"] and math.isnan(row["paper_value"])
    assert row["detail"] == "best" and row["figure"] == "luo2021/fig01"


def test_not_reproduced(measures: dict[str, xr.Dataset]) -> None:
    row = one(made_up(check=lambda _: Finding(2.0, "at gamma' = 1")), measures)
    assert row["verdict"] == "not reproduced" and row["detail"] == "at gamma' = 1"


def test_missing_measures_are_not_run(measures: dict[str, xr.Dataset]) -> None:
    row = one(made_up(needs=("runs", "absent")), measures)
    assert row["verdict"] == "not run" and math.isnan(row["value"])
    assert "absent" in row["detail"]


def test_below_the_size_is_not_run(measures: dict[str, xr.Dataset]) -> None:
    def check(_: Measures) -> Finding:
        raise TooSmallError("widths below 1000")

    row = one(made_up(check=check), measures)
    assert row["verdict"] == "not run"
    assert row["detail"] == "widths below 1000 (scale smoke)"


def test_nan_is_never_reproduced(measures: dict[str, xr.Dataset]) -> None:
    row = one(made_up(check=lambda _: Finding(math.nan, "no zero crossing")), measures)
    assert row["verdict"] == "not reproduced" and "no zero crossing" in row["detail"]


def test_claims_see_only_what_they_need(measures: dict[str, xr.Dataset]) -> None:
    seen = []
    one(made_up(check=lambda given: (seen.append(set(given)), Finding(1.0))[1]), measures)
    assert seen == [{"runs"}]


def test_ids_are_unique(measures: dict[str, xr.Dataset]) -> None:
    with pytest.raises(ValueError, match="same id"):
        evaluate([made_up(), made_up()], measures, "smoke")


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ((1.0, 1.1), "reproduced"),
        ((0.8, 1.1), "undecided"),
        ((-math.inf, math.inf), "undecided"),
        ((1.2, 1.4), "not reproduced"),
    ],
)
def test_sampling_errors_decide(measures, limits, verdict) -> None:
    row = one(made_up(check=lambda _: Finding(1.05, limits=limits)), measures)
    assert (row["verdict"], row["lower"], row["upper"]) == (verdict, *limits)


@pytest.mark.parametrize(("value", "says"), [(1.0, "holds"), (2.0, "fails")])
def test_bounds_outside_their_hypothesis_decide_nothing(measures, value, says) -> None:
    row = one(made_up(kind=BOUND, check=lambda _: Finding(value, "m < 4e12")), measures)
    assert row["verdict"] == "undecided"
    assert row["detail"] == f"the bound {says}, outside the theorem's hypothesis; m < 4e12"


def test_below_its_sizes_a_claim_is_not_checked() -> None:
    config = {
        "experiments": {"runs": {"dataset": "d", "max_steps": 10}},
        "datasets": {"d": {"n": 4}},
    }
    runs = xr.Dataset(
        {"slope": 1.0},
        {"seed": [0, 1], "width": [10, 30]},
        {"n_test": 7, "config": json.dumps(config)},
    )
    for sizes, said in (
        (Sizes(), None),
        (Sizes(2, {"width": (10, 30)}, {"width": 30, "n": 4, "n_test": 7, "max_steps": 10}), None),
        (Sizes(seeds=3), "runs: 2 seeds, needs 3"),
        (Sizes(contains={"width": (10, 20, 40)}), "runs lacks width = 20, 40"),
        (Sizes(least={"width": 31}), "runs: width 30, needs 31"),
        (Sizes(least={"n": 5}), "runs: n 4, needs 5"),
        (Sizes(least={"max_steps": 1e5}), "runs: max steps 10, needs 100000"),
    ):
        row = one(made_up(sizes=sizes), {"runs": runs})
        assert row["verdict"] == ("reproduced" if said is None else "not run")
        assert row["detail"] == ("best" if said is None else f"{said} (scale smoke)")
    with pytest.raises(ValueError, match="runs has no depth"):
        one(made_up(sizes=Sizes(least={"depth": 2})), {"runs": runs})
    assert (
        Sizes(5, {"width": (10, 20)}, {"n": 5e4}).text == "seeds >= 5; width = 10, 20; n >= 50000"
    )


def test_the_tally_keeps_kinds_apart(measures: dict[str, xr.Dataset]) -> None:
    claims = [
        made_up("X1"),
        made_up("X2", needs=("absent",)),
        made_up("X3", kind=ERRATUM, check=lambda _: Finding(2.0)),
        made_up("X4", kind=TEST),
        made_up("X5", kind=BOUND),
    ]
    assert tally(evaluate(claims, measures, "smoke")) == (
        "2 findings and theorems: 1 reproduced, 1 not run; "
        "1 bounds outside their hypotheses: 1 undecided; "
        "1 errata, as printed: 1 not reproduced; 1 tests of the code: 1 reproduced"
    )


def test_verdicts_can_be_stored_and_shown(measures: dict[str, xr.Dataset], tmp_path) -> None:
    verdicts = evaluate([made_up("X1"), made_up("X2", needs=("absent",))], measures, "smoke")
    path = tmp_path / "claims.nc"
    store.write(verdicts, path, title="t", source="s", references="r", config={})
    xr.testing.assert_equal(store.read(path), verdicts)
    table = to_table(verdicts).splitlines()
    assert len(table) == 4
    assert table[2].startswith(
        "| X1 | the slope is one: it \\| about | 1.05 | 0.9 to 1.1 |  | reproduced | finding |"
    )
    assert "| not run |" in table[3] and "nan" not in table[3]


def test_no_claims(measures: dict[str, xr.Dataset]) -> None:
    assert evaluate([], measures, "smoke").sizes["claim"] == 0


@pytest.mark.parametrize(
    ("wanted", "text", "holding", "failing"),
    [
        (at_most(0.1), "at most 0.1", (0.0, 0.1), (0.11,)),
        (at_least(17), "at least 17", (17, 20), (16,)),
        (within(0.2, 0.6), "0.2 to 0.6", (0.2, 0.55), (0.1, 0.7)),
        (within(1.0, 1.0), "1", (1.0,), (0.99, 1.01)),
    ],
)
def test_what_is_wanted(wanted, text, holding, failing) -> None:
    assert wanted.text == text
    assert {wanted.verdict(Finding(value)) for value in holding} == {"reproduced"}
    assert {wanted.verdict(Finding(value)) for value in (*failing, math.nan)} == {"not reproduced"}


def test_claims_are_declared_at_functions() -> None:
    module = ModuleType("some_claims")
    several = {"says": "so", "wanted": at_least(1.0), "source": "here"}

    @claim("X10", needs=("first",), **several)
    @claim("X2", needs=("second",), **several)
    def check(measures: Measures) -> Finding:
        return Finding(1.0)

    check.__module__ = "some_claims"
    module.check = check
    assert [(one.id, one.needs) for one in declared_in(module)] == [
        ("X2", ("second",)),
        ("X10", ("first",)),
    ]
    # What a module imports is not its own.
    check.__module__ = "another"
    assert declared_in(module) == []


def test_kinds_and_readings_are_known() -> None:
    with pytest.raises(ValueError, match="claim X: kind 'guess'"):
        claim("X", says="s", wanted=at_least(1), source="here", needs=(), kind="guess")


@pytest.mark.parametrize("paper", modules_with("claims"))
def test_needs_can_be_read_without_importing(paper: str) -> None:
    claims = claims_of(paper)
    assert claims and all(one.says and one.source and one.needs for one in claims)
    assert all(one.wanted.reason for one in claims), "thresholds have reasons"
    needed = {name for one in claims for name in one.needs}
    assert set(claims_need(modules_with("claims")[paper])) == needed
