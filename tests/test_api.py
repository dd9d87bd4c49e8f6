"""`regimes.open` and `regimes.simulate`: results and single runs in one line."""

import itertools
import json
import math
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from flow_names import LONG_NAMES

import regimes
from regimes.config.load import load
from regimes.datasets import points
from regimes.engines.common import runner
from regimes.engines.common.runner import train
from regimes.engines.gradient_flow.engine import Runs
from regimes.errors import ConfigError, DataError, DeviceError, StoreError
from regimes.plan.parts import modules_with
from regimes.plan.plan import Plan
from regimes.plan.provenance import import_closure
from regimes.plan.settings import training_modules
from regimes.plan.stages import Job
from regimes.storage import store

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config.yaml"
SMOKE = {"scale": "smoke"}
QUICK = {"gamma": 0.6, "gamma_prime": 0.0, "width": 100, "seed": 0}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without results or a config, so that the checkout's config counts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulate(*arguments: Any, **options: Any) -> xr.Dataset:
    return regimes.simulate(*arguments, **{"device": "cpu", "progress": False, **options})


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below one with results, whose config has an own table and one that is missing."""
    (tmp_path / "table.csv").write_text("x,y\n1,1\n-1,2\n0.5,3\n-0.5,4\n")
    table = {"kind": "file", "target": "y", "shares": [1, 0, 0]}
    config = SMOKE | {
        "datasets": {"mine": table | {"path": "table.csv"}, "lost": table | {"path": "lost.csv"}},
        "experiments": {"own": {"inherits": "phase_diagram", "dataset": "mine"}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for folder in ("results", "notebooks"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path / "notebooks"


def test_paths_of_tables_count_from_the_root(notebooks: Path) -> None:
    run = simulate("own", **QUICK)
    assert json.loads(run.attrs["config"])["dataset"] == "mine" and Path.cwd() == notebooks
    with pytest.raises(StoreError, match="no runs of own for the present config yet"):
        regimes.open("runs/own")
    # Nor does the table of others matter, not even one that is missing.
    assert simulate(**QUICK)["converged"] == 1
    with pytest.raises(StoreError, match="no runs of phase_diagram"):
        regimes.open("runs/phase_diagram")


def test_a_directory_that_there_is_not_is_named(here: Path) -> None:
    with pytest.raises(ConfigError, match="directory = 'none': there is no such folder"):
        simulate(**QUICK, directory="none")


# catalog, describe


def test_the_catalog_has_every_experiment(here: Path) -> None:
    (here / "results/measures").mkdir(parents=True)
    (here / "results/measures/lab_sgd.nc").touch()
    table, config = regimes.catalog(), load(CONFIG)
    every = {name for name, one in config.experiments.items() if not one.on_request}
    assert set(table.index) == every
    (here / "results/measures/boundary_four_point.nc").touch()
    assert set(regimes.catalog().index) == every | {"boundary_four_point"}
    row = table.loc["phase_diagram"]
    assert (row["paper"], row["engine"], row["runs"]) == ("luo2021", "gradient_flow", 4275)
    assert row["axes"] == "9 gamma_prime x 19 gamma x 5 width x 5 seed"
    assert "phase_diagram" in row["figures"].split(", ") and row["cpu_minutes"] > 1
    assert table.index[table["has_results"]].tolist() == ["lab_sgd"]
    grids = config.experiments["razborov2022"].all_grids()
    runs = sum(math.prod(len(values) for values in grid.values()) for grid in grids)
    assert table.loc["razborov2022", "runs"] == runs
    # By paper, in their order.
    assert list(dict.fromkeys(table["paper"])) == [
        paper for paper in config.papers if paper in set(table["paper"])
    ]


def test_settings_are_described(here: Path) -> None:
    table = regimes.describe("phase_diagram")
    row = table.loc["solver.tolerance"]
    assert (row["value"], row["default"]) == ("0.03", "0.03")
    assert row["origin"] == "papers/luo2021/experiments.yaml"
    assert row["meaning"].startswith("Largest error of a step")
    with pytest.raises(ConfigError, match="'phase_diagramm'; did you mean 'phase_diagram'"):
        regimes.describe("phase_diagramm")


def test_the_package_shows_its_public_names_alone() -> None:
    names = ["boundary", "catalog", "describe", "locate", "open", "simulate"]
    assert dir(regimes) == ["__version__", *names]


# simulate


def first_setting(experiment: str) -> dict[str, Any]:
    """The first setting of the first job of an experiment at smoke scale."""
    job = Plan.from_config(load(CONFIG, SMOKE)).jobs_of(experiment)[0]
    return {axis: values[0] for axis, values in job.settings["axes"].items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [
        "razborov2022",
        "razborov2022_both_layers",
        "song2021_lazy",
        "chen2022_scalings",
        "caron2023_simulated",
        "lab_sgd",
        "caron2023_theorems_relu",
        "song2021_lemma3",
    ],
)
def test_all_engines_give_the_bits_of_the_workflow(here: Path, experiment: str) -> None:
    setting = first_setting(experiment)
    (here / "config.yaml").write_text(yaml.safe_dump(SMOKE))
    job = Plan.from_config(load(CONFIG, SMOKE)).jobs_of(experiment)[0].settings
    dataset = load(CONFIG, SMOKE).datasets[job["dataset"]]
    build = import_module(f"regimes.datasets.{dataset.kind}").build
    whole = train(job, build(dataset.model_dump(mode="json")), "cpu")
    expected = whole.sel({name: value for name, value in setting.items() if name in whole.dims})
    run = simulate(experiment, directory=here, **setting)
    for name in expected.data_vars:
        np.testing.assert_array_equal(run[name], expected[name], err_msg=str(name))


def test_several_values_give_a_dataset_over_their_axes(here: Path) -> None:
    gammas = [0.6, 1.0]
    runs = simulate(gamma=gammas, gamma_prime=np.array([0.0, 0.5]), width=[40, 60], seed=3)
    assert runs["final_loss"].dims == ("gamma_prime", "gamma", "width")
    assert runs["seed"].item() == 3 and "snapshot" not in runs.dims
    one = simulate(gamma=1.0, gamma_prime=0.5, width=60, seed=3)
    there = runs.sel(gamma=1.0, gamma_prime=0.5, width=60)
    np.testing.assert_allclose(
        there["final_relative_distance_w"], one["final_relative_distance_w"], rtol=1e-6
    )


def test_data_may_be_given(here: Path) -> None:
    x = np.linspace(-1, 1, 5)
    run = simulate(**QUICK, data=(np.stack([x, np.ones(5)], 1), np.sin(3 * x)))
    assert run["converged"] == 1 and run.sizes["feature"] == 2
    assert "data that were given" in run.attrs["comment"]
    whole = four_point()
    usual = simulate(**QUICK)
    np.testing.assert_array_equal(simulate(**QUICK, data=whole)["final_loss"], usual["final_loss"])
    for data, message in (
        ((x, np.ones(4)), r"inputs \(5, 1\) and targets \(4,\)"),
        ((x, x * np.nan), "must be finite"),
        ((["a"], [1]), "must be arrays of real numbers"),
        ((x + 1j, x), "must be arrays of real numbers"),
        ((x, x, x), "must be a pair of inputs and targets, or a Dataset"),
        (x, "must be a pair of inputs and targets, or a Dataset"),
        ((np.empty((5, 0)), x), r"inputs \(5, 0\)"),
        (whole.drop_vars("split"), "split over point is missing"),
        (whole.assign(split=whole["split"] + 1), "no training points"),
        (whole.expand_dims("draw"), "has draws, which engine gradient_flow does not use"),
    ):
        with pytest.raises(DataError, match=message):
            simulate(**QUICK, data=data)


def test_targets_may_be_a_column(here: Path) -> None:
    x = np.linspace(-1, 1, 5)
    losses = [simulate(**QUICK, data=(x, y))["final_loss"] for y in (x**2, x[:, None] ** 2)]
    assert losses[0] == losses[1]


def test_a_key_that_is_an_axis_too_takes_several_values(here: Path) -> None:
    rest = {"gamma": 1.0, "gamma_prime": 0.0, "width": 50, "epochs": 2}
    runs = simulate("lab_sgd", learning_rate=[0.1, 0.2], **rest)
    assert runs["final_loss"].dims == ("learning_rate",)
    one = simulate("lab_sgd", learning_rate=0.2, **rest)
    assert one["final_loss"] == runs["final_loss"].sel(learning_rate=0.2)


def test_names_of_ones_own_take_the_place_of_the_experiments(here: Path) -> None:
    own = {"node_scalings": {"mine": {"gamma": 0.3, "alpha": 0.5}}}
    run = simulate("caron2023_simulated", width=40, max_steps=3, **own)
    assert run["node_scaling"].item() == "mine" and run["gamma"].item() == 0.3


def test_experiments_of_a_configfile(here: Path) -> None:
    own = {"experiments": {"own": {"inherits": "typical_cases", "axes": {"width": [30]}}}}
    (here / "mine.yaml").write_text(yaml.safe_dump(own))
    run = simulate("own", gamma=0.5, configfile=here / "mine.yaml")
    assert run["width"].item() == 30
    with pytest.raises(StoreError, match="no runs of own for the present config yet"):
        regimes.open("runs/own", configfile=here / "mine.yaml")
    with pytest.raises(ConfigError, match="experiment = 'own'"):
        simulate("own", gamma=0.5)


def test_a_run_at_its_limit_is_warned_of(here: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 of 1 runs of phase_diagram .*max_steps = 3"):
        simulate(**QUICK, solver={"max_steps": 3})


def test_long_lists_of_values_are_cut(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"n_train is missing: .*: 5000, 4000, .*, \.\.\.$"):
        simulate("razborov2022", width=100)


def test_an_engine_without_a_tolerance_says_so(here: Path) -> None:
    rest = {"gamma": 1.0, "gamma_prime": 0.0, "learning_rate": 0.1}
    with pytest.raises(ConfigError, match="tolerance: engine gradient_descent of lab_descent"):
        simulate("lab_descent", tolerance=0.1, **rest)


def test_a_setting_becomes_scalar_coordinates(here: Path) -> None:
    run = simulate(**QUICK)
    for name, value in QUICK.items():
        assert run[name].ndim == 0 and run[name].item() == value
    coordinates = {"time", "snapshot_time", "snapshot_relative_loss"}
    assert coordinates <= set(run.coords)
    weights = {"output_weights", "input_weights"}
    assert set(run.data_vars) == (set(LONG_NAMES) | weights) - coordinates
    for name in set(LONG_NAMES) - {"time", "train_loss"}:
        assert run[name].dims == (), name
    # So that `run["train_loss"].plot()` is over the time.
    assert run["train_loss"].dims == ("time",)
    assert run["input_weights"].dims == ("snapshot", "feature", "neuron")
    assert run["snapshot"].values.tolist() == [1.0, 0.0]
    assert run["converged"] == 1
    settings = json.loads(run.attrs["config"])
    assert settings["axes"] == {name: [value] for name, value in QUICK.items()}
    assert settings["experiment"] == "phase_diagram" and run.attrs["device"] == "cpu"
    store.check_described(run)


def block_of(experiment: str, **place: float) -> Job:
    """The workflow's block of an experiment at smoke scale that has a setting."""
    (block,) = [
        block
        for block in Plan.from_config(load(CONFIG, SMOKE)).jobs_of(experiment)
        if all(value in block.settings["axes"][name] for name, value in place.items())
    ]
    return block


def four_point() -> xr.Dataset:
    return points.build(load(CONFIG).datasets["four_point"].model_dump(mode="json"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "setting"),
    [
        ("phase_diagram", {"gamma_prime": 0.5, "gamma": 1.0, "width": 200, "seed": 1}),
        ("growth_inverse", {"gamma_prime": 0.0, "gamma": 0.5, "width": 100, "seed": 0}),
        (
            "conservation",
            {"gamma_prime": 0.0, "gamma": 1.0, "solver_tolerance": 0.1, "width": 100, "seed": 0},
        ),
        ("condensation", {"gamma_prime": 0.0, "gamma": 0.5, "width": 100, "seed": 0}),
    ],
)
def test_the_numbers_are_those_of_the_workflow(
    here: Path, experiment: str, setting: dict[str, float]
) -> None:
    block = block_of(experiment, **setting).settings
    expected = train(block, four_point(), "cpu").sel(setting)
    run = simulate(experiment, **setting)
    assert {name: run[name].item() for name in setting} == setting
    for name in ("solver_steps", "rejected_steps", "converged", "diverged"):
        assert run[name].item() == expected[name].item()
    for name in set(LONG_NAMES) - {"final_loss", "train_loss"}:
        np.testing.assert_allclose(run[name], expected[name], rtol=1e-9, err_msg=name)
    # Residuals at the end are a thousandth of what they are the difference of.
    for name in ("final_loss", "train_loss"):
        np.testing.assert_allclose(run[name], expected[name], rtol=1e-6, err_msg=name)
    if "snapshots" in block:
        end = expected["output_weights"].sel(snapshot=0.0)
        np.testing.assert_allclose(run["output_weights"].sel(snapshot=0.0), end, rtol=1e-7)


def test_width_and_seed_are_the_first_ones_of_the_experiment(here: Path) -> None:
    config = yaml.safe_load(CONFIG.read_text())
    axes = {"width": [60, 40, 80], "seed": [7, 5]}
    config["experiments"] = {"phase_diagram": {"axes": axes}}
    (here / "config.yaml").write_text(yaml.safe_dump(config))
    run = simulate(gamma=0.6, gamma_prime=0.0, directory=here)
    assert (run["width"].item(), run["seed"].item()) == (40, 5)


def test_an_axis_of_one_value_has_that(here: Path) -> None:
    run = simulate("typical_cases", gamma=0.5, width=100, seed=10)
    assert run["gamma_prime"].item() == 0


def test_the_config_of_the_directory_counts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load(CONFIG.read_text())
    (here / "config.yaml").write_text(yaml.safe_dump(config | {"root_seed": 5}))
    start = {"snapshot": 1.0}
    usual = simulate(**QUICK, directory=ROOT)["output_weights"].sel(start)
    other = simulate(**QUICK, directory=here)["output_weights"].sel(start)
    assert not (usual == other).any()
    # Found from a folder below it by its results
    (here / "results").mkdir()
    (here / "notebooks/mine").mkdir(parents=True)
    monkeypatch.chdir(here / "notebooks/mine")
    found = simulate(**QUICK)["output_weights"].sel(start)
    np.testing.assert_array_equal(found, other)


def test_changes_take_effect(here: Path) -> None:
    usual = simulate(**QUICK)
    loose = simulate(**QUICK, tolerance=0.2)
    assert loose["solver_steps"] < usual["solver_steps"]
    capped = simulate(**QUICK, solver={"max_steps": 3})
    assert capped["solver_steps"] + capped["rejected_steps"] == 3 and capped["converged"] == 0
    both = simulate(**QUICK, tolerance=0.2, solver={"relative_loss": 0.01})
    assert both["solver_steps"] < loose["solver_steps"]
    settings = json.loads(both.attrs["config"])["solver"]
    # The rest of the solver stays as it is in the config.
    assert (settings["tolerance"], settings["relative_loss"]) == (0.2, 0.01)
    assert settings["max_steps"] == json.loads(usual.attrs["config"])["solver"]["max_steps"]
    strict = simulate(**QUICK, solver={"tolerance": 0.2})
    assert strict["final_relative_distance_w"].item() == loose["final_relative_distance_w"].item()
    history = simulate(**QUICK, history_points=5, snapshots=[0.5])
    assert history.sizes["time"] == 5 and history["snapshot"].values.tolist() == [0.5]
    assert history["snapshot_relative_loss"].item() <= 0.5
    mirrored = simulate(**QUICK, antisymmetric_initialisation="always", solver={"max_steps": 1})
    half = mirrored["output_weights"].sel(snapshot=1.0).values
    np.testing.assert_array_equal(half[:50], -half[50:])


def test_a_width_that_the_experiment_does_not_have(here: Path) -> None:
    run = simulate(gamma=0.55, gamma_prime=0.1, width=22, seed=77)
    assert run["converged"] == 1 and run.sizes["neuron"] == 22


def test_nothing_is_written(here: Path) -> None:
    simulate(**QUICK)
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((), {"gamma": 1.0}, ["gamma_prime is missing", "phase_diagram", "-0.75"]),
        ((), {"gamma_prime": 0.0}, ["gamma is missing", "0.4"]),
        (
            ("conservation",),
            {"gamma_prime": 0, "gamma": 1},
            ["solver_tolerance is missing", "0.03"],
        ),
        (
            ("conservation",),
            {"gamma_prime": 0, "gamma": 1, "solver_tolerance": 0.1, "tolerance": 0.3},
            ["tolerance: conservation has an axis for it; give solver_tolerance"],
        ),
        (("phase_diagramm",), {}, ["experiment = 'phase_diagramm'; did you mean 'phase_diagram'?"]),
        (("song2021_initial",), {}, ["experiment = 'song2021_initial'", "allowed: "]),
        ((), {"gama": 1}, ["unknown key gama; did you mean 'gamma'?", "allowed here: gamma_prime"]),
        ((), {"max_steps": 10}, ["unknown key max_steps; did you mean solver={'max_steps': 10}?"]),
        ((), {**QUICK, "activatoin": "relu"}, ["activatoin", "did you mean 'activation'"]),
        ((), {**QUICK, "solver": {"max_step": 5}}, ["max_step", "did you mean 'max_steps'"]),
        ((), {**QUICK, "activation": "relo"}, ["activation = 'relo'", "relu"]),
        ((), {**QUICK, "gamma": "large"}, ["simulate: experiments.phase_diagram.axes.gamma", "'l"]),
        ((), {**QUICK, "gamma": float("nan")}, ["axes.gamma", "nan"]),
        ((), {**QUICK, "gamma": [0.5, "wide"]}, ["axes.gamma", "'wide' is not a number"]),
        ((), {**QUICK, "gamma": {0.5, 1.0}}, ["gamma = {", "must be a value or a list of values"]),
        ((), {**QUICK, "gamma": np.ones((1, 2))}, ["must be a value or a list of values"]),
        ((), {**QUICK, "split_by": ["seed"]}, ["unknown key split_by"]),
        ((["phase_diagram"],), {}, ["experiment = ['phase_diagram']"]),
        ((), {**QUICK, "activations": "z"}, ["activations = 'z'; must be a mapping"]),
        ((), {**QUICK, "gamma": 0.5, "width": 101}, ["axes.width", "101 is odd"]),
        ((), {**QUICK, "width": 0}, ["axes.width", "0"]),
        ((), {**QUICK, "seed": -1}, ["axes.seed", "-1"]),
        ((), {**QUICK, "tolerance": 0}, ["solver.tolerance = 0"]),
        ((), {**QUICK, "tolerance": "small"}, ["solver.tolerance = 'small'"]),
        ((), {**QUICK, "solver": 3}, ["solver = 3"]),
        ((), {**QUICK, "solver": 3, "tolerance": 0.1}, ["solver = 3"]),
        ((), {**QUICK, "axes": {"gamma": [2.0]}}, ["axes"]),
        ((), {**QUICK, "snapshots": [0.0, 1.0]}, ["snapshots must fall"]),
        ((), {**QUICK, "device": "gpu"}, ["device = 'gpu'", "auto, cpu, cuda"]),
        ((), {**QUICK, "dataset": "five_point"}, ["dataset = 'five_point'", "four_point"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    here: Path, arguments: tuple[str, ...], options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        simulate(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_in_one_line(here: Path) -> None:
    with pytest.raises(DeviceError, match="device cuda: torch finds no GPU here"):
        simulate(**QUICK, device="cuda")


# The progress bar


def decades(text: str) -> list[float]:
    return [float(value) for value in re.findall(r"([\d.]+)/6 decades", text)]


def test_the_bar_reaches_the_end(here: Path, capsys: pytest.CaptureFixture) -> None:
    run = simulate(**QUICK, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert decades(captured.err)[-1] == 6
    last = captured.err.strip().split("\r")[-1]
    assert "100%" in last
    assert f"{int(run['solver_steps'] + run['rejected_steps'])} steps" in last


def test_the_bar_of_a_capped_run_does_not(here: Path, capsys: pytest.CaptureFixture) -> None:
    run = simulate(**QUICK, progress=True, solver={"max_steps": 10})
    last = capsys.readouterr().err.strip().split("\r")[-1]
    fallen = -np.log10(float(run["final_loss"] / run["initial_loss"]))
    assert 0 < fallen < 3
    assert decades(last)[-1] == pytest.approx(fallen, abs=0.006)
    assert "100%" not in last and "10 steps" in last


def test_the_bar_moves_while_the_run_is_under_way(
    here: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_UPDATES", 0.0)
    simulate(**QUICK, progress=True)
    seen = decades(capsys.readouterr().err)
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 6
    assert len({value for value in seen if 0 < value < 6}) > 5


def test_the_bar_of_a_diverged_run_ends(
    here: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Runs._initial_weights

    def infinite(*arguments: Any) -> Any:
        weights, orthogonal = draw(*arguments)
        weights.a[:] = np.inf
        return weights, orthogonal

    monkeypatch.setattr(Runs, "_initial_weights", infinite)
    run = simulate(**QUICK, progress=True)
    assert run["diverged"] == 1 and np.isnan(run["final_loss"])
    assert decades(capsys.readouterr().err)[-1] == 0


def test_without_a_bar_nothing_is_printed(here: Path, capsys: pytest.CaptureFixture) -> None:
    simulate(**QUICK, progress=False)
    assert capsys.readouterr() == ("", "")


# open


def described(dataset: xr.Dataset) -> xr.Dataset:
    for name in dataset.variables:
        dataset[name].attrs = {"long_name": str(name), "units": "1"}
    return dataset


def write(dataset: xr.Dataset, path: Path, **said: str) -> None:
    written = {"title": path.stem, "source": "s", "references": "r", "config": {}}
    store.write(described(dataset), path, **written, **said)


def run_of(block: Job, value: float) -> xr.Dataset:
    axes = block.settings["axes"]
    shape = tuple(len(values) for values in axes.values())
    values = np.full(shape, value)
    return xr.Dataset(
        {
            "final_relative_distance_w": (tuple(axes), values),
            "converged": (tuple(axes), values > 0),
        },
        coords={name: list(values) for name, values in axes.items()},
    )


@pytest.fixture
def results(here: Path) -> Path:
    """A folder in which a small workflow has run."""
    config = yaml.safe_load(CONFIG.read_text())
    axes = {
        "gamma_prime": [0.0, 0.5],
        "gamma": [0.5, 1.0, 1.5],
        "width": [10, 20],
        "seed": [0, 1],
    }
    config["experiments"] = {"phase_diagram": {"axes": axes}}
    (here / "config.yaml").write_text(yaml.safe_dump(config))
    for path, value in (
        ("measures/phase_diagram.nc", 1.0),
        ("claims/luo2021.nc", 2.0),
        ("data/four_point.nc", 3.0),
        ("claims.nc", 4.0),
    ):
        write(xr.Dataset({"value": value}), here / "results" / path)
    return here


@pytest.mark.parametrize(
    ("name", "value"),
    [("phase_diagram", 1.0), ("luo2021", 2.0), ("four_point", 3.0), ("claims", 4.0)],
)
def test_open_finds_results_by_name(
    results: Path, name: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert regimes.open(name)["value"].item() == value
    # From below, and from elsewhere
    (results / "notebooks").mkdir()
    monkeypatch.chdir(results / "notebooks")
    assert regimes.open(name)["value"].item() == value
    monkeypatch.chdir("/")
    assert regimes.open(name, directory=results)["value"].item() == value
    assert regimes.open(name, str(results))["value"].item() == value


def test_open_reads_a_path(results: Path, tmp_path: Path) -> None:
    path = results / "results/data/four_point.nc"
    assert regimes.open(str(path))["value"].item() == 3
    assert regimes.open("results/claims/luo2021.nc")["value"].item() == 2


def test_open_leaves_no_file_open(results: Path) -> None:
    dataset = regimes.open("phase_diagram")
    (results / "results/measures/phase_diagram.nc").unlink()
    assert dataset["value"].item() == 1  # in memory


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("phase_diagramm", ["'phase_diagramm'", "did you mean 'phase_diagram'?"]),
        ("four_points", ["did you mean 'four_point'?"]),
        ("luo2012", ["did you mean 'luo2021'?"]),
        ("xyz", ["'xyz'", "there are: claims, four_point, luo2021, phase_diagram"]),
        ("nothing.nc", ["'nothing.nc'"]),
        ("runs/phase_diagramm", ["no experiment 'phase_diagramm'", "phase_diagram"]),
        ("runs/phase_diagram", ["no runs of phase_diagram", "snakemake"]),
    ],
)
def test_open_names_what_there_is(results: Path, name: str, words: list[str]) -> None:
    with pytest.raises(StoreError) as caught:
        regimes.open(name)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_open_before_anything_has_run(here: Path) -> None:
    with pytest.raises(StoreError, match="none yet"):
        regimes.open("phase_diagram", directory=here)


def blocks_of(folder: Path) -> list[Job]:
    return Plan.from_config(load(folder / "config.yaml")).jobs_of("phase_diagram")


def test_open_combines_the_runs_of_an_experiment(results: Path) -> None:
    blocks = blocks_of(results)
    assert len(blocks) == 4
    for index, block in enumerate(blocks):
        write(run_of(block, index), results / block.path, identity=block.hash)
    # Of other settings: none of the present config's
    write(run_of(blocks[0], 99.0), results / "results/runs/phase_diagram/old-0123456789abcdef.nc")
    runs = regimes.open("runs/phase_diagram")
    assert dict(runs.sizes) == {"gamma_prime": 2, "gamma": 3, "width": 2, "seed": 2}
    for index, block in enumerate(blocks):
        place = {name: block.settings["axes"][name][0] for name in ("gamma_prime", "seed")}
        assert (runs["final_relative_distance_w"].sel(place) == index).all()
    xr.testing.assert_identical(
        regimes.open("runs/phase_diagram", directory=results).drop_attrs(), runs.drop_attrs()
    )


@pytest.mark.filterwarnings("error::FutureWarning")  # of what a later xarray does otherwise
@pytest.mark.parametrize("missing", [(0,), (1, 2), (0, 1), (0, 1, 2)])
def test_open_combines_the_runs_that_there_are(results: Path, missing: tuple[int, ...]) -> None:
    blocks = blocks_of(results)
    for index, block in enumerate(blocks):
        if index not in missing:
            write(run_of(block, index), results / block.path, identity=block.hash)
    runs = regimes.open("runs/phase_diagram")
    for index, block in enumerate(blocks):
        place = {name: block.settings["axes"][name][0] for name in ("gamma_prime", "seed")}
        if index not in missing:
            assert (runs["final_relative_distance_w"].sel(place) == index).all()
        elif all(value in runs[name] for name, value in place.items()):
            assert runs["final_relative_distance_w"].sel(place).isnull().all()


@pytest.mark.filterwarnings("error::FutureWarning")  # of what a later xarray does otherwise
def test_open_combines_weights_of_several_widths(results: Path) -> None:
    config = yaml.safe_load((results / "config.yaml").read_text())
    axes = {"gamma_prime": [0.0], "gamma": [1.0], "width": [10, 20], "seed": [0]}
    config["experiments"]["condensation"] = {"axes": axes}
    (results / "config.yaml").write_text(yaml.safe_dump(config))
    for block in Plan.from_config(load(results / "config.yaml")).jobs_of("condensation"):
        (width,) = block.settings["axes"]["width"]
        run = run_of(block, width).assign_coords(neuron=range(width))
        run["output_weights"] = run["final_relative_distance_w"].expand_dims(neuron=width, axis=-1)
        write(run, results / block.path, identity=block.hash)
    weights = regimes.open("runs/condensation")["output_weights"].squeeze()
    assert dict(weights.sizes) == {"width": 2, "neuron": 20}
    assert (weights.sel(width=20) == 20).all()
    assert (weights.sel(width=10, neuron=slice(0, 9)) == 10).all()
    assert weights.sel(width=10, neuron=slice(10, None)).isnull().all()


def test_open_unites_the_grids_of_an_experiment(results: Path) -> None:
    config = yaml.safe_load((results / "config.yaml").read_text())
    config["datasets"]["sphere"] = {
        "kind": "unit_sphere",
        "draws": 2,
        "n_points": 9,
        "n_features": 3,
    }
    config["experiments"]["descent"] = {
        "engine": "gradient_descent",
        "paper": "luo2021",
        "dataset": "sphere",
        "parameterisation": "unscaled",
        "learning_rate": 0.001,
        "stopping": {"max_steps": 10},
        "axes": {"seed": [0, 1]},
        # Interleaved, so that no order of the blocks is that of the points.
        "grids": [{"width": [20], "n_train": [6, 9]}, {"width": [10], "n_train": [5, 7, 8]}],
        "measure": "luo2021.growth",
    }
    (results / "config.yaml").write_text(yaml.safe_dump(config))
    blocks = Plan.from_config(load(results / "config.yaml")).jobs_of("descent")
    for index, block in enumerate(blocks[:3]):
        write(run_of(block, index), results / block.path, identity=block.hash)
    runs = regimes.open("runs/descent")["final_relative_distance_w"].sel(seed=0)
    assert runs["n_train"].values.tolist() == [5, 6, 7, 8, 9]
    assert (runs.sel(width=20, n_train=[6, 9]) == 0).all()
    assert (runs.sel(width=10, n_train=[5, 7, 8]) == 2).all()
    assert int(runs.notnull().sum()) == 5


def test_a_damaged_run_is_named(results: Path) -> None:
    blocks = blocks_of(results)
    for block in blocks:
        write(run_of(block, 0), results / block.path, identity=block.hash)
    path = results / blocks[1].path
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StoreError, match="is damaged"):
        regimes.open("runs/phase_diagram")


# The package


def loaded_after(code: str, *names: str) -> list[str]:
    """Which of some modules a fresh Python has loaded after some code."""
    report = f"import sys\n{code}\nprint(*({names!r} & sys.modules.keys()))"
    report = report.replace(repr(names), repr(set(names)))
    done = subprocess.run(
        [sys.executable, "-c", report],
        env={"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.slow
def test_the_package_loads_nothing_until_it_is_asked() -> None:
    heavy = ("torch", "xarray", "numpy", "matplotlib", "regimes.api")
    assert loaded_after("import regimes", *heavy) == []
    assert loaded_after("import regimes\nregimes.open", "regimes.api") == ["regimes.api"]
    # Results are read without the seconds that torch takes.
    assert loaded_after("import regimes\nregimes.open", "torch", "matplotlib") == []


def test_the_package_shows_both_functions() -> None:
    assert {"open", "simulate"} <= set(dir(regimes))
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = regimes.opne


def test_no_stage_of_the_workflow_depends_on_the_notebook() -> None:
    config = load(CONFIG)
    roots = []
    for experiment in config.experiments.values():
        roots += training_modules(experiment.model_dump()).values()
        roots += [f"regimes.papers.{experiment.measure}"]
    roots += [f"regimes.papers.{figure.plot}" for figure in config.figures.values()]
    roots += itertools.chain.from_iterable(modules_with("claims").values())
    closure = import_closure(roots)
    assert "regimes" in closure and "regimes.engines.gradient_flow.engine" in closure
    assert "regimes.api" not in closure
