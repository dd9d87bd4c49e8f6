"""Steps of Caron et al. (2023) on simulated data and on regression sets, m = 2000, three ways.

Run with `pytest tests/benchmarks/test_node_scaled.py --benchmark-enable -s`; it prints tables and
takes some minutes. All start from the same weights, in one process, on one core: a plain autograd
loop with torch.optim.SGD on the m x d weights, this package's steps, and its multisteps. The
training risk and the way of the weights are recorded along the run by all; the errors are the
largest ones of the risk, in decades, and of the way, against the package's steps. All steps of
autograd take the same time, so that only the first tenth of them is made and its time multiplied.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import roofline
import torch
import xarray as xr
from gathered import PACKAGE, PYTORCH, Gathered, Measured, Seconds, timed
from roofline import Work

from regimes.datasets import sines_on_sphere, uci
from regimes.engines.common.runner import runs_of
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.node_scaled import Runs

WIDTH = 2000
# Autograd makes one of so many steps.
SHARE_OF_AUTOGRAD = 10


def simulated() -> xr.Dataset:
    """100 points with 50 features."""
    settings = {"n_train": 100, "n_test": 0, "n_features": 50, "noise": 1.0, "seed": 0}
    return sines_on_sphere.build(settings)


def regression_set(name: str, target: str | None = None) -> xr.Dataset:
    """A regression set as the experiments have it."""
    settings = {
        "name": name,
        "target": target,
        "shares": [0.4, 0.2, 0.4],
        "split_seed": 0,
        "standardise": "train",
        "bias": False,
    }
    return uci.build(settings)


# Data and numbers of steps
DATA: dict[str, tuple[Callable[[], xr.Dataset], int]] = {
    "simulated": (simulated, 5000),
    "concrete": (partial(regression_set, "concrete"), 5000),
    "energy": (partial(regression_set, "energy", "heating_load"), 5000),
    "airfoil": (partial(regression_set, "airfoil"), 5000),
    "plant": (partial(regression_set, "power_plant"), 1000),
}
SETTINGS = {
    "gamma_1": {"gamma": 1.0},
    "gamma_05_alpha_05": {"gamma": 0.5, "alpha": 0.5},
    "gamma_0_alpha_04": {"gamma": 0.0, "alpha": 0.4},
}
# All settings of the first two; of the others the sizes alone are new.
CASES = [(name, setting) for name in ("simulated", "concrete") for setting in SETTINGS]
CASES += [(name, "gamma_05_alpha_05") for name in ("energy", "airfoil", "plant")]
Curve = dict[str, np.ndarray]


def problem_of(data: xr.Dataset, setting: str, n_steps: int) -> Runs:
    block: dict[str, Any] = {
        "engine": "function_space.node_scaled",
        "experiment": "benchmark",
        "dataset": "benchmark",
        "root_seed": 0,
        "node_scalings": {setting: SETTINGS[setting]},
        "skip_first": False,
        "initial_variance": 1.0,
        "activation": "relu",
        "loss": "mean_square",
        "learning_rate": 1.0,
        "max_steps": n_steps,
        "multistep": {"enabled": True, "tolerance": 0.01},
        "record": {
            "points_per_decade": 8,
            "every": 500,
            "moved": 10,
            "ntg": False,
            "ntg_points": 0,
        },
        "precision": "float64",
        "axes": {"node_scaling": [setting], "width": [WIDTH], "seed": [0]},
    }
    return runs_of(block, data, "cpu")


def by_autograd(problem: Runs, setting: str) -> tuple[Curve, Work]:
    """As one writes it."""
    run = problem.start({"node_scaling": setting, "width": WIDTH, "seed": 0})
    weights = run.hidden.clone().requires_grad_()
    optimiser = torch.optim.SGD([weights], lr=1.0)
    recorded = set(problem.steps.tolist())
    n_steps = problem.settings.max_steps
    first_steps = n_steps // SHARE_OF_AUTOGRAD
    risks, ways = [], []
    for step in range(first_steps + 1):
        loss = (run.output @ torch.relu(weights @ run.inputs.T) - run.targets).square().mean()
        if step in recorded:
            risks.append(float(loss.detach()))
            ways.append(float((weights.detach() - run.hidden).norm()))
        if step < first_steps:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    work = roofline.weights_step(WIDTH, *run.inputs.shape) * n_steps
    return {"risk": np.array(risks), "way": np.array(ways)}, work


def by_package(problem: Runs, setting: str, multisteps: bool) -> tuple[Curve, Work]:
    """With steps, or multisteps, of this package."""
    run = problem.start({"node_scaling": setting, "width": WIDTH, "seed": 0})

    def observe(network: Any) -> dict[str, float]:
        return {
            "risk": float(network.errors.square().mean()),
            "way": float(run.moved(network).norm()),
        }

    control = run.control if multisteps else None
    result = descend(run.network, problem.steps, observe, control)
    return result.history, roofline.descent(run.network, result)


Method = Callable[[Runs, str], tuple[Curve, Work]]
METHODS: dict[str, Method] = {
    "autograd, torch.optim.SGD": by_autograd,
    "steps": lambda problem, setting: by_package(problem, setting, multisteps=False),
    "multisteps": lambda problem, setting: by_package(problem, setting, multisteps=True),
}
ROLES = {"autograd, torch.optim.SGD": PYTORCH, "multisteps": PACKAGE}


@pytest.mark.parametrize(("name", "setting"), CASES)
def test_steps(benchmark, gathered: Gathered, name: str, setting: str) -> None:
    build, n_steps = DATA[name]
    problem = problem_of(build(), setting, n_steps)
    seconds: dict[str, Seconds] = {}
    curves: dict[str, Curve] = {}
    works: dict[str, Work] = {}

    def turn() -> None:
        for method, run in METHODS.items():
            (curves[method], works[method]), seconds[method] = timed(partial(run, problem, setting))

    benchmark.pedantic(turn, rounds=1)
    seconds["autograd, torch.optim.SGD"] *= SHARE_OF_AUTOGRAD
    rows = []
    for method, curve in curves.items():
        exact = {key: values[: len(curve[key])] for key, values in curves["steps"].items()}
        decades = abs(np.log10(curve["risk"] / exact["risk"])).max()
        way = abs(curve["way"][1:] / exact["way"][1:] - 1).max()
        error = f"{decades:.1g} decades, {way:.1%}" if method == "multisteps" else ""
        role = ROLES.get(method, "")
        rows.append(Measured(method, seconds[method], role, error, works[method]))
        assert decades < (0.05 if method == "multisteps" else 1e-6)
        assert way < (0.01 if method == "multisteps" else 1e-6)
    values = ", ".join(f"{key} = {value:g}" for key, value in SETTINGS[setting].items())
    gathered.compare("caron2023", f"{n_steps} steps, {name} data, {values}", rows)
