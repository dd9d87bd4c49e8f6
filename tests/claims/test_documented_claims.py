"""The tables of claims in docs/ are those that the code declares."""

import pytest

from regimes.claims.core import CORRECTED, Claim, Finding, Sizes, at_most
from regimes.claims.discover import claims_of
from regimes.claims.document import BEGIN, DOCS, END, table, with_table
from regimes.plan.parts import modules_with


@pytest.mark.parametrize("paper", modules_with("claims"))
def test_the_page_of_a_paper_is_in_step(paper: str) -> None:
    page = (DOCS / f"{paper}.md").read_text(encoding="utf-8")
    assert page == with_table(page, claims_of(paper)), "run python -m regimes.claims.document"


def test_a_table_has_a_row_for_each_claim() -> None:
    claim = Claim(
        *("X1", "|f| is small", "its size", at_most(0.1, "drawn"), "(1)", ("a", "b"), Finding),
        reading=CORRECTED,
        known=True,
        sizes=Sizes(seeds=5),
    )
    row = (
        "| X1 | finding, corrected | \\|f\\| is small | its size | at most 0.1 (drawn); "
        "chosen when results were known | seeds >= 5 | (1) | `a`, `b` |"
    )
    assert table([claim]).splitlines()[2:] == [row]
    page = f"# Page\n\n{BEGIN}old\n{END}\nmore\n"
    assert with_table(page, [claim]) == f"# Page\n\n{BEGIN}{table([claim])}{END}\nmore\n"
    with pytest.raises(ValueError, match="the page has no <!-- claims"):
        with_table("# Page\n", [claim])
