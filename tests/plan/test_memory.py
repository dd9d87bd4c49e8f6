"""The memory of jobs, estimated from the settings."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from data_settings import build, settings

from regimes.config.load import load, validate
from regimes.config.models import Config
from regimes.engines.registry import settings_classes
from regimes.errors import ConfigError
from regimes.plan.memory import Memory
from regimes.plan.plan import Plan

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
# An experiment of each engine
EXPERIMENTS = {
    "gradient_flow": "condensation",
    "gradient_descent": "razborov2022_random",
    "gradient_descent.linearised": "song2021_order",
    "function_space": "chen2022_random_labels",
    "function_space.node_scaled": "caron2023_simulated",
    "sgd": "lab_sgd",
    "sgd.node_scaled": "caron2023_cifar10",
    "sgd.teacher_student": "song2021_mnist",
    "at_initialisation.first_update": "caron2023_theorems_relu",
    "at_initialisation.jacobian_spectrum": "song2021_lemma3",
    "at_initialisation.quasirandom": "razborov2022_start",
}
# Whose widths are no axis.
SEARCHES = {"gradient_flow.boundary": "boundary_four_point"}
LARGE_DATA = {
    "kind": "function",
    "formula": "x1",
    "n_train": 1_000_000,
    "n_features": 1000,
}


def smoke(**overrides: Any) -> Config:
    return load(CONFIG, {"scale": "smoke", "max_memory_mb": 10**9, **overrides})


def estimate(config: Config, name: str, **axes: list) -> int:
    """MB of a job of the largest values of an experiment's axes, with some others."""
    memory = Memory(config)
    for dataset in sorted(config.datasets, key=lambda one: hasattr(config.datasets[one], "images")):
        memory.of_data(dataset)
    grid = {axis: list(values) for axis, values in config.experiments[name].all_grids()[0].items()}
    return memory.of_job(name, grid | axes)


@pytest.mark.parametrize("engine", EXPERIMENTS)
def test_a_job_needs_more_for_more(engine: str) -> None:
    name, config = EXPERIMENTS[engine], smoke()
    small = estimate(config, name, width=[1000])
    wide = estimate(config, name, width=[10_000_000])
    assert small < 1000 < wide
    assert estimate(config, name, width=[1000, 10_000_000]) >= wide
    many_runs = estimate(config, name, width=[1000], seed=list(range(200_000)))
    assert many_runs > small + 1000
    if "n_train" in type(config.experiments[name].axes).model_fields:
        assert estimate(config, name, width=[1000], n_train=[1_000_000]) > small + 1000


def test_every_engine_is_looked_at() -> None:
    assert EXPERIMENTS.keys() | SEARCHES.keys() == settings_classes().keys()


def test_a_search_of_wide_networks_needs_more_and_is_refused_in_one_line() -> None:
    name, key = SEARCHES["gradient_flow.boundary"], "widths = 100000000"
    wide = {"experiments": {name: {"widths": [100, 100_000_000]}}}
    assert estimate(smoke(), name) < 1000 < estimate(smoke(**wide), name)
    plan = Plan.from_config(load(CONFIG, {"scale": "smoke", **wide}))
    assert plan.left_out[name].startswith(f"--config: experiments.{name}.{key}: a job of ")


@pytest.mark.parametrize(
    "engine", ["gradient_flow", "function_space.node_scaled", "sgd.node_scaled"]
)
def test_a_job_needs_more_for_more_data(engine: str) -> None:
    name = EXPERIMENTS[engine]
    data = {"large": LARGE_DATA | {"n_train": 100_000}}
    larger = smoke(datasets=data, experiments={name: {"dataset": "large"}})
    assert estimate(larger, name) > estimate(smoke(), name) + 1000


@pytest.mark.parametrize(
    ("experiment", "key"),
    [(name, f"experiments.{name}.axes.width = 100000000") for name in EXPERIMENTS.values()],
)
def test_a_width_beyond_all_memory_is_refused_in_one_line(experiment: str, key: str) -> None:
    axes = {"width": [100_000_000]}
    config = load(CONFIG, {"scale": "smoke", "experiments": {experiment: {"axes": axes}}})
    with pytest.raises(ConfigError) as error:
        Plan.from_config(config)
    line, what = str(error.value), f"a job of experiments.{experiment} needs about "
    assert line.startswith(f"--config: {key}: {what}")
    assert line.endswith(
        "GB of memory, max_memory_mb = 16000 allows 16 GB: take a smaller value, or fewer runs in "
        "a job (split_by), or raise max_memory_mb"
    )
    assert "\n" not in line


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "n_train = 1000000"),
        ({"n_train": 10, "n_test": 1_000_000}, "n_test = 1000000"),
    ],
)
def test_a_data_set_beyond_all_memory_is_refused(changes: dict, key: str) -> None:
    config = load(CONFIG, {"datasets": {"large": LARGE_DATA | changes}})
    with pytest.raises(ConfigError, match=rf"datasets\.large\.{key}: making it needs about 32"):
        Plan.from_config(config)


def test_the_bound_is_part_of_nothing() -> None:
    plans = [Plan.from_config(smoke(max_memory_mb=most)) for most in (16_000, 100_000)]
    first, second = ([(one.path, one.hash, one.handed()) for one in p.stages()] for p in plans)
    assert first == second


@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_shipped_experiments_fit_the_default(scale: str) -> None:
    stages = Plan.from_config(load(CONFIG, {"scale": scale})).stages()
    assert max(stage.memory_mb for stage in stages) > 1000


@pytest.mark.parametrize(
    ("settings_of", "engine", "name"),
    [
        ("gradient_flow", "gradient_flow.engine", "BATCH_BYTES"),
        ("gradient_flow", "gradient_flow.network", "TILE_BYTES"),
        ("gradient_descent", "gradient_descent.engine", "BATCH_BYTES"),
        ("sgd", "sgd.runs", "BATCH_BYTES"),
        ("at_initialisation", "at_initialisation.first_update", "VALUES_AT_ONCE"),
    ],
)
def test_formulas_have_the_constants_of_their_engine(
    settings_of: str, engine: str, name: str
) -> None:
    assumed, used = (
        getattr(importlib.import_module(f"regimes.engines.{module}"), name)
        for module in (f"{settings_of}.settings", engine)
    )
    assert assumed == used


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "points", "inputs": [[1.0, 2.0], [3.0, 4.0]], "targets": [1.0, 2.0]},
        {"kind": "function", "formula": "x1", "n_train": 5, "n_features": 3, "bias": True},
        {"kind": "uci", "name": "airfoil", "bias": True},
        {"kind": "mnist", "n_train": 3, "n_test": 2, "targets": "one_hot"},
        {"kind": "random_labels_on_sphere", "n_train": 4, "label_variance": 1.0},
        {"kind": "xor_with_noise", "n_train": 4, "draws": 2},
        {"kind": "sines_on_sphere", "n_train": 4},
        {"kind": "unit_sphere", "draws": 2, "n_points": 4, "n_features": 3},
        {"kind": "single_index", "link": "relu", "n_train": 4, "draws": 2},
        {"kind": "sparse_parity", "order": 2, "n_train": 4, "draws": 2},
    ],
    ids=lambda keys: keys["kind"],
)
def test_the_size_of_data_is_known_before_they_are_made(keys: dict) -> None:
    size = validate({"datasets": {"made": keys}}).datasets["made"].size()
    data = build(**keys)
    assert (size.n_points, size.n_features) == (data.sizes["point"], data.sizes["feature"])
    assert size.draws == data.sizes.get("draw", 1)
    assert size.n_outputs == data.sizes.get("output", 1)
    # The number of rows of a table that are for training is rounded there.
    assert 0 <= size.n_train - int((data["split"] == 0).sum()) <= 1
    assert size.bytes == data["inputs"].nbytes + data["targets"].nbytes


@pytest.mark.parametrize("suffix", [".csv", ".nc"])
def test_the_size_of_a_table_is_that_of_its_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    if suffix == ".csv":
        path.write_text("a,b,y\n1,2,3\n4,5,6\n")
    else:
        variables = {"x": (("row", "column"), [[1.0, 2.0]] * 2), "y": ("row", [1.0, 2.0])}
        xr.Dataset(variables).to_netcdf(path)
    keys = {"kind": "file", "path": str(path), "target": "y"}
    size = validate({"datasets": {"made": keys}}).datasets["made"].size()
    assert (size.n_train, size.n_points, size.n_features) == (2, 2, 2)


PEAK = """
import json, re, sys
from regimes.engines.common.runner import train
from data_settings import build

given = json.loads(sys.argv[1])
train(given["job"], build(**given["data"]), "cpu")
# What getrusage says is that of the process that has started this one, if that is larger.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024 / 1e6)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is that of Linux")
def test_what_a_job_takes_is_below_its_estimate() -> None:
    name = EXPERIMENTS["gradient_flow"]
    axes = {"width": [200_000], "seed": [0], "gamma": [1.0, 1.5], "gamma_prime": [0.0]}
    config = smoke(experiments={name: {"axes": axes, "solver": {"max_steps": 2}}})
    (job,) = Plan.from_config(config).jobs_of(name)
    given = {"job": job.settings, "data": settings(**job.data.settings)}
    folder = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, json.dumps(given)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    peak = float(done.stdout)
    # More than the process alone, so that the formula counts.
    assert 400 < peak < job.memory_mb
