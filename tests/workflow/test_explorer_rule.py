"""The explorer as a stage of the workflow: what makes it, and what makes it again."""

from pathlib import Path
from typing import Any

import browser as chromium
from harness import PAPER, Workflow

EXPLORER = "results/explorer.html"


def test_the_explorer_belongs_to_everything_and_to_no_paper(
    everything: Workflow, tmp_path: Path
) -> None:
    copy = everything.copy(tmp_path)
    assert copy.plan().nothing_to_do
    copy.edit("workflow/regimes/explorer/page/page.html", "Explorer of", "Explorer for")
    assert copy.plan().jobs == {"explorer": 1}, "its template is code"
    assert copy.plan(targets=(PAPER,)).nothing_to_do


def test_it_opens_in_a_browser(everything: Workflow, browser: Any) -> None:
    chromium.resize(browser, chromium.DESKTOP)
    browser.get("about:blank")
    chromium.console(browser), chromium.requests(browser)
    page = everything.directory / EXPLORER
    browser.get(page.as_uri())
    tabs = browser.find_elements("css selector", '[role="tab"]')
    names = ["Luo et al.", "Razborov", "Chen et al.", "Caron et al.", "Song et al.", "Claims"]
    assert [tab.text for tab in tabs] == names
    for tab in tabs:
        tab.click()
    # All figures of the config are there, and asked for as they come into view.
    assert chromium.console(browser) == []
    figures = (everything.directory / "figures").as_uri()
    others = [one for one in chromium.requests(browser) if not one.startswith(f"{figures}/")]
    assert others == [page.as_uri()]
    assert page.stat().st_size < 12e6


def test_every_panel_has_labelled_axes_and_typeset_formulas(
    everything: Workflow, browser: Any
) -> None:
    panels = 0
    for size in (chromium.DESKTOP, chromium.PHONE):
        chromium.resize(browser, size)
        browser.get("about:blank")
        browser.get((everything.directory / EXPLORER).as_uri())
        for tab in browser.find_elements("css selector", '[role="tab"]'):
            tab.click()
            panel = browser.find_element("id", tab.get_attribute("aria-controls"))
            views = panel.find_elements("css selector", '[data-role="group"] option')
            for view in views or [None]:
                if view is not None:
                    view.click()
                assert chromium.few_ticks(browser) == [], view and view.text
                assert chromium.raw_formulas(browser) == [], view and view.text
                panels += len(panel.find_elements("css selector", ".js-plotly-plot"))
    assert panels > 200
