"""The explorer as a stage of the workflow: what makes it, and what makes it again."""

import browser as chromium
import pytest
import yaml
from harness import PAPER, SMOKE, Workflow

EXPLORER = "results/explorer.html"
ALL: tuple[str, ...] = ()


def leave_out_other_papers(workflow: Workflow) -> None:
    """Take all other papers out of the checkout's config."""
    kept: set[str] = set()
    for path in ("config.yaml", "workflow/scales/smoke.yaml"):
        file = workflow.checkout / path
        config = yaml.safe_load(file.read_text())
        if "papers" in config:
            kept = {
                name
                for name, experiment in config["experiments"].items()
                if experiment["paper"] == PAPER
            }
            for key in ("papers", "claims"):
                config[key] = {PAPER: config[key][PAPER]}
            figures = config["figures"].items()
            config["figures"] = {
                name: figure for name, figure in figures if figure["paper"] == PAPER
            }
        experiments = config["experiments"].items()
        config["experiments"] = {name: one for name, one in experiments if name in kept}
        file.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="module")
def explored(whole_paper: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The finished paper in a config without others, and its explorer."""
    workflow = whole_paper.copy(tmp_path_factory.mktemp("explored"))
    leave_out_other_papers(workflow)
    workflow.config_arguments, workflow.targets = SMOKE, ALL
    planned = workflow.plan().jobs
    assert planned == {"explorer": 1}, "part of `all`, and the only one that is missing"
    result = workflow.run()
    assert result.code == 0, result.output
    return workflow


def test_the_explorer_belongs_to_everything_and_to_no_paper(explored: Workflow) -> None:
    assert explored.plan().nothing_to_do
    page = explored.directory / EXPLORER
    page.rename(page.with_suffix(".away"))
    try:
        assert explored.plan(targets=(PAPER,)).nothing_to_do
        assert explored.plan(targets=("explorer",)).jobs == {"explorer": 1}
    finally:
        page.with_suffix(".away").rename(page)


def test_what_makes_it_again(explored: Workflow) -> None:
    def planned(path: str, old: str, new: str) -> dict[str, int]:
        file = explored.checkout / path
        before = file.read_text()
        explored.edit(path, old, new)
        jobs = explored.plan().jobs
        file.write_text(before)
        return jobs

    explorer = "workflow/regimes/explorer"
    again = {"explorer": 1}
    assert planned(f"{explorer}/page/linked.js", "const FAINT = 0.12", "const FAINT = 0.2") == again
    assert planned(f"{explorer}/page/page.html", "Explorer of", "Explorer for") == again
    assert planned(f"{explorer}/scatter.py", "MERGED = 2", "MERGED = 4") == again
    assert planned(f"{explorer}/scatter.py", "# Of the file's", "# Of a file's") == {}
    figure = "workflow/regimes/papers/luo2021/diagram.py"
    jobs = planned(figure, 'SLICE_COLOURS = "viridis"', 'SLICE_COLOURS = "plasma"')
    assert set(jobs) == {"figure"}
    claims = "workflow/regimes/papers/luo2021/claims_boundaries.py"
    text = (explored.checkout / claims).read_text()
    jobs = planned(claims, text, f"{text}\nADDED_BY_A_TEST = 1\n")
    assert jobs == {"claims": 1, "explorer": 1}
    assert explored.plan().nothing_to_do


def test_it_opens_in_a_browser(explored: Workflow, browser) -> None:
    chromium.resize(browser, chromium.DESKTOP)
    browser.get("about:blank")
    chromium.console(browser), chromium.requests(browser)
    page = explored.directory / EXPLORER
    browser.get(page.as_uri())
    tabs = browser.find_elements("css selector", '[role="tab"]')
    assert [tab.text for tab in tabs] == ["Luo et al.", "Claims"]
    for tab in tabs:
        tab.click()
    assert chromium.console(browser) == []
    assert chromium.requests(browser) == [page.as_uri()]
    assert page.stat().st_size < 12e6
