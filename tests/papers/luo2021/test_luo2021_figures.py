"""Figures 2, 3 and 6 of Luo et al. (2021): what is drawn is what was measured."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from PIL import Image

from regimes.papers.luo2021 import condensation_map, fig02_typical_cases, fig03_growth
from regimes.plotting.save import save

PAPER_WIDTHS = [1000, 5000, 10_000, 20_000, 40_000]
CONDENSATION_WIDTHS = [1000, 10_000, 1_000_000]


def rows(figure: Figure) -> list[list[Axes]]:
    """The panels of a figure by row."""
    places = {
        (axes.get_subplotspec().rowspan.start, axes.get_subplotspec().colspan.start): axes
        for axes in figure.axes
    }
    assert len(places) == len(figure.axes)
    n_rows, n_columns = (max(place) + 1 for place in zip(*places, strict=True))
    return [[places[row, column] for column in range(n_columns)] for row in range(n_rows)]


def mark_of(figure: Figure) -> list[str]:
    texts = [text.get_text() for text in figure.texts]
    return [text for text in texts if text.startswith("scale:")]


def legend_of(figure: Figure) -> list[str]:
    """Entries of all legends, wherever they stand."""
    own = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [text.get_text() for legend in (*figure.legends, *own) for text in legend.get_texts()]


def words_of(axes: Axes) -> str:
    """Title and texts of a panel."""
    return " ".join([axes.get_title(), *(text.get_text() for text in axes.texts)])


def letters_of(figure: Figure) -> list[str]:
    return [axes.get_title("left") for row in rows(figure) for axes in row]


def note_of(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def check_saved(figure: Figure, folder: Path) -> None:
    pdf, png = folder / "figure.pdf", folder / "figure.png"
    hashes = {"config_hash": "c" * 64, "identity": "e" * 64, "code_hash": "d" * 64}
    save(figure, pdf, png, title="t", **hashes, source="m", scale="smoke", measures=[])
    assert pdf.read_bytes().startswith(b"%PDF") and pdf.stat().st_size > 10_000
    assert b"config_hash=" + b"c" * 64 in pdf.read_bytes()
    with Image.open(png) as image:
        assert image.text["code_hash"] == "d" * 64
        pixels = np.asarray(image.convert("L"))
    assert min(pixels.shape) > 300 and pixels.std() > 5
    assert {path.name for path in folder.iterdir()} == {"figure.pdf", "figure.png"}


# Figure 2


def typical_cases(
    gammas: tuple[float, ...] = (0.5, 1.0, 1.75), width: int = 1000, seeds: int = 3
) -> xr.Dataset:
    """Functions x -> gamma + seed + x at the end, 0 before; neurons at random."""
    random = np.random.default_rng(0)
    x = np.linspace(-1.2, 1.2, 13)
    axes = {"gamma_prime": [0.0], "gamma": list(gammas), "width": [width], "seed": range(seeds)}
    cases = xr.Dataset(coords={**axes, "snapshot": [1.0, 0.0], "x": x})
    shape = (1, len(gammas), 1, seeds, 2)
    ends = xr.DataArray([0.0, 1.0], dims="snapshot")
    cases["function"] = (cases["gamma"] + cases["seed"] + cases["x"]) * ends
    cases["function"] = cases["function"].expand_dims(gamma_prime=[0.0], width=[width])
    for name, values in (
        ("amplitude", random.uniform(0, 5, (*shape, 40))),
        ("orientation", random.uniform(-3, 3, (*shape, 40))),
    ):
        cases[name] = ((*axes, "snapshot", "neuron"), values)
    cases["linear_spline"] = 0.1 * cases["x"]
    cases["cubic_spline"] = 0.2 * cases["x"]
    # 0.11 and 0.41 in the mean over three seeds, at the end, for gamma = 0.5
    distance = 0.2 * cases["gamma"] + 0.01 * cases["seed"] - 10 * (1 - ends)
    for index, name in enumerate(("linear", "cubic")):
        cases[f"distance_to_{name}_spline"] = (distance + 0.3 * index).expand_dims(
            gamma_prime=[0.0], width=[width]
        )
    cases["diverged"] = (tuple(axes), np.zeros(shape[:-1]))
    cases["training_input"] = ("point", [-1.0, 0.0, 1.0])
    cases["training_target"] = ("point", [0.3, -0.6, 0.7])
    return cases


def fig02(cases: xr.Dataset, scale: str = "laptop") -> Figure:
    return fig02_typical_cases.draw({"typical_cases": cases}, scale)


def lines_at(axes: Axes, y: xr.DataArray) -> int:
    """How many lines of the panel have these values."""
    found = 0
    for line in axes.get_lines():
        values = np.asarray(line.get_ydata(), dtype=float)
        if values.shape == y.shape and np.allclose(values, y):
            np.testing.assert_allclose(np.asarray(line.get_xdata(), dtype=float), y["x"])
            found += 1
    return found


def test_figure_2_has_a_function_and_neurons_for_each_gamma() -> None:
    cases = typical_cases()
    figure = fig02(cases)
    functions, neurons = rows(figure)
    assert (len(functions), len(neurons)) == (3, 3)
    assert letters_of(figure) == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"]
    shown = cases.isel(gamma_prime=0, width=0)
    for index, gamma in enumerate((0.5, 1.0, 1.75)):
        case = shown.sel(gamma=gamma)
        upper, lower = functions[index], neurons[index]
        assert upper.get_title() == rf"$\gamma = {gamma:g}$"
        # The first seed is drawn twice: with the others, and before them.
        ends = case["function"].isel(snapshot=-1)
        assert [lines_at(upper, ends.sel(seed=seed)) for seed in (0, 1, 2)] == [2, 1, 1]
        assert lines_at(upper, case["linear_spline"]) == lines_at(upper, case["cubic_spline"]) == 1
        assert lines_at(upper, case["function"].isel(snapshot=0, seed=0)) == 0
        (points,) = [line for line in upper.get_lines() if line.get_label() == "training points"]
        np.testing.assert_array_equal(points.get_xdata(), [-1, 0, 1])
        np.testing.assert_array_equal(points.get_ydata(), [0.3, -0.6, 0.7])
        initial, final = (
            next(dots for dots in lower.collections if dots.get_label() == label)
            for label in ("initial", "final")
        )
        for dots, snapshot in ((initial, 0), (final, -1)):
            one = case.isel(snapshot=snapshot, seed=0)
            expected = np.stack([one["orientation"], one["amplitude"]], axis=1)
            np.testing.assert_allclose(np.asarray(dots.get_offsets()), expected)
        assert not same_color(initial.get_facecolor()[0], final.get_facecolor()[0])
        assert lower.get_xlim() == pytest.approx((-np.pi, np.pi))


def test_figure_2_tells_the_distances_to_the_splines() -> None:
    upper, _ = rows(fig02(typical_cases()))
    # Mean over seeds at the end of training
    for axes, linear in zip(upper, ("0.11", "0.21", "0.36"), strict=True):
        (text,) = [text.get_text() for text in axes.texts]
        cubic = f"{float(linear) + 0.3:.2f}"
        assert linear in text and cubic in text
        assert text.index("linear") < text.index(linear) < text.index("cubic") < text.index(cubic)


def test_figure_2_says_what_it_is_made_of() -> None:
    figure = fig02(typical_cases(seeds=4))
    functions, neurons = rows(figure)
    assert "f(x)" in functions[0].get_ylabel() and "A" in neurons[0].get_ylabel()
    assert all(axes.get_xlabel() == "$x$" for axes in functions)
    assert all("orientation" in axes.get_xlabel() for axes in neurons)
    expected = {"linear spline", "cubic spline", "learned", "training points", "initial", "final"}
    assert set(legend_of(figure)) == expected
    assert len(legend_of(figure)) == len(expected)
    note = note_of(figure)
    assert "4 seeds" in note and "m = 1000" in note and "= 0$" in note


def test_figure_2_says_where_means_are_of_fewer_seeds() -> None:
    cases = typical_cases()
    assert "fewer seeds" not in note_of(fig02(cases))
    for name in ("linear", "cubic"):
        cases[f"distance_to_{name}_spline"].loc[{"gamma": 1.0, "seed": 2}] = np.nan
    assert "mean over seeds; means of fewer seeds at 1 point" in note_of(fig02(cases))


@pytest.mark.parametrize(("width", "mark"), [(998, ["scale: smoke"]), (1000, []), (2000, [])])
def test_figure_2_marks_its_scale(width: int, mark: list[str]) -> None:
    assert mark_of(fig02(typical_cases(width=width), "smoke")) == mark


@pytest.mark.slow
@pytest.mark.parametrize("gammas", [(1.0,), (0.5, 1.0, 1.5, 1.75)])
def test_figure_2_draws_other_gammas(gammas: tuple[float, ...], tmp_path: Path) -> None:
    figure = fig02(typical_cases(gammas, seeds=1))
    assert [len(row) for row in rows(figure)] == [len(gammas)] * 2
    assert letters_of(figure) == [f"({letter})" for letter in "abcdefgh"[: 2 * len(gammas)]]
    check_saved(figure, tmp_path)


@pytest.mark.slow
def test_figure_2_is_saved(tmp_path: Path) -> None:
    cases = typical_cases()
    # A diverged run has no function and no neurons.
    for name in ("function", "amplitude", "orientation"):
        cases[name].loc[{"gamma": 1.0, "seed": 1}] = np.nan
    check_saved(fig02(cases), tmp_path)


# Figure 3

FAMILIES = ("growth_unit", "growth_inverse_root", "growth_inverse")


def growth(
    widths: list[int] = PAPER_WIDTHS,
    seeds: int = 3,
    gammas: tuple[float, ...] = (0.4, 0.5, 1.0, 1.75, 2.2),
) -> dict[str, xr.Dataset]:
    """RD_w = 0.1 m^(gamma - 1) in the first family; slopes 0.1 and 0.2 higher in the others."""
    axes = {"gamma_prime": [0.0], "gamma": list(gammas), "width": widths, "seed": range(seeds)}
    families = {}
    for index, name in enumerate(FAMILIES):
        family = xr.Dataset(coords=axes)
        slope = (family["gamma"] - 1 + 0.1 * index).expand_dims(gamma_prime=[0.0])
        family["slope_w"] = slope
        family["slope_w_stderr"] = xr.full_like(slope, 0.01 * (index + 1))
        family["slope_w_n_seeds"] = xr.full_like(slope, seeds)
        noise = 1 + 0.01 * (family["seed"] - (seeds - 1) / 2)
        family["relative_distance_w"] = 0.1 * family["width"].astype(float) ** slope * noise
        family["diverged"] = xr.zeros_like(family["relative_distance_w"])
        families[name] = family
    return families


def fig03(families: dict[str, xr.Dataset], scale: str = "laptop") -> Figure:
    return fig03_growth.draw(families, scale)


def test_figure_3_shows_the_growth_for_three_gammas() -> None:
    families = growth()
    figure = fig03(families)
    (panels,) = rows(figure)
    assert letters_of(figure) == ["(a)", "(b)", "(c)", "(d)"]
    first = families["growth_unit"].isel(gamma_prime=0)
    for axes, gamma in zip(panels, (0.5, 1.0, 1.75), strict=False):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        words = words_of(axes)
        assert rf"\gamma = {gamma:g}" in words
        assert f"{gamma - 1:.3f}" in words and "0.010" in words
        dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
        (fit,) = [line for line in axes.get_lines() if line.get_marker() != "o"]
        assert len(dots) == 3
        for seed, line in enumerate(dots):
            expected = first["relative_distance_w"].sel(gamma=gamma, seed=seed)
            np.testing.assert_array_equal(line.get_xdata(), PAPER_WIDTHS)
            np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-12)
        # The fitted power law goes through the middle of the dots.
        middle = 0.1 * np.array(PAPER_WIDTHS, dtype=float) ** (gamma - 1)
        np.testing.assert_allclose(fit.get_ydata(), middle, rtol=1e-3)
        low, high = axes.get_ylim()
        assert low < first["relative_distance_w"].sel(gamma=gamma).min()
        assert high > first["relative_distance_w"].sel(gamma=gamma).max()
        assert axes.get_xlabel() == "width $m$"


def test_figure_3_does_not_blow_up_the_noise_of_a_flat_line() -> None:
    _, flat, *_ = rows(fig03(growth()))[0]
    low, high = flat.get_ylim()
    assert high / low > 2


def test_figure_3_compares_the_slopes_of_the_families() -> None:
    families = growth()
    figure = fig03(families)
    *_, slopes = rows(figure)[0]
    assert len(slopes.containers) == 3
    for container, name in zip(slopes.containers, FAMILIES, strict=True):
        family = families[name].isel(gamma_prime=0)
        line, _, (bars,) = container.lines
        np.testing.assert_array_equal(line.get_xdata(), family["gamma"])
        np.testing.assert_array_equal(line.get_ydata(), family["slope_w"])
        ends = np.array(bars.get_segments())[:, :, 1]
        np.testing.assert_allclose((ends[:, 1] - ends[:, 0]) / 2, family["slope_w_stderr"])
    assert len({container.lines[0].get_marker() for container in slopes.containers}) == 3
    labels = legend_of(figure)
    assert labels == [
        r"$\beta_1 = \beta_2 = 1$",
        r"$\beta_1 = \beta_2 = m^{-1/2}$",
        r"$\beta_1 = \beta_2 = m^{-1}$",
    ]
    assert slopes.get_xlabel() == r"$\gamma$" and "S_w" in slopes.get_ylabel()
    # The zero line
    assert any(set(np.asarray(line.get_ydata()).tolist()) == {0} for line in slopes.get_lines())


def test_figure_3_says_what_it_is_made_of() -> None:
    assert "3 seeds" in note_of(fig03(growth())) and "over seeds" in note_of(fig03(growth()))
    assert "of the fit" in note_of(fig03(growth(seeds=1)))
    families = growth()
    assert "fewer seeds" not in note_of(fig03(families))
    families["growth_inverse"]["slope_w_n_seeds"][0, :3] = [2, 1, 0]
    assert note_of(fig03(families)).endswith("; means of fewer seeds at 2 points")


@pytest.mark.parametrize(
    ("widths", "mark"),
    [
        ([100, 200, 400], ["scale: smoke"]),
        (PAPER_WIDTHS[:-1], ["scale: smoke"]),
        (PAPER_WIDTHS[1:], ["scale: smoke"]),
        (PAPER_WIDTHS, []),
        ([100, *PAPER_WIDTHS, 80_000], []),
    ],
)
def test_figure_3_marks_its_scale(widths: list[int], mark: list[str]) -> None:
    assert mark_of(fig03(growth(widths), "smoke")) == mark


@pytest.mark.slow
def test_figure_3_is_saved(tmp_path: Path) -> None:
    families = growth()
    # Lost runs are left out of the dots.
    families["growth_unit"]["relative_distance_w"].loc[{"gamma": 1.75, "seed": 1}] = np.nan
    families["growth_inverse"]["slope_w"].loc[{"gamma": 2.2}] = np.nan
    figure = fig03(families)
    check_saved(figure, tmp_path)
    assert np.isfinite(rows(figure)[0][2].get_lines()[-1].get_ydata()).all()


# Figure 6


def condensation(
    widths: list[int] = CONDENSATION_WIDTHS,
    gammas: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5),
    gamma_primes: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0),
    seeds: int = 2,
) -> xr.Dataset:
    """Two occupied cells for each run, at a place of its own, and shares by setting and width."""
    axes = {
        "gamma_prime": list(gamma_primes),
        "gamma": list(gammas),
        "width": widths,
        "seed": range(seeds),
    }
    shape = tuple(len(values) for values in axes.values())
    angles = (np.arange(360) + 0.5) * np.pi / 180 - np.pi
    measures = xr.Dataset(
        coords={
            **axes,
            "orientation": angles,
            "relative_amplitude": (np.arange(120) + 0.5) / 120,
        }
    )
    counts = np.zeros((*shape, 360, 120), dtype=np.int32)
    for i, j, k, seed in np.ndindex(shape):
        counts[i, j, k, seed, 60 * i + 5 * j, 20 * k + 3] = 7
        counts[i, j, k, seed, 359 - 50 * seed, 119 - k] = 1
    measures["diverged"] = (tuple(axes), np.zeros(shape))
    measures["neuron_count"] = ((*axes, "orientation", "relative_amplitude"), counts)
    share = 0.1 * xr.DataArray(np.arange(1, len(widths) + 1), dims="width")
    share = share + 0.01 * xr.DataArray(np.arange(len(gammas)), dims="gamma")
    share = share + 0.02 * (measures["seed"] - (seeds - 1) / 2) + 0 * measures["gamma_prime"]
    measures["heaviest_bins_share"] = share
    return measures


def fig06(measures: xr.Dataset, scale: str = "laptop") -> Figure:
    return condensation_map.draw({"condensation": measures}, scale)


def boxes(figure: Figure, measures: xr.Dataset) -> dict[tuple[float, float], Axes]:
    """The panels by (gamma', gamma): gamma' rises upwards, gamma to the right."""
    grid = rows(figure)
    gammas = measures["gamma"].values.tolist()
    gamma_primes = measures["gamma_prime"].values.tolist()[::-1]
    assert [axes.get_xlabel() for axes in grid[-1]] == [rf"$\gamma = {one:g}$" for one in gammas]
    assert [row[0].get_ylabel() for row in grid] == [
        rf"$\gamma' = {one:g}$" for one in gamma_primes
    ]
    return {
        (gamma_prime, gamma): axes
        for gamma_prime, row in zip(gamma_primes, grid, strict=True)
        for gamma, axes in zip(gammas, row, strict=True)
    }


def boxes_with_a_blue_frame(figure: Figure, measures: xr.Dataset) -> set[tuple[float, float]]:
    found = set()
    for place, axes in boxes(figure, measures).items():
        blue = {same_color(spine.get_edgecolor(), "blue") for spine in axes.spines.values()}
        assert len(blue) == 1, place  # all of the frame, or nothing of it
        if blue == {True}:
            found.add(place)
    return found


def test_figure_6_frames_the_boundary_of_the_theory_and_nothing_else() -> None:
    measures = condensation(widths=[1000], seeds=1)
    assert boxes_with_a_blue_frame(fig06(measures), measures) == {
        (-1.0, 1.0),
        (-0.5, 1.0),
        (0.0, 1.0),
        (0.5, 1.5),
        (1.0, 2.0),
    }


def test_figure_6_frames_the_boundary_of_a_grid_of_floats() -> None:
    gammas = tuple(np.arange(11, 14) * 0.1)  # 1.1, 1.2000000000000002, 1.3
    measures = condensation([1000], gammas, gamma_primes=(0.1, 0.2, 0.25), seeds=1)
    found = boxes_with_a_blue_frame(fig06(measures), measures)
    assert found == {(0.1, gammas[0]), (0.2, gammas[1])}


def test_figure_6_has_a_dot_for_each_cell_with_neurons() -> None:
    measures = condensation()
    panels = boxes(fig06(measures), measures)
    assert len(panels) == 25
    angle, size = measures["orientation"].values, measures["relative_amplitude"].values
    for place, axes in panels.items():
        i = measures["gamma_prime"].values.tolist().index(place[0])
        j = measures["gamma"].values.tolist().index(place[1])
        assert len(axes.collections) == 3
        # The largest width first, so that the others are drawn on top of it; the first seed.
        for dots, k in zip(axes.collections, (2, 1, 0), strict=True):
            cells = {(60 * i + 5 * j, 20 * k + 3), (359, 119 - k)}
            expected = sorted((angle[one], size[other]) for one, other in cells)
            found = sorted(map(tuple, np.asarray(dots.get_offsets()).tolist()))
            np.testing.assert_allclose(found, expected)
        assert axes.get_xlim() == pytest.approx((-np.pi, np.pi))
        assert axes.get_ylim()[0] == 0 and 1 <= axes.get_ylim()[1] < 1.1
    colours = [dots.get_facecolor()[0] for dots in axes.collections]
    for dots, colour in zip(colours, ("gold", "tab:red", "tab:blue"), strict=True):
        assert same_color(dots, colour)


def shares_of(axes: Axes) -> list[float]:
    return [float(word) for word in axes.get_title().split()]


def test_figure_6_tells_the_shares_outside_the_heaviest_bins_by_width() -> None:
    measures = condensation()
    shares = measures["heaviest_bins_share"]
    shares.loc[{"gamma_prime": -1.0, "gamma": 2.5}] = 1.0
    shares.loc[{"gamma_prime": -1.0, "gamma": 2.0}] = 1 - 0.0004
    panels = boxes(fig06(measures), measures)
    # Means over seeds
    assert shares_of(panels[0.0, 0.5]) == [0.9, 0.8, 0.7]
    assert shares_of(panels[1.0, 2.0]) == [0.87, 0.77, 0.67]
    # A small share is not lost in rounding.
    assert shares_of(panels[-1.0, 2.0]) == [0.0004] * 3
    assert shares_of(panels[-1.0, 2.5]) == [0.0] * 3


@pytest.mark.slow
def test_figure_6_says_what_it_is_made_of() -> None:
    figure = fig06(condensation())
    assert legend_of(figure) == ["$m = 10^{3}$", "$m = 10^{4}$", "$m = 10^{6}$"]
    assert legend_of(fig06(condensation([500, 1000]), "smoke")) == ["$m = 500$", "$m = 10^{3}$"]
    (legend,) = figure.legends
    colours = [handle.get_color() for handle in legend.legend_handles]
    assert colours == ["tab:blue", "tab:red", "gold"]
    note = note_of(figure)
    assert "2 seeds" in note and "360 bins" in note and "fewer" not in note
    measures = condensation()
    measures["heaviest_bins_share"].loc[{"gamma_prime": -1.0, "gamma": 2.5, "seed": 1}] = np.nan
    assert "mean over seeds; means of fewer seeds at 3 points)" in note_of(fig06(measures))


@pytest.mark.parametrize(
    ("widths", "mark"),
    [
        ([100, 1000], ["scale: smoke"]),
        (CONDENSATION_WIDTHS[:-1], ["scale: smoke"]),
        (CONDENSATION_WIDTHS, []),
        ([100, *CONDENSATION_WIDTHS], []),
    ],
)
def test_figure_6_marks_its_scale(widths: list[int], mark: list[str]) -> None:
    measures = condensation(widths, gammas=(1.0, 1.5), gamma_primes=(0.0,), seeds=1)
    assert mark_of(fig06(measures, "smoke")) == mark


def test_figure_6_is_saved(tmp_path: Path) -> None:
    measures = condensation(gammas=(1.0, 1.5), gamma_primes=(0.0, 0.5))
    # Diverged runs
    measures["heaviest_bins_share"].loc[{"gamma": 1.5, "width": 1000}] = np.nan
    measures["neuron_count"].loc[{"gamma": 1.5, "width": 1000}] = 0
    check_saved(fig06(measures), tmp_path)


def test_figure_6_says_which_boxes_are_empty() -> None:
    measures = condensation(gammas=(1.0, 1.5), gamma_primes=(0.0, 0.5))
    measures["diverged"].loc[{"gamma": 1.5, "gamma_prime": 0.5}] = 1
    measures["heaviest_bins_share"].loc[{"gamma": 1.5, "gamma_prime": 0.5}] = np.nan
    measures["diverged"].loc[{"gamma": 1.0, "gamma_prime": 0.5}] = np.nan
    boxes = [[words_of(axes) for axes in row] for row in rows(fig06(measures))]
    assert [[words.split()[-1] for words in row] for row in boxes[:1]] == [["run", "diverged"]]
    assert "nan" not in str(boxes) and "\N{EN DASH}" in boxes[0][1]
    assert not any("diverged" in words or "run" in words for words in boxes[1])


def test_figure_6_of_one_box_is_saved(tmp_path: Path) -> None:
    measures = condensation([100], gammas=(1.0,), gamma_primes=(0.0,), seeds=1)
    check_saved(fig06(measures, "smoke"), tmp_path)
