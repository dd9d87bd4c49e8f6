"""The page of results says what was measured, and which code judged it."""

import pytest
from xarray import Dataset

from regimes.claims import core, results
from regimes.claims.core import NOT_RUN, REPRODUCED
from regimes.claims.discover import claims_of
from regimes.claims.gathered import gather
from regimes.config.load import load
from regimes.errors import ConfigError
from regimes.plan.plan import Plan
from regimes.storage.versions import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def config():
    return load(CHECKOUT / "config.yaml")


@pytest.fixture(scope="module")
def plan(config):
    return Plan.from_config(config)


@pytest.fixture
def verdicts(plan):
    """Nothing was run, but that one claim of Luo's is reproduced."""
    found = gather({paper: core.evaluate(claims_of(paper), {}, "laptop") for paper in plan.claims})
    index = found["claim"].values.tolist().index("L1")
    for name, value in {"verdict": REPRODUCED, "value": 0.5, "lower": 0.25, "upper": 0.75}.items():
        changed = found[name].values.astype("U20" if name == "verdict" else float)
        changed[index] = value
        found[name] = "claim", changed
    return found


def test_the_shipped_page_is_of_the_present_claims(plan) -> None:
    named = results.named_codes(results.PAGE.read_text(encoding="utf-8"))
    assert named == results.codes(plan), (
        "docs/results.md has verdicts of other code of the claims: make results/claims.nc anew and "
        "run python -m regimes.claims.results"
    )


def test_the_readme_has_the_tally_of_the_page() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    for row in README.partition(results.TALLY)[2].partition(results.TALLY_END)[0].splitlines()[2:]:
        _, _, said = row.rstrip(" |").rpartition("| ")
        reproduced, _, count = said.partition(" of ")
        title = row.partition("[")[2].partition("]")[0]
        year = title.partition("(")[2].partition(")")[0]
        (section,) = [
            one
            for one in page.split("\n## ")
            if one.partition("\n")[0].endswith(f"{year})")
            and title.split()[0] in one.partition("\n")[0]
        ]
        found = [line.split(" | ")[1] for line in section.splitlines()[4:] if line[:2] == "| "]
        assert (len(found), found.count(REPRODUCED)) == (int(count), int(reproduced)), title


def test_a_page_of_one_measured_claim(config, plan, verdicts) -> None:
    job = next(iter(plan.jobs.values()))
    made = {
        job.path: {
            "created": "2026-01-02T03:04:05",
            "git_commit": "abc",
            "torch_version": "9",
            "device": "cpu",
            "cpu_seconds": "90",
            "peak_memory": "5e8",
        }
    }
    page = results.page(verdicts, config, plan, made, "a machine")
    rows = {}
    for line in page.splitlines():
        name, _, rest = line.strip("|").strip().partition(" | ")
        rows[name] = rest
    assert rows["L1"].startswith("reproduced | 0.5 (0.25 to 0.75) | ")
    assert rows["L2"].startswith("not run |  | ")
    assert rows["all"] == f"{verdicts.sizes['claim']} | 1 | 0 | 0 | {verdicts.sizes['claim'] - 1}"
    assert rows["processor time of all"] == "1.5 min"
    assert rows["training jobs that were made"].startswith("1 of ")
    # The figure of that job, and another one.
    (name,) = [one.removeprefix("figures/") for one in plan.figures if one == "phase_diagram"]
    assert rows[f"`{name}`"].startswith("1 of ") and rows[f"`{name}`"].endswith("| 1.5 | 500")
    assert rows["`caron2023/fig01_simulated`"].endswith("| 0.0 | 0")
    assert results.named_codes(page) == results.codes(plan)


def test_the_readme_is_filled(verdicts) -> None:
    filled = results.readme_rows(README, verdicts)
    luo = int((verdicts["paper"].values == "luo2021").sum())
    assert f"| gradient flow | 1 of {luo} |\n" in filled
    assert results.readme_rows(filled, verdicts) == filled
    verdicts["verdict"].values[:] = NOT_RUN
    assert f"| gradient flow | 0 of {luo} |\n" in results.readme_rows(filled, verdicts)


def test_a_folder_without_results_is_refused(tmp_path) -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="has no results/measures of the present code"):
        results.write(tmp_path, "a machine")
    assert results.PAGE.read_text(encoding="utf-8") == page


def test_a_part_of_the_measures_decides_what_it_can(plan, tmp_path, monkeypatch) -> None:
    there = plan.measures["conservation"].path
    monkeypatch.setattr(results.store, "read", lambda path: Dataset({"a": 1.0}))
    seen = {}

    def evaluate(claims, measures, scale):
        seen.update(measures)
        return core.evaluate(claims, {}, scale)

    monkeypatch.setattr(results, "evaluate", evaluate)
    verdicts = results.verdicts_in(tmp_path, plan, {there: {}})
    assert set(seen) == {"conservation"} and set(verdicts["verdict"].values) == {NOT_RUN}
    # A whole run has said so itself.
    found = results.verdicts_in(tmp_path, plan, {there: {}, results.ALL_CLAIMS: {}})
    assert set(found) == {"a"}
