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
    assert workflow.plan(targets=(PAPER,)).nothing_to_do, "it belongs to no paper"
    assert workflow.plan().jobs == {"explorer": 1}, "it belongs to `all`"
    result = workflow.run(targets=("explorer",))
    assert result.code == 0, result.output
    assert workflow.plan().nothing_to_do
    return workflow


def test_what_makes_it_again(explored: Workflow) -> None:
    def planned(path: str, old: str, new: str) -> dict[str, int]:
        file = explored.checkout / path
        before = file.read_text()
        explored.edit(path, old, new)
        jobs = explored.plan().jobs
        file.write_text(before)
        return jobs

    page = "workflow/regimes/explorer/page/page.html"
    assert planned(page, "Explorer of", "Explorer for") == {"explorer": 1}
    claims = "workflow/regimes/papers/luo2021/claims.py"
    text = (explored.checkout / claims).read_text()
    jobs = planned(claims, text, f"{text}\nADDED_BY_A_TEST = 1\n")
    assert jobs == {"claims": 1, "explorer": 1}


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
