"""One step of the exponential discrete-gradient integrator of gradient flow.

With residuals e = f(theta) - y and the tangent kernel G = J M J^T / n, gradient flow is

    theta' = -(1/n) M J^T e,    e' = -G e.

All stiffness sits in the n x n matrix G, so it is treated exactly (an exponential integrator in
error space), and theta moves under the impulse of the residuals, c = int e dt:

1. c_1 = h phi_1(-h G) e with G at theta; move along c_1 to theta_1, which gives the kernel G_1 of
   the way from theta to theta_1 (kinks and curvature averaged over the way, see `networks`).
2. c_2 = h phi_1(-h G_1) e; move along c_2, its path refined from that of the first move, to
   theta_2. The residuals there should be exp(-h G_1) e.

phi_1(z) = (e^z - 1) / z. The step is second order, and along its way the loss falls whatever h,
up to the defect |f(theta_2) - y - exp(-h G_1) e|. Two numbers judge it: the defect and how far
the second move ends from the first. ReLU kinks are no obstacle, since a move averages over them
(a discrete gradient; compare Hochbruck & Ostermann, Acta Numerica 2010, and McLachlan, Quispel &
Robidoux, 1999): a predictor-corrector that takes the activations at the ends of the step needs
several times as many steps where neurons slide along a kink.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from regimes.dynamics.phi import phi1
from regimes.networks.two_layer import TwoLayerNetwork, Weights


@dataclass
class Point:
    """A point of the flow: weights, residuals e (E, n) and tangent kernel G (E, n, n)."""

    weights: Weights
    residuals: Tensor
    kernel: Tensor

    def __getitem__(self, index) -> "Point":
        return Point(self.weights[index], self.residuals[index], self.kernel[index])


@dataclass
class Step:
    """A tried step: its end, what judges it, and the residuals on the way.

    defect: |e - exp(-h G_1) e_0| at the end (E,), inf after an overflow; corrections: distances of
    the two moves' ends in a and in w, each (E,); eigenvalues of G_1 and components of e_0 in its
    eigenbasis, each (E, n).
    """

    end: Point
    defect: Tensor
    corrections: tuple[Tensor, Tensor]
    eigenvalues: Tensor
    components: Tensor


# Moves through the neurons that a step costs: each is worth about one evaluation of a gradient
# and of a kernel.
MOVES_PER_STEP = 2


def start(network: TwoLayerNetwork, weights: Weights, targets: Tensor) -> Point:
    """The point of the flow at `weights`; targets: (n,)."""
    outputs, kernel = network.tangent(weights)
    return Point(weights, outputs - targets, kernel)


def step(network: TwoLayerNetwork, point: Point, targets: Tensor, h: Tensor) -> Step:
    """Try a step of size h (E,), each element its own. An overflow shows as a defect of inf."""
    eigenvalues, vectors = _eigen(point.kernel)
    components = _project(vectors, point.residuals)
    impulse = _impulse(eigenvalues, vectors, components, h)
    prediction = network.predict(point.weights, impulse)

    eigenvalues, vectors = _eigen(prediction.kernel)
    components = _project(vectors, point.residuals)
    impulse = _impulse(eigenvalues, vectors, components, h)
    move = network.correct(point.weights, impulse, prediction)

    residuals = move.outputs - targets
    expected = _recombine(vectors, torch.exp(-h[:, None] * eigenvalues) * components)
    defect = torch.linalg.vector_norm(residuals - expected, dim=1)
    checksum = defect + sum(move.corrections) + move.kernel.sum(dim=(1, 2))
    defect = torch.where(torch.isfinite(checksum), defect, torch.inf)
    end = Point(move.weights, residuals, move.kernel)
    return Step(end, defect, move.corrections, eigenvalues, components)


def _eigen(kernel: Tensor) -> tuple[Tensor, Tensor]:
    eigenvalues, vectors = torch.linalg.eigh(tame(kernel))
    return eigenvalues.clamp(min=0), vectors  # G is positive semidefinite


def tame(kernel: Tensor) -> Tensor:
    """Kernels (E, n, n), with zeros for those that are no numbers, at which eigh would stop.

    Such a run has overflowed, which its loss and its defects show.
    """
    finite = torch.isfinite(kernel).all(dim=(1, 2))
    return torch.where(finite[:, None, None], kernel, 0.0)


def _impulse(eigenvalues: Tensor, vectors: Tensor, components: Tensor, h: Tensor) -> Tensor:
    return _recombine(vectors, h[:, None] * phi1(-h[:, None] * eigenvalues) * components)


def _project(vectors: Tensor, values: Tensor) -> Tensor:
    return torch.bmm(vectors.mT, values[:, :, None]).squeeze(2)


def _recombine(vectors: Tensor, components: Tensor) -> Tensor:
    return torch.bmm(vectors, components[:, :, None]).squeeze(2)
