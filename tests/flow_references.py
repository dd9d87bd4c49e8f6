"""Reference values of gradient flow on the four-point problem, from the equations alone.

`python tests/flow_references.py` computes them and writes tests/data/flow_references.csv, which
test_flow_references.py and `python tests/reference_table.py` measure the solver against. It
shares no code with the solver; only the random initial weights are drawn by the package.
It takes half an hour on one core. Rows are written as they are finished: an interrupted command
goes on where it stopped, and a row is computed again once its line is deleted.

The flow is that of f(x) = kappa sum_k a_k act(w_k . x), with kappa = m^-gamma and
kappa' = m^-gamma' (Luo et al., 2021, equations (9)-(13)):

    R = sum_i e_i^2 / (2 n),  da_k/dt = -(1 / kappa') dR/da_k,  dw_k/dt = -kappa' dR/dw_k

up to the time at which R = 1e-6 R(0), which is interpolated within the last step. What is
integrated are the displacements of the weights, not the weights, of which the displacements of one
layer can be as little as 1e-11.

Smooth activations: DOP853 of SciPy, an explicit Runge-Kutta method of order eight; where that takes
too many evaluations (the kernel has fast and slow directions, and saturated neurons are slow), and
from m = 1000 on, the explicit Runge-Kutta-Chebyshev method of order two of
Sommeijer, Shampine and Verwer (J. Comput. Appl. Math. 88, 1998), whose stability grows as the
square of its evaluations. Kinked activations: explicit Euler with steps that are a fixed fraction
of the fastest time of the flow, extrapolated from a fraction and its half.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

# Read by torch when it is imported: the tensors are too small for a second thread to pay.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from numba import njit
from scipy.integrate import DOP853, OdeSolver
from torch import Tensor

from regimes.engines.common.draws import antisymmetric
from regimes.engines.common.streams import stream
from regimes.engines.gradient_flow.initialisation import gaussian

PATH = Path(__file__).parent / "data" / "flow_references.csv"
POINTS = np.array([-1.0, -1 / 3, 1 / 3, 1.0])
# Features of the points (4, 2): x and the bias
INPUTS = np.stack([POINTS, np.ones(4)], axis=1)
OVERLAPS = INPUTS @ INPUTS.T
LENGTHS = np.sqrt(np.diagonal(OVERLAPS))
TARGETS = np.array([0.3, -0.6, 0.7, 0.2])
RELATIVE_LOSS = 1e-6
PERTURBATION = 1e-6
# A reference counts as determined when its accuracy (spread) and the flow itself (ambiguity) leave
# its distances open by less than this, relatively: less than the smallest bound on the solver.
DETERMINED_WITHIN = 1.5e-3
# A smooth flow that amplifies a perturbation a hundredfold amplifies the errors of its integration,
# too, and two accuracies agree by chance. Nearly all amplify it less than tenfold.
SMOOTH_AMBIGUITY = 100 * PERTURBATION

# Each beside the one before it; a third one only where these differ by more than MOST_SPREAD.
DOP853_TOLERANCES = (1e-6, 1e-8)
CHEBYSHEV_TOLERANCES = (1e-4, 1e-5, 1e-6)
# From this width on Runge-Kutta-Chebyshev is taken at once: it needs a third of the evaluations.
WIDE = 1000
WIDEST = 20_000
# Explicit Euler: the first fraction and the spread down to which it is halved.
FIRST_FRACTION = 0.05
FIRST_FRACTION_WIDEST = 0.2
WANTED_SPREAD = 5e-4
MOST_SPREAD = 1e-3
# By how much kinks are moved, in steps of Euler at the fraction 1: by up to five steps of 0.025.
# The whole way is a thousand of those or more: where the flow is unique, next to nothing changes.
MARGINS = (-0.125, -0.025, 0.025, 0.125)
MARGINS_WIDEST = (-0.125, 0.125)

CORNERS = (
    *((-1.0, gamma) for gamma in (0.4, 1.0, 1.3, 1.6, 2.2)),
    *((0.0, gamma) for gamma in (0.6, 1.0, 1.6)),
    *((1.0, gamma) for gamma in (0.4, 1.0, 2.0, 2.2)),
)
BETWEEN = ((-0.5, 0.8), (-0.5, 2.0), (0.5, 0.8), (0.5, 2.0))
HEAD = f"""\
# Gradient flow of two-layer networks on the four-point problem: relative distances of the weights
# from their start when R = {RELATIVE_LOSS:g} R(0), by `python tests/flow_references.py`.
# relative_distance_*: |w(T) - w(0)| / |w(0)|, and so for a and for all weights theta.
# flow_time, evaluations: of the more accurate of two runs; evaluations of the right-hand side.
# method: the two accuracies, the last of which is reported; or both extrapolated, linearly in the
# step size. `not computed`, with the reason, where the bound on evaluations was met.
# spread: the largest relative difference of the three distances between the two accuracies.
# ambiguity: their largest relative change, at the lower accuracy, when the initial weights are
# perturbed relatively by {PERTURBATION:g} and, for kinked activations, when the kinks are moved by
# {", ".join(f"{margin:g}" for margin in MARGINS)} / fraction times the last step of a neuron
# (at m = {WIDEST:,} by the first and the last of these).
"""


@dataclass(frozen=True)
class Problem:
    """One run on the four points; activation: a key of SMOOTH or KINKED; width: m."""

    activation: str
    gamma_prime: float
    gamma: float
    width: int
    seed: int

    @property
    def kappa(self) -> float:
        """Scale of the output."""
        return self.width**-self.gamma

    @property
    def kappa_prime(self) -> float:
        """Mobility of w, and the inverse of that of a."""
        return self.width**-self.gamma_prime

    def start(self, perturbation: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Initial weights a (m,) and w (2, m), each changed relatively by so much noise."""
        random = stream(2021, "phase_diagram_gelu", "four_point", self.width, self.seed)
        a, w = gaussian(random, self.width, 2)
        if self.gamma <= 0.5:
            a, w = antisymmetric(a, w)
        noise = np.random.default_rng(1)
        a = a * (1 + perturbation * noise.standard_normal(a.shape))
        return a, w * (1 + perturbation * noise.standard_normal(w.shape))


@dataclass(frozen=True)
class Flow:
    """The end of a flow; distances: relative, of w, of a and of all weights (3,)."""

    distances: np.ndarray
    time: float
    evaluations: int


@dataclass(frozen=True)
class Reference:
    """A row of the table; empty numbers where it was not computed."""

    activation: str
    gamma_prime: float
    gamma: float
    width: int
    seed: int
    method: str
    relative_distance_w: float = math.nan
    relative_distance_a: float = math.nan
    relative_distance_theta: float = math.nan
    flow_time: float = math.nan
    evaluations: int = 0
    spread: float = math.nan
    ambiguity: float = math.nan

    @property
    def problem(self) -> Problem:
        """What it is a reference of."""
        return Problem(self.activation, self.gamma_prime, self.gamma, self.width, self.seed)

    @property
    def computed(self) -> bool:
        """Whether there are numbers."""
        return not math.isnan(self.relative_distance_w)

    @property
    def determined(self) -> bool:
        """Whether accuracy and ambiguity leave less than DETERMINED_WITHIN open."""
        most = SMOOTH_AMBIGUITY if self.activation in SMOOTH else DETERMINED_WITHIN
        return self.spread < DETERMINED_WITHIN and self.ambiguity < most


class TooExpensiveError(Exception):
    """A flow takes more evaluations than it may."""


def relative_distances(a: np.ndarray, w: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Relative distances of w, a and all weights (3,); moved: displacements, a before w (3 m,)."""
    norm_a, norm_w = np.linalg.norm(a), np.linalg.norm(w)
    moved_a, moved_w = np.linalg.norm(moved[: a.size]), np.linalg.norm(moved[a.size :])
    all_weights = math.hypot(moved_a, moved_w) / math.hypot(norm_a, norm_w)
    return np.array([moved_w / norm_w, moved_a / norm_a, all_weights])


def _gelu(z: Tensor) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
    share = (1 + torch.erf(z * math.sqrt(0.5))) / 2
    density = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return z * share, share + z * density, lambda: density * (2 - z * z)


def _tanh(z: Tensor) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
    value = torch.tanh(z)
    slope = 1 - value * value
    return value, slope, lambda: -2 * value * slope


def _softplus(z: Tensor) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
    slope = torch.sigmoid(z)
    value = z.clamp(min=0) + torch.log1p(torch.exp(-z.abs()))
    return value, slope, lambda: slope * (1 - slope)


# Values, slopes and, when called, second derivatives. By torch, whose elementary functions are
# several times as fast as those of NumPy and SciPy.
SMOOTH = {"tanh": _tanh, "gelu": _gelu, "softplus": _softplus}
# Slopes at negative arguments
KINKED = {"relu": 0.0, "leaky_relu": 0.01}


class SmoothFlow:
    """Equations of a smooth network for the displacements of a and w in one vector (3 m,).

    perturbation: of the initial weights, relatively.
    """

    def __init__(self, problem: Problem, perturbation: float = 0.0) -> None:
        self.activate = SMOOTH[problem.activation]
        self.kappa, self.kappa_prime = problem.kappa, problem.kappa_prime
        self.a, self.w = problem.start(perturbation)
        self.rest = np.zeros(3 * problem.width)
        self.wanted_loss = RELATIVE_LOSS * self.loss(self.rest)

    def network(self, moved: np.ndarray) -> tuple[np.ndarray, ...]:
        """Output weights (m,), values and slopes of the activation (4, m), errors e (4,)."""
        m = self.a.size
        a = self.a + moved[:m]
        z = INPUTS @ (self.w + moved[m:].reshape(2, m))
        values, slopes, _ = self.activate(torch.from_numpy(z))
        values, slopes = values.numpy(), slopes.numpy()
        return a, values, slopes, self.kappa * (values @ a) - TARGETS

    def loss(self, moved: np.ndarray) -> float:
        """R of the network."""
        *_, e = self.network(moved)
        return float(e @ e) / 8

    def velocity(self, _: float, moved: np.ndarray) -> np.ndarray:
        """Time derivative of the displacements (3 m,)."""
        a, values, slopes, e = self.network(moved)
        force = self.kappa / 4 * e
        by_w = (INPUTS.T * force) @ slopes
        by_w *= -self.kappa_prime * a
        return np.concatenate([(force @ values) / -self.kappa_prime, by_w.ravel()])

    def fastest_rate(self, moved: np.ndarray) -> float:
        """Bound on the eigenvalues of the Jacobian of the velocity.

        With a and w in units of the square roots of their mobilities that is a symmetric matrix:
        the tangent kernel's, and for each neuron e times the second derivatives of its output.
        """
        a, values, slopes, e = self.network(moved)
        rows = slopes * a
        kernel = values @ values.T / self.kappa_prime
        kernel += self.kappa_prime * OVERLAPS * (rows @ rows.T)
        z = INPUTS @ (self.w + moved[a.size :].reshape(2, -1))
        curvatures = self.activate(torch.from_numpy(z))[2]().numpy()
        products = np.stack([POINTS**2, math.sqrt(2) * POINTS, np.ones(4)]) * e
        own = np.abs(a) * np.linalg.norm(products @ curvatures, axis=0)
        # 1.13 is the largest slope of GELU; the others have none above 1.
        mixed = 1.13 * (np.abs(e) @ LENGTHS)
        own_rate = self.kappa / 4 * (self.kappa_prime * own.max() + mixed)
        # A fifth more, because rates change within a step
        return 1.2 * (self.kappa**2 / 4 * float(np.linalg.eigvalsh(kernel)[-1]) + own_rate)

    def linear_scale(self) -> np.ndarray:
        """Mean displacements of a weight in a and in w if the kernel never changed (2,)."""
        a, values, slopes, e = self.network(self.rest)
        rows = self.kappa * np.concatenate(
            [
                values / math.sqrt(self.kappa_prime),
                *(math.sqrt(self.kappa_prime) * a * slopes * x[:, None] for x in INPUTS.T),
            ],
            axis=1,
        )
        moved = rows.T @ np.linalg.lstsq(rows @ rows.T, -e, rcond=1e-6)[0]
        return (
            self.mean_displacements(moved)
            * np.array([1, self.kappa_prime])
            / math.sqrt(self.kappa_prime)
        )

    def mean_displacements(self, moved: np.ndarray) -> np.ndarray:
        """Root mean squares over the weights of a and over those of w (2,)."""
        m = self.a.size
        return np.sqrt([np.mean(moved[:m] ** 2), np.mean(moved[m:] ** 2)])

    def allowed(self, tolerance: float, scale: np.ndarray) -> np.ndarray:
        """Absolute errors (3 m,), relative to the mean displacements of a and w, or 1."""
        m = self.a.size
        return np.repeat(tolerance * np.minimum(scale, 1), [m, 2 * m])

    def end(
        self, between: Callable[[float], np.ndarray], early: float, late: float, evaluations: int
    ) -> Flow:
        """The flow up to the time between two others at which its loss is the wanted one."""
        for _ in range(60):
            middle = (early + late) / 2
            if self.loss(between(middle)) <= self.wanted_loss:
                late = middle
            else:
                early = middle
        return Flow(relative_distances(self.a, self.w, between(late)), late, evaluations)


def by_scipy(
    flow: SmoothFlow,
    tolerance: float,
    scale: np.ndarray,
    max_evaluations: int,
    method: type[OdeSolver] = DOP853,
) -> Flow:
    """The flow by a method of SciPy; scale: of the displacements of a and w (2,)."""
    allowed = flow.allowed(tolerance, scale)
    solver = method(flow.velocity, 0.0, flow.rest, 1e300, rtol=tolerance, atol=allowed)
    while flow.loss(solver.y) > flow.wanted_loss:
        solver.step()
        if solver.status == "failed" or solver.nfev > max_evaluations:
            raise TooExpensiveError(f"{method.__name__}, {tolerance:g}: {solver.nfev} evaluations")
    return flow.end(solver.dense_output(), solver.t_old, solver.t, solver.nfev)


def _chebyshev_coefficients(stages: int) -> tuple[float, float, list[float], list[float]]:
    """w0, w1, b_j and a_j of Sommeijer, Shampine and Verwer (1998), section 2."""
    w0 = 1 + 2 / 13 / stages**2
    values, slopes, curvatures = [1.0, w0], [0.0, 1.0], [0.0, 0.0]
    for j in range(2, stages + 1):
        values.append(2 * w0 * values[-1] - values[-2])
        curvatures.append(4 * slopes[-1] + 2 * w0 * curvatures[-1] - curvatures[-2])
        slopes.append(2 * values[j - 1] + 2 * w0 * slopes[-1] - slopes[-2])
    b = [curvatures[j] / slopes[j] ** 2 for j in range(2, stages + 1)]
    b = [b[0], 1 / w0, *b]
    a = [1 - b[j] * values[j] for j in range(stages + 1)]
    return w0, slopes[-1] / curvatures[-1], b, a


def _chebyshev_step(
    flow: SmoothFlow, start: np.ndarray, velocity: np.ndarray, size: float, stages: int
) -> np.ndarray:
    """Displacements after one step of Runge-Kutta-Chebyshev of order two."""
    w0, w1, b, a = _chebyshev_coefficients(stages)
    before, now = start, start + b[1] * w1 * size * velocity
    for j in range(2, stages + 1):
        mu, nu, pull = 2 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2], 2 * b[j] * w1 / b[j - 1]
        after = flow.velocity(0.0, now)
        after *= pull * size
        after -= (a[j - 1] * pull * size) * velocity
        after += (1 - mu - nu) * start
        after += mu * now
        after += nu * before
        before, now = now, after
    return now


def by_chebyshev(
    flow: SmoothFlow, tolerance: float, scale: np.ndarray, max_evaluations: int
) -> Flow:
    """The flow by the Runge-Kutta-Chebyshev method; scale: as for `by_scipy`."""
    allowed = flow.allowed(tolerance, scale)
    start, now, evaluations = flow.rest, 0.0, 2
    velocity, rate = flow.velocity(0.0, start), flow.fastest_rate(start)
    size = 0.1 / rate
    while True:
        stages = max(2, 1 + int(math.sqrt(1 + 1.54 * size * rate)))
        evaluations += stages
        if evaluations > max_evaluations:
            raise TooExpensiveError(f"Chebyshev, {tolerance:g}: {evaluations} evaluations")
        end = _chebyshev_step(flow, start, velocity, size, stages)
        velocity_end = flow.velocity(0.0, end)
        error = 0.8 * (start - end) + 0.4 * size * (velocity + velocity_end)
        error /= allowed + tolerance * np.maximum(np.abs(start), np.abs(end))
        error = math.sqrt(np.mean(error**2))
        factor = 0.8 * max(error, 1e-9) ** (-1 / 3) if math.isfinite(error) else 0.1
        if not error <= 1:
            size *= max(0.1, factor)
            continue
        if flow.loss(end) <= flow.wanted_loss:
            break
        start, velocity, now = end, velocity_end, now + size
        rate = flow.fastest_rate(start)
        evaluations += 1
        size *= min(5, factor)

    def between(t: float) -> np.ndarray:
        """The cubic polynomial with the values and slopes of both ends."""
        u = (t - now) / size
        bend = (1 - u) * size * velocity - u * size * velocity_end
        middle = (1 - 2 * u) * (end - start)
        return (1 - u) * start + u * end + u * (1 - u) * (bend - middle)

    return flow.end(between, now, now + size, evaluations)


@njit(fastmath=True, cache=True)
def _step(a0, w0, b0, da, dw, db, last, force, size_a, size_w, slope, reach, x, sums):
    """Move all neurons by one Euler step, and sum up the network where they come to.

    a0, w0, b0 (m,): initial weights, with b the weight of the bias; da, dw, db: displacements,
    changed in place; last: how far the step before this one moved (w, b), changed in place.
    force (4,): kappa e_i / n. size_a, size_w: step size times mobility. A neuron is active where
    its pre-activation is above what `reach` times its last move could change in it.
    sums (8,): sum_k a_k act(z_ik) for each point; sums of act^2 and of (a act' |x|)^2 over points
    and neurons; |a|^2 and |(w, b)|^2. The points are written out: a loop over them takes three
    times as long.
    """
    x1, x2, x3, x4 = x[0], x[1], x[2], x[3]
    length1, length2 = math.sqrt(1 + x1 * x1), math.sqrt(1 + x2 * x2)
    length3, length4 = math.sqrt(1 + x3 * x3), math.sqrt(1 + x4 * x4)
    p1, p2, p3, p4 = force[0], force[1], force[2], force[3]
    f1 = f2 = f3 = f4 = by_a = by_w = norm_a = norm_w = 0.0
    for k in range(a0.size):
        a, w, b = a0[k] + da[k], w0[k] + dw[k], b0[k] + db[k]
        kink = reach * last[k]
        q1 = p1 * (1.0 if w * x1 + b > kink * length1 else slope)
        q2 = p2 * (1.0 if w * x2 + b > kink * length2 else slope)
        q3 = p3 * (1.0 if w * x3 + b > kink * length3 else slope)
        q4 = p4 * (1.0 if w * x4 + b > kink * length4 else slope)
        pull_w = q1 * x1 + q2 * x2 + q3 * x3 + q4 * x4
        pull_b = q1 + q2 + q3 + q4
        da[k] -= size_a * (pull_w * w + pull_b * b)
        move_w, move_b = size_w * a * pull_w, size_w * a * pull_b
        dw[k] -= move_w
        db[k] -= move_b
        last[k] = math.sqrt(move_w * move_w + move_b * move_b)
        a, w, b = a0[k] + da[k], w0[k] + dw[k], b0[k] + db[k]
        kink = reach * last[k]
        z1, z2, z3, z4 = w * x1 + b, w * x2 + b, w * x3 + b, w * x4 + b
        s1 = 1.0 if z1 > kink * length1 else slope
        s2 = 1.0 if z2 > kink * length2 else slope
        s3 = 1.0 if z3 > kink * length3 else slope
        s4 = 1.0 if z4 > kink * length4 else slope
        z1, z2, z3, z4 = s1 * z1, s2 * z2, s3 * z3, s4 * z4
        f1 += a * z1
        f2 += a * z2
        f3 += a * z3
        f4 += a * z4
        by_a += z1 * z1 + z2 * z2 + z3 * z3 + z4 * z4
        s1, s2, s3, s4 = s1 * length1, s2 * length2, s3 * length3, s4 * length4
        by_w += a * a * (s1 * s1 + s2 * s2 + s3 * s3 + s4 * s4)
        norm_a += a * a
        norm_w += w * w + b * b
    sums[0], sums[1], sums[2], sums[3] = f1, f2, f3, f4
    sums[4], sums[5], sums[6], sums[7] = by_a, by_w, norm_a, norm_w


@njit(cache=True)
def _euler(
    a, w, b, moved, x, y, kappa, kappa_prime, slope, fraction, reach, relative_loss, max_steps
):
    """The steps of `by_euler`: time at the end and their number, with the displacements (3, m),
    of a, w and b, in `moved`; a time of -1 after too many steps.
    """
    sums, last, force = np.zeros(8), np.zeros(a.size), np.zeros(4)
    lengths = np.sqrt(1 + x * x)
    da, dw, db = moved[0], moved[1], moved[2]
    now = size = before = wanted = 0.0
    _step(a, w, b, da, dw, db, last, force, 0.0, 0.0, slope, reach, x, sums)
    for steps in range(max_steps):
        e = kappa * sums[:4] - y
        loss = np.sum(e * e) / 8
        force = kappa / 4 * e
        if steps == 0:
            wanted = relative_loss * loss
        done = loss <= wanted
        if done:
            # Back to where the loss, which decays exponentially, was the wanted one
            size *= -math.log(wanted / loss) / math.log(before / loss)
        else:
            # Trace of the tangent kernel, and bounds on the relative speeds of a and of w
            trace = kappa**2 / 4 * (sums[4] / kappa_prime + kappa_prime * sums[5])
            ratio = kappa_prime * math.sqrt(sums[6] / sums[7])
            speed = np.sum(np.abs(force) * lengths)
            size = fraction / (trace + speed * (ratio + 1 / ratio))
        size_a, size_w = size / kappa_prime, size * kappa_prime
        _step(a, w, b, da, dw, db, last, force, size_a, size_w, slope, reach, x, sums)
        now, before = now + size, loss
        if done:
            return now, steps
    return -1.0, max_steps


def by_euler(
    problem: Problem,
    fraction: float,
    max_steps: int,
    perturbation: float = 0.0,
    margin: float = 0.0,
) -> Flow:
    """The flow of a kinked network by explicit Euler.

    fraction: of the time in which the fastest direction of the flow changes by its own size: one
    over the trace of the tangent kernel and the relative speeds of a and of w. margin: by which
    kinks are moved, see MARGINS.
    """
    a, w = problem.start(perturbation)
    moved = np.zeros((3, problem.width))
    scales = problem.kappa, problem.kappa_prime, KINKED[problem.activation]
    end, steps = _euler(
        a,
        *w,
        moved,
        POINTS,
        TARGETS,
        *scales,
        fraction,
        margin / fraction,
        RELATIVE_LOSS,
        max_steps,
    )
    if end < 0:
        raise TooExpensiveError(f"Euler, {fraction:g}: {max_steps} steps")
    return Flow(relative_distances(a, w, moved.ravel()), end, steps)


def largest_change(one: np.ndarray, other: np.ndarray) -> float:
    """Largest relative difference of distances."""
    return float(np.abs(one / other - 1).max())


def kinked_reference(problem: Problem) -> Reference:
    """Explicit Euler, with half the step size until the spread is small or it takes too long."""
    widest = problem.width >= WIDEST
    fraction = FIRST_FRACTION_WIDEST if widest else FIRST_FRACTION
    wanted_spread = MOST_SPREAD if widest else WANTED_SPREAD
    margins = MARGINS_WIDEST if widest else MARGINS
    enough = 60_000 if widest else 200_000
    limit = 4 * enough
    try:
        fine = by_euler(problem, fraction, limit)
        while True:
            coarse, fine = fine, by_euler(problem, fraction / 2, limit)
            spread = largest_change(coarse.distances, fine.distances)
            if spread < wanted_spread or 2 * fine.evaluations > enough:
                break
            fraction /= 2
        others = [by_euler(problem, fraction, limit, PERTURBATION)]
        others += [by_euler(problem, fraction, limit, margin=margin) for margin in margins]
    except TooExpensiveError as reason:
        return Reference(*_key(problem), f"not computed: {reason}")
    distances = 2 * fine.distances - coarse.distances
    ambiguity = max(largest_change(other.distances, coarse.distances) for other in others)
    method = f"Euler {fraction:g} and {fraction / 2:g} extrapolated"
    return _row(problem, method, distances, fine, spread, ambiguity)


def smooth_reference(problem: Problem) -> Reference:
    """DOP853, or Runge-Kutta-Chebyshev where that takes too long."""
    methods = {
        "DOP853": (by_scipy, DOP853_TOLERANCES, 15_000),
        "Chebyshev": (by_chebyshev, CHEBYSHEV_TOLERANCES, 20_000),
    }
    if problem.width >= WIDE:
        limit = 8_000 if problem.width >= WIDEST else 40_000
        methods = {"Chebyshev": (by_chebyshev, CHEBYSHEV_TOLERANCES, limit)}
    reasons = []
    for name, (solve, tolerances, limit) in methods.items():
        flow = SmoothFlow(problem)
        scale = flow.linear_scale()
        sizes = np.sqrt([np.mean(flow.a**2), np.mean(flow.w**2)])
        try:
            loosest = fine = solve(flow, tolerances[0], scale, limit)
            shaken = solve(SmoothFlow(problem, PERTURBATION), tolerances[0], scale, 2 * limit)
            scale = loosest.distances[[1, 0]] * sizes
            for pair in pairwise(tolerances):
                coarse, fine = fine, solve(flow, pair[1], scale, 4 * limit)
                spread = largest_change(coarse.distances, fine.distances)
                if spread < MOST_SPREAD:
                    break
        except TooExpensiveError as reason:
            reasons.append(str(reason))
            continue
        ambiguity = largest_change(shaken.distances, loosest.distances)
        method = f"{name} {pair[0]:g} and {pair[1]:g}"
        return _row(problem, method, fine.distances, fine, spread, ambiguity)
    return Reference(*_key(problem), f"not computed: {'; '.join(reasons)}")


def reference(problem: Problem) -> Reference:
    """The row of a problem."""
    if problem.activation == "tanh" and problem.width >= WIDEST and _saturated(problem):
        return Reference(*_key(problem), "not computed: too many evaluations at m = 1000 already")
    return (smooth_reference if problem.activation in SMOOTH else kinked_reference)(problem)


def _saturated(problem: Problem) -> bool:
    """Whether neurons of tanh saturate, whose flow takes as long as that of all others together."""
    return problem.gamma_prime < 0 and problem.gamma >= 1


def _key(problem: Problem) -> tuple[str, float, float, int, int]:
    return problem.activation, problem.gamma_prime, problem.gamma, problem.width, problem.seed


def _row(
    problem: Problem,
    method: str,
    distances: np.ndarray,
    fine: Flow,
    spread: float,
    ambiguity: float,
) -> Reference:
    by_w, by_a, by_theta = map(float, distances)
    return Reference(
        *_key(problem), method, by_w, by_a, by_theta, fine.time, fine.evaluations, spread, ambiguity
    )


def problems() -> Iterator[Problem]:
    """All problems of the table, in the order in which they are computed."""

    def over(
        activations: tuple[str, ...], settings: tuple, width: int, seeds: tuple[int, ...]
    ) -> Iterator[Problem]:
        for activation in activations:
            for gamma_prime, gamma in settings:
                for seed in seeds:
                    yield Problem(activation, gamma_prime, gamma, width, seed)

    every = (*KINKED, *SMOOTH)
    mild = tuple(
        (gamma_prime, gamma)
        for gamma_prime, gamma in CORNERS
        if not _saturated(Problem("tanh", gamma_prime, gamma, 60, 0))
    )
    yield from over(every, CORNERS, 60, (0, 1, 2))
    yield from over(("tanh",), ((0.0, 1.6),), 60, (3, 4, 5))
    yield from over(("gelu",), ((-1.0, 1.0),), 60, (3,))
    yield from over(("gelu",), ((-1.0, 1.3),), 200, (0, 1, 2))
    yield from over(("gelu",), ((-1.0, 1.1), (-1.0, 1.3), (-1.0, 1.6)), 1000, (0,))
    yield from over(("gelu",), ((-1.0, 1.3), (-1.0, 1.6)), 1000, (1,))
    yield from over(("gelu",), ((-1.0, 1.3),), 1000, (2,))
    yield from over(("gelu",), ((-1.0, 1.1), (-1.0, 1.3)), 5000, (0,))
    yield from over(every, CORNERS, 1000, (0,))
    yield from over(("relu", "gelu"), CORNERS, WIDEST, (0,))
    yield from over(every, BETWEEN, 60, (0, 1))
    yield from over((*KINKED, "gelu", "softplus"), CORNERS, 60, (3, 4, 5))
    yield from over(("tanh",), mild, 60, (3, 4, 5))
    yield from over(("softplus", "leaky_relu", "tanh"), CORNERS, WIDEST, (0,))
    yield from over(("gelu", "softplus"), CORNERS[:8], 1000, (1, 2))
    yield from over((*KINKED, "tanh"), mild[:4], 1000, (1, 2))


def read(path: Path = PATH) -> list[Reference]:
    """The rows of the table."""
    table = pd.read_csv(path, comment="#")
    return [Reference(**row) for row in table.to_dict("records")]


def write(rows: list[Reference], path: Path = PATH) -> None:
    """Write the table, replacing the file at once."""
    places = {activation: place for place, activation in enumerate((*KINKED, *SMOOTH))}
    rows = sorted(
        rows,
        key=lambda row: (places[row.activation], row.width, row.gamma_prime, row.gamma, row.seed),
    )
    names = [field.name for field in fields(Reference)]
    table = pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)
    for name, digits in (("flow_time", 6), ("spread", 2), ("ambiguity", 2)):
        table[name] = table[name].map(lambda value, n=digits: float(f"{value:.{n}g}"))
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(HEAD + table.to_csv(index=False, float_format="%.9g", lineterminator="\n"))
    part.replace(path)


def main() -> None:
    """Compute the rows that are missing."""
    torch.set_num_threads(1)
    rows = {row.problem: row for row in read()} if PATH.exists() else {}
    wanted = list(dict.fromkeys(problems()))
    began = time.process_time()
    for place, problem in enumerate(wanted, 1):
        if problem in rows:
            continue
        row_began = time.process_time()
        rows[problem] = row = reference(problem)
        write(list(rows.values()))
        now = time.process_time()
        took, so_far = now - row_began, now - began
        print(
            f"{place}/{len(wanted)}, {so_far:.0f} s: {' '.join(map(str, _key(problem)))}: "
            f"{row.method}, RD_w {row.relative_distance_w:.5g}, RD_a {row.relative_distance_a:.5g},"
            f" {row.evaluations} evaluations, spread {row.spread:.1e}, "
            f"ambiguity {row.ambiguity:.1e}, {took:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
