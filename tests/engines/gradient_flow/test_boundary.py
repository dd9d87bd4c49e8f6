"""The search for the boundary of the regimes: as an engine, and `regimes.boundary`."""

import functools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from flow_blocks import SOLVER, block_of, four_points

import regimes
from regimes.engines.common import runner
from regimes.engines.gradient_flow import boundary
from regimes.errors import ConfigError, DataError
from regimes.papers.lab.boundary import draw, measure
from regimes.statistics import mean_and_error, power_law_slope, upward_zero
from regimes.tools.cli import main

SMALL = {"widths": [40, 160], "standard_error": 0.1, "min_seeds": 2, "max_seeds": 4}


def block(**changes: Any) -> dict[str, Any]:
    settings = {
        "engine": "gradient_flow.boundary",
        "experiment": "boundary",
        "dataset": "four_point",
        "root_seed": 7,
        "activation": "relu",
        "antisymmetric_initialisation": "auto",
        "axes": {"gamma_prime": [0.0]},
        "start": [0.75, 1.25],
        "solver": SOLVER,
        **SMALL,
    }
    return settings | changes


@functools.cache
def searched() -> xr.Dataset:
    return runner.train(block(), four_points(), "cpu")


def found_by(**options: Any) -> xr.Dataset:
    return regimes.boundary(**{"progress": False, "device": "cpu", **SMALL, **options})


def test_the_search_ends_with_a_standard_error() -> None:
    found = searched().isel(gamma_prime=0)
    assert found["converged"] == 1 and found["bracketed"] == 1
    assert 0.8 < found["boundary_gamma"] < 1.2
    assert 0 < found["boundary_gamma_stderr"] <= 0.1
    tried = found["trial_gamma"].values
    assert (np.diff(tried[np.isfinite(tried)]) > 0).all()
    assert found["n_networks"] == found["final_relative_distance_w"].notnull().sum()


def test_networks_are_those_of_gradient_flow() -> None:
    """Each distance is that of a run of engine gradient_flow of the same streams, bit by bit."""
    found = searched().isel(gamma_prime=0)
    gammas = found["trial_gamma"].values
    last = int(np.isfinite(found["final_relative_distance_w"].values).sum((1, 2)).argmax())
    axes = {
        "gamma_prime": [0.0], "gamma": [float(gammas[last])],
        "width": [160], "seed": [0, 1],
    }  # fmt: skip
    runs = runner.train(block_of(axes, experiment="boundary"), four_points(), "cpu")
    expected = runs["final_relative_distance_w"].values.ravel()
    width = list(found["trial_width"].values).index(160)
    np.testing.assert_array_equal(
        found["final_relative_distance_w"][last, :2, width].values, expected
    )


def test_the_zero_follows_from_the_recorded_distances() -> None:
    found = searched().isel(gamma_prime=0)
    distance = found["final_relative_distance_w"].rename(width_rank="width")
    slopes, _ = power_law_slope(distance.assign_coords(width=found["trial_width"].values))
    complete = slopes.notnull().sum("seed")
    last = int(complete.values.argmax())
    zeros = found["trial_gamma"][last] - slopes[last].dropna("seed") / found["steepness"]
    assert float(found["boundary_gamma"]) == pytest.approx(float(zeros.mean()))
    error = float(zeros.std(ddof=1)) / zeros.size**0.5
    assert float(found["boundary_gamma_stderr"]) == pytest.approx(error)
    assert found["boundary_gamma_n_seeds"] == zeros.size


def test_a_checkpoint_continues_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that was cut short trains only what is missing."""
    state: dict[str, Any] = {}

    class InterruptedError(Exception):
        pass

    class Cut(boundary.Session):
        def offer(self, make_state: Any) -> None:
            state.update(make_state())
            if len(state["distance"]) >= 5:
                raise InterruptedError

    def runs() -> Any:
        return runner.runs_of(block(), four_points(), "cpu")

    with pytest.raises(InterruptedError):
        runs().train(runs().batches()[0], Cut())
    trained = []
    follow = boundary.FlowRuns.train
    monkeypatch.setattr(
        boundary.FlowRuns,
        "train",
        lambda self, batch, session: trained.extend(batch.settings) or follow(self, batch, session),
    )
    session = boundary.Session()
    session.state = state
    values = runs().train(runs().batches()[0], session)
    known = zip(state["gamma"], state["seed"], state["width"], strict=True)
    assert not {(one["gamma"], one["seed"], one["width"]) for one in trained} & set(known)
    whole = searched()
    for name, value in values.items():
        np.testing.assert_array_equal(value[0], whole[name][0].values, err_msg=name)


def made_up(zero: float, scatter: float = 0.0) -> Any:
    """Distances m^(gamma - zero), whose zeros scatter over seeds, in the place of training."""

    def train(self: Any, batch: Any, session: Any) -> dict[str, np.ndarray]:
        exponents = [
            one["gamma"] - zero - scatter * (-1) ** one["seed"] * (1 + one["seed"] / 10)
            for one in batch.settings
        ]
        widths = np.array([one["width"] for one in batch.settings], dtype=float)
        return {
            "final_relative_distance_w": widths ** np.array(exponents),
            "converged": np.ones(len(exponents)),
            "stationary": np.zeros(len(exponents)),
        }

    return train


@pytest.mark.parametrize("zero", [0.1, 0.6, 1.0, 2.6, 4.5])
def test_boundaries_are_found_wherever_they_are(
    zero: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boundary.FlowRuns, "train", made_up(zero, 0.001))
    found = runner.train(block(max_seeds=20, min_seeds=4), four_points(), "cpu")
    assert float(found["boundary_gamma"].item()) == pytest.approx(zero, abs=1e-3)
    assert found["converged"].item() == 1


def test_pairs_of_widths_have_a_boundary_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zero that falls with the width is found between each two widths, where theirs is."""

    def train(self: Any, batch: Any, session: Any) -> dict[str, np.ndarray]:
        gammas = np.array([one["gamma"] for one in batch.settings])
        widths = np.array([one["width"] for one in batch.settings], dtype=float)
        # d log RD / d log m = gamma - 1 - 1 / log m
        count = np.ones(len(gammas))
        return {
            "final_relative_distance_w": widths ** (gammas - 1) / np.log(widths),
            "converged": count,
            "stationary": 0 * count,
        }

    monkeypatch.setattr(boundary.FlowRuns, "train", train)
    axes = {"gamma_prime": [0.0], "width_low": [100, 1000]}
    found = measure(runner.train(block(axes=axes), four_points(), "cpu"), four_points())
    np.testing.assert_array_equal(found["trial_width"][0], [[100, 1000], [1000, 10000]])
    for low in (100, 1000):
        rise = np.log(np.log(10 * low) / np.log(low)) / np.log(10)
        zero = found["boundary_gamma"].sel(gamma_prime=0.0, width_low=low)
        assert float(zero) == pytest.approx(1 + rise, abs=1e-3)
    assert found["slope_w"].dims == ("gamma_prime", "width_low", "trial")


def test_more_seeds_are_taken_until_the_error_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary.FlowRuns, "train", made_up(1.0, 0.02))
    one = runner.train(block(standard_error=0.01, max_seeds=30), four_points(), "cpu")
    assert one["converged"].item() == 1
    assert 2 < one["boundary_gamma_n_seeds"].item() < 30
    other = runner.train(block(standard_error=0.001, max_seeds=30), four_points(), "cpu")
    assert other["converged"].item() == 0
    assert other["boundary_gamma_n_seeds"].item() == 30


@pytest.mark.parametrize("zero", [-3.0, 9.0])
def test_no_boundary_is_data_and_a_warning(zero: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary.FlowRuns, "train", made_up(zero))
    with pytest.warns(UserWarning, match=r"no boundary at gamma' = 0: S_w does not change"):
        found = found_by()
    assert np.isnan(found["boundary_gamma"]) and found["bracketed"] == 0
    assert found["converged"] == 0


def test_diverged_networks_are_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(self: Any, batch: Any, session: Any) -> dict[str, np.ndarray]:
        count = len(batch.settings)
        found = {"final_relative_distance_w": np.full(count, np.nan)}
        return found | {name: np.zeros(count) for name in ("converged", "stationary")}

    monkeypatch.setattr(boundary.FlowRuns, "train", train)
    with pytest.warns(UserWarning, match="or networks diverged"):
        found = found_by()
    assert np.isnan(found["boundary_gamma"])


def test_networks_that_were_not_trained_are_no_boundary() -> None:
    with pytest.warns(UserWarning, match="were not trained to their end") as warned:
        found = found_by(solver={"max_steps": 3}, standard_error=0.9)
    assert found["converged"] == 0 and found["flows_converged"] < 0.9
    assert all(one.filename == __file__ for one in warned)


def test_a_large_error_is_said_with_what_limits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary.FlowRuns, "train", made_up(1.0, 0.02))
    with pytest.warns(UserWarning, match=r"after 4 seeds \(max_seeds = 4, standard_error = 0.001"):
        found_by(standard_error=0.001)


@pytest.mark.parametrize("shift", [-20.0, 20.0])
def test_a_zero_beyond_all_bounds_is_not_found(
    shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all seeds but the one that brackets it have another zero, far away."""

    def train(self: Any, batch: Any, session: Any) -> dict[str, np.ndarray]:
        zeros = [1.0 + shift * (one["seed"] > 0) for one in batch.settings]
        exponents = np.array([one["gamma"] for one in batch.settings]) - zeros
        widths = np.array([one["width"] for one in batch.settings], dtype=float)
        count = np.ones(len(zeros))
        return {
            "final_relative_distance_w": widths**exponents,
            "converged": count,
            "stationary": 0 * count,
        }

    monkeypatch.setattr(boundary.FlowRuns, "train", train)
    found = runner.train(block(), four_points(), "cpu")
    assert found["converged"].item() == 0
    tried = found["trial_gamma"].values
    assert np.nanmin(tried) >= 0 and np.nanmax(tried) <= 5


def test_measures_say_the_slopes_and_theory() -> None:
    found = measure(searched(), four_points())
    assert float(found["theory_boundary_gamma"].item()) == 1.0
    tried = found["slope_w"].notnull()
    assert int(tried.sum()) == int(found["trial_gamma"].notnull().sum())
    with pytest.raises(DataError, match=r"lab\.boundary measures runs of engine"):
        measure(xr.Dataset(), four_points())


def test_the_figure_shows_what_was_tried() -> None:
    found = measure(searched(), four_points())
    settings = {"dataset": "four_point", "activation": "relu"}
    config = {"experiments": {"boundary_four_point": settings}}
    figure = draw({"boundary_four_point": found.assign_attrs(config=json.dumps(config))}, "smoke")
    slopes, deviation = figure.axes
    tried = found["slope_w"].values[0]
    drawn = slopes.containers[0].lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, tried[np.isfinite(tried)])
    (apart,) = deviation.containers[0].lines[0].get_ydata()
    assert apart == found["boundary_gamma"].item() - 1.0
    assert "scale: smoke" in " ".join(text.get_text() for text in figure.texts)


def test_own_data_and_several_gamma_prime() -> None:
    x = np.linspace(-1, 1, 5)
    inputs = np.stack([x, np.ones(5)], axis=1)
    found = found_by(data=(inputs, np.sin(3 * x)), gamma_prime=[0.0, 0.5])
    assert found["boundary_gamma"].dims == ("gamma_prime",)
    assert (abs(found["boundary_gamma"] - found["theory_boundary_gamma"]) < 0.4).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "four_pointt"}, "is no data set; did you mean 'four_point'?"),
        ({"data": None}, "dataset: give a name of the config, or points"),
        ({"dataset": "mnist_45"}, "dataset: give a name of the config, or points"),
        ({"activation": "rleu"}, "activation = 'rleu'; allowed: relu"),
        ({"widths": [100]}, "S_w needs at least two widths"),
        ({"widths": [100, 401]}, "widths: 401 is odd"),
        ({"start": [1.0, 0.5]}, "start must be two gammas"),
        ({"min_seeds": 9, "max_seeds": 3}, "min_seeds: 9 is more than max_seeds"),
        ({"width": 100}, "did you mean 'widths'?"),
        ({"data": "mnist_one_hot"}, "has targets of several outputs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        found_by(**options)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_command_prints_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    words = "boundary four_point --gamma-prime 0 0.5 --widths 40 160 --standard-error 0.2"
    with warnings.catch_warnings():
        assert main(words.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["0", "0.5"]
    assert main(["boundary", "nothing"]) == 1
    assert capsys.readouterr().err.startswith("error: data = 'nothing' is no data set")


@pytest.mark.slow
def test_agrees_with_a_dense_grid() -> None:
    """At the same widths, by a tenth of the networks of the phase diagram's column."""
    widths = [200, 800, 3200]
    options = {"progress": False, "device": "cpu"}
    found = regimes.boundary(widths=widths, standard_error=0.03, **options)
    gamma = [round(0.1 * one, 1) for one in range(7, 14)]
    grid = regimes.simulate(
        "phase_diagram", gamma=gamma, gamma_prime=0.0, width=widths, seed=range(5), **options
    )
    slopes, fit = power_law_slope(grid["final_relative_distance_w"])
    zeros = upward_zero(slopes)
    dense, error = mean_and_error(zeros, fit.mean("gamma"))
    apart = abs(float(found["boundary_gamma"]) - float(dense))
    assert apart < 2 * np.hypot(float(found["boundary_gamma_stderr"]), float(error))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("dataset", "gamma_prime"),
    [("four_point", -1.0), ("four_point", 0.0), ("four_point", 0.5), ("mnist_45", 0.0)],
)
def test_within_two_standard_errors_of_theory(dataset: str, gamma_prime: float) -> None:
    found = regimes.boundary(dataset, gamma_prime=gamma_prime, progress=False, device="cpu")
    apart = abs(float(found["boundary_gamma"]) - float(found["theory_boundary_gamma"]))
    assert found["converged"] == 1
    assert apart < 2 * float(found["boundary_gamma_stderr"])
    # Of a grid of 19 gammas, 5 widths and 3 seeds.
    assert found["n_networks"] <= 19 * 5 * 3 / 10
