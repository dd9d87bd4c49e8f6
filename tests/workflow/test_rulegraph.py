"""The picture of the rules in docs/workflow.md is what Snakemake says."""

import re

from harness import ROOT, SMOKE, Workflow

Edges = set[tuple[str, str]]


def edges(text: str) -> Edges:
    """Arrows of a Mermaid flow chart, by the names of their ends."""
    names = dict(re.findall(r"(\w+)\[(\w+)\]", text))
    arrows = re.findall(r"^\s*(\w+) --> (\w+)$", text, flags=re.M)
    return {(names.get(start, start), names.get(end, end)) for start, end in arrows}


def test_the_docs_show_the_rules(fresh: Workflow) -> None:
    result = fresh.run("--rulegraph", "mermaid-js", targets=(), config=SMOKE)
    assert result.code == 0, result.output
    (shown,) = re.findall(
        r"<!-- rulegraph -->\n```mermaid\n(.*?)```",
        (ROOT / "docs/workflow.md").read_text(),
        flags=re.S,
    )
    assert edges(shown) == edges(result.output)
