"""The explorer as a stage of the workflow: what makes it, and what makes it again."""

import browser as chromium
import pytest
from harness import PAPER, Workflow

EXPLORER = "results/explorer.html"


@pytest.fixture(scope="module")
def explored(everything: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A copy of everything, the explorer among it."""
    return everything.copy(tmp_path_factory.mktemp("explored"))


def test_it_belongs_to_everything_and_to_no_paper(explored: Workflow) -> None:
    page = explored.directory / EXPLORER
    text = page.read_bytes()
    page.unlink()
    assert explored.plan(targets=(PAPER,)).nothing_to_do
    assert explored.plan().jobs == {"explorer": 1}
    result = explored.run(targets=("explorer",))
    assert result.code == 0, result.output
    assert explored.plan().nothing_to_do
    assert page.read_bytes() == text, "the same files make the same page"


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
    # The scorecard, in both forms, shows them too.
    assert jobs == {"claims": 1, "all_claims": 1, "figure": 1, "table": 1, "explorer": 1}


def test_it_opens_in_a_browser(explored: Workflow, browser) -> None:
    chromium.resize(browser, chromium.DESKTOP)
    browser.get("about:blank")
    chromium.console(browser), chromium.requests(browser)
    page = explored.directory / EXPLORER
    browser.get(page.as_uri())
    tabs = browser.find_elements("css selector", '[role="tab"]')
    names = ["Luo et al.", "Razborov", "Chen et al.", "Caron et al.", "Song et al.", "Claims"]
    assert [tab.text for tab in tabs] == names
    for tab in tabs:
        tab.click()
    assert chromium.console(browser) == []
    assert chromium.requests(browser) == [page.as_uri()]
    assert page.stat().st_size < 12e6
