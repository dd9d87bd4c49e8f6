"""The lab: measures, figures and claims of made-up runs."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from plots import Plot, texts

from regimes.claims.core import evaluate
from regimes.claims.discover import claims_of
from regimes.errors import DataError
from regimes.papers.lab import finite_width, growth, phase_plane, plane, sharpness
from regimes.papers.lab.paper import DESCENT, FLOW, PARITY, SHARPNESS, SINGLE_INDEX

GAMMA, GAMMA_PRIME, WIDTHS = [0.6, 1.0, 1.4, 1.8], [-0.5, 0.5], [500, 1000, 4000]
NO_DATA = xr.Dataset()


def growth_runs(rates: list[float] | None = None, zero: float = 1.0, seeds: int = 2) -> xr.Dataset:
    """Runs whose relative distance is m^(gamma - zero), twice that for the second seed."""
    coords = {
        "gamma_prime": GAMMA_PRIME,
        "gamma": GAMMA,
        **({"learning_rate": rates} if rates else {}),
        "width": WIDTHS,
        "seed": list(range(seeds)),
    }
    grid = xr.Dataset(coords=coords)
    distance = grid["width"] ** (grid["gamma"] - zero) * (1 + grid["seed"])
    for name in coords:
        distance = distance.broadcast_like(grid[name])
    runs = xr.Dataset({"final_relative_distance_w": distance.transpose(*coords)})
    for name in ("converged", "diverged"):
        flag = name == "converged"
        runs[name] = xr.full_like(runs["final_relative_distance_w"], flag, dtype=np.int8)
    return runs


def with_settings(measures: xr.Dataset, name: str, **settings: object) -> xr.Dataset:
    return measures.assign_attrs(config=json.dumps({"experiments": {name: settings}}))


def lost(runs: xr.Dataset, **where: float) -> xr.Dataset:
    """The runs, of which those at a place diverged."""
    there = runs["final_relative_distance_w"].notnull()
    for name, value in where.items():
        there = there & (runs[name] == value)
    runs = runs.assign(
        final_relative_distance_w=runs["final_relative_distance_w"].where(~there),
        diverged=runs["diverged"].where(~there, 1),
        converged=runs["converged"].where(~there, 0),
    )
    return runs


def test_slopes_and_where_they_vanish() -> None:
    found = growth.measure(growth_runs(rates=[0.1, 1.0], zero=1.1), NO_DATA)
    np.testing.assert_allclose(found["slope_w"].sel(gamma=1.4), 0.3, rtol=1e-10)
    np.testing.assert_allclose(found["boundary_gamma"], 1.1, rtol=1e-10)
    assert found["boundary_gamma"].dims == ("gamma_prime", "learning_rate")
    assert found["theory_boundary_gamma"].values.tolist() == [1.0, 1.5]
    assert (found["diverged_share"] == 0).all()


def test_no_slope_where_a_width_diverged() -> None:
    runs = lost(growth_runs(), gamma=1.8, width=4000, seed=1)
    found = growth.measure(runs, NO_DATA)
    assert (found["slope_w_n_seeds"].sel(gamma=1.8) == 1).all()
    assert (found["slope_w_n_seeds"].sel(gamma=1.4) == 2).all()
    np.testing.assert_allclose(found["diverged_share"].sel(gamma=1.8), 1 / 6)
    everywhere = growth.measure(lost(growth_runs(), width=4000), NO_DATA)
    assert everywhere["slope_w"].isnull().all() and everywhere["boundary_gamma"].isnull().all()


def test_growth_needs_its_axes() -> None:
    with pytest.raises(DataError, match=r"the experiment's axes lack gamma$"):
        growth.measure(growth_runs().isel(gamma=0, drop=True), NO_DATA)


def growth_measures(**zeros: float) -> dict[str, xr.Dataset]:
    """Of flow and descent on two data sets; zeros: of the boundaries."""
    measures = {}
    for dataset, suffix in (("points", ""), ("digits", "_mnist")):
        for engine in ("flow", "descent", "sgd"):
            name = f"lab_{engine}{suffix}"
            rates = [0.1, 0.5, 1.0, 1.8] if engine == "descent" else None
            runs = growth_runs(rates, zeros.get(engine, 1.0))
            if engine == "descent":
                runs = lost(runs, gamma=1.8, learning_rate=1.8)
            kind = {"flow": "gradient_flow", "descent": "gradient_descent"}.get(engine, engine)
            measures[name] = with_settings(
                growth.measure(runs, NO_DATA),
                name,
                engine=kind,
                dataset=dataset,
                rate_unit="stability_limit",
            )
    return measures


def test_a_line_for_each_engine_and_rate() -> None:
    figure = Plot("lab/flow_descent_sgd").draw(growth_measures(), "laptop")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == 2 * len(GAMMA_PRIME)
    assert panels[0].get_title() == r"points, $\gamma' = -0.5$"
    labels = panels[0].get_legend_handles_labels()[1]
    assert labels == [
        "gradient flow",
        *(f"gradient descent,\n{rate} of the limit" for rate in ("0.1", "0.5", "1", "1.8")),
        "SGD",
    ]
    # Crosses: of the rate of which runs diverged, at that gamma alone.
    crosses = [line for line in panels[0].lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[], [], [], [], [1.8], []]
    assert not any("scale:" in text for text in texts(figure))


def plane_runs(rich: float = 0.01) -> tuple[xr.Dataset, xr.Dataset]:
    """Runs whose test loss falls from that of the mean to a share `rich` of it, and their data."""
    targets = np.array([5.0, -5.0, 1.0, -1.0, 3.0, 1.0])
    data = xr.Dataset({"targets": ("point", targets), "split": ("point", [0, 0, 1, 1, 1, 1])})
    coords = {"gamma_prime": [0.0, 0.5], "gamma": [0.5, 1.5], "width": [1000], "seed": [0, 1, 2]}
    grid = xr.Dataset(coords=coords)
    one = xr.ones_like(sum(grid[name] for name in coords), dtype=float).transpose(*coords)
    loss = xr.where(grid["gamma"] > 1, rich, 1.0) * one * np.var(targets[2:]) / 2
    runs = xr.Dataset({"final_test_loss": loss.transpose(*coords)})
    for name in (
        "final_kernel_change",
        "final_kernel_alignment",
        "initial_kernel_alignment",
        "final_relative_distance_w",
        "final_relative_distance_a",
    ):
        runs[name] = one * 0.5
    for name in ("converged", "stationary", "capped", "diverged"):
        runs[name] = xr.full_like(one, name == "converged", dtype=np.int8)
    for values in runs.data_vars.values():
        values.attrs["long_name"] = "made up"
    return runs.assign_attrs(loss="half_mean"), data


def test_test_losses_are_over_that_of_the_mean() -> None:
    found = plane.measure(*plane_runs())
    np.testing.assert_allclose(found["test_loss"].sel(gamma=0.5), 1.0)
    np.testing.assert_allclose(found["test_loss"].sel(gamma=1.5), 0.01)
    runs, data = plane_runs()
    # Four test points: half the sum is four times half the mean.
    sums = runs.assign_attrs(loss="half_sum")
    sums["final_test_loss"] = sums["final_test_loss"] * 4
    sums["final_test_loss"].attrs["long_name"] = "made up"
    xr.testing.assert_allclose(plane.measure(sums, data)["test_loss"], found["test_loss"])
    with pytest.raises(DataError, match="these lack final_test_loss"):
        plane.measure(runs.drop_vars("final_test_loss"), data)


def test_planes_show_the_means() -> None:
    measures = {name: plane.measure(*plane_runs()) for name in (PARITY, SINGLE_INDEX)}
    figure = Plot("lab/lazy_or_rich").draw(measures, "laptop")
    meshes = [axes.collections[0] for axes in figure.axes if axes.get_title()]
    assert len(meshes) == 8
    np.testing.assert_allclose(np.asarray(meshes[0].get_array()), [[1.0, 1.0], [0.01, 0.01]])
    small = {name: one.assign_coords(width=[60]) for name, one in measures.items()}
    assert any(
        "scale: smoke" in text for text in texts(Plot("lab/lazy_or_rich").draw(small, "smoke"))
    )


def sharpness_runs(end: float = 1.0) -> xr.Dataset:
    """Runs whose sharpness grows from the share of the limit to `end` times 2 over the rate."""
    coords = {
        "gamma_prime": [0.0],
        "gamma": [0.5, 1.0, 1.5],
        "learning_rate": [0.1, 0.5],
        "width": [1000],
        "seed": [0, 1],
        "step": [0, 10, 100],
    }
    grid = xr.Dataset(coords=coords)
    one = xr.ones_like(sum(grid[name] for name in coords), dtype=float).transpose(*coords)
    start = grid["learning_rate"] * one
    rich = (grid["gamma"] > 0.7) & (grid["step"] > 0)
    step_size = 4.0
    along = (xr.where(rich, end, start) * 2 / step_size).transpose(*coords)
    runs = xr.Dataset(
        {
            "sharpness": along,
            "final_sharpness": along.isel(step=-1, drop=True),
            "train_loss": one / (1 + grid["step"]),
            "initial_loss": one.isel(step=0, drop=True),
            "step_size": step_size * one.isel(step=0, drop=True),
            "converged": one.isel(step=0, drop=True).astype(np.int8),
            "diverged": 0 * one.isel(step=0, drop=True).astype(np.int8),
        }
    )
    return runs


def test_sharpness_is_over_two_over_the_rate() -> None:
    found = sharpness.measure(sharpness_runs(), NO_DATA)
    one = found["relative_sharpness"].sel(gamma=1.0, learning_rate=0.5, seed=0)
    np.testing.assert_allclose(one, [0.5, 1.0, 1.0])
    assert found.attrs == {"width": 1000, "gamma_prime": 0.0}
    figure = Plot("lab/edge_of_stability").draw({SHARPNESS: found}, "laptop")
    assert sum(bool(axes.get_title()) for axes in figure.axes) >= 3
    # What diverges is cut off: a logarithmic axis cannot show it.
    wild = found.assign(
        relative_loss=found["relative_loss"] * 1e250, diverged=found["diverged"] + 1
    )
    drawn = Plot("lab/edge_of_stability").draw({SHARPNESS: wild}, "laptop")
    assert any("0.1 of the limit, diverged" in text for text in texts(drawn, layout=True))
    with pytest.raises(DataError, match=r"lab\.sharpness needs record\.sharpness: steps"):
        sharpness.measure(sharpness_runs().drop_vars("sharpness"), NO_DATA)


def verdicts(measures: dict[str, xr.Dataset]) -> dict[str, str]:
    found = evaluate(claims_of("lab"), measures, "laptop")
    return dict(zip(found["claim"].values.tolist(), found["verdict"].values.tolist(), strict=True))


def lab_measures(
    descent: float = 1.05, rich: float = 0.01, end: float = 1.0
) -> dict[str, xr.Dataset]:
    of_growth = growth_measures(descent=descent)
    flat = growth_runs([1.8])
    flat["final_relative_distance_w"] = xr.full_like(flat["final_relative_distance_w"], 0.8)
    fast = growth.measure(flat, NO_DATA)
    slow = of_growth[DESCENT].sel(learning_rate=[0.1, 0.5, 1.0])
    return {
        FLOW: of_growth[FLOW],
        DESCENT: xr.concat(
            [slow, fast], "learning_rate", data_vars="all", combine_attrs="override"
        ),
        PARITY: plane.measure(*plane_runs(rich)),
        SHARPNESS: sharpness.measure(sharpness_runs(end), NO_DATA),
    }


def test_claims_are_reproduced_and_can_fail() -> None:
    assert set(verdicts(lab_measures()).values()) == {"reproduced"}
    failed = verdicts(lab_measures(descent=1.2, rich=0.5, end=0.6))
    assert {name for name, verdict in failed.items() if verdict == "not reproduced"} == {
        "G1",
        "G3",
        "G5",
    }
    catapult = lab_measures()
    catapult[DESCENT]["slope_w"] = catapult[DESCENT]["slope_w"] - 0.5
    assert verdicts(catapult)["G2"] == "not reproduced"
    lazy = lab_measures()
    changed = lazy[SHARPNESS]["relative_sharpness"]
    lazy[SHARPNESS]["relative_sharpness"] = changed.where(changed["step"] < 100, 2 * changed)
    assert verdicts(lazy)["G4"] == "not reproduced"


def test_claims_are_not_judged_below_their_sizes() -> None:
    def small(measures: xr.Dataset) -> xr.Dataset:
        if "width" not in measures.dims:
            return measures.assign_attrs(width=60)
        return measures.assign_coords(width=measures["width"] / 50)

    measures = {name: small(one) for name, one in lab_measures().items()}
    assert set(verdicts(measures).values()) == {"not run"}


@pytest.mark.parametrize(
    ("make", "n_settings"),
    [
        (lambda: growth.measure(growth_runs(), NO_DATA), 8),
        (lambda: growth.measure(growth_runs([0.1, 1.0]), NO_DATA), 16),
        (lambda: sharpness.measure(sharpness_runs(), NO_DATA), 0),
    ],
)
def test_the_atlas_places_runs(make: Callable[[], xr.Dataset], n_settings: int) -> None:
    placed = list(phase_plane.place({"lab_made_up": make()}))
    assert len(placed) == n_settings
    for one in placed:
        assert one.exponent == pytest.approx(one.gamma - 1) and one.paper == "lab"


# The boundary at finite widths


def searches(apart: Callable[[np.ndarray], np.ndarray], error: float = 0.002) -> xr.Dataset:
    """Searches whose zeros are that far from theory's boundary at the middles of the pairs."""
    low = np.array([1000, 10_000, 100_000, 1_000_000])
    shape = (2, 4)
    theory = np.array([[1.0], [1.5]])
    zeros = theory + apart(low * 10**0.5)
    over = ("gamma_prime", "width_low")
    return xr.Dataset(
        {
            "boundary_gamma": (over, zeros),
            "boundary_gamma_stderr": (over, np.full(shape, error)),
            "boundary_gamma_n_seeds": (over, np.full(shape, 3)),
            "n_networks": (over, np.full(shape, 10)),
            "final_relative_distance_w": (
                (*over, "trial", "seed", "width_rank"),
                np.ones((*shape, 1, 1, 2)),
            ),
            "trial_width": (
                (*over, "width_rank"),
                np.broadcast_to(np.stack([low, 10 * low], axis=1), (*shape, 2)),
            ),
        },
        coords={"gamma_prime": [-0.25, 0.5], "width_low": low},
    ).set_coords("trial_width")


@pytest.mark.parametrize(("law", "more"), [("logarithm", ()), ("power", (0.25,))])
def test_the_law_that_holds_has_the_limit(law: str, more: tuple[float, ...]) -> None:
    of_law = finite_width.LAWS[law][0]
    found = finite_width.measure(searches(lambda width: of_law(width, 0.01, -0.3, *more)), NO_DATA)
    fitted = found.sel(law=law)
    np.testing.assert_allclose(fitted["limit_boundary_gamma"], [1.01, 1.51], atol=1e-4)
    np.testing.assert_allclose(fitted["fit_chi_square"], 0, atol=1e-4)
    assert (fitted["limit_boundary_gamma_stderr"] > 0).all()
    if more:
        np.testing.assert_allclose(found["fit_power"], more[0], atol=1e-2)
        assert (found.sel(law="logarithm")["fit_chi_square"] > 0.1).all()


def test_a_boundary_that_does_not_move_has_no_power() -> None:
    found = finite_width.measure(searches(lambda width: 0 * width), NO_DATA)
    straight = found.sel(law="logarithm")
    np.testing.assert_allclose(straight["limit_boundary_gamma"], [1.0, 1.5], atol=1e-8)
    power = found.sel(law="power")
    apart = abs(power["limit_boundary_gamma"] - found["theory_boundary_gamma"])
    assert (apart.fillna(0) < 1e-3).all()


def test_few_boundaries_have_no_limit() -> None:
    runs = searches(lambda width: 0 * width)
    found = finite_width.measure(runs.isel(width_low=[0, 1]), NO_DATA)
    assert found["limit_boundary_gamma"].isnull().all()
    runs["boundary_gamma"][0, :2] = np.nan
    found = finite_width.measure(runs, NO_DATA)
    assert found["limit_boundary_gamma"].isnull().all("law").values.tolist() == [True, False]


def test_without_pairs_of_widths_there_is_no_finite_width() -> None:
    runs = searches(lambda width: 0 * width).isel(width_low=0)
    with pytest.raises(DataError, match=r"axes\.width_low"):
        finite_width.measure(runs.drop_vars("width_low"), NO_DATA)


def test_the_figure_shows_how_far_theory_is() -> None:
    found = finite_width.measure(searches(lambda width: 1 / np.log(width)), NO_DATA)
    figure = Plot("luo2021/boundary_finite_width").draw({"boundary_finite_width": found}, "laptop")
    approach, limits = figure.axes
    drawn = [line.lines[0].get_ydata() for line in approach.containers]
    expected = found["boundary_gamma"] - found["theory_boundary_gamma"]
    np.testing.assert_array_equal(drawn, expected)
    assert len(limits.containers) == len(finite_width.LAWS)
    assert "80 networks of up to 10 000 000 neurons" in "".join(texts(figure))
