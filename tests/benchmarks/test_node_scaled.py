"""Steps of Caron et al. (2023) on simulated data and on concrete, m = 2000, three ways.

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
import torch
import xarray as xr
from gathered import PACKAGE, PYTORCH, Gathered, Measured, Seconds, timed

from regimes.datasets import sines_on_sphere, uci
from regimes.engines.common.runner import runs_of
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.node_scaled import Runs

N_STEPS, WIDTH = 5000, 2000
# Steps of autograd
FIRST_STEPS = N_STEPS // 10
DATA: dict[str, Callable[[], xr.Dataset]] = {
    "simulated": lambda: sines_on_sphere.build(
        {"n_train": 100, "n_test": 0, "n_features": 50, "noise": 1.0, "seed": 0}
    ),
    "concrete": lambda: uci.build(
        {
            "name": "concrete",
            "target": None,
            "shares": [0.4, 0.2, 0.4],
            "split_seed": 0,
            "standardise": "train",
            "bias": False,
        }
    ),
}
SETTINGS = {
    "gamma_1": {"gamma": 1.0},
    "gamma_05_alpha_05": {"gamma": 0.5, "alpha": 0.5},
    "gamma_0_alpha_04": {"gamma": 0.0, "alpha": 0.4},
}
Curve = dict[str, np.ndarray]


def problem_of(data: xr.Dataset, setting: str) -> Runs:
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
        "max_steps": N_STEPS,
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


def by_autograd(problem: Runs, setting: str) -> Curve:
    """As one writes it."""
    run = problem.start({"node_scaling": setting, "width": WIDTH, "seed": 0})
    weights = run.hidden.clone().requires_grad_()
    optimiser = torch.optim.SGD([weights], lr=1.0)
    recorded = set(problem.steps.tolist())
    risks, ways = [], []
    for step in range(FIRST_STEPS + 1):
        loss = (run.output @ torch.relu(weights @ run.inputs.T) - run.targets).square().mean()
        if step in recorded:
            risks.append(float(loss.detach()))
            ways.append(float((weights.detach() - run.hidden).norm()))
        if step < FIRST_STEPS:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return {"risk": np.array(risks), "way": np.array(ways)}


def by_package(problem: Runs, setting: str, multisteps: bool) -> Curve:
    """With steps, or multisteps, of this package."""
    run = problem.start({"node_scaling": setting, "width": WIDTH, "seed": 0})

    def observe(network: Any) -> dict[str, float]:
        return {
            "risk": float(network.errors.square().mean()),
            "way": float(run.moved(network).norm()),
        }

    return descend(run.network, problem.steps, observe, run.control if multisteps else None).history


Method = Callable[[Runs, str], Curve]
METHODS: dict[str, Method] = {
    "autograd, torch.optim.SGD": by_autograd,
    "steps": lambda problem, setting: by_package(problem, setting, multisteps=False),
    "multisteps": lambda problem, setting: by_package(problem, setting, multisteps=True),
}
ROLES = {"autograd, torch.optim.SGD": PYTORCH, "multisteps": PACKAGE}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", DATA)
def test_five_thousand_steps(benchmark, gathered: Gathered, name: str, setting: str) -> None:
    problem = problem_of(DATA[name](), setting)
    seconds: dict[str, Seconds] = {}
    curves: dict[str, Curve] = {}

    def turn() -> None:
        for method, run in METHODS.items():
            curves[method], seconds[method] = timed(partial(run, problem, setting))

    benchmark.pedantic(turn, rounds=1)
    seconds["autograd, torch.optim.SGD"] *= N_STEPS / FIRST_STEPS
    rows = []
    for method, curve in curves.items():
        exact = {key: values[: len(curve[key])] for key, values in curves["steps"].items()}
        decades = abs(np.log10(curve["risk"] / exact["risk"])).max()
        way = abs(curve["way"][1:] / exact["way"][1:] - 1).max()
        error = f"{decades:.1g} decades, {way:.1%}" if method == "multisteps" else ""
        rows.append(Measured(method, seconds[method], ROLES.get(method, ""), error))
        assert decades < (0.05 if method == "multisteps" else 1e-6)
        assert way < (0.01 if method == "multisteps" else 1e-6)
    values = ", ".join(f"{key} = {value:g}" for key, value in SETTINGS[setting].items())
    gathered.compare("caron2023", f"{N_STEPS} steps, {name} data, {values}", rows)
