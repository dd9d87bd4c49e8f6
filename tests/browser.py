"""Headless Chromium for tests of pages: from Debian's packages chromium and chromium-driver."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PHONE = (390, 844)
DESKTOP = (1280, 900)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-device-scale-factor=1",
)

# Not names of files and experiments, such as own_gamma.
GREEK = "alpha|beta|gamma|eta|theta|kappa|lambda|mu|nu|sigma|phi|chi|omega|Phi"
RAW = re.compile(
    rf"(?<!\w)(?:(?:{GREEK})(?:_\w+|\d|')?|slope_\w+|[A-Za-z]_\w+)(?!\w)|[\\^$]|<=|>=|\de-\d"
)


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A browser (a Selenium driver) with a new profile; the test is skipped without Chromium."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("Chromium is not installed (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    # Not the page for new tabs, which makes requests of its own.
    options.add_argument("about:blank")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With the driver's path given, Selenium does not look for one on the network.
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def resize(browser: Any, size: tuple[int, int]) -> None:
    """Give the page a size in CSS pixels."""
    width, height = size
    settings = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)


def prefer(browser: Any, scheme: str) -> None:
    """Tell the page that the user prefers `light` or `dark`."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def console(browser: Any) -> list[str]:
    """Warnings and errors on the console since the last call."""
    return [
        entry["message"]
        for entry in browser.get_log("browser")
        if entry["level"] in ("WARNING", "SEVERE")
    ]


def requests(browser: Any) -> list[str]:
    """Addresses that were asked for since the last call, without those inside the page."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [one for one in addresses if not one.startswith(("data:", "blob:", "about:"))]


def few_ticks(browser: Any) -> list[str]:
    """Axes and colour bars of the plots that are shown with fewer than three labelled ticks."""
    return browser.execute_script("""
        const few = [];
        for (const div of document.querySelectorAll('.js-plotly-plot')) {
          if (!div.offsetParent) continue;
          const box = div.getBoundingClientRect();
          const inside = (one) => {
            const {x, y, width, height} = one.getBoundingClientRect();
            return width > 0 && x >= box.x && y >= box.y
              && x + width <= box.right && y + height <= box.bottom;
          };
          const kinds = ['.xtick text', '.ytick text'];
          if (div.querySelector('.colorbar')) kinds.push('.colorbar .cbaxis text');
          for (const kind of kinds) {
            const texts = [...div.querySelectorAll(kind)].filter(inside)
              .map((one) => one.textContent);
            if (new Set(texts.filter(Boolean)).size < 3) {
              const title = div.parentElement.querySelector('h4');
              few.push(`${title ? title.textContent : div.dataset.role} ${kind}: ${texts}`);
            }
          }
        }
        return few;
    """)


def raw_formulas(browser: Any) -> list[str]:
    """Words of formulas that stand as they are typed in what is shown, in hover texts too."""
    texts = browser.execute_script("""
        const texts = [];
        for (const panel of document.querySelectorAll('[role=tabpanel]:not([hidden])')) {
          const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const { data, parentElement } = walker.currentNode;
            if (!parentElement.closest('.figure')) texts.push(data);
          }
          for (const div of panel.querySelectorAll('.js-plotly-plot')) {
            div.data.forEach((one) => texts.push(...[one.text || []].flat(2), one.name || ''));
          }
        }
        return texts;
    """)
    return [text for text in texts if RAW.search(text)]
