"""Table 1 and Figure 1 of Luo et al. (2021): where initialisations in use lie in the plane."""

import io
import math
from itertools import pairwise

import numpy as np
import pytest
import sympy
import xarray as xr
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.table import Table

from regimes.papers.luo2021 import fig01_regimes, paper, table01_initializations
from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.initialisations import (
    BETA_EXPONENT,
    INITIALISATIONS,
    N_FEATURES,
    WIDTH,
    gamma,
    gamma_prime,
    kappa,
    kappa_prime,
    slopes,
)
from regimes.papers.luo2021.regime_map import regime, regimes_along

WIDTHS = list(paper.WIDTHS[paper.FOUR_POINTS])
BY_NAME = {one.name: one for one in INITIALISATIONS}
B = BETA_EXPONENT
HALF = sympy.Rational(1, 2)
# As printed in the paper; E et al.'s beta is m^-b.
PRINTED_EXPONENTS = {
    "LeCun": (HALF, HALF),
    "He": (HALF, HALF),
    "Xavier": (1, 0),
    "NTK": (HALF, 0),
    "Mean-field": (1, 0),
    "E et al.": (B, B),
}
PRINTED_SCALES = {
    "LeCun": (lambda m, d: math.sqrt(1 / (m * d)), lambda m, d: math.sqrt(d / m)),
    "He": (lambda m, d: math.sqrt(4 / (m * d)), lambda m, d: math.sqrt(d / m)),
    "Xavier": (
        lambda m, d: math.sqrt(4 / ((m + 1) * (m + d))),
        lambda m, d: math.sqrt((m + d) / (m + 1)),
    ),
    "NTK": (lambda m, d: math.sqrt(1 / m), lambda m, d: 1.0),
    "Mean-field": (lambda m, d: 1 / m, lambda m, d: 1.0),
    "E et al.": (lambda m, d: m**-0.3, lambda m, d: m**-0.3),
}
POINTS = {
    name: (float(place[1]), float(place[0]))
    for name, place in PRINTED_EXPONENTS.items()
    if name != "E et al."
}


def made_up(widths: list[int] = WIDTHS, off: float = 0.0) -> dict[str, xr.Dataset]:
    """Measures with a value of its own in every cell; off: distance of the grid from the points."""
    axes = {
        "gamma_prime": np.array([-0.5, 0.0, 0.5]) + off,
        "gamma": np.array([0.5, 0.75, 1.0, 1.5]) + off,
    }
    slopes_w = np.linspace(-1.23, 0.71, 12).reshape(3, 4)
    variables = {
        "slope_w": (tuple(axes), slopes_w),
        "slope_w_stderr": (tuple(axes), np.abs(slopes_w) / 30),
    }
    diagram = xr.Dataset(variables, coords=axes | {"width": widths, "seed": [0, 1]})
    return {"phase_diagram": diagram}


def test_the_rules_are_those_of_the_table() -> None:
    assert list(BY_NAME) == list(PRINTED_EXPONENTS)


@pytest.mark.parametrize("name", PRINTED_EXPONENTS)
def test_the_limits_are_exactly_those_of_the_table(name: str) -> None:
    assert (gamma(BY_NAME[name]), gamma_prime(BY_NAME[name])) == PRINTED_EXPONENTS[name]


@pytest.mark.parametrize("name", PRINTED_SCALES)
@pytest.mark.parametrize(("width", "n_features"), [(1, 1), (40, 3), (1000, 784)])
def test_the_scales_are_those_of_the_table(name: str, width: int, n_features: int) -> None:
    values = {WIDTH: width, N_FEATURES: n_features, B: 0.3}
    for scale, printed in zip((kappa, kappa_prime), PRINTED_SCALES[name], strict=True):
        value = float(scale(BY_NAME[name]).subs(values))
        assert value == pytest.approx(printed(width, n_features), rel=1e-12)


@pytest.mark.parametrize("name", PRINTED_EXPONENTS)
def test_slopes_approach_the_limits(name: str) -> None:
    limits = [float(sympy.sympify(value).subs(B, 0.3)) for value in PRINTED_EXPONENTS[name]]
    found = slopes(BY_NAME[name], [10**8, 10**9, 10**10], n_features=2, b=0.3)
    assert found == pytest.approx(limits, abs=1e-7)


def test_xaviers_slopes_reach_the_limits_at_infinite_width_only() -> None:
    windows = [[10**k, 3 * 10**k, 10 ** (k + 1)] for k in range(1, 5)]
    found = np.array([slopes(BY_NAME["Xavier"], widths, n_features=2) for widths in windows])
    off = np.abs(found - [1, 0])
    assert (off[0] > 0.01).all() and (off[-1] > 1e-6).all()
    assert all((later < earlier / 5).all() for earlier, later in pairwise(off))


def test_more_features_take_xavier_further_from_the_limits() -> None:
    few, many = (slopes(BY_NAME["Xavier"], WIDTHS, n_features=d) for d in (2, 784))
    assert abs(many[0] - 1) > 10 * abs(few[0] - 1) > 0
    assert abs(many[1]) > 10 * abs(few[1]) > 0


def test_slopes_are_nan_where_there_are_none() -> None:
    assert np.isnan(slopes(BY_NAME["NTK"], [1000], n_features=2)).all()
    assert np.isnan(slopes(BY_NAME["E et al."], WIDTHS, n_features=2)).all()


@pytest.mark.parametrize(
    ("at_gamma", "at_gamma_prime", "name"),
    [
        (0.99, -1, "linear"),
        (1, -1, "critical"),
        (1.01, -1, "condensed"),
        (1, 0, "critical"),
        (1, 0.01, "linear"),
        (1.49, 0.5, "linear"),
        (1.5, 0.5, "critical"),
        (1.51, 0.5, "condensed"),
        (0.5, -2, "linear"),
        (5, 4.5, "linear"),
        (HALF, HALF, "linear"),
    ],
)
def test_regime_on_each_side(at_gamma: float, at_gamma_prime: float, name: str) -> None:
    found = regime(at_gamma, at_gamma_prime)
    assert isinstance(found, str) and found == name


def test_regime_of_arrays_changes_at_the_boundary() -> None:
    across = xr.DataArray(np.arange(-20, 21) / 10)
    boundary = boundary_gamma(across).values  # 1 + 0.1 - 1 is not 0.1
    found = regime(boundary + np.array([[-0.01], [0], [0.01]]), across)
    assert found.shape == (3, 41)
    for row, name in zip(found, ("linear", "critical", "condensed"), strict=True):
        assert set(row) == {name}


def test_regimes_along_lines() -> None:
    assert regimes_along(B, B, B) == "linear for all b > 0"
    assert regimes_along(B + 1, B, B) == "critical for all b > 0"
    assert regimes_along(B + 2, B, B) == "condensed for all b > 0"
    along = regimes_along(2 * B, sympy.S.Zero, B)
    assert along == "linear for (0 < b) & (b < 1/2), critical for Eq(b, 1/2), condensed for 1/2 < b"


def test_table() -> None:
    # LeCun and He, at gamma' = 1/2, were not measured.
    diagram = made_up()["phase_diagram"].sel(gamma_prime=[-0.5, 0.0])
    rows = table01_initializations.table({"phase_diagram": diagram}).set_index("name")
    assert list(rows.index) == list(PRINTED_EXPONENTS)
    for name, row in rows.iterrows():
        one = BY_NAME[name]
        assert [row["gamma"], row["gamma_prime"]] == [str(v) for v in PRINTED_EXPONENTS[name]]
        finite = row["gamma_at_finite_width"], row["gamma_prime_at_finite_width"]
        assert finite == pytest.approx(slopes(one, WIDTHS, n_features=2), nan_ok=True)
        for scale in (kappa, kappa_prime):
            text = row[scale.__name__]
            symbols = {symbol.name: symbol for symbol in (WIDTH, N_FEATURES, B)}
            assert sympy.simplify(sympy.sympify(text, locals=symbols) / scale(one)) == 1
    assert rows.loc["Xavier", "kappa"] == "sqrt(4/((d + m)*(m + 1)))"
    assert rows["regime"].to_dict() == {
        "LeCun": "linear",
        "He": "linear",
        "Xavier": "critical",
        "NTK": "linear",
        "Mean-field": "critical",
        "E et al.": "linear for all b > 0",
    }
    for name, at in {"Xavier": 1.0, "Mean-field": 1.0, "NTK": 0.5}.items():
        cell = diagram.sel(gamma_prime=0.0, gamma=at)
        for column in ("slope_w", "slope_w_stderr"):
            assert rows.loc[name, column] == float(cell[column])
    assert (
        rows.loc[["LeCun", "He", "E et al."], ["slope_w", "slope_w_stderr"]].isna().all(axis=None)
    )


@pytest.mark.parametrize(("off", "found"), [(1e-12, 5), (1e-6, 0)])
def test_only_the_point_itself_counts_as_measured(off: float, found: int) -> None:
    assert table01_initializations.table(made_up(off=off))["slope_w"].count() == found


def test_the_drawn_table_is_legible() -> None:
    measures = made_up()
    figure = table01_initializations.draw(measures, "laptop")
    figure.canvas.draw()
    (axes,) = figure.axes
    (printed,) = [child for child in axes.get_children() if isinstance(child, Table)]
    cells = printed.get_celld()
    n_columns = len(table01_initializations.HEADINGS)
    assert len(cells) == (len(INITIALISATIONS) + 1) * n_columns
    boxes = {place: cell.get_text().get_window_extent() for place, cell in cells.items()}
    for place, box in boxes.items():
        outer = cells[place].get_window_extent()
        assert outer.x0 <= box.x0 and box.x1 <= outer.x1, cells[place].get_text()
        assert outer.y0 <= box.y0 and box.y1 <= outer.y1, cells[place].get_text()
    row = list(BY_NAME).index("NTK") + 1
    cell = measures["phase_diagram"].sel(gamma_prime=0.0, gamma=0.5)
    expected = rf"${float(cell['slope_w']):.4f} \pm {float(cell['slope_w_stderr']):.4f}$"
    assert cells[row, n_columns - 1].get_text().get_text() == expected


def mark_of(figure: Figure) -> list[str]:
    texts = [text.get_text() for text in figure.texts]
    return [text for text in texts if text.startswith("scale:")]


@pytest.mark.slow
def test_the_scale_is_marked_below_the_papers_widths() -> None:
    assert mark_of(table01_initializations.draw(made_up([100, 200]), "smoke")) == ["scale: smoke"]
    assert mark_of(table01_initializations.draw(made_up(), "laptop")) == []


def test_markers_of_the_figure() -> None:
    (axes,) = fig01_regimes.draw({}, "laptop").axes
    markers = [one for one in axes.collections if isinstance(one, PathCollection)]
    drawn = sorted(tuple(one.get_offsets()[0]) for one in markers)
    assert drawn == sorted(POINTS.values())
    # Those at one point differ in size, so that all can be seen.
    for place in set(drawn):
        sizes = [one.get_sizes()[0] for one in markers if tuple(one.get_offsets()[0]) == place]
        assert len(set(sizes)) == len(sizes)
    for name, place in POINTS.items():
        (label,) = [text for text in axes.texts if name in text.get_text().split(", ")]
        assert label.xy == place


def test_shading_of_the_figure() -> None:
    (axes,) = fig01_regimes.draw({}, "laptop").axes
    (image,) = axes.images
    values = np.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    for at_gamma_prime in np.linspace(-0.9, 1.2, 22):
        for at_gamma in np.linspace(0.03, 2.2, 22):
            i = int((at_gamma - bottom) / (top - bottom) * values.shape[0])
            j = int((at_gamma_prime - left) / (right - left) * values.shape[1])
            if abs(at_gamma - 1 - max(at_gamma_prime, 0)) > 0.01:
                name = "condensed" if values[i, j] else "linear"
                assert name == regime(at_gamma, at_gamma_prime)
    assert np.argmax(to_rgb(fig01_regimes.COLOURS["linear"])) == 0
    assert np.argmax(to_rgb(fig01_regimes.COLOURS["condensed"])) == 2


def test_lines_of_the_figure() -> None:
    (axes,) = fig01_regimes.draw({}, "laptop").axes
    by_style = {line.get_linestyle(): line.get_xydata() for line in axes.get_lines()}
    assert set(by_style) == {"-", "--", ":"}
    np.testing.assert_array_equal(by_style["-"], [[-1, 1], [0, 1], [1.25, 2.25]])
    np.testing.assert_allclose(by_style[":"], [[0, 0], [1 / 6, 1 / 6]])
    np.testing.assert_allclose(by_style["--"], [[1 / 6, 1 / 6], [3, 3]])
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["$b > 1/6$, proved linear", r"$b \leq 1/6$"]
    assert axes.get_legend().get_title().get_text() == r"E et al., $\beta_1 = m^{- b}$"
    assert (axes.get_xlabel(), axes.get_ylabel()) == (r"$\gamma'$", r"$\gamma$")


@pytest.mark.slow
def test_the_figure_can_be_saved_without_a_warning() -> None:
    figure = fig01_regimes.draw({}, "laptop")
    for kind in ("pdf", "png"):
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=50)
        assert file.tell() > 5000
