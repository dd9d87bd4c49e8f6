"""Table 1 of Song et al. (2021): how many parameters earlier results ask for, and this paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from regimes.plotting.typeset import page, rule, write

# Numbers of training points at which the formulas are evaluated, the last that of MNIST.
POINTS = (100, 1000, 10_000, 60_000)
# Layers, of the row that depends on them.
DEPTH = 2
DEFINITIONS = (
    "QL: quadratic loss, CLL: convex and Lipschitz loss, SD: separable data. Last columns: the "
    f"formula at this $n$ and $L = {DEPTH}$, without constants and logarithms."
)
# Left edges of the columns, as shares of the width.
EDGES = (0.0, 0.055, 0.185, 0.265, 0.345, 0.475, 0.66, 0.745, 0.83, 0.915)
INCHES_PER_LINE = 0.3


@dataclass(frozen=True)
class Result:
    """A row: its text, and the formula as a function of n and L."""

    depth: str
    algorithm: str
    setting: str
    activation: str
    scaling: str
    reference: str
    value: Callable[[float, int], float]


RESULTS = (
    Result(
        "2",
        "GD on layer 1",
        "QL",
        "ReLU",
        r"\tilde\Omega(n^2)",
        "Oymak and Soltanolkotabi",
        lambda n, depth: n**2,
    ),
    Result(
        "L",
        "GD on layer L",
        "CLL",
        "ReLU",
        r"\tilde\Omega(n)",
        "Kawaguchi and Huang",
        lambda n, depth: n,
    ),
    Result("2", "GD", "SD", "ReLU", r"\tilde\Omega(n^2)", "Song and Yang", lambda n, depth: n**2),
    Result(
        "2", "GD", "SD and QL", "ReLU", r"\tilde\Omega(n^6)", "Du et al.", lambda n, depth: n**6
    ),
    Result(
        "L",
        "GD",
        "SD and QL",
        "ReLU",
        r"\Omega(n^8 L^{12})",
        "Zou and Gu",
        lambda n, depth: n**8 * depth**12,
    ),
    Result(
        "2",
        "GD",
        "QL",
        "smooth",
        r"\tilde\Omega(n^{3/2})",
        "Song et al., Theorem 3",
        lambda n, depth: n**1.5,
    ),
    # Not in the table: Appendix E.7.
    Result(
        "2",
        "GD",
        "QL",
        "smooth",
        r"\tilde\Omega(n^{5/3})",
        "the same, V unbounded (E.7)",
        lambda n, depth: n ** (5 / 3),
    ),
)


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Table 1, a row for each result, with its formula at each n of POINTS (`n = 100`, ...).

    The last row, Appendix E.7 without the bound on sigma_max(V), is not in the table of the paper.
    measures: not looked at.
    """
    rows = []
    for result in RESULTS:
        row: dict[str, Any] = {
            "depth": result.depth,
            "algorithm": result.algorithm,
            "setting": result.setting,
            "activation": result.activation,
            "scaling": f"${result.scaling}$",
            "reference": result.reference,
        }
        row |= {f"n = {n}": float(result.value(float(n), DEPTH)) for n in POINTS}
        rows.append(row)
    return pd.DataFrame(rows)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The table, typeset. measures, scale: not looked at, as for `table`."""
    rows = table(measures)
    lines = len(rows) + 1
    figure, axes = page(12.5, lines, INCHES_PER_LINE)
    headings = [str(name) if "=" not in name else f"${name}$" for name in rows.columns]
    write(axes, 0.5, EDGES, headings, fontsize=10)
    for place, row in enumerate(rows.itertuples(index=False), start=1):
        cells = [_number(cell) if isinstance(cell, float) else cell for cell in row]
        write(axes, place + 0.5, EDGES, cells, fontsize=10)
    # The last row is below a thin line, since the table of the paper ends before it.
    for line, width in ((0, 1.2), (1, 0.7), (lines - 1, 0.4), (lines, 1.2)):
        rule(axes, line, width)
    figure.supxlabel(DEFINITIONS, fontsize="small")
    return figure


def _number(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
