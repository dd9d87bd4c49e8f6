"""Figures 4 and 10 of Luo et al. (2021): what is drawn is what was measured."""

import io
import json
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from luo_runs import GAMMA, GAMMA_PRIME, WIDTHS, made_up_runs, measured
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from regimes.papers.luo2021 import fig10_all_parameters
from regimes.papers.luo2021.diagram import draw
from regimes.plotting.endings import NO_VALUE


@pytest.fixture
def diagram() -> xr.Dataset:
    return measured(made_up_runs(offset=0.05, seeds=3, noise=0.02))


def drawn(diagram: xr.Dataset, scale: str = "laptop") -> tuple[Figure, Axes, Axes]:
    """The figure with its two panels: the plane and the slices."""
    figure = draw({"phase_diagram": diagram}, scale)
    plane, slices = (axes for axes in figure.axes if axes.get_xlabel())
    return figure, plane, slices


def mesh_of(plane: Axes) -> QuadMesh:
    (mesh,) = [one for one in plane.collections if isinstance(one, QuadMesh)]
    return mesh


def error_bars(container: ErrorbarContainer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, values and half lengths of error bars."""
    line, _, (bars,) = container.lines
    ends = np.array(bars.get_segments())
    return line.get_xdata(), line.get_ydata(), (ends[:, 1, 1] - ends[:, 0, 1]) / 2


def test_each_cell_has_the_colour_of_its_slope(diagram: xr.Dataset) -> None:
    _, plane, _ = drawn(diagram)
    mesh = mesh_of(plane)
    corners = mesh.get_coordinates()
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    values = np.asarray(mesh.get_array()).reshape(centres.shape[:2])
    assert values.shape == (len(GAMMA), len(GAMMA_PRIME))
    for index, value in np.ndenumerate(values):
        gamma_prime, gamma = centres[index]
        cell = diagram["slope_w"].sel(gamma_prime=gamma_prime, gamma=gamma, method="nearest")
        assert gamma_prime == pytest.approx(float(cell["gamma_prime"]))
        assert gamma == pytest.approx(float(cell["gamma"]))
        assert value == float(cell)


def test_colours_are_centred_at_zero(diagram: xr.Dataset) -> None:
    # All slopes but a few above zero: the colours must not follow.
    diagram["slope_w"] = diagram["slope_w"] + 0.2
    _, plane, _ = drawn(diagram)
    mesh = mesh_of(plane)
    assert mesh.norm.vmin == -mesh.norm.vmax
    assert np.ptp(to_rgb(mesh.to_rgba(0.0))) < 0.05  # without a hue
    for slope, stronger in ((-0.3, 0), (0.3, 2)):  # red and blue
        colour = to_rgb(mesh.to_rgba(slope))
        assert np.argmax(colour) == stronger and np.ptp(colour) > 0.2


def test_stars_are_at_the_boundary(diagram: xr.Dataset) -> None:
    diagram["boundary_gamma_stderr"][:] = [0.01, 0.02, 0.03]
    _, plane, _ = drawn(diagram)
    (container,) = plane.containers
    positions, values, half_lengths = error_bars(container)
    assert container.lines[0].get_marker() == "*"
    np.testing.assert_array_equal(positions, diagram["gamma_prime"])
    np.testing.assert_array_equal(values, diagram["boundary_gamma"])
    np.testing.assert_allclose(half_lengths, [0.01, 0.02, 0.03])


def test_theory_is_dashed(diagram: xr.Dataset) -> None:
    _, plane, _ = drawn(diagram)
    (theory,) = [line for line in plane.get_lines() if line.get_linestyle() == "--"]
    x, y = (np.asarray(values) for values in theory.get_data())
    np.testing.assert_allclose(y, np.where(x <= 0, 1, 1 + x))
    left, right = plane.get_xlim()
    assert (x[0], x[-1]) == (left, right) and left < -0.5 and right > 0.5


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({"activation": "gelu"}, "activation: GELU"),
        (
            {"activation": "swish", "activation_expression": "z * sigmoid(z)"},
            "activation: swish, z * sigmoid(z)",
        ),
    ],
)
def test_another_activation_is_named_and_the_theory_is_said_to_be_relus(
    diagram: xr.Dataset, settings: dict, title: str
) -> None:
    diagram.attrs["config"] = json.dumps({"experiments": {"other": settings}})
    figure = draw({"other": diagram}, "laptop", other_activation=True)
    assert figure.get_suptitle() == title
    plane = next(axes for axes in figure.axes if axes.get_legend())
    texts = [text.get_text() for text in plane.get_legend().get_texts()]
    assert "theory for ReLU" in texts and "theory" not in texts


def marked_cells(plane: Axes, diagram: xr.Dataset) -> dict[tuple[float, float], Patch]:
    """The patches over cells, by the cells (gamma', gamma) whose centre they cover."""
    found = {}
    for patch in plane.patches:
        outline = patch.get_patch_transform().transform_path(patch.get_path())
        for gamma_prime in diagram["gamma_prime"].values.tolist():
            for gamma in diagram["gamma"].values.tolist():
                if outline.contains_point((gamma_prime, gamma)):
                    found[gamma_prime, gamma] = patch
    return found


def test_nothing_is_marked_when_all_runs_converged(diagram: xr.Dataset) -> None:
    _, plane, _ = drawn(diagram)
    assert marked_cells(plane, diagram) == {}
    assert len(plane.get_legend().get_texts()) == 2


def ended_otherwise() -> xr.Dataset:
    """Runs of which some ended in each of the ways, and some were not run."""
    runs = made_up_runs(seeds=2)
    for gamma_prime, gamma, width, ending in (
        (-0.5, 0.5, 5000, "capped"),
        (0.0, 1.25, 5000, "stationary"),
        (0.5, 2.0, 1000, "stationary"),
        (0.5, 2.0, 5000, "diverged"),
        (0.0, 2.0, WIDTHS, "diverged"),
    ):
        one = {"gamma_prime": gamma_prime, "gamma": gamma, "width": width, "seed": [0, 1]}
        runs["converged"].loc[one] = 0
        runs[ending].loc[one] = 1
        if ending == "diverged":
            for name in ("w", "a", "theta"):
                runs[f"final_relative_distance_{name}"].loc[one] = np.nan
    missing = {"gamma_prime": -0.5, "gamma": 2.0}
    for values in runs.data_vars.values():
        if set(missing) <= set(values.dims):
            values.loc[missing] = np.nan
    return runs


def test_cells_are_marked_by_their_worst_ending() -> None:
    diagram = measured(ended_otherwise())
    _, plane, _ = drawn(diagram)
    assert {place: one.get_hatch() for place, one in marked_cells(plane, diagram).items()} == {
        (-0.5, 0.5): "////",
        (0.0, 1.25): "..",
        (0.5, 2.0): "xxxx",
        (0.0, 2.0): "xxxx",
        (-0.5, 2.0): "",
    }
    # Where there is no value, the cell is grey and not white, which stands for a slope of 0.
    grey = {
        place
        for place, one in marked_cells(plane, diagram).items()
        if one.get_facecolor() == to_rgba(NO_VALUE)
    }
    assert grey == {(0.0, 2.0), (-0.5, 2.0)}
    legend = [text.get_text() for text in plane.get_legend().get_texts()]
    marks = {"capped", "diverged", "not run", "stationary"}
    assert set(legend) == marks | {"theory", "$S_w = 0$"} and len(legend) == 6


def test_all_cells_are_grey_where_all_runs_diverged() -> None:
    runs = made_up_runs(seeds=2)
    for name in ("w", "a", "theta"):
        runs[f"final_relative_distance_{name}"][:] = np.nan
    runs["converged"][:], runs["diverged"][:] = 0, 1
    diagram = measured(runs)
    _, plane, _ = drawn(diagram)
    cells = marked_cells(plane, diagram)
    assert len(cells) == len(GAMMA) * len(GAMMA_PRIME)
    assert {one.get_facecolor() for one in cells.values()} == {to_rgba(NO_VALUE)}
    assert {one.get_hatch() for one in cells.values()} == {"xxxx"}


def test_slices_show_slopes_with_error_bars(diagram: xr.Dataset) -> None:
    _, _, slices = drawn(diagram)
    assert len(slices.containers) == len(GAMMA_PRIME)
    for container, gamma_prime in zip(slices.containers, GAMMA_PRIME, strict=True):
        one = diagram.sel(gamma_prime=gamma_prime)
        positions, values, half_lengths = error_bars(container)
        np.testing.assert_array_equal(positions, one["gamma"])
        np.testing.assert_array_equal(values, one["slope_w"])
        np.testing.assert_allclose(half_lengths, one["slope_w_stderr"])
    colours = [container.lines[0].get_color() for container in slices.containers]
    assert len(set(colours)) == len(GAMMA_PRIME)


def mark_of(figure: Figure) -> list[str]:
    texts = [text.get_text() for text in figure.texts]
    return [text for text in texts if text.startswith("scale:")]


def test_the_scale_is_marked_below_the_papers_widths() -> None:
    small = measured(made_up_runs(widths=[100, 200, 400]))
    assert mark_of(drawn(small, "smoke")[0]) == ["scale: smoke"]
    without_largest = measured(made_up_runs(widths=WIDTHS[:-1]))
    assert mark_of(drawn(without_largest, "laptop")[0]) == ["scale: laptop"]


@pytest.mark.parametrize("widths", [WIDTHS, [*WIDTHS, 80_000]])
def test_the_scale_is_not_marked_at_the_papers_widths(widths: list[int]) -> None:
    assert mark_of(drawn(measured(made_up_runs(widths=widths)), "laptop")[0]) == []


def test_it_says_what_it_is_made_of(diagram: xr.Dataset) -> None:
    figure, plane, slices = drawn(diagram)
    note = figure.get_supxlabel()
    assert "seeds: 3" in note and "over seeds" in note
    assert "".join(note.split()).count("1000,5000,10000,20000,40000") == 1
    assert (plane.get_xlabel(), plane.get_ylabel()) == (r"$\gamma'$", r"$\gamma$")
    assert slices.get_xlabel() == r"$\gamma$" and "S_w" in slices.get_ylabel()
    one_seed = drawn(measured(made_up_runs(seeds=1)))[0]
    assert "of the fit" in one_seed.get_supxlabel()


def test_it_says_where_means_have_fewer_seeds(diagram: xr.Dataset) -> None:
    assert "fewer" not in drawn(diagram)[0].get_supxlabel()
    runs = made_up_runs(seeds=3)
    runs["final_relative_distance_w"].loc[{"gamma_prime": 0.0, "gamma": 0.75, "seed": 1}] = np.nan
    note = drawn(measured(runs))[0].get_supxlabel()
    assert note.splitlines()[0].endswith("; means of fewer seeds at 1 point")


def without_a_boundary() -> xr.Dataset:
    runs = made_up_runs()
    runs["final_relative_distance_w"].loc[{"gamma_prime": 0.0}] = 1 / runs["width"]
    return measured(runs)


def with_a_lost_cell() -> xr.Dataset:
    runs = made_up_runs()
    lost = {"gamma_prime": 0.0, "gamma": 2.0}
    runs["final_relative_distance_w"].loc[lost] = np.nan
    runs["converged"].loc[lost] = 0
    return measured(runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make_diagram",
    [
        lambda: measured(made_up_runs()),
        lambda: measured(made_up_runs(seeds=1)),
        lambda: measured(made_up_runs().isel(gamma_prime=[1])),
        lambda: measured(made_up_runs().isel(gamma_prime=[1], gamma=[2])),
        without_a_boundary,
        with_a_lost_cell,
    ],
    ids=["whole", "one seed", "one gamma'", "one cell", "no boundary", "a cell without values"],
)
def test_it_can_be_drawn_without_a_warning(make_diagram: Callable[[], xr.Dataset]) -> None:
    figure, _, _ = drawn(make_diagram())
    for kind in ("pdf", "png"):
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=50)
        assert file.tell() > 10_000


# Figure 10


def drawn_both(diagram: xr.Dataset, scale: str = "laptop") -> tuple[Figure, Axes, Axes]:
    """Figure 10 with its two planes."""
    figure = fig10_all_parameters.draw({"phase_diagram": diagram}, scale)
    both, output = (axes for axes in figure.axes if axes.get_xlabel())
    return figure, both, output


@pytest.fixture
def runs_for_both() -> xr.Dataset:
    """All weights grow past gamma = 1, output weights past their own boundary, both with noise."""
    runs = made_up_runs(seeds=3, noise=0.02)
    width = runs["width"].astype(float)
    noise = 0.02 * (runs["seed"] - 1)
    zeros = {"theta": 1.05 + 0 * runs["gamma_prime"], "a": 1.1 - runs["gamma_prime"].clip(max=0)}
    for layer, zero in zeros.items():
        runs[f"final_relative_distance_{layer}"] = width ** (0.3 * (runs["gamma"] - zero) + noise)
    return runs


def test_figure_10_shows_all_weights_and_the_output_weights(runs_for_both: xr.Dataset) -> None:
    diagram = measured(runs_for_both)
    figure, *panels = drawn_both(diagram)
    for panel, letter, layer, symbol in zip(
        panels, "ab", ("theta", "a"), (r"S_\theta", "S_a"), strict=True
    ):
        assert panel.get_title("left") == f"({letter})"
        assert (panel.get_xlabel(), panel.get_ylabel()) == (r"$\gamma'$", r"$\gamma$")
        slopes = diagram[f"slope_{layer}"].transpose("gamma", "gamma_prime")
        values = np.asarray(mesh_of(panel).get_array()).reshape(slopes.shape)
        np.testing.assert_array_equal(values, slopes)
        assert mesh_of(panel).norm.vmin == -mesh_of(panel).norm.vmax
        (container,) = panel.containers
        positions, zeros, half_lengths = error_bars(container)
        np.testing.assert_array_equal(positions, diagram["gamma_prime"])
        np.testing.assert_array_equal(zeros, diagram[f"boundary_gamma_{layer}"])
        np.testing.assert_allclose(half_lengths, 0.02 / np.sqrt(3) / 0.3)
        assert f"${symbol} = 0$" in [text.get_text() for text in panel.get_legend().get_texts()]
        assert f"${symbol}$" in [axes.get_title() for axes in figure.axes]
    np.testing.assert_allclose(diagram["boundary_gamma_theta"], 1.05)
    np.testing.assert_allclose(diagram["boundary_gamma_a"], [1.6, 1.1, 1.1])


def test_figure_10_has_the_lines_of_the_theory(runs_for_both: xr.Dataset) -> None:
    _, *panels = drawn_both(measured(runs_for_both))
    for panel, expected in zip(
        panels, (np.ones_like, lambda x: np.where(x >= 0, 1, 1 - x)), strict=True
    ):
        (theory,) = [line for line in panel.get_lines() if line.get_linestyle() == "--"]
        x, y = (np.asarray(values) for values in theory.get_data())
        np.testing.assert_allclose(y, expected(x))
        assert (x[0], x[-1]) == panel.get_xlim()


def test_figure_10_hatches_and_marks_the_scale() -> None:
    runs = made_up_runs(widths=[100, 200, 400])
    one = {"gamma_prime": 0.0, "gamma": 1.25, "width": 100, "seed": 1}
    runs["converged"].loc[one], runs["capped"].loc[one] = 0, 1
    diagram = measured(runs)
    figure, *panels = drawn_both(diagram, "smoke")
    assert [list(marked_cells(panel, diagram)) for panel in panels] == [[(0.0, 1.25)]] * 2
    assert mark_of(figure) == ["scale: smoke"]
    assert "seeds: 2" in figure.get_supxlabel()
    assert mark_of(drawn_both(measured(made_up_runs()))[0]) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "make_diagram",
    [
        lambda: measured(made_up_runs()),
        lambda: measured(made_up_runs().isel(gamma_prime=[1], gamma=[2], seed=[0])),
        with_a_lost_cell,
    ],
    ids=["whole", "one cell", "a cell without values"],
)
def test_figure_10_can_be_drawn_without_a_warning(make_diagram: Callable[[], xr.Dataset]) -> None:
    figure, _, _ = drawn_both(make_diagram())
    file = io.BytesIO()
    figure.savefig(file, format="pdf")
    assert file.tell() > 10_000


def test_open_stars_are_the_zeros_of_the_two_largest_widths() -> None:
    """Where the boundary moves with the width, they are elsewhere than the stars."""
    runs = made_up_runs(seeds=3)
    width, name = runs["width"], "final_relative_distance_w"
    # A slope that is larger by 0.1 between the two largest widths.
    factor = xr.where(width == width.max(), float(width.max() / width[-2]) ** 0.1, 1.0)
    runs[name] = (runs[name] * factor).transpose(*runs[name].dims)
    measures = measured(runs)
    figure = drawn(measures)[0]
    (stars,) = [
        line
        for line in figure.axes[0].get_lines()
        if line.get_marker() == "*" and line.get_fillstyle() == "none"
    ]
    np.testing.assert_array_equal(stars.get_ydata(), measures["boundary_gamma_widest"])
    known = measures["boundary_gamma_widest"].notnull() & measures["boundary_gamma"].notnull()
    assert known.any()
    assert (measures["boundary_gamma_widest"] < measures["boundary_gamma"]).where(known, True).all()
    assert "open stars, zeros of the two largest widths alone" in figure.get_supxlabel()
    few = measured(runs.isel(width=slice(0, 2)))
    assert "boundary_gamma_widest" not in few
    assert "open stars" not in drawn(few)[0].get_supxlabel()
