"""Table 1 of Chen et al. (2022): what it says, and that it can be drawn."""

import pandas as pd
import pytest

from regimes.papers.chen2022 import table1_scalings
from regimes.papers.chen2022.table1_scalings import draw, table
from regimes.parameterisations.feature_scalings import FeatureScaling

TITLES = ["Ours", "NTK", "MF"]
F, H, UPDATE = r"$f(\mathbf{x})$", r"$h_i(\mathbf{x})$", "$W_{ij}^{k+1}$"


@pytest.fixture
def rows() -> pd.DataFrame:
    return table({}).set_index("quantity")


def test_columns(rows: pd.DataFrame) -> None:
    assert list(rows.columns) == TITLES
    assert rows.index.is_unique
    assert not rows.isna().any(axis=None)


def test_rows_of_the_paper(rows: pd.DataFrame) -> None:
    # As its source has them, but for brackets that grow
    sum_f = r"\sum_{i=1}^m c_i \sigma(h_i(\mathbf{x}))"
    assert list(rows.loc[F]) == [
        rf"$\frac{{1}}{{m}} {sum_f}$",
        rf"$\frac{{1}}{{\sqrt{{m}}}} {sum_f}$",
        rf"$\frac{{1}}{{m}} {sum_f}$",
    ]
    sum_h = r"\sum_{j=1}^m W_{ij} \sigma(\frac{1}{\sqrt{d}} \mathbf{z}_j^\top \mathbf{x})"
    hidden = [text.replace(r"\left", "").replace(r"\right", "") for text in rows.loc[H]]
    assert hidden == [
        rf"$\frac{{1}}{{\sqrt{{m}}}} {sum_h}$",
        rf"$\frac{{1}}{{\sqrt{{m}}}} {sum_h}$",
        rf"$\frac{{1}}{{m}} {sum_h}$",
    ]
    gradient = r"\frac{\partial \mathcal{L}^k}{\partial W_{ij}^k}"
    assert list(rows.loc[UPDATE]) == [
        rf"$W_{{ij}}^k - m \delta {gradient}$",
        rf"$W_{{ij}}^k - \delta {gradient}$",
        rf"$W_{{ij}}^k - m^{{2}} \delta {gradient}$",
    ]


def test_rows_of_the_exponents(rows: pd.DataFrame) -> None:
    assert {name: list(row) for name, row in rows.iloc[3:].iterrows()} == {
        "$(a_1, a_2, a_3)$": ["$(0, 1/2, 1)$", "$(0, 1/2, 1/2)$", "$(0, 1, 1)$"],
        "$(b_1, b_2, b_3)$": ["$(0, 0, 0)$"] * 3,
        "$c$": ["$-1$", "$0$", "$-2$"],
        "$h_i$ at the start, order": ["$1$", "$1$", "$m^{-1/2}$"],
        "$r$ of (36), all layers trained": ["$0$", "$1/2$", "$-2$"],
        "$r$ with $W$ alone trained": ["$0$", "$1/2$", "$0$"],
        "learns features": ["yes", "no", "yes"],
    }


def test_the_rows_follow_from_the_scalings(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = FeatureScaling("odd", "Odd", -0.5, 0.75, (0.5, -1.0))
    monkeypatch.setattr(table1_scalings, "SCALINGS", {"odd": odd})
    column = table({}).set_index("quantity")["Odd"]
    assert column[F].startswith(r"$\sqrt{m} \sum")
    assert column[H].startswith(r"$\frac{1}{m^{3/4}} \sum")
    assert r"- \frac{1}{\sqrt{m}} \delta \frac" in column[UPDATE]
    assert column["$(a_1, a_2, a_3)$"] == "$(0, 3/4, -1/2)$"
    assert column["$h_i$ at the start, order"] == "$m^{-1/4}$"
    assert column["$r$ with $W$ alone trained"] == "$1/2$"


def test_drawn_is_what_the_table_says(rows: pd.DataFrame) -> None:
    figure = draw({}, "smoke")
    (axes,) = figure.axes
    drawn = [text.get_text().replace(r"\dfrac", r"\frac") for text in axes.texts]
    expected = [*TITLES]
    for quantity, row in rows.iterrows():
        expected += [quantity, *row]
    assert drawn == expected
    # Definitions have no scale
    assert not [text for text in figure.texts if "smoke" in text.get_text()]


def test_no_text_covers_another() -> None:
    figure = draw({}, "paper")
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 43
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
        assert box.x1 < figure.bbox.x1
