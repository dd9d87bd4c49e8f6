"""Errors of solvers of gradient flow against the processor time that they take, one case per
activation: draws docs/images/solver_error.svg.

`python tests/error_against_time.py OLD`, some minutes on one core; OLD: the folder `workflow` of a
checkout of another version of this project, to compare with.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Read by torch when it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from flow_references import KINKED, SMOOTH, Problem, Reference, SmoothFlow, TooExpensiveError, read
from matplotlib.ticker import NullFormatter
from reference_runs import solve
from scipy.integrate import LSODA, RK45
from torch import Tensor

HERE = Path(__file__).resolve().parent
IMAGE = HERE.parent / "docs" / "images" / "solver_error.svg"
CASES = {
    "relu": Problem("relu", 0.0, 1.6, 1000, 0),
    "leaky_relu": Problem("leaky_relu", 0.0, 1.0, 1000, 0),
    "tanh": Problem("tanh", -1.0, 1.0, 1000, 0),
    "gelu": Problem("gelu", -1.0, 1.3, 1000, 0),
    "softplus": Problem("softplus", -1.0, 1.3, 1000, 0),
}
TOLERANCES = (0.1, 0.03, 0.01, 0.003, 0.001)
LIBRARY_TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
REPEATS = 3
LIMIT_SECONDS = 30.0
Point = dict[str, object]


class TimedFlow(SmoothFlow):
    """A flow, of kinked networks too, that is given up after LIMIT_SECONDS."""

    def __init__(self, problem: Problem) -> None:
        SMOOTH.setdefault(problem.activation, _kinked(problem.activation))
        super().__init__(problem)
        self.end_of_patience = time.process_time() + LIMIT_SECONDS

    def velocity(self, _: float, moved: np.ndarray) -> np.ndarray:
        if time.process_time() > self.end_of_patience:
            raise TooExpensiveError(f"more than {LIMIT_SECONDS:g} s")
        return super().velocity(_, moved)


def _kinked(name: str):
    """Value and slope of a kinked activation, as `SMOOTH` has them."""

    def activate(z: Tensor) -> tuple[Tensor, Tensor, None]:
        slope = torch.where(z > 0, 1.0, KINKED[name])
        return z * slope, slope, None

    return activate


def error(row: Reference, distances: np.ndarray | tuple[float, float]) -> float:
    """The larger of the relative errors of the distances of w and of a."""
    expected = row.relative_distance_w, row.relative_distance_a
    return float(np.abs(np.asarray(distances[:2]) / expected - 1).max())


def by_solver() -> Iterator[Point]:
    """Points of this project's solver, of the version that Python finds."""
    references = {row.problem: row for row in read()}
    for activation, problem in CASES.items():
        row = references[problem]
        solve([row], TOLERANCES[0])  # Numba compiles, or loads what it has compiled
        for tolerance in TOLERANCES:
            seconds = []
            for _ in range(REPEATS):
                start = time.process_time()
                (run,) = solve([row], tolerance)
                seconds.append(time.process_time() - start)
            found = max(abs(run.error_w), abs(run.error_a))
            yield {"activation": activation, "seconds": min(seconds), "error": found}


def by_libraries() -> Iterator[Point]:
    """Points of SciPy's integrators, on the same equations."""
    references = {row.problem: row for row in read()}
    for activation, problem in CASES.items():
        scale = TimedFlow(problem).linear_scale()
        for method in (RK45, LSODA):
            for tolerance in LIBRARY_TOLERANCES:
                flow = TimedFlow(problem)
                start = time.process_time()
                solver = method(
                    flow.velocity,
                    0.0,
                    flow.rest,
                    1e300,
                    rtol=tolerance,
                    atol=flow.allowed(tolerance, scale),
                )
                try:
                    while flow.loss(solver.y) > flow.wanted_loss and solver.status == "running":
                        solver.step()
                    if solver.status != "running":
                        raise TooExpensiveError(solver.status)
                    end = flow.end(solver.dense_output(), solver.t_old, solver.t, solver.nfev)
                except TooExpensiveError as reason:
                    print(f"{activation}, {method.__name__}, {tolerance:g}: {reason}", flush=True)
                    if time.process_time() > flow.end_of_patience:
                        break  # Finer ones take longer.
                    continue
                seconds = time.process_time() - start
                yield {
                    "activation": activation,
                    "solver": f"{method.__name__} of SciPy",
                    "seconds": seconds,
                    "error": error(references[problem], end.distances),
                }


def of_version(name: str, workflow: Path) -> Iterator[Point]:
    """Points of the solver in another folder of code, in a process of its own."""
    command = [sys.executable, __file__, "--solver"]
    environment = os.environ | {"PYTHONPATH": str(workflow)}
    text = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    for line in text.stdout.splitlines():
        yield {"solver": name, **json.loads(line)}


def draw(points: list[Point]) -> None:
    """A panel for each activation, with a line for each solver."""
    sns.set_theme(context="paper", style="ticks")
    names = list(dict.fromkeys(point["solver"] for point in points))
    figure, axes = plt.subplots(1, len(CASES), figsize=(13, 3.6), sharey=True, layout="constrained")
    for axis, (activation, problem) in zip(axes, CASES.items(), strict=True):
        for name, color in zip(names, sns.color_palette("deep"), strict=False):
            own = [p for p in points if (p["activation"], p["solver"]) == (activation, name)]
            seconds, errors = ([p[key] for p in own] for key in ("seconds", "error"))
            axis.plot(seconds, errors, "o-", color=color, markersize=3.5, label=name)
        axis.set(xscale="log", yscale="log", xlabel="processor time (s)")
        axis.set_title(
            f"{activation.replace('_', ' ')}, "
            rf"$\gamma'={problem.gamma_prime:g}$, $\gamma={problem.gamma:g}$"
        )
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("error of the relative distances")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names)
    )
    figure.savefig(IMAGE)


if __name__ == "__main__":
    if sys.argv[1:] == ["--solver"]:
        for point in by_solver():
            print(json.dumps(point))
    elif len(sys.argv) == 2:
        ours = HERE.parent / "workflow"
        versions = {"this solver": ours, "version 0.1.0": Path(sys.argv[1])}
        draw(
            [point for name, folder in versions.items() for point in of_version(name, folder)]
            + list(by_libraries())
        )
    else:
        sys.exit(__doc__)
