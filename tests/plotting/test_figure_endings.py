"""Figures say how the runs behind them ended, and are as they were where all ended well."""

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from regimes import endings
from regimes.plotting.endings import mark_panel, note_endings


def measures(**counts: int) -> xr.Dataset:
    return xr.Dataset(attrs=endings.described(counts))


def pixels(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50, bbox_inches="tight")
    return file.getvalue()


def figure() -> Figure:
    made = Figure(figsize=(4, 3))
    made.subplots().plot([0, 1])
    return made


def test_the_note_counts_what_did_not_end_well() -> None:
    one, plain = figure(), figure()
    note_endings(one, {"first": measures(converged=20, capped=3, diverged=1), "claims": measures()})
    (text,) = one.texts
    assert " ".join(text.get_text().split()) == "of 24 runs of first: 3 capped, 1 diverged"
    assert pixels(one) != pixels(plain)


def test_no_pixel_changes_where_all_ended_well() -> None:
    one, plain = figure(), figure()
    note_endings(one, {"first": measures(converged=20), "second": measures(completed=3)})
    assert pixels(one) == pixels(plain)


@pytest.mark.parametrize(
    ("diverged", "expected"),
    [([1, 0], []), ([1, np.nan], ["diverged"]), ([np.nan, np.nan], ["not run"])],
)
def test_an_empty_panel_says_why(diverged: list[float], expected: list[str]) -> None:
    axes = figure().axes[0]
    mark_panel(axes, xr.Dataset({"diverged": ("seed", diverged)}))
    assert [text.get_text() for text in axes.texts] == expected
