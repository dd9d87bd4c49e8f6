"""Texts of the config in the report: plain text, whatever they look like."""

import html
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment

from regimes.config.load import load
from regimes.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
# As Snakemake appends them to a caption.
LINKS = "\n\n.. _Workflow: javascript:show_panel('workflow')\n"


def rendered(caption: str) -> str:
    """The caption as HTML, made as Snakemake makes it."""
    config = {"figures": {"one": {"caption": caption}}}
    snakemake = SimpleNamespace(config=config, wildcards=SimpleNamespace(figure="one"))
    template = (ROOT / "workflow/report/figure.rst").read_text() + LINKS
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template).render(snakemake=snakemake)
    return publish_parts(text, writer_name="html")["body"]


@pytest.mark.parametrize(
    "caption",
    [
        "Plain, gamma' = 1/2 (Fig. 4 of Luo et al., 2021)",
        ".. include:: /etc/passwd",
        "A plot\n\n.. raw:: html\n\n   <script>alert(1)</script>",
        "{{ 7 * 7 }} {% for %} {# none #}",
        "1. first",
        "Title\n=====\n\n- a list",
        "*a* `b` |c| d_ [1]_ http://example.org \\e ends::",
        "Änderung der Größe ∂w/∂t \\",
    ],
)
def test_a_caption_is_plain_text(caption: str) -> None:
    shown = " ".join(caption.split())
    assert html.unescape(rendered(caption)) == f"<p>{shown}</p>\n"


def test_no_caption_shows_nothing() -> None:
    assert rendered("") == ""


def test_captions_of_the_papers_are_shown_as_they_are() -> None:
    for figure in load(ROOT / "config.yaml").figures.values():
        assert html.unescape(rendered(figure.caption)) == f"<p>{figure.caption}</p>\n"


def test_titles_and_labels_are_one_line() -> None:
    texts = {
        "papers": {"luo2021": {"title": "A title\n\n.. include:: /etc/passwd\n"}},
        "figures": {"phase_diagram": {"labels": {"a\nb": "c\n\nd", "m": "m < 100"}}},
    }
    config = load(ROOT / "config.yaml", texts)
    assert config.papers["luo2021"].title == "A title .. include:: /etc/passwd"
    labels = config.figures["phase_diagram"].labels
    assert labels["a b"] == "c d" and labels["m"] == "m < 100"


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        ("papers.luo2021.title", {"papers": {"luo2021": {"title": "</script><b>x"}}}),
        (
            "figures.phase_diagram.labels.source",
            {"figures": {"phase_diagram": {"labels": {"source": "<!-- x"}}}},
        ),
    ],
)
def test_html_in_titles_and_labels_is_refused(key: str, texts: dict) -> None:
    with pytest.raises(ConfigError, match=f"{key} = .*must be plain text"):
        load(ROOT / "config.yaml", texts)
