"""One step of the exponential integrator of gradient flow.

With residuals e = f(theta) - y and the tangent kernel G = J M J^T / n, gradient flow is

    theta' = -(1/n) M J^T e,    e' = -G e.

All stiffness between the residuals sits in the n x n matrix G, so it is treated exactly (an
exponential integrator in error space; compare Hochbruck & Ostermann, Acta Numerica 2010). While G
stays as it is, residuals decay as exp(-tau G) e, and theta moves under their impulse c = int e dt:

1. c_1 = h phi_1(-h G) e with G at theta; move along c_1, which gives a first end and the kernel
   G_1 of the way there, averaged over kinks and curvature (a discrete gradient, see `two_layer`).
2. c_2 = h phi_1(-h G_1) e; move along c_2, to the end of the step. The residuals there should be
   exp(-h G_1) e.

phi_1(z) = (e^z - 1) / z. The two ends are a pair of methods of first and second order. How far they
are apart in what is reported (the distances of both layers from their start) and the defect of the
outputs, |f - y - exp(-h G_1) e|, estimate the error of the step.

An impulse has a direction in the space of residuals that changes while it acts: where G_1 is stiff,
some of its components come early. A change of its pace alone would change no end, as neurons go the
same way under it, sooner or later. What is left is, to first order in time, the moment

    mu = int (t - 1/2) e dt - kappa c,    kappa such that c . G_1 mu = 0,

t being the share of the step that has gone by. Motions may take account of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

import torch
from torch import Tensor

from regimes.engines.common.captured import Stage
from regimes.engines.gradient_flow import lanczos
from regimes.engines.gradient_flow.network import (
    Impulse,
    Move,
    Prediction,
    TwoLayerNetwork,
    Weights,
)
from regimes.engines.gradient_flow.phi import phi1

R = TypeVar("R")


@dataclass
class Point:
    """A point of the flow: weights, residuals and the kernel with which the flow goes on.

    residuals: e (E, n). kernel: (E, n, n), with eigenvalues (E, n) and eigenvectors (E, n, n),
    which serve for steps of up to `longest` (E,).

    The kernel is the tangent kernel G; with kinked activations, after a step, the mean of G and of
    the kernel of the way there. A neuron that slides along a kink has a pre-activation of 0, and a
    slope of 0 or 1 by rounding, where the flow takes a value in between: the mean slope of its way.
    """

    weights: Weights
    residuals: Tensor
    kernel: Tensor
    longest: Tensor
    eigenvalues: Tensor
    vectors: Tensor

    @classmethod
    def at(cls, weights: Weights, residuals: Tensor, kernel: Tensor, longest: Tensor) -> "Point":
        """The point with the eigenvectors of its kernel."""
        return cls(weights, residuals, kernel, longest, *eigen(kernel, residuals, longest))

    def arrays(self) -> tuple[Tensor, ...]:
        """All arrays of the point, each (E, ...)."""
        _, *others = (getattr(self, field.name) for field in fields(self))
        return self.weights.a, self.weights.w, *others

    def __getitem__(self, index) -> "Point":
        return Point(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass
class Step:
    """A tried step: its end, its errors, and the residuals on the way.

    defect: |e - exp(-h G_1) e_0| at the end (E,), inf after an overflow; distances: |a - a(0)| and
    |w - w(0)| from the initial weights (2, E), at the end; differences: by how much those at the
    first end differ (2, E); eigenvalues of G_1 and components of e_0 in its eigenbasis, (E, n).
    """

    end: Point
    defect: Tensor
    distances: Tensor
    differences: Tensor
    eigenvalues: Tensor
    components: Tensor


# Moves through the neurons that a step costs: each is worth about one evaluation of a gradient
# and of a kernel.
MOVES_PER_STEP = 2
# Eigenvalues of a kernel below so many times n roundings of the largest one are noise.
NOISE = 16
# A step is followed by one of at most so many times its size.
GROWTH = 3.0
# From so many points on only what the residuals see of a kernel is computed.
MANY_POINTS = 1000


def start(network: TwoLayerNetwork, weights: Weights, targets: Tensor) -> Point:
    """The point of the flow at `weights`; targets: (n,)."""
    outputs, kernel = network.tangent(weights)
    # Of the first step no more is known than that it is short.
    return Point.at(weights, outputs - targets, kernel, kernel.new_zeros(len(kernel)))


def step(
    network: TwoLayerNetwork,
    point: Point,
    initial: Weights,
    targets: Tensor,
    h: Tensor,
    tolerance: Tensor,
) -> Step:
    """Try a step of size h (E,), each element its own. An overflow shows as a defect of inf.

    initial: the weights that training started from; tolerance: (E,), of the neurons' own errors.
    """
    prediction = _predict(network, point, initial, h, tolerance)
    found = eigen(prediction.kernel, point.residuals, h)
    end, errors = _correct(network, point, initial, targets, h, tolerance, prediction, *found)
    return Step(Point.at(*end), *errors)


class CapturedSteps(Generic[R]):
    """Makes steps as `step` does, on a GPU, as CUDA graphs of all but the eigenvalue problems.

    The arguments are those of `step`, tensors that stay where they are, of a network that is
    static. finish: what is to be done with a step, as for `Stage`: it is captured as well.
    """

    def __init__(
        self,
        network: TwoLayerNetwork,
        point: Point,
        initial: Weights,
        targets: Tensor,
        h: Tensor,
        tolerance: Tensor,
        finish: Callable[[Step], R],
    ):
        on = h.device, torch.cuda.graph_pool_handle()
        host = torch.device("cpu")
        predict = Stage(lambda: _predict(network, point, initial, h, tolerance), *on)
        way = Stage(lambda: eigen(predict.found.kernel, point.residuals, h), host)
        given = network, point, initial, targets, h, tolerance
        correct = Stage(lambda: _correct(*given, predict.found, *way.found), *on)

        def last_eigen() -> tuple[Tensor, Tensor]:
            (_, residuals, kernel, longest), _ = correct.found
            return eigen(kernel, residuals, longest)

        def step() -> Step:
            end, errors = correct.found
            return Step(Point(*end, *last.found), *errors)

        last = Stage(last_eigen, host)
        self._finish = Stage(lambda: finish(step()), *on)
        self._step = step
        self._stages = predict, way, correct, last, self._finish

    def make(self) -> tuple[Step, R]:
        """Make a step; returns it, and what `finish` found, until the next one is made."""
        for stage in self._stages:
            stage.run()
        return self._step(), self._finish.found


def _predict(
    network: TwoLayerNetwork, point: Point, initial: Weights, h: Tensor, tolerance: Tensor
) -> Prediction:
    """The first try of a step."""
    _, impulse = _decay(point.residuals, point.eigenvalues, point.vectors, h)
    return network.predict(point.weights, initial, impulse, tolerance)


def _correct(
    network: TwoLayerNetwork,
    point: Point,
    initial: Weights,
    targets: Tensor,
    h: Tensor,
    tolerance: Tensor,
    prediction: Prediction,
    eigenvalues: Tensor,
    vectors: Tensor,
) -> tuple[tuple[Weights, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """The rest of a step, given the eigenvectors of the kernel of the way.

    Returns what `Point.at` needs of its end, and the fields of a `Step` from `defect` on.
    """
    components, impulse = _decay(point.residuals, eigenvalues, vectors, h)
    move = network.correct(point.weights, initial, impulse, tolerance, prediction)
    residuals = move.outputs - targets
    expected = recombine(vectors, torch.exp(-h[:, None] * eigenvalues) * components)
    defect, differences = _errors(residuals, expected, move, prediction)
    kernel = torch.lerp(move.kernel, prediction.kernel, network.motion.share_of_way)
    errors = defect, move.distances, differences, eigenvalues, components
    return (move.weights, residuals, kernel, GROWTH * h), errors


def _decay(
    residuals: Tensor, eigenvalues: Tensor, vectors: Tensor, h: Tensor
) -> tuple[Tensor, Impulse]:
    """Components of residuals that decay under a kernel for a time h, and their impulse."""
    components = project(vectors, residuals)
    return components, _impulse(eigenvalues, vectors, components, h)


def _errors(
    residuals: Tensor, expected: Tensor, move: Move, prediction: Prediction
) -> tuple[Tensor, Tensor]:
    """Defect and differences of a `Step`."""
    defect = torch.linalg.vector_norm(residuals - expected, dim=1)
    differences = (move.distances - prediction.distances).abs_()
    checksum = defect + differences.sum(dim=0) + move.kernel.sum(dim=(1, 2))
    return torch.where(torch.isfinite(checksum), defect, torch.inf), differences


def eigen(kernel: Tensor, residuals: Tensor, longest: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (E, n) and eigenvectors (E, n, n) of kernels, in ascending order.

    Kernels are positive semidefinite: eigenvalues that are less than rounding of the largest are 0.
    Of many points they are those, filled up with zeros, that the residuals (E, n) need to decay for
    times of up to `longest` (E,).
    """
    kernel, n_points = tame(kernel), kernel.shape[1]
    noise = NOISE * n_points * torch.finfo(kernel.dtype).eps
    if n_points < MANY_POINTS:
        eigenvalues, vectors = torch.linalg.eigh(kernel)
        return _above_noise(eigenvalues, noise), vectors
    eigenvalues, vectors = torch.zeros_like(residuals), torch.zeros_like(kernel)
    for element, (one, seen, h) in enumerate(zip(kernel, residuals, longest.tolist(), strict=True)):
        found = lanczos.decomposed(one, seen, h, noise)
        if found is None:
            all_values, all_vectors = torch.linalg.eigh(one)
            found = torch.where(all_values > noise * all_values[-1], all_values, 0.0), all_vectors
        values, few = found
        eigenvalues[element, n_points - len(values) :] = values
        vectors[element, :, n_points - len(values) :] = few
    return eigenvalues, vectors


def _above_noise(eigenvalues: Tensor, noise: float) -> Tensor:
    return torch.where(eigenvalues > noise * eigenvalues[:, -1:], eigenvalues, 0.0)


def tame(kernel: Tensor) -> Tensor:
    """Replace kernels (E, n, n) that are not finite by zeros, since eigh would stop at them.

    Such a run has overflowed, which its loss and its defects show.
    """
    finite = torch.isfinite(kernel).all(dim=(1, 2))
    return torch.where(finite[:, None, None], kernel, 0.0)


def _impulse(eigenvalues: Tensor, vectors: Tensor, components: Tensor, h: Tensor) -> Impulse:
    """Return the impulse of residuals that decay under a kernel for a time h (E,).

    The kernel is given by its eigenvalues and eigenvectors, the residuals by their components in
    these.
    """
    z = -h[:, None] * eigenvalues
    # What the network cannot change does not move it, however long it lasts: without this, rounding
    # would be multiplied by steps that grow without end.
    components = torch.where(eigenvalues > 0, components, 0.0)
    total = h[:, None] * phi1(z) * components
    moment = h[:, None] * first_moment(z) * components
    weight = eigenvalues * total
    pace = (weight * moment).sum(1) / (weight * total).sum(1).clamp(min=torch.finfo(z.dtype).tiny)
    moment -= pace[:, None] * total
    return Impulse(recombine(vectors, total), recombine(vectors, moment))


def first_moment(z: Tensor) -> Tensor:
    """Return int_0^1 (t - 1/2) e^(z t) dt, elementwise, for z <= 0."""
    # By its series where the formula would lose digits: the sum of k z^k / (2 (k + 2)!)
    near = z.abs() < 0.5
    small = torch.where(near, z, 0.0)
    series = torch.zeros_like(z)
    for k in range(12, 0, -1):
        series = (series + k / (2 * math.factorial(k + 2))) * small
    far = torch.where(near, -1.0, z)
    phi2 = (phi1(far) - 1) / far
    return torch.where(near, series, phi1(far) / 2 - phi2)


def project(vectors: Tensor, values: Tensor) -> Tensor:
    """Components of values (E, n) in the bases of vectors (E, n, n)."""
    return torch.bmm(vectors.mT, values[:, :, None]).squeeze(2)


def recombine(vectors: Tensor, components: Tensor) -> Tensor:
    """The values (E, n) with these components."""
    return torch.bmm(vectors, components[:, :, None]).squeeze(2)
