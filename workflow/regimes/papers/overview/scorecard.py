"""The scorecard: every claim of the papers, with its verdict."""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes.claims.core import NOT_REPRODUCED, NOT_RUN, REPRODUCED
from regimes.claims.files import CLAIMS

# Colour and sign of each verdict; the sign tells them apart without colours.
VERDICTS = {
    REPRODUCED: ("#1b7837", "+"),
    NOT_REPRODUCED: ("#b2182b", "\N{MINUS SIGN}"),
    NOT_RUN: ("0.45", "o"),
}
# Columns of the table that is written as CSV.
COLUMNS = (
    "paper",
    "statement",
    "verdict",
    "value",
    "paper_value",
    "tolerance",
    "claim_units",
    "scale",
    "detail",
    "source",
    "figure",
)
# Left edge of each column in inches, heading, characters that fit into a line.
STATEMENT, NUMBERS, VERDICT, SHOWN_IN = (0.85, 99), (6.55, 7.05, 7.65), 7.8, (8.85, 34)
WIDTH, LINE, GAP = 10.6, 0.125, 0.07
FONT = 6.5
LINK = "#2166ac"
NONE = "\N{EN DASH}"


@dataclass
class _Row:
    """A claim as it is printed; `lines` is how many lines it takes."""

    claim: xr.Dataset
    statement: list[str]
    figure: list[str]

    @property
    def lines(self) -> int:
        return max(len(self.statement), len(self.figure))


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The claims paper by paper; the names of figures are links to them.

    measures: the gathered claims. The scale is part of the headings.
    """
    claims = measures[CLAIMS]
    papers = list(dict.fromkeys(claims["paper"].values.tolist()))
    rows = {
        paper: [
            _row(claims.isel(claim=index))
            for index, of in enumerate(claims["paper"].values)
            if of == paper
        ]
        for paper in papers
    }
    lines = sum(row.lines for of_paper in rows.values() for row in of_paper)
    count = sum(map(len, rows.values()))
    height = LINE * (lines + 2 * len(papers) + 5) + GAP * count
    figure = plt.figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(0.1, 1.3 * LINE, summary(claims), fontsize=FONT + 3, weight="bold", va="center")
    down = 3.4 * LINE
    _heading(axes, down)
    down += 0.8 * LINE
    for paper in papers:
        scales = ", ".join(sorted({str(row.claim["scale"].item()) for row in rows[paper]}))
        down += 1.2 * LINE
        style: dict[str, Any] = {"fontsize": FONT + 1, "weight": "bold", "va": "center"}
        axes.text(0.1, down, f"{paper} (scale: {scales})", **style)
        down += 0.8 * LINE
        for row in rows[paper]:
            axes.axhline(down, color="0.85", linewidth=0.5, xmin=0.1 / WIDTH)
            _draw_row(axes, row, down + 0.5 * GAP + 0.5 * LINE)
            down += row.lines * LINE + GAP
    return figure


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row for each claim: its id and COLUMNS."""
    return measures[CLAIMS][list(COLUMNS)].to_dataframe().reset_index()[["claim", *COLUMNS]]


def summary(claims: xr.Dataset) -> str:
    """How many claims have which verdict, such as '12 claims: 9 reproduced, 3 not run'."""
    verdicts = claims["verdict"].values.tolist()
    counts = {verdict: verdicts.count(verdict) for verdict in VERDICTS}
    listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    noun = "claim" if len(verdicts) == 1 else "claims"
    return f"{len(verdicts)} {noun}: {listed}"


def _row(claim: xr.Dataset) -> _Row:
    # A dollar sign would start mathematics.
    statement = str(claim["statement"].item()).replace("$", r"\$")
    figure = str(claim["figure"].item())
    return _Row(
        claim, textwrap.wrap(statement, STATEMENT[1]), textwrap.wrap(figure, SHOWN_IN[1]) or [NONE]
    )


def _heading(axes: Axes, down: float) -> None:
    style: dict[str, Any] = {"fontsize": FONT, "color": "0.4", "va": "center"}
    axes.text(STATEMENT[0], down, "what the paper says, and how it is checked", **style)
    for right, name in zip(NUMBERS, ("measured", "paper", "tolerance"), strict=True):
        axes.text(right, down, name, ha="right", **style)
    axes.text(VERDICT, down, "verdict", **style)
    axes.text(SHOWN_IN[0], down, "shown in", **style)


def _draw_row(axes: Axes, row: _Row, down: float) -> None:
    claim = row.claim
    style: dict[str, Any] = {"fontsize": FONT, "va": "center"}
    axes.text(0.1, down, str(claim["claim"].item()), weight="bold", **style)
    for index, line in enumerate(row.statement):
        axes.text(STATEMENT[0], down + index * LINE, line, **style)
    names = ("value", "paper_value", "tolerance")
    for right, name in zip(NUMBERS, names, strict=True):
        axes.text(right, down, _number(float(claim[name])), ha="right", **style)
    verdict = str(claim["verdict"].item())
    colour, sign = VERDICTS[verdict]
    axes.text(VERDICT, down, f"{sign} {verdict}", color=colour, weight="bold", **style)
    for index, line in enumerate(row.figure):
        # Relative to figures/, where the scorecard lies too.
        link: dict[str, Any] = {}
        if line != NONE:
            link = {"color": LINK, "url": f"{claim['figure'].item()}.pdf"}
        axes.text(SHOWN_IN[0], down + index * LINE, line, **link, **style)


def _number(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.3g}"
