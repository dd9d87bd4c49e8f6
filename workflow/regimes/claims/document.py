"""The tables of claims in the papers' pages, docs/<paper>.md, from what the claims declare.

`python -m regimes.claims.document` writes them, with `--check` it only compares. A table lies
between two marks, which are comments of the page.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from regimes.claims.core import TEXT, Claim, markdown_row
from regimes.claims.discover import claims_of
from regimes.plan.parts import modules_with

DOCS = Path(__file__).resolve().parents[3] / "docs"
BEGIN, END = "<!-- claims, as declared -->\n", "<!-- end of the claims -->\n"


def table(claims: Iterable[Claim]) -> str:
    """The declarations as a Markdown table, a row for each claim."""
    lines = [
        "| claim | what it is | statement | statistic | wanted | needs | source | experiments |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for claim in claims:
        kind = claim.kind if claim.reading == TEXT else f"{claim.kind}, {claim.reading}"
        wanted = claim.wanted.text
        if claim.wanted.reason:
            wanted += f" ({claim.wanted.reason})"
        if claim.known:
            wanted += "; chosen when results were known"
        cells = [
            claim.id,
            kind,
            claim.says,
            claim.statistic,
            wanted,
            claim.sizes.text,
            claim.source,
        ]
        needs = ", ".join(f"`{name}`" for name in claim.needs)
        lines.append(markdown_row([*cells, needs]))
    return "\n".join(lines) + "\n"


def with_table(page: str, claims: Iterable[Claim]) -> str:
    """A page with its table made anew; raises ValueError for a page without the two marks."""
    return filled(page, BEGIN, table(claims), END)


def filled(page: str, begin: str, content: str, end: str) -> str:
    """A page with new content between two marks; raises ValueError for one without them."""
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"the page has no {begin.strip()} and {end.strip()}")
    return before + begin + content + end + after


def main() -> int:
    """Write the tables, or with `--check` return 1 when one has drifted."""
    parser = argparse.ArgumentParser(description="Write or check the tables of claims in docs/.")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    only_check = parser.parse_args().check
    drifted = []
    for paper in modules_with("claims"):
        path = DOCS / f"{paper}.md"
        page = path.read_text(encoding="utf-8")
        made = with_table(page, claims_of(paper))
        if made != page and only_check:
            drifted.append(path.name)
        elif made != page:
            path.write_text(made, encoding="utf-8")
    if drifted:
        print(f"run python -m regimes.claims.document: {', '.join(drifted)}", file=sys.stderr)
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
