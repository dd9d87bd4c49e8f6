"""The documentation site: it is whole, its links lead somewhere, and it needs nothing else."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import regimes
from regimes.config.load import load
from regimes.engines.registry import settings_classes

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """Anchors, links and what a browser loads, of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.anchors.add(said.get("id", ""))
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif tag == "link" and said.get("rel") not in (
            "index",
            "search",
            "next",
            "prev",
            "canonical",
        ):
            self.loaded.append(said["href"])
        self.loaded += [said[name] for name in ("src", "srcset", "data") if name in said]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the command of CONTRIBUTING.md into a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    (command,) = re.findall(r"^sphinx-build (.*?) build/site\b", contributing(), flags=re.M)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", *command.split(), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def contributing() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text()


def pages(site: Path) -> Iterator[tuple[Path, Page]]:
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            yield path, Page(path)


def test_every_link_leads_somewhere(site: Path) -> None:
    found = dict(pages(site))
    n_seen = 0
    for path, page in found.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "data", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.name}: {link}"
            if parts.fragment and target in found:
                assert unquote(parts.fragment) in found[target].anchors, f"{path.name}: {link}"
                n_seen += 1
    assert n_seen > 100


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    loaded = [link for _, page in pages(site) for link in page.loaded]
    assert len(loaded) > 100
    assert [link for link in loaded if "//" in link.partition("data:")[0]] == []
    styles = sorted(site.rglob("*.css"))
    assert styles
    for path in styles:
        assert not re.search(r"(url\(\s*|@import\s+)[\"']?(https?:)?//", path.read_text()), path


def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "README.html").read_text()
    assert text.count("<math ") >= 4
    assert r"\frac" not in text and r"$\kappa" not in text


def test_the_reference_has_every_name_and_every_setting(site: Path) -> None:
    names = (site / "docs/python.html").read_text()
    for name in dir(regimes):
        assert name.startswith("_") or f'id="regimes.{name}"' in names
    settings = Page(site / "docs/settings.html").anchors
    for name in settings_classes():
        assert re.sub(r"[^a-z0-9]+", "-", name) in {re.sub("_", "-", one) for one in settings}, name


def test_the_gallery_has_every_figure(site: Path) -> None:
    text = (site / "docs/gallery.html").read_text()
    figures = load(ROOT / "config.yaml").figures
    assert len(figures) > 40
    for name in figures:
        assert f"figures/{name}.pdf" in text
    pictures = sorted((ROOT / "docs/images/gallery").rglob("*.png"))
    assert text.count("Drawn at scale") == len(pictures) == text.count("<img ")
    assert text.count("Not drawn yet") == len(figures) - len(pictures)
