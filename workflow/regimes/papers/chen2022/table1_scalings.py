"""Table 1 of Chen et al. (2022): the three scalings, with their exponents of Appendix C."""

from collections.abc import Mapping
from fractions import Fraction

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.chen2022.abc import AbcParameterisation, from_scaling
from regimes.parameterisations.feature_scalings import SCALINGS, FeatureScaling
from regimes.plotting.typeset import page, rule, write

# Left edge of the labels and of each scaling's column, as shares of the width.
LABEL_EDGE, FIRST_EDGE, COLUMN = 0.0, 0.235, 0.255
# Lines that a row takes.
TALL, LOW = 2.2, 1.1
INCHES_PER_LINE = 0.27
NOTE = (
    "$D = m$. $a$: scales $m^{-a_l}$ of the layers; $b$: initial weights of order $m^{-b_l}$; "
    "$c$: learning rate $m^{-c}$. Features change by order $m^{-r}$ in a step: lazy training for "
    "$r > 0$, unstable for $r < 0$."
)


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Table 1 and, below its rows, the exponents of Appendix C; formulas as mathtext.

    A row for each quantity, its name in `quantity`; a column for each scaling, named by its title.
    measures: not looked at, since the table is of definitions.
    """
    columns = {scaling.title: _column(scaling) for scaling in SCALINGS.values()}
    return pd.DataFrame(columns).rename_axis("quantity").reset_index()


def _column(scaling: FeatureScaling) -> dict[str, str]:
    exponents = from_scaling(scaling)
    output, hidden, rate = -exponents.a[-1], -exponents.a[-2], -exponents.c
    features = r"\sigma\left(\frac{1}{\sqrt{d}} \mathbf{z}_j^\top \mathbf{x}\right)"
    step = f"{_power(rate)} \\delta".strip()
    gradient = r"\frac{\partial \mathcal{L}^k}{\partial W_{ij}^k}"
    return {
        r"$f(\mathbf{x})$": rf"${_power(output)} \sum_{{i=1}}^m c_i \sigma(h_i(\mathbf{{x}}))$",
        r"$h_i(\mathbf{x})$": rf"${_power(hidden)} \sum_{{j=1}}^m W_{{ij}} {features}$",
        r"$W_{ij}^{k+1}$": rf"$W_{{ij}}^k - {step} {gradient}$",
        "$(a_1, a_2, a_3)$": _listed(exponents.a),
        "$(b_1, b_2, b_3)$": _listed(exponents.b),
        "$c$": f"${exponents.c}$",
        "$h_i$ at the start, order": f"${_order(exponents)}$",
        "$r$ of (36), all layers trained": f"${exponents.feature_learning_exponent()}$",
        "$r$ with $W$ alone trained": f"${exponents.trained_layer_exponent()}$",
        "learns features": "yes" if exponents.learns_features else "no",
    }


def _order(exponents: AbcParameterisation) -> str:
    exponent = exponents.initial_hidden_exponent()
    return f"m^{{{-exponent}}}" if exponent else "1"


def _power(exponent: Fraction) -> str:
    """The width m to an exponent, as the paper prints it; nothing for an exponent of 0."""
    if exponent < 0:
        return rf"\frac{{1}}{{{_power(-exponent)}}}"
    if exponent == Fraction(1, 2):
        return r"\sqrt{m}"
    return {Fraction(0): "", Fraction(1): "m"}.get(exponent, f"m^{{{exponent}}}")


def _listed(exponents: tuple[Fraction, ...]) -> str:
    return f"$({', '.join(map(str, exponents))})$"


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The table, typeset. measures, scale: not looked at, as for `table`."""
    rows = table(measures)
    titles = list(rows.columns[1:])
    heights = [TALL if r"\frac" in " ".join(row[titles[:1]]) else LOW for _, row in rows.iterrows()]
    lines = LOW + sum(heights)
    figure, axes = page(10.5, lines, INCHES_PER_LINE)
    edges = [FIRST_EDGE + COLUMN * place for place in range(len(titles))]
    write(axes, LOW / 2, edges, titles, fontsize=11)
    top = LOW
    rule(axes, 0, 1.2)
    rule(axes, top, 0.7)
    for height, (_, row) in zip(heights, rows.iterrows(), strict=True):
        cells = [row[title].replace(r"\frac", r"\dfrac") for title in titles]
        middle = top + height / 2
        write(axes, middle, [LABEL_EDGE, *edges], [row["quantity"], *cells], fontsize=11)
        top += height
    rule(axes, lines, 1.2)
    figure.supxlabel(NOTE, fontsize="small")
    return figure
