"""Table 1 of Luo et al. (2021): initialisations in use, their exponents, regimes and slopes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sympy
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.luo2021.initialisations import (
    BETA_EXPONENT,
    INITIALISATIONS,
    Initialisation,
    gamma,
    gamma_prime,
    kappa,
    kappa_prime,
    parse,
    slopes,
)
from regimes.papers.luo2021.paper import FOUR_POINTS, WIDTHS
from regimes.papers.luo2021.regime_map import (
    E_ET_AL_LINEAR_ABOVE,
    regime,
    regimes_along,
)
from regimes.plotting.panels import listed_widths
from regimes.plotting.style import mark_scale
from regimes.plotting.typeset import rule

TAKES = ("luo2021.phase_diagram",)
# d of the four-point problem, which the measures do not carry: the input and the bias.
N_FEATURES = 2
# How near a point of the measured grid must be to be the point of a row.
ON_GRID = 1e-9
# Printed columns: heading, and the columns of `table` behind it.
HEADINGS = {
    "name": "Name",
    "references": "Related works",
    "alpha": r"$\alpha$",
    "beta1": r"$\beta_1$",
    "beta2": r"$\beta_2$",
    "kappa": r"$\kappa = \beta_1 \beta_2 / \alpha$",
    "kappa_prime": r"$\kappa' = \beta_1 / \beta_2$",
    # Spaces, since the width of a column follows from what is in it.
    "gamma": r"$\quad\gamma\quad$",
    "gamma_prime": r"$\quad\gamma'\quad$",
    "gamma_at_finite_width": "$\\gamma$,\nfinite $m$",
    "gamma_prime_at_finite_width": "$\\gamma'$,\nfinite $m$",
    "regime": "Regime\nin theory",
    "slope_w": "$S_w$\nmeasured",
}
FORMULAS = ("alpha", "beta1", "beta2", "kappa", "kappa_prime", "gamma", "gamma_prime")
LEFT_ALIGNED = ("name", "references", "regime")


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Table 1, a row for each initialisation; formulas as text that sympy reads.

    measures: those of one experiment, as made by `luo2021.phase_diagram`. Beside the paper's
    columns: the exponents as slopes over the measured widths, the regime of the theory at
    (gamma, gamma'), and the measured slope_w there (NaN off the grid and for a family).
    """
    (diagram,) = measures.values()
    widths = diagram["width"].values.tolist()
    return pd.DataFrame([_row(one, diagram, widths) for one in INITIALISATIONS])


def _row(
    initialisation: Initialisation, diagram: xr.Dataset, widths: Sequence[int]
) -> dict[str, str | float]:
    place = gamma(initialisation), gamma_prime(initialisation)
    is_family = any(value.free_symbols for value in place)
    finite = slopes(initialisation, widths, N_FEATURES)
    slope, error = (np.nan, np.nan) if is_family else _measured(diagram, *map(float, place))
    return {
        "name": initialisation.name,
        "references": "; ".join(initialisation.references),
        "alpha": initialisation.alpha,
        "beta1": initialisation.beta1,
        "beta2": initialisation.beta2,
        "kappa": str(_under_one_root(kappa(initialisation))),
        "kappa_prime": str(_under_one_root(kappa_prime(initialisation))),
        "gamma": str(place[0]),
        "gamma_prime": str(place[1]),
        "gamma_at_finite_width": finite[0],
        "gamma_prime_at_finite_width": finite[1],
        "regime": regimes_along(*place, BETA_EXPONENT) if is_family else regime(*place),
        "slope_w": slope,
        "slope_w_stderr": error,
    }


def _measured(diagram: xr.Dataset, at_gamma: float, at_gamma_prime: float) -> tuple[float, float]:
    """slope_w and its standard error at a point of the plane, NaN off the grid."""
    place = {"gamma": at_gamma, "gamma_prime": at_gamma_prime}
    try:
        cell = diagram.sel(place, method="nearest", tolerance=ON_GRID)
    except KeyError:
        return np.nan, np.nan
    return float(cell["slope_w"]), float(cell["slope_w_stderr"])


def _under_one_root(scale: sympy.Expr) -> sympy.Expr:
    """Return the scale with its roots drawn together, as the paper prints it."""
    square = sympy.simplify(scale**2)
    if scale.is_rational_function() or not square.is_rational_function():
        return scale
    return sympy.Pow(square, sympy.S.Half, evaluate=False)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The table, typeset. measures: as for `table`; scale: marked below the paper's widths."""
    (diagram,) = measures.values()
    rows = table(measures)
    figure, axes = plt.subplots(figsize=(12.8, 4.4), layout="constrained")
    axes.set_axis_off()
    printed = axes.table(
        [[_cell(row, column) for column in HEADINGS] for _, row in rows.iterrows()],
        colLabels=list(HEADINGS.values()),
        cellLoc="center",
        bbox=(0, 0, 1, 1),
        edges="open",
    )
    printed.auto_set_font_size(False)
    printed.set_fontsize(9.5)
    printed.auto_set_column_width(list(range(len(HEADINGS))))
    for (_, j), cell in printed.get_celld().items():
        if list(HEADINGS)[j] in LEFT_ALIGNED:
            cell.set_text_props(ha="left")
    for row, width in ((0, 1.2), (1, 0.7), (len(rows) + 1, 1.2)):
        rule(axes, 1 - row / (len(rows) + 1), width)
    widths = diagram["width"].values.tolist()
    figure.supxlabel(_note(widths), fontsize="small")
    if not set(WIDTHS[FOUR_POINTS]) <= set(widths):
        mark_scale(figure, scale)
    return figure


def _cell(row: pd.Series, column: str) -> str:
    value = row[column]
    if column == "references":
        return value.replace("; ", "\n")
    if column in FORMULAS:
        return f"${sympy.latex(_under_one_root(parse(value)))}$".replace(r"\frac", r"\dfrac")
    if column == "regime":
        return value.replace(" for all b > 0", "\nfor all $b > 0$")
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return "\N{EN DASH}"
    if column == "slope_w":
        return rf"${value:.4f} \pm {row['slope_w_stderr']:.4f}$"
    return f"${value:.4f}$"


def _note(widths: Sequence[int]) -> str:
    return (
        r"Finite $m$: least-squares slopes of $-\log \kappa$ and $-\log \kappa'$ against "
        rf"$\log m$ over $m$ = {listed_widths(widths)}, $d$ = {N_FEATURES}. "
        "$S_w$: measured over these widths at $(\\gamma, \\gamma')$.\n"
        r"E et al.: $\beta_1 = m^{-b}$; they prove linear training for "
        rf"$b > {E_ET_AL_LINEAR_ABOVE}$."
    )
