"""The page of results says what was measured, and which code judged it."""

import re
import sys

import numpy as np
import pytest
from xarray import Dataset

from regimes.claims import core, results
from regimes.claims.core import NOT_RUN, REPRODUCED
from regimes.claims.discover import claims_of
from regimes.claims.gathered import gather
from regimes.config.load import load
from regimes.errors import ConfigError, StoreError
from regimes.plan.plan import Plan
from regimes.storage import store
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
    # A paper that is new has no verdicts yet.
    assert named and named.items() <= results.codes(plan).items(), (
        "docs/results.md has verdicts of other code of the claims: make results/claims.nc anew and "
        "run python -m regimes.claims.results"
    )


def test_the_readme_has_the_tally_of_the_page() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    table = README.partition(results.TALLY)[2].partition(results.TALLY_END)[0].splitlines()[2:]
    assert len(table) == 5
    sections = {one.partition("\n")[0]: one for one in page.split("\n## ")}
    for row in table:
        author, year = re.search(r"\[(\w+).*?(\d{4})\)\]", row).groups()
        (title,) = [one for one in sections if re.search(rf"\({author}\b.*{year}\)$", one)]
        verdicts = [line.split(" | ")[1] for line in sections[title].splitlines()[4:] if line]
        assert row.endswith(f"| {results._judged(np.array(verdicts))} |"), title
    # The kinds of the README are sums of those of the page.
    block = README.partition(results.ALL)[2].partition(results.ALL_END)[0]
    total = sum(int(n) for n in re.findall(r"^- (\d+) (?!of)", block, flags=re.M))
    assert f"\n| all | {total} |" in page


def test_a_page_of_one_measured_claim(config, plan, verdicts) -> None:
    job = plan.jobs_of("phase_diagram")[0]
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
    assert rows["`phase_diagram`"].startswith("1 of ")
    assert rows["`phase_diagram`"].endswith("| 1.5 | 500")
    assert rows["`caron2023/fig01_simulated`"].endswith("| 0.0 | 0")
    assert results.named_codes(page) == results.codes(plan)


def test_the_readme_is_filled(plan, verdicts) -> None:
    filled = results.readme(README, verdicts, plan, {})
    luo = int((verdicts["paper"].values == "luo2021").sum())
    assert f"| gradient flow | 1 of 1 judged, {luo} in all |\n" in filled
    # Those of what is made on request do not count.
    jobs = [one for one in plan.jobs.values() if not plan.measures[one.experiment].on_request]
    assert f"\n- 0 of {len(jobs)} training jobs\n" in filled and len(jobs) < len(plan.jobs)
    assert results.readme(filled, verdicts, plan, {}) == filled
    with pytest.raises(ValueError, match="tally of all"):
        results.readme(README.replace(results.ALL, ""), verdicts, plan, {})


def test_files_of_other_settings_do_not_count(plan, tmp_path) -> None:
    names = ("conservation", "typical_cases", "growth_unit")
    stages = [plan.measures[name] for name in names]
    described = {"title": "t", "source": "s", "references": "r", "config": {}}
    for stage, identity in zip(stages, (stages[0].hash, "other", stages[2].hash), strict=True):
        path = tmp_path / stage.path
        path.parent.mkdir(parents=True, exist_ok=True)
        store.write(Dataset(), path, **described, identity=identity)
    (tmp_path / stages[2].path).unlink()
    made = results.made_in(tmp_path, plan)
    assert list(made) == [stages[0].path] and made[stages[0].path]["title"] == "t"
    damaged = (tmp_path / stages[1].path).read_bytes()
    (tmp_path / stages[1].path).write_bytes(damaged[:-40])
    with pytest.raises(StoreError, match="typical_cases"):
        results.made_in(tmp_path, plan)


def test_both_pages_are_written(tmp_path, monkeypatch, verdicts, plan) -> None:
    for name in ("PAGE", "README"):
        copy = tmp_path / name
        copy.write_text(getattr(results, name).read_text(encoding="utf-8"), encoding="utf-8")
        monkeypatch.setattr(results, name, copy)
    monkeypatch.setattr(results, "made_in", lambda *_: {})
    monkeypatch.setattr(results, "verdicts_in", lambda *_: verdicts)
    monkeypatch.setattr(sys, "argv", ["results", str(tmp_path), "--machine", "a machine"])
    assert results.main() == 0
    assert "| machine | a machine |" in results.PAGE.read_text(encoding="utf-8")
    assert "| gradient flow | 1 of 1 judged," in results.README.read_text(encoding="utf-8")


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
