"""Explicit Euler at a small fixed step: the reference that the solver is measured against.

Written from the equations of the model alone, and shares no code with the solver.
"""

from dataclasses import dataclass

import torch
from problems import draw, four_points, relative_distances, stack
from torch import Tensor

from regimes.dynamics.gradient_flow import FlowResult, Limits, integrate
from regimes.dynamics.step_size import StepSizeControl
from regimes.networks.two_layer import Weights

WIDTH = 200
RELATIVE_LOSS = 1e-6
COARSE_STEPS = 200_000
# Settings (gamma', gamma) over the three regimes.
SETTINGS = (
    (-1.0, 0.6),
    (-1.0, 1.0),
    (-1.0, 1.2),
    (-1.0, 1.6),
    (-1.0, 2.0),
    (-0.5, 0.8),
    (-0.5, 1.4),
    (-0.5, 2.0),
    (0.0, 0.5),
    (0.0, 1.0),
    (0.0, 1.6),
    (0.0, 2.0),
    (0.5, 0.8),
    (0.5, 1.5),
    (0.5, 2.0),
    (1.0, 1.0),
    (1.0, 1.8),
    (1.0, 2.2),
)
# A reference counts as determined when its step size, a perturbation of the initial weights and
# the side on which a neuron at a kink is taken to be change it by less than this, relatively:
# less than the smallest error that is asked of the solver, 0.5 %.
DETERMINED_WITHIN = 3e-3
PERTURBATION = 1e-6
# Kinks moved by so many of a neuron's last steps, of which the whole way has about 100 000. Where
# the flow is unique that changes distances by a ten-thousandth or two at the most.
MARGINS = (-20.0, -2.0, 2.0, 20.0)


def regime(gamma_prime: float, gamma: float) -> str:
    """Regime of a setting in the limit of large width."""
    boundary = 1 + max(gamma_prime, 0)
    if gamma == boundary:
        return "critical"
    return "linear" if gamma < boundary else "condensed"


def euler(
    settings: list[tuple[float, float]],
    initial: Weights,
    step_sizes: Tensor,
    max_steps: int,
    margins: Tensor | None = None,
    negative_slope: float = 0.0,
) -> Weights:
    """Weights of each run at the first check, every 20 steps, with R < RELATIVE_LOSS * R(0).

    settings: (gamma', gamma) of each run. step_sizes: (E,). margins: (E,), a neuron is taken for
    active where its pre-activation exceeds what the margin times its last step could change in it,
    rather than 0. negative_slope: that of leaky relu. Raises RuntimeError when a run has not got
    there after `max_steps`.
    """
    inputs, targets = four_points()
    n_runs, width = initial.a.shape
    kappa = torch.tensor([width**-gamma for _, gamma in settings], dtype=torch.float64)
    kappa_prime = torch.tensor([width**-prime for prime, _ in settings], dtype=torch.float64)
    # f = kappa sum_k a_k relu(w_k . x), R = sum_i e_i^2 / (2 n), a' = -(dR/da) / kappa',
    # w' = -kappa' dR/dw
    pull = -step_sizes * kappa / len(targets)
    reach = torch.zeros(n_runs) if margins is None else margins
    scales = torch.stack([kappa, pull / kappa_prime, pull * kappa_prime, reach], dim=1)
    lengths = torch.linalg.vector_norm(inputs, dim=1)
    a, w = initial.a.clone(), initial.w.clone()
    end = Weights(torch.empty_like(a), torch.empty_like(w))
    running = torch.arange(n_runs)
    first_loss = None
    kink: Tensor | float = 0.0
    for step in range(max_steps + 1):
        z = torch.matmul(inputs, w)
        active = (z > kink).to(z)
        if negative_slope:
            active.clamp_(min=negative_slope)
        e = torch.bmm(z * active, a[:, :, None])[:, :, 0] * scales[:, :1] - targets
        if step % 20 == 0:
            loss = e.square().sum(dim=1) / (2 * len(targets))
            if first_loss is None:
                first_loss = loss
            done = loss < RELATIVE_LOSS * first_loss
            if done.any():
                end.a[running[done]], end.w[running[done]] = a[done], w[done]
                left = ~done
                a, w, e, active = a[left], w[left], e[left], active[left]
                running, scales, first_loss = running[left], scales[left], first_loss[left]
                if not len(running):
                    return end
        # sum_i e_i act'(z_ik) x_i, whose product with w_k is sum_i e_i relu(z_ik)
        force = torch.matmul(inputs.T * e[:, None, :], active)
        by_a = (force * w).sum(dim=1)
        move = scales[:, 2, None, None] * a[:, None, :] * force
        if margins is not None:
            last = torch.linalg.vector_norm(move, dim=1)
            kink = (scales[:, 3, None] * last)[:, None, :] * lengths[:, None]
        w = w + move
        a = a + scales[:, 1, None] * by_a
    raise RuntimeError(f"explicit Euler did not converge for runs {running.tolist()}")


@dataclass
class Reference:
    """Relative distances of w, a and theta (each over runs) by explicit Euler.

    value: extrapolated from two step sizes; spread: relative difference between these.
    """

    value: dict[str, Tensor]
    spread: dict[str, Tensor]


def reference(
    settings: list[tuple[float, float]], initial: Weights, flow_time: Tensor
) -> Reference:
    """Explicit Euler with 200 000 and 400 000 steps in 1.3 times the given times (E,)."""
    coarse_size = 1.3 * flow_time / COARSE_STEPS
    both = euler(
        [*settings, *settings],
        Weights(initial.a.repeat(2, 1), initial.w.repeat(2, 1, 1)),
        torch.cat([coarse_size, coarse_size / 2]),
        2 * COARSE_STEPS,
    )
    coarse = relative_distances(initial, both[: len(settings)])
    fine = relative_distances(initial, both[len(settings) :])
    return Reference(
        value={layer: 2 * fine[layer] - coarse[layer] for layer in fine},
        spread={layer: (coarse[layer] / fine[layer] - 1).abs() for layer in fine},
    )


def ambiguity(
    settings: list[tuple[float, float]], initial: Weights, flow_time: Tensor
) -> dict[str, Tensor]:
    """How far the flow itself leaves the relative distances open, relatively, by layer.

    A neuron that slides along a kink can slide into w = 0, where gradient flow is not unique: it
    may stay there, or leave with any group of points that pulls it. Euler runs that differ by
    little that matters elsewhere (initial weights perturbed; kinks moved to either side by a few
    steps) tell such settings from the others. The largest difference from the plain run counts.
    """
    random = torch.Generator().manual_seed(1)

    def perturbed(values: Tensor) -> Tensor:
        noise = torch.randn(values.shape[1:], generator=random, dtype=values.dtype)
        return values * (1 + PERTURBATION * noise)

    shaken = Weights(perturbed(initial.a), perturbed(initial.w))
    starts = [initial, shaken, *[initial] * len(MARGINS)]
    margins = torch.tensor([0.0, 0.0, *MARGINS], dtype=torch.float64)
    n_runs = len(settings)
    every = Weights(*(torch.cat([getattr(one, layer) for one in starts]) for layer in ("a", "w")))
    end = euler(
        [*settings] * len(starts),
        every,
        (1.3 * flow_time / COARSE_STEPS).repeat(len(starts)),
        COARSE_STEPS,
        margins.repeat_interleave(n_runs),
    )
    distances = relative_distances(every, end)
    by_variant = {layer: values.view(len(starts), n_runs) for layer, values in distances.items()}
    return {
        layer: (values[1:] / values[0] - 1).abs().amax(dim=0)
        for layer, values in by_variant.items()
    }


def solve(
    settings: list[tuple[float, float]], seed: int, tolerance: float
) -> tuple[Weights, FlowResult]:
    """Initial weights, and what the solver makes of them."""
    network, initial = draw(settings, WIDTH, seed)
    _, targets = four_points()
    limits = Limits(RELATIVE_LOSS, max_steps=5000, max_time=1e30)
    return initial, integrate(network, initial, targets, StepSizeControl(tolerance), limits, 8)


def errors(initial: Weights, final: list[Weights], reference: Reference) -> dict[str, Tensor]:
    """Relative errors of the solver's relative distances, by layer (each over runs)."""
    distances = relative_distances(initial, stack(final))
    return {layer: distances[layer] / reference.value[layer] - 1 for layer in distances}
