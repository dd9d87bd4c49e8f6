"""The claim mechanism."""

import math
from types import ModuleType

import pytest
import xarray as xr

from regimes.claims.core import (
    Claim,
    Finding,
    Measures,
    TooSmallError,
    above,
    at_least,
    at_most,
    below,
    claim,
    declared_in,
    evaluate,
    exactly,
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
        "wanted": within(0.1, 1.0),
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
    assert row["paper_value"] == 1.0 and row["tolerance"] == 0.1
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


def test_numpy_booleans_are_understood(measures: dict[str, xr.Dataset]) -> None:
    check = made_up(check=lambda given: Finding(1.0, also=given["runs"]["slope"].values > 1))
    assert one(check, measures)["verdict"] == "reproduced"


def test_verdicts_can_be_stored_and_shown(measures: dict[str, xr.Dataset], tmp_path) -> None:
    verdicts = evaluate([made_up("X1"), made_up("X2", needs=("absent",))], measures, "smoke")
    path = tmp_path / "claims.nc"
    store.write(verdicts, path, title="t", source="s", references="r", config={})
    xr.testing.assert_equal(store.read(path), verdicts)
    table = to_table(verdicts).splitlines()
    assert len(table) == 4
    assert table[2].startswith(
        "| X1 | the slope is one: it \\| about | 1.05 | 1 | 0.1 | reproduced |"
    )
    assert "| not run |" in table[3] and "nan" not in table[3]


def test_no_claims(measures: dict[str, xr.Dataset]) -> None:
    assert evaluate([], measures, "smoke").sizes["claim"] == 0


@pytest.mark.parametrize(
    ("wanted", "text", "holding", "failing", "paper", "tolerance"),
    [
        (at_most(0.1), "at most 0.1", (0.0, 0.1), (0.11,), 0.0, 0.1),
        (at_most(1.0, paper=1.0, rounding=1e-9), "at most 1", (1 + 1e-10,), (1 + 1e-8,), 1.0, 0.0),
        (below(1.0), "below 1", (0.9,), (1.0,), 0.0, 1.0),
        (at_least(17, paper=19), "at least 17", (17, 20), (16,), 19, 2),
        (at_least(1.0, rounding=1e-9), "at least 1", (1 - 1e-10,), (1 - 1e-8,), 1.0, 0.0),
        (above(0.5), "above 0.5", (0.6,), (0.5,), 0.5, 0.0),
        (above(0.9, paper=1.0, tolerance=0.1), "above 0.9", (0.91,), (0.9,), 1.0, 0.1),
        (exactly(1.0), "1", (1.0,), (0.99, 1.01), 1.0, 0.0),
        (within(0.2, 0.4), "0.4 +- 0.2", (0.3, 0.55), (0.1, 0.7), 0.4, 0.2),
    ],
)
def test_what_is_wanted(wanted, text, holding, failing, paper, tolerance) -> None:
    assert wanted.text == text
    assert all(wanted.holds(value) for value in holding)
    assert not any(wanted.holds(value) for value in (*failing, math.nan))
    assert (wanted.paper_value, wanted.tolerance) == (paper, tolerance)


def test_claims_are_declared_at_functions() -> None:
    module = ModuleType("some_claims")
    several = {"says": "so", "wanted": exactly(1.0), "source": "here"}

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


@pytest.mark.parametrize("paper", modules_with("claims"))
def test_needs_can_be_read_without_importing(paper: str) -> None:
    claims = claims_of(paper)
    assert claims and all(one.says and one.source and one.needs for one in claims)
    needed = {name for one in claims for name in one.needs}
    assert set(claims_need(modules_with("claims")[paper])) == needed
