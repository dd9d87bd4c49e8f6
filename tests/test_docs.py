"""README and docs: what they link to is there, and what they count is counted."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
import yaml

import regimes
from regimes.config.load import load

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("[A-Z]*.md")), *sorted(ROOT.glob("docs/*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.M)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).lower() for text in headings)
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def commands(page: Path) -> list[str]:
    """Shell commands of a page, each on one line."""
    found: list[str] = []
    for line in page.read_text().splitlines():
        if found and (found[-1].count("'") % 2 or found[-1].endswith("\\")):
            found[-1] = f"{found[-1].rstrip(chr(92))} {line.strip()}"
        elif re.match(r"\s*(snakemake|regimes) -", line) or re.match(r"\s*snakemake \w", line):
            found.append(line.strip())
    return [command.partition(" #")[0] for command in found]


def test_targets_come_before_config_options() -> None:
    # Snakemake takes what follows `--config` or `--configfile` for more of its values.
    n_seen = 0
    for command in (command for page in PAGES for command in commands(page)):
        words = shlex.split(command)
        for place, word in enumerate(words):
            if word in ("--config", "--configfile"):
                values = list(itertools.takewhile(lambda one: one[0] != "-", words[place + 1 :]))
                settings = [value for value in values if "=" in value]
                assert values == settings if word == "--config" else len(values) == 1, command
                n_seen += 1
    assert n_seen >= 4


def test_the_papers_are_cited() -> None:
    references = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    papers = load(ROOT / "config.yaml").papers
    citations = [one.citation.lower() for name, one in papers.items() if name[-4:].isdigit()]
    assert len(citations) == len(references) == 5
    for reference in references:
        (citation,) = [one for one in citations if reference["title"].lower() in one]
        assert str(reference["year"]) in citation
        for author in reference["authors"]:
            assert author["family-names"].lower().split("-")[-1] in citation
        given = [reference, *reference.get("identifiers", ())]
        assert any("10.48550/arXiv." in one.get("doi", one.get("value", "")) for one in given)


def test_one_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {regimes.__version__}\n" in citation
    assert f"## {regimes.__version__}" in (ROOT / "CHANGELOG.md").read_text()
