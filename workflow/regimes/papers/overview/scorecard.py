"""The scorecard: every claim of the papers, with its verdict."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.claims.core import (
    COLUMNS,
    KINDS,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    TEXT,
    UNDECIDED,
    limits,
    number,
    tally,
)
from regimes.claims.files import CLAIMS

# Colour and sign of each verdict; the sign tells them apart without colours.
VERDICTS = {
    REPRODUCED: ("#1b7837", "+"),
    NOT_REPRODUCED: ("#b2182b", "\N{MINUS SIGN}"),
    UNDECIDED: ("#b35806", "?"),
    NOT_RUN: ("0.45", "o"),
}
# Left edge of each column in inches, heading, characters that fit into a line.
STATEMENT, WANTED, VERDICT, SHOWN_IN = (0.85, 92), (7.35, 19), 8.5, (9.45, 30)
MEASURED, PAPER = 6.65, 7.2
WIDTH, LINE, GAP = 11.3, 0.125, 0.07
FONT = 6.5
LINK = "#2166ac"
NONE = "\N{EN DASH}"


@dataclass
class _Row:
    """A claim as it is printed; `lines` is how many lines it takes."""

    claim: dict[str, Any]
    statement: list[str]
    wanted: list[str]
    figure: list[str]
    limits: str

    @property
    def lines(self) -> int:
        lists = self.statement, self.wanted, self.figure
        return max(*map(len, lists), 2 if self.limits else 1)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The claims paper by paper, and kind by kind; the names of figures are links to them.

    measures: the gathered claims. The scale is part of the headings.
    """
    rows: dict[str, dict[str, list[_Row]]] = {}
    claims = table(measures).to_dict("records")
    for claim in sorted(claims, key=lambda one: KINDS.index(one["kind"])):
        rows.setdefault(claim["paper"], {}).setdefault(claim["kind"], []).append(_row(claim))
    papers = list(dict.fromkeys(claim["paper"] for claim in claims))
    lists = [of_kind for paper in papers for of_kind in rows[paper].values()]
    lines = sum(row.lines for of_kind in lists for row in of_kind)
    count = sum(map(len, lists))
    height = LINE * (lines + 2 * len(papers) + 1.6 * len(lists) + 6) + GAP * count
    figure = plt.figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    style: dict[str, Any] = {"fontsize": FONT + 3, "weight": "bold", "va": "center"}
    down = 1.3 * LINE
    for line in tally(measures[CLAIMS]).split("; "):
        axes.text(0.1, down, line, **style)
        down += 1.6 * LINE
    down += LINE
    _heading(axes, down)
    down += 0.8 * LINE
    for paper in papers:
        of_paper = [row for of_kind in rows[paper].values() for row in of_kind]
        scales = ", ".join(sorted({row.claim["scale"] for row in of_paper}))
        down += 1.2 * LINE
        style = {"fontsize": FONT + 1, "weight": "bold", "va": "center"}
        axes.text(0.1, down, f"{paper} (scale: {scales})", **style)
        down += 0.8 * LINE
        for kind, of_kind in rows[paper].items():
            down += 0.8 * LINE
            axes.text(0.1, down, kind, fontsize=FONT, style="italic", color="0.4", va="center")
            down += 0.8 * LINE
            for row in of_kind:
                axes.axhline(down, color="0.85", linewidth=0.5, xmin=0.1 / WIDTH)
                _draw_row(axes, row, down + 0.5 * GAP + 0.5 * LINE)
                down += row.lines * LINE + GAP
    return figure


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row for each claim: its id, paper and scale, and COLUMNS of the claims."""
    columns = ["paper", *COLUMNS, "scale"]
    return measures[CLAIMS][columns].to_dataframe().reset_index()[["claim", *columns]]


def _row(claim: dict[str, Any]) -> _Row:
    # A dollar sign would start mathematics.
    statement = claim["statement"].replace("$", r"\$")
    if claim["reading"] != TEXT:
        statement += f" [{claim['reading']}]"
    return _Row(
        claim,
        textwrap.wrap(statement, STATEMENT[1]),
        textwrap.wrap(claim["wanted"], WANTED[1]),
        textwrap.wrap(claim["figure"], SHOWN_IN[1]) or [NONE],
        limits(claim),
    )


def _heading(axes: Axes, down: float) -> None:
    style: dict[str, Any] = {"fontsize": FONT, "color": "0.4", "va": "center"}
    axes.text(STATEMENT[0], down, "what the paper says, and how it is checked", **style)
    for right, name in ((MEASURED, "measured"), (PAPER, "paper")):
        axes.text(right, down, name, ha="right", **style)
    axes.text(WANTED[0], down, "wanted", **style)
    axes.text(VERDICT, down, "verdict", **style)
    axes.text(SHOWN_IN[0], down, "shown in", **style)


def _draw_row(axes: Axes, row: _Row, down: float) -> None:
    claim = row.claim
    style: dict[str, Any] = {"fontsize": FONT, "va": "center"}
    axes.text(0.1, down, claim["claim"], weight="bold", **style)
    for right, name in ((MEASURED, "value"), (PAPER, "paper_value")):
        axes.text(right, down, number(claim[name]) or NONE, ha="right", **style)
    if row.limits:
        small = style | {"fontsize": FONT - 1, "color": "0.4"}
        axes.text(MEASURED, down + LINE, row.limits, ha="right", **small)
    for left, lines in ((STATEMENT[0], row.statement), (WANTED[0], row.wanted)):
        for index, line in enumerate(lines):
            axes.text(left, down + index * LINE, line, **style)
    colour, sign = VERDICTS[claim["verdict"]]
    axes.text(VERDICT, down, f"{sign} {claim['verdict']}", color=colour, weight="bold", **style)
    for index, line in enumerate(row.figure):
        # Relative to figures/, where the scorecard lies too.
        link: dict[str, Any] = {}
        if line != NONE:
            link = {"color": LINK, "url": f"{claim['figure']}.pdf"}
        axes.text(SHOWN_IN[0], down + index * LINE, line, **link, **style)
