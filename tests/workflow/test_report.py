"""The report of Snakemake in a browser: figures with their captions, run times and provenance."""

import re
from pathlib import Path
from typing import Any

import browser as chromium
import pytest
from harness import PAPER, Workflow

pytest.importorskip("selenium")

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SECONDS = 60


@pytest.fixture(scope="module")
def report(everything: Workflow, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report of everything, open in the browser."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    result = everything.run("--report", str(path), targets=())
    assert result.code == 0, result.output
    chromium.resize(browser, chromium.DESKTOP)
    browser.get("about:blank")
    chromium.console(browser), chromium.requests(browser)
    browser.get(path.as_uri())
    return browser


def test_figures_of_another_config_are_no_report(workflow: Workflow, tmp_path: Path) -> None:
    for targets in (("figures/phase_diagram.pdf",), (PAPER,), ()):
        path = tmp_path / "report.html"
        result = workflow.run("--report", str(path), targets=targets, config=())
        assert result.code == 1 and not path.exists()
        (line,) = [one for one in result.output.splitlines() if one.startswith("error:")]
        assert "figures/phase_diagram.pdf is stale: made with other settings" in line


def wait(report: Any, condition: Any) -> Any:
    return WebDriverWait(report, SECONDS).until(condition)


def text(report: Any) -> str:
    return " ".join(report.find_element(By.TAG_NAME, "body").text.split())


def follow(report: Any, words: str) -> None:
    """Click the link with these words."""
    path = f"//a[contains(normalize-space(.), '{words}')]"
    wait(report, lambda page: page.find_elements(By.XPATH, path))[0].click()


def rows(report: Any) -> list[Any]:
    return wait(report, lambda page: page.find_elements(By.XPATH, "//tr[td]"))


def show(report: Any, figure: str, which: int) -> None:
    """Click the eye (0) or the letter i (1) in the row of a figure."""
    row = next(row for row in rows(report) if row.text.split()[0] == figure)
    row.find_elements(By.TAG_NAME, "a")[which].click()


@pytest.fixture
def category(report: Any, everything: Workflow) -> Any:
    """The report, with the list of the paper's figures open."""
    report.refresh()
    follow(report, everything.config()["papers"][PAPER]["title"])
    return report


def test_papers_are_categories(report: Any, everything: Workflow) -> None:
    titles = [paper["title"] for paper in everything.config()["papers"].values()]
    wait(report, lambda page: titles[0] in text(page))
    assert all(title in text(report) for title in titles)


def test_every_figure_is_listed_with_its_labels(category: Any, everything: Workflow) -> None:
    listed = [row.text for row in rows(category)]
    figures = everything.config()["figures"]
    own = {name: figure for name, figure in figures.items() if figure.get("paper") == PAPER}
    assert len(listed) == len(own) + sum(figure.get("table", False) for figure in own.values())
    for name, figure in own.items():
        labels = " ".join([name, *figure["labels"].values()])
        assert any(" ".join(one.split()).startswith(labels) for one in listed), name


def test_a_figure_is_shown(category: Any) -> None:
    show(category, "phase_diagram", 0)
    images = "return [...document.images].filter((one) => one.complete && one.naturalWidth > 1000)"
    (image,) = wait(category, lambda page: page.execute_script(images))
    assert image.is_displayed()
    assert image.rect["width"] > 300 and image.rect["height"] > 100
    assert image.get_attribute("src").startswith("data:image/png")


def test_a_figure_has_its_caption_rule_and_code(category: Any, everything: Workflow) -> None:
    show(category, "phase_diagram", 1)
    caption = " ".join(everything.config()["figures"]["phase_diagram"]["caption"].split())
    wait(category, lambda page: caption in text(page))
    assert "'code': '" in text(category) and "'hash': '" in text(category)


def test_run_times_are_shown(report: Any) -> None:
    report.refresh()
    follow(report, "Statistics")
    canvas = "#runtimes canvas"
    (chart,) = wait(report, lambda page: page.find_elements(By.CSS_SELECTOR, canvas))
    assert chart.is_displayed() and chart.rect["width"] > 100
    times = report.execute_script("return runtimes_spec.data.values")
    assert {"train", "measure", "figure"} <= {one["rule"] for one in times}
    assert all(one["runtime"] > 0 for one in times)


def test_the_report_asks_for_nothing(report: Any) -> None:
    report.refresh()
    asked = chromium.requests(report)
    assert asked and all(re.match("file:///.*/report.html", one) for one in asked)
