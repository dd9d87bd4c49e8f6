"""Gradient flow with other activations than ReLU, by the solver and by references of their own.

Smooth ones: SciPy's LSODA at tight tolerances. Leaky ReLU: explicit Euler with many steps.
`python tests/activation_flows.py` prints the table of docs/activations.md.
"""

from importlib import import_module

import numpy as np
import torch
from euler import euler
from problems import draw, four_points, relative_distances, stack
from scipy.integrate import solve_ivp
from torch import Tensor

from regimes.activations.leaky_relu import NEGATIVE_SLOPE
from regimes.dynamics.gradient_flow import FlowResult, Limits, integrate
from regimes.dynamics.step_size import StepSizeControl
from regimes.networks.activation_derivatives import ACTIVATIONS
from regimes.networks.two_layer import Weights

WIDTH = 50
RELATIVE_LOSS = 1e-6
EULER_STEPS = 40_000
# (gamma', gamma) in the linear, critical and condensed regimes
SETTINGS = ((0.0, 0.5), (0.0, 1.0), (0.0, 1.6), (0.5, 0.8), (0.5, 2.0), (-0.5, 0.8), (-0.5, 1.2))
SMOOTH = ("tanh", "gelu", "softplus")


def solve(activation: str, tolerance: float) -> tuple[Weights, FlowResult]:
    """Initial weights of all SETTINGS, and what the solver makes of them."""
    module = import_module(f"regimes.activations.{activation}")
    network, initial = draw(SETTINGS, WIDTH, activation=module)
    limits = Limits(RELATIVE_LOSS, max_steps=20_000, max_time=1e30)
    _, targets = four_points()
    return initial, integrate(network, initial, targets, StepSizeControl(tolerance), limits, 8)


def by_scipy(activation: str, initial: Weights, flow_time: np.ndarray) -> Weights:
    """Weights of each run at its time, from the equations of the model alone."""
    act = ACTIVATIONS[activation]
    inputs, targets = (values.numpy() for values in four_points())
    ends = []
    for run, (gamma_prime, gamma) in enumerate(SETTINGS):
        kappa, kappa_prime = WIDTH**-gamma, WIDTH**-gamma_prime

        def velocity(
            _: float, state: np.ndarray, kappa: float = kappa, kappa_prime: float = kappa_prime
        ) -> np.ndarray:
            a, w = state[:WIDTH], state[WIDTH:].reshape(-1, WIDTH)
            z = inputs @ w
            force = kappa * (kappa * act.value(z) @ a - targets) / len(targets)
            by_w = a * (inputs.T @ (force[:, None] * act.slope(z)))
            return np.concatenate(
                [-force @ act.value(z) / kappa_prime, -kappa_prime * by_w.ravel()]
            )

        start = np.concatenate([initial.a[run].numpy(), initial.w[run].numpy().ravel()])
        solution = solve_ivp(velocity, (0, flow_time[run]), start, "LSODA", rtol=1e-10, atol=1e-12)
        assert solution.success
        end = torch.tensor(solution.y[:, -1])
        ends.append(Weights(end[:WIDTH], end[WIDTH:].view(-1, WIDTH)))
    return stack(ends)


def by_euler(initial: Weights, flow_time: np.ndarray) -> Weights:
    """Weights of each run at the end of training, with leaky ReLU."""
    steps = torch.tensor(1.3 * flow_time / EULER_STEPS)
    return euler([*SETTINGS], initial, steps, EULER_STEPS, negative_slope=NEGATIVE_SLOPE)


def errors(activation: str, tolerance: float) -> tuple[dict[str, Tensor], np.ndarray]:
    """Relative errors of the solver's relative distances by layer, and steps, over SETTINGS."""
    initial, flow = solve(activation, tolerance)
    assert flow.converged.all()
    if activation == "leaky_relu":
        reference = by_euler(initial, flow.flow_time)
    else:
        reference = by_scipy(activation, initial, flow.flow_time)
    found = relative_distances(initial, stack(flow.weights))
    expected = relative_distances(initial, reference)
    off = {layer: found[layer] / expected[layer] - 1 for layer in found}
    return off, flow.accepted_steps + flow.rejected_steps


def _row(activation: str, tolerance: float) -> str:
    off, steps = errors(activation, tolerance)
    largest = torch.stack(list(off.values())).abs().amax(dim=0) * 100
    cells = [f"{error:.2f} ({count})" for error, count in zip(largest, steps, strict=True)]
    return f"| {activation} | {tolerance:g} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print("| activation | tolerance |", " | ".join(f"{p:g}, {g:g}" for p, g in SETTINGS), "|")
    print("| --- | ---: |" + " ---: |" * len(SETTINGS))
    for name in ("leaky_relu", *SMOOTH):
        for level in (0.03, 0.01):
            print(_row(name, level), flush=True)
