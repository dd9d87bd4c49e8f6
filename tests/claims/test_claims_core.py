"""The claim mechanism."""

import math

import pytest
import xarray as xr

from regimes.claims.core import Claim, Measured, evaluate, to_table
from regimes.storage import store


def claim(identifier: str = "X1", **changes: object) -> Claim:
    settings = {
        "statement": "the slope is one | about",
        "paper_value": 1.0,
        "tolerance": 0.1,
        "source": "Fig. 1",
        "needs": ("runs",),
        "check": lambda measures: Measured(float(measures["runs"]["slope"]), True, "best"),
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
    row = one(claim(), measures)
    assert row["verdict"] == "reproduced"
    assert row["value"] == pytest.approx(1.05)
    assert row["paper_value"] == 1.0 and row["tolerance"] == 0.1
    assert row["detail"] == "best" and row["figure"] == "luo2021/fig01"


def test_not_reproduced(measures: dict[str, xr.Dataset]) -> None:
    row = one(claim(check=lambda _: Measured(2.0, False, "at gamma' = 1")), measures)
    assert row["verdict"] == "not reproduced" and row["detail"] == "at gamma' = 1"


def test_missing_measures_are_not_run(measures: dict[str, xr.Dataset]) -> None:
    row = one(claim(needs=("runs", "absent")), measures)
    assert row["verdict"] == "not run" and math.isnan(row["value"])
    assert "absent" in row["detail"]


def test_below_the_size_is_not_run(measures: dict[str, xr.Dataset]) -> None:
    row = one(claim(too_small=lambda _: "widths below 1000"), measures)
    assert row["verdict"] == "not run"
    assert row["detail"] == "widths below 1000 (scale smoke)"


def test_nan_is_never_reproduced(measures: dict[str, xr.Dataset]) -> None:
    row = one(claim(check=lambda _: Measured(math.nan, True, "no zero crossing")), measures)
    assert row["verdict"] == "not reproduced" and "no zero crossing" in row["detail"]


def test_claims_see_only_what_they_need(measures: dict[str, xr.Dataset]) -> None:
    seen = []
    one(claim(check=lambda given: (seen.append(set(given)), Measured(1.0, True))[1]), measures)
    assert seen == [{"runs"}]


def test_ids_are_unique(measures: dict[str, xr.Dataset]) -> None:
    with pytest.raises(ValueError, match="same id"):
        evaluate([claim(), claim()], measures, "smoke")


def test_numpy_booleans_are_understood(measures: dict[str, xr.Dataset]) -> None:
    check = claim(check=lambda given: Measured(1.0, given["runs"]["slope"].values > 1))
    assert one(check, measures)["verdict"] == "reproduced"


def test_verdicts_can_be_stored_and_shown(measures: dict[str, xr.Dataset], tmp_path) -> None:
    verdicts = evaluate([claim("X1"), claim("X2", needs=("absent",))], measures, "smoke")
    path = tmp_path / "claims.nc"
    store.write(verdicts, path, title="t", source="s", references="r", config={})
    xr.testing.assert_equal(store.read(path), verdicts)
    table = to_table(verdicts).splitlines()
    assert len(table) == 4
    assert table[2].startswith("| X1 | the slope is one \\| about | 1.05 | 1 | 0.1 | reproduced |")
    assert "| not run |" in table[3] and "nan" not in table[3]


def test_no_claims(measures: dict[str, xr.Dataset]) -> None:
    assert evaluate([], measures, "smoke").sizes["claim"] == 0
