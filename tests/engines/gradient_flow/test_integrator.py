"""The integrator of gradient flow: exact solutions, invariants, and how runs end."""

import dataclasses
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import torch
from problems import draw, four_points, relative_distances, stack
from torch import Tensor

from regimes.activations import leaky_relu, relu
from regimes.engines.gradient_flow import exponential
from regimes.engines.gradient_flow.exponential import Point, Step
from regimes.engines.gradient_flow.integrator import ENDINGS, LANDING, FlowResult, Limits, integrate
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.engines.gradient_flow.phi import phi1
from regimes.engines.gradient_flow.step_size import StepSizeControl

TO_THE_END = Limits(relative_loss=1e-6, max_steps=5000, max_time=1e30)
# One setting (gamma', gamma) of each regime, and one more that slides along kinks.
SETTINGS = ((0.0, 0.6), (0.0, 1.0), (0.0, 1.6), (-0.5, 1.4))
# Settings in which no neuron slides along a kink
UNHINDERED = ((0.0, 0.6), (0.5, 0.8), (1.0, 1.4), (0.0, 0.5))
# Of the neurons' own steps, of one run
TOLERANCE = torch.tensor([0.03], dtype=torch.float64)


def follow(
    network: TwoLayerNetwork,
    weights: Weights,
    tolerance: float = 0.03,
    limits: Limits = TO_THE_END,
    targets: Tensor | None = None,
    history_points: int = 32,
) -> FlowResult:
    if targets is None:
        _, targets = four_points(weights.a.dtype)
    control = StepSizeControl(tolerance)
    return integrate(network, weights, targets, control, limits, history_points)


def random_features(width: int = 30) -> tuple[TwoLayerNetwork, Weights]:
    """A random-feature model: the first layer does not move, so that the flow is linear."""
    network, weights = draw([(0.0, 0.5), (0.0, 0.8)], width, seed=3)
    network.rate_w = torch.zeros_like(network.rate_w)
    # Different networks, and not antisymmetric ones, whose features would repeat
    weights = Weights(weights.a[[1, 1]].clone(), weights.w[[1, 1]].clone())
    weights.w[1] *= -1.5
    return network, weights


def smooth_problem(width: int = 20) -> tuple[TwoLayerNetwork, Weights, Limits]:
    """A flow in which both layers move but for a while no neuron crosses a kink."""
    network, weights = draw([(0.0, 0.7)], 40 * width, seed=2)
    z = network.inputs @ weights.w[0]
    clear = (z.abs() > 0.5).all(dim=0).nonzero().squeeze(1)[:width]
    network.output_scale = torch.full_like(network.output_scale, width**-0.7)
    some = Weights(weights.a[:, clear], weights.w[:, :, clear])
    return network, some, Limits(1e-6, 5000, max_time=5.0)


def signs(network: TwoLayerNetwork, weights: Weights) -> Tensor:
    return torch.matmul(network.inputs, weights.w) > 0


def right_hand_side(
    network: TwoLayerNetwork, run: int
) -> Callable[[float, np.ndarray], np.ndarray]:
    """theta' of one run as scipy wants it, from the equations of the model."""
    inputs, targets = (values.numpy() for values in four_points())
    scale, rate_a, rate_w = (
        float(values[run]) for values in (network.output_scale, network.rate_a, network.rate_w)
    )

    def velocity(_: float, state: np.ndarray) -> np.ndarray:
        a, w = state[: len(state) // 3], state[len(state) // 3 :].reshape(2, -1)
        z = inputs @ w
        e = scale * np.maximum(z, 0) @ a - targets
        by_a = scale / len(e) * e @ np.maximum(z, 0)
        by_w = scale / len(e) * a * (inputs.T @ (e[:, None] * (z > 0)))
        return np.concatenate([-rate_a * by_a, (-rate_w * by_w).ravel()])

    return velocity


def by_scipy(network: TwoLayerNetwork, weights: Weights, run: int, time: float) -> Weights:
    start = np.concatenate([weights.a[run].numpy(), weights.w[run].numpy().ravel()])
    solution = scipy.integrate.solve_ivp(
        right_hand_side(network, run), (0, time), start, "RK45", rtol=1e-11, atol=1e-13
    )
    assert solution.success
    end, width = solution.y[:, -1], weights.a.shape[1]
    return Weights(torch.tensor(end[:width])[None], torch.tensor(end[width:]).view(1, 2, -1))


# Exact solutions


@pytest.mark.parametrize("tolerance", [0.03, 1e-6])
def test_a_linear_flow_is_exact_at_any_tolerance(tolerance: float) -> None:
    network, weights = random_features()
    result = follow(network, weights, tolerance)
    assert result.converged.all()
    # At most the last step is taken again, and lands where it is meant to.
    assert (result.rejected_steps <= 1).all()
    again = result.rejected_steps == 1
    share = result.final_loss / result.initial_loss / TO_THE_END.relative_loss
    np.testing.assert_allclose(share[again], LANDING, rtol=1e-6)
    inputs, targets = (values.numpy() for values in four_points())
    for run in range(2):
        a = weights.a[run].numpy()
        jacobian = network.output_scale[run].item() * np.maximum(inputs @ weights.w[run].numpy(), 0)
        rate = network.rate_a[run].item() / len(targets)
        kernel, first = rate * jacobian @ jacobian.T, jacobian @ a - targets
        time = result.flow_time[run]
        residuals = scipy.linalg.expm(-time * kernel) @ first
        # a(T) - a(0) = -rate J^T int e dt, and int e dt = G^-1 (e(0) - e(T))
        impulse = scipy.linalg.solve(kernel, first - residuals, assume_a="pos")
        expected = a - rate * jacobian.T @ impulse
        # What rounding may do: the condition of the kernel, times some roundings.
        rounding = 1e-14 * np.linalg.cond(kernel)
        np.testing.assert_allclose(
            result.weights[run].a.numpy(), expected, rtol=0, atol=rounding * np.abs(expected).max()
        )
        np.testing.assert_allclose(
            math.sqrt(result.final_loss[run] / result.initial_loss[run]),
            np.linalg.norm(residuals) / np.linalg.norm(first),
            rtol=0,
            atol=rounding,
        )
        assert torch.equal(result.weights[run].w, weights.w[run])


def test_agrees_with_runge_kutta_where_the_flow_is_smooth() -> None:
    network, weights, limits = smooth_problem()
    off = []
    for tolerance in (1e-2, 1e-3, 1e-4, 1e-5):
        result = follow(network, weights, tolerance, limits)
        expected = by_scipy(network, weights, 0, result.flow_time[0])
        assert torch.equal(signs(network, weights), signs(network, expected))
        moved = expected.distance(weights)
        # Far enough for both layers to count, and for the kernel to change
        assert min(map(float, moved)) > 0.4
        off.append(float(torch.hypot(*stack(result.weights).distance(expected))))
        # Each step is off by less than the tolerance times the way gone so far; a flow that
        # contracts does not let that grow.
        steps = int(result.accepted_steps[0])
        assert off[-1] < steps * tolerance * float(torch.hypot(*moved))
    assert off == sorted(off, reverse=True)


def test_steps_are_of_second_order() -> None:
    network, weights, _ = smooth_problem()
    _, targets = four_points()
    expected = by_scipy(network, weights, 0, 4.0)
    off = []
    for n_steps in (40, 80, 160):
        point = exponential.start(network, weights, targets)
        for _ in range(n_steps):
            size = torch.tensor([4.0 / n_steps], dtype=torch.float64)
            point = exponential.step(network, point, weights, targets, size, TOLERANCE).end
        off.append(float(torch.hypot(*point.weights.distance(expected))))
    # The next term is smaller by a factor of about the step over the fastest time scale.
    assert np.log2(off[-2] / off[-1]) == pytest.approx(2, abs=0.1)


def test_the_second_move_of_a_step_shows_the_error_of_the_step() -> None:
    network, weights, _ = smooth_problem()
    _, targets = four_points()
    start = exponential.start(network, weights, targets)
    fastest = float(start.eigenvalues[0, -1])
    off, shown = [], []
    for size in np.array([1, 1 / 16, 1 / 32, 1 / 64]) / fastest:
        h = torch.tensor([size])
        step = exponential.step(network, start, weights, targets, h, TOLERANCE)
        expected = by_scipy(network, weights, 0, size)
        distances = torch.stack(expected.distance(weights))
        off.append((step.distances - distances).abs().amax().item())
        shown.append(step.differences.amax().item())
        assert shown[-1] > off[-1]
    # One step of a method of second order is off by third order, and so is the difference that its
    # second move makes.
    assert np.log2(off[-2] / off[-1]) == pytest.approx(3, abs=0.1)
    assert np.log2(shown[-2] / shown[-1]) == pytest.approx(3, abs=0.1)


def test_a_step_knows_its_distances() -> None:
    network, weights = draw(SETTINGS, 50)
    _, targets = four_points()
    point = exponential.start(network, weights, targets)
    initial = Weights(weights.a + 0.1, weights.w - 0.2)
    h = 0.1 / point.eigenvalues[:, -1]
    step = exponential.step(network, point, initial, targets, h, TOLERANCE.expand(4))
    expected = torch.stack(step.end.weights.distance(initial))
    torch.testing.assert_close(step.distances, expected, rtol=1e-12, atol=0)
    outputs, kernel = network.tangent(step.end.weights)
    torch.testing.assert_close(step.end.residuals, outputs - targets, rtol=0, atol=1e-13)
    again = step.end.vectors * step.end.eigenvalues[:, None] @ step.end.vectors.mT
    scale = float(kernel.abs().max())
    torch.testing.assert_close(again, step.end.kernel, rtol=0, atol=1e-13 * scale)
    # Half of it is the kernel at the end, the other half that of the way.
    of_way = torch.linalg.eigvalsh(2 * step.end.kernel - kernel)
    torch.testing.assert_close(of_way, step.eigenvalues, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("z", [0.0, -1e-300, -1e-17, -1e-8, -0.3, -5.0, -1e3, -1e300])
def test_phi1(z: float) -> None:
    # (e^z - 1) / z = 1 + z/2 + z^2/6 + ..., without cancellation
    expected = 1 + z / 2 if abs(z) < 1e-7 else math.expm1(z) / z
    value = float(phi1(torch.tensor([z], dtype=torch.float64)))
    assert value == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    "z", [0.0, -1e-300, -1e-17, -1e-8, -1e-3, -0.3, -0.4999, -0.5, -0.5001, -5.0, -40.0, -1e3, -1e6]
)
def test_first_moment(z: float) -> None:
    # (e^z (z - 2) + z + 2) / (2 z^2), with a hundred digits; 0 at z = 0
    with mpmath.workdps(100):
        exact = mpmath.mpf(z)
        expected = (
            float((mpmath.exp(exact) * (exact - 2) + exact + 2) / (2 * exact**2))
            if abs(z) > 1e-40
            else z / 12
        )
    value = float(exponential.first_moment(torch.tensor([z], dtype=torch.float64)))
    assert value == pytest.approx(expected, rel=1e-13, abs=1e-320)


def test_a_change_of_pace_has_no_moment() -> None:
    # Residuals that keep their direction take neurons the same way, sooner or later.
    random = torch.Generator().manual_seed(0)
    root = torch.randn(3, 4, 4, generator=random, dtype=torch.float64)
    h = torch.tensor([0.1, 1.0, 30.0], dtype=torch.float64)
    eigenvalues, vectors = exponential.eigen(root @ root.mT, root[:, 0], h)
    for direction in range(4):
        components = torch.zeros(3, 4, dtype=torch.float64)
        components[:, direction] = 1.5
        impulse = exponential._impulse(eigenvalues, vectors, components, h)
        assert float(impulse.total.norm()) > 0.01
        assert float(impulse.moment.norm()) < 1e-15 * float(impulse.total.norm())
    components = torch.ones(3, 4, dtype=torch.float64)
    impulse = exponential._impulse(eigenvalues, vectors, components, h)
    # In a direction that changes, what is left has no part along the impulse in the kernel's norm.
    weighted = exponential.recombine(
        vectors, eigenvalues * exponential.project(vectors, impulse.total)
    )
    product = (weighted * impulse.moment).sum(1)
    size = weighted.norm(dim=1) * impulse.moment.norm(dim=1)
    assert (impulse.moment.norm(dim=1) > 1e-3 * impulse.total.norm(dim=1)).all()
    assert (product.abs() < 1e-13 * size).all()


def test_impulses_are_integrals_of_the_residuals() -> None:
    random = torch.Generator().manual_seed(1)
    root = torch.randn(1, 4, 4, generator=random, dtype=torch.float64)
    kernel = root @ root.mT
    residuals = torch.randn(4, generator=random, dtype=torch.float64)
    h = torch.tensor([2.0], dtype=torch.float64)
    eigenvalues, vectors = exponential.eigen(kernel, residuals[None], h)
    components = exponential.project(vectors, residuals[None])
    impulse = exponential._impulse(eigenvalues, vectors, components, h)

    def density(time: float) -> np.ndarray:
        return 2.0 * scipy.linalg.expm(-2.0 * time * kernel[0].numpy()) @ residuals.numpy()

    total = scipy.integrate.quad_vec(density, 0, 1, epsabs=1e-13)[0]
    moment = scipy.integrate.quad_vec(lambda t: (t - 0.5) * density(t), 0, 1, epsabs=1e-13)[0]
    np.testing.assert_allclose(impulse.total[0].numpy(), total, rtol=0, atol=1e-12)
    weighted = kernel[0].numpy() @ total
    moment -= (weighted @ moment) / (weighted @ total) * total
    np.testing.assert_allclose(impulse.moment[0].numpy(), moment, rtol=0, atol=1e-12)


# Invariants


@pytest.mark.slow
@pytest.mark.parametrize("activation", [relu, leaky_relu])
@pytest.mark.parametrize("tolerance", [0.03, 0.003])
def test_the_conservation_law_holds_to_rounding(activation: ModuleType, tolerance: float) -> None:
    # Theorem 8 of Luo et al. (2021) rests on this law.
    network, weights = draw(SETTINGS, 200, activation=activation)
    result = follow(network, weights, tolerance)
    assert result.converged.all()
    drift = relative_drift(network, weights, stack(result.weights))
    assert drift.max() < 1e-10


def test_the_conservation_law_holds_where_neurons_condense() -> None:
    network, weights = draw([(0.0, 1.75)], 1000)
    result = follow(network, weights)
    assert result.converged.all()
    end = stack(result.weights)
    assert (signs(network, weights) != signs(network, end)).any(dim=1).sum() > 300
    drift = relative_drift(network, weights, end)
    assert drift.max() < 1e-10


def relative_drift(network: TwoLayerNetwork, start: Weights, end: Weights) -> np.ndarray:
    """How far kappa' a_k^2 - |w_k|^2 / kappa' moved, over the sum of both terms, (E, m)."""
    ratio = network.rate_w[:, None]  # kappa'

    def terms(weights: Weights) -> tuple[Tensor, Tensor]:
        return ratio * weights.a.square(), weights.w.square().sum(dim=1) / ratio

    (a0, w0), (a1, w1) = terms(start), terms(end)
    return (((a1 - w1) - (a0 - w0)).abs() / (a1 + w1)).numpy()


@pytest.mark.slow
def test_the_loss_only_falls() -> None:
    # Along a step the residuals decay but for a defect of higher order, which is bounded by the
    # residuals themselves.
    network, weights = draw(SETTINGS, 200)
    for tolerance in (0.03, 0.001):
        result = follow(network, weights, tolerance, history_points=400)
        assert (np.diff(result.history_loss, axis=1) < 0).all()


def test_history_is_log_spaced_and_ends_with_the_run() -> None:
    network, weights = draw(SETTINGS, 50)
    result = follow(network, weights, history_points=20)
    assert result.history_time.shape == result.history_loss.shape == (len(SETTINGS), 20)
    ratios = result.history_time[:, 1:] / result.history_time[:, :-1]
    np.testing.assert_allclose(ratios, ratios[:, :1] * np.ones((1, 19)), rtol=1e-9)
    assert (ratios > 1).all()
    np.testing.assert_allclose(result.history_time[:, -1], result.flow_time, rtol=1e-12)
    np.testing.assert_allclose(result.history_loss[:, -1], result.final_loss, rtol=1e-9)
    # The first step is a tenth of the fastest time scale; the history begins within it, where
    # the loss is off its start by at most twice that tenth's first share.
    np.testing.assert_allclose(result.history_loss[:, 0], result.initial_loss, rtol=0.2 / 64)


def test_history_keeps_the_exact_loss_of_a_linear_flow() -> None:
    network, weights = random_features()
    result = follow(network, weights, history_points=200)
    inputs, targets = (values.numpy() for values in four_points())
    for run in range(2):
        features = np.maximum(inputs @ weights.w[run].numpy(), 0)
        jacobian = network.output_scale[run].item() * features
        kernel = network.rate_a[run].item() / len(targets) * jacobian @ jacobian.T
        first = jacobian @ weights.a[run].numpy() - targets
        exact = [
            np.square(scipy.linalg.expm(-time * kernel) @ first).mean() / 2
            for time in result.history_time[run]
        ]
        # Between the kept times the loss is interpolated. Ten per cent is a line's width on the
        # logarithmic axes that it is for.
        np.testing.assert_allclose(result.history_loss[run], exact, rtol=0.1)


# How runs end


def test_the_step_cap_keeps_values() -> None:
    network, weights = draw(SETTINGS, 50)
    result = follow(network, weights, limits=Limits(1e-6, 7, 1e30))
    np.testing.assert_array_equal(result.accepted_steps + result.rejected_steps, 7)
    check_capped(result, weights)


def test_the_time_cap_keeps_values() -> None:
    network, weights = draw(SETTINGS, 50)
    free = follow(network, weights)
    cap = 0.3 * free.flow_time.min()
    result = follow(network, weights, limits=Limits(1e-6, 5000, cap))
    np.testing.assert_allclose(result.flow_time, cap, rtol=1e-6)
    assert (result.accepted_steps < free.accepted_steps).all()
    check_capped(result, weights)


def check_capped(result: FlowResult, weights: Weights) -> None:
    assert not result.converged.any() and not result.diverged.any()
    assert (result.final_loss < result.initial_loss).all()
    assert (result.final_loss >= 1e-6 * result.initial_loss).all()
    np.testing.assert_allclose(result.history_loss[:, -1], result.final_loss, rtol=1e-9)
    for distance in relative_distances(weights, stack(result.weights)).values():
        assert torch.isfinite(distance).all() and (distance > 0).all()


def test_no_steps_leave_a_run_where_it_started() -> None:
    network, weights = draw(SETTINGS, 50)
    result = follow(network, weights, limits=Limits(1e-6, 0, 1e30))
    np.testing.assert_array_equal(result.final_loss, result.initial_loss)
    assert not result.converged.any() and not result.diverged.any()
    assert np.isnan(result.history_loss).all() and not result.flow_time.any()
    assert torch.equal(stack(result.weights).a, weights.a)


def test_a_run_that_starts_at_its_targets_is_done() -> None:
    network, weights = draw(SETTINGS[:2], 50)
    weights.a[0] = 0  # f = 0, which is the target
    result = follow(network, weights, targets=torch.zeros(4, dtype=torch.float64))
    assert result.converged.all() and not result.diverged.any()
    assert result.accepted_steps[0] == 0 and result.accepted_steps[1] > 0
    assert result.final_loss[0] == 0 and not result.weights[0].a.any()


BAD_WEIGHTS = {
    "a weight is not a number": lambda weights: weights.a[1].fill_(torch.nan),
    "a weight is infinite": lambda weights: weights.w[1, 0].fill_(torch.inf),
    "the outputs overflow": lambda weights: weights.a[1].mul_(1e200),
    "the first step overflows": lambda weights: weights.a[1].mul_(1e100),
}


@pytest.mark.slow
@pytest.mark.parametrize("spoil", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS.keys())
def test_divergence_is_recorded_for_the_run_alone(spoil: Callable[[Weights], Tensor]) -> None:
    network, weights = draw([(0.0, 0.8)] * 3, 50)
    alone = follow(network[[0]], weights[[0]])
    spoil(weights)
    result = follow(network, weights)
    np.testing.assert_array_equal(result.diverged, [False, True, False])
    np.testing.assert_array_equal(result.converged, [True, False, True])
    assert np.isnan(result.final_loss[1]) and np.isnan(result.history_loss[1]).all()
    np.testing.assert_allclose(result.final_loss[[0, 2]], alone.final_loss[0], rtol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_targets_that_are_no_numbers_are_divergence(bad: float) -> None:
    network, weights = draw(SETTINGS, 50)
    _, targets = four_points()
    targets[2] = bad
    result = follow(network, weights, targets=targets)
    assert result.diverged.all() and not result.converged.any()
    assert np.isnan(result.final_loss).all()


# Batches


def assert_same_run(result: FlowResult, run: int, other: FlowResult, other_run: int) -> None:
    """Two runs are the same but for rounding."""
    for name in (*ENDINGS, "accepted_steps", "rejected_steps"):
        assert getattr(result, name)[run] == getattr(other, name)[other_run], name
    # Some hundred roundings of 1e-16 in each of some ten steps, and a factor of a thousand for what
    # the flow makes of them.
    for name in ("initial_loss", "flow_time", "history_time"):
        one, two = getattr(result, name)[run], getattr(other, name)[other_run]
        np.testing.assert_allclose(one, two, rtol=1e-10, err_msg=name)
    # The residuals at the end are a thousandth of what they are the difference of.
    for name in ("final_loss", "history_loss"):
        one, two = getattr(result, name)[run], getattr(other, name)[other_run]
        np.testing.assert_allclose(one, two, rtol=1e-7, err_msg=name)
    one, two = result.weights[run], other.weights[other_run]
    torch.testing.assert_close(one.a, two.a, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(one.w, two.w, rtol=1e-10, atol=1e-10)


def test_a_run_does_not_depend_on_its_batch() -> None:
    network, weights = draw(UNHINDERED, 200)
    together = follow(network, weights)
    order = [2, 0]
    some = follow(network[order], weights[order])
    for position, run in enumerate(order):
        assert_same_run(some, position, together, run)
    for run in range(len(UNHINDERED)):
        assert_same_run(follow(network[[run]], weights[[run]]), 0, together, run)


@pytest.mark.slow
def test_a_run_along_kinks_does_not_depend_on_its_batch_beyond_its_error() -> None:
    # The pre-activation of a neuron that slides is 0, and rounding chooses its sign, with which a
    # step comes out otherwise by a part of its error. A tenth of the tolerance is far below what
    # another draw, another setting or a step that saw the batch would change.
    tolerance = 0.03
    network, weights = draw(SETTINGS, 100)
    together = follow(network, weights, tolerance)
    expected = relative_distances(weights, stack(together.weights))
    for run in range(len(SETTINGS)):
        alone = follow(network[[run]], weights[[run]], tolerance)
        distances = relative_distances(weights[[run]], stack(alone.weights))
        for layer, distance in distances.items():
            assert float(distance / expected[layer][run]) == pytest.approx(1, abs=tolerance / 10)


def test_the_scale_of_zero_targets_is_that_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    scales = []
    judge = StepSizeControl.error

    def watched(self, step, norms, scale) -> Tensor:
        scales.append(scale.expand(2).clone())
        return judge(self, step, norms, scale)

    monkeypatch.setattr(StepSizeControl, "error", watched)
    network, weights = draw([(0.0, 0.6), (0.0, 1.0)], 50)
    outputs, _ = network.tangent(weights)
    zero = torch.zeros(4, dtype=torch.float64)
    follow(network, weights, targets=zero, limits=Limits(1e-6, 1, 1e30))
    torch.testing.assert_close(scales[0], torch.linalg.vector_norm(outputs, dim=1))


def test_finished_runs_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    take_step = exponential.step

    def counted(network: TwoLayerNetwork, point: Point, *others: Any) -> Step:
        sizes.append(len(point.residuals))
        return take_step(network, point, *others)

    monkeypatch.setattr(exponential, "step", counted)
    network, weights = draw(SETTINGS, 50)
    result = follow(network, weights)
    tries = result.accepted_steps + result.rejected_steps
    assert len(set(tries)) > 1
    assert sizes == [(tries > step).sum() for step in range(tries.max())]


@pytest.mark.parametrize("limits", [TO_THE_END, Limits(1e-3, 5000, 1e30)])
def test_a_run_ends_with_the_first_step_below_the_wanted_loss(limits: Limits) -> None:
    network, weights = draw(SETTINGS, 50)
    result = follow(network, weights, limits=limits)
    assert result.converged.all()
    share = result.final_loss / result.initial_loss / limits.relative_loss
    assert (share <= 1).all() and (share >= 0.5).all()
    shorter = dataclasses.replace(limits, max_steps=int(result.accepted_steps.min()) - 1)
    assert not follow(network, weights, limits=shorter).converged.any()


def test_float32_works_to_its_precision() -> None:
    double = draw(UNHINDERED, 100)
    single = draw(UNHINDERED, 100, dtype=torch.float32)
    expected, result = follow(*double), follow(*single)
    assert result.converged.all() and not result.diverged.any()
    assert result.weights[0].a.dtype == torch.float32
    wanted = relative_distances(double[1], stack(expected.weights))
    measured = relative_distances(single[1], stack(result.weights))
    for layer, distances in measured.items():
        # Weights are rounded by 6e-8 in each of some fifty steps, and move by a hundredth of
        # themselves at the least: up to 3e-4 of that.
        torch.testing.assert_close(distances.double(), wanted[layer], rtol=1e-3, atol=0)


# Step-size control


def a_step(
    defect: float = 0.0, of_a: float = 0.0, of_w: float = 0.0, residuals: float = 100.0
) -> Step:
    """A step of two runs to distances of 3 (a) and 4 (w); the first run has no errors."""
    end = Weights(torch.tensor([[3.0, 0], [3, 0]]), torch.tensor([[[4.0, 0]], [[4, 0]]]))
    point = Point.at(end, torch.zeros(2, 1), torch.zeros(2, 1, 1), torch.zeros(2))
    distances = torch.tensor([[3.0, 3.0], [4.0, 4.0]])
    differences = torch.tensor([[0.0, of_a], [0.0, of_w]])
    components = torch.full((2, 1), residuals)
    defects = torch.tensor([0.0, defect])
    return Step(point, defects, distances, differences, torch.zeros(2, 1), components)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (a_step(defect=0.2), 0.2 / 2 / 0.1),  # over the scale of the targets
        (a_step(defect=0.2, residuals=0.05), 0.2 / 0.5 / 0.1),  # over ten times the residuals
        (a_step(of_a=0.6), 0.6 / 3 / 0.3 / 0.1),  # over a share of the way of a
        (a_step(of_w=0.6), 0.6 / 4 / 0.3 / 0.1),  # over a share of the way of w
        (a_step(defect=0.2, of_a=0.6, of_w=0.4), 0.6 / 3 / 0.3 / 0.1),  # the largest counts
    ],
)
def test_error_of_a_step(step: Step, error: float) -> None:
    value = StepSizeControl(0.1).error(step, torch.zeros(2, 2), torch.tensor(2.0))
    assert value.tolist() == pytest.approx([0, error], rel=1e-6)


def test_displacements_below_rounding_are_no_reason_to_reject() -> None:
    # Weights of norm 1e10 that moved by 3 and 4 in float32, less than they are rounded by:
    # differences as large as that say nothing.
    step = a_step(of_a=3.0, of_w=4.0)
    value = StepSizeControl(0.01).error(step, torch.full((2, 2), 1e10), torch.tensor(2.0))
    assert value.max() < 0.01


@pytest.mark.parametrize(
    ("error", "factor"),
    [
        (1.0, 0.8),
        (0.25, 1.6),
        (4.0, 0.4),
        (1e-9, 3.0),
        (0.0, 3.0),
        (1e9, 0.1),
        (math.inf, 0.1),
        (math.nan, 0.1),
    ],
)
def test_next_step_size(error: float, factor: float) -> None:
    h = StepSizeControl(0.03).next_size(torch.tensor([5.0]), torch.tensor([error]))
    assert float(h) == pytest.approx(5 * factor, rel=1e-6)


def test_first_step_is_a_tenth_of_the_fastest_time_scale() -> None:
    eigenvalues = torch.tensor([[0.5, 4.0], [1.0, 0.0]])
    assert StepSizeControl(0.03).first_size(eigenvalues).tolist() == pytest.approx([0.025, 0.1])


def test_the_first_size_of_a_kernel_that_vanishes_is_finite() -> None:
    assert torch.isfinite(StepSizeControl(0.03).first_size(torch.zeros(1, 2))).all()


def test_each_element_has_its_tolerance() -> None:
    like = torch.zeros(3, 5, dtype=torch.float32)
    spread = StepSizeControl(0.03).spread(like)
    assert spread.tolerance.tolist() == pytest.approx([0.03] * 3)
    assert spread.tolerance.dtype == torch.float32
    several = StepSizeControl(torch.tensor([0.1, 0.01], dtype=torch.float64)).spread(like[:2])
    assert several[[1]].tolerance.tolist() == pytest.approx([0.01])
    value = several.error(a_step(defect=0.2), torch.zeros(2, 2), torch.tensor(2.0))
    assert value.tolist() == pytest.approx([0, 0.2 / 2 / 0.01])


def test_rejected_steps_leave_a_run_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    network, weights = draw(SETTINGS[:2], 50)
    seen = []
    take_step, judge = exponential.step, StepSizeControl.error

    def watched(
        network: TwoLayerNetwork,
        point: Point,
        initial: Weights,
        targets: Tensor,
        h: Tensor,
        tolerance: Tensor,
    ) -> Step:
        seen.append((point.weights.a.clone(), point.residuals.clone(), h.clone()))
        return take_step(network, point, initial, targets, h, tolerance)

    def first_of_second_run_is_bad(self, *arguments) -> Tensor:
        error = judge(self, *arguments)
        if len(seen) == 1:
            error[1] = 4.0
        return error

    monkeypatch.setattr(exponential, "step", watched)
    monkeypatch.setattr(StepSizeControl, "error", first_of_second_run_is_bad)
    result = follow(network, weights, limits=Limits(1e-6, 2, 1e30))
    assert result.rejected_steps.tolist() == [0, 1] and result.accepted_steps.tolist() == [2, 1]
    (first_a, first_e, first_h), (second_a, second_e, second_h) = seen
    assert torch.equal(first_a[1], second_a[1]) and torch.equal(first_e[1], second_e[1])
    assert not torch.equal(first_a[0], second_a[0])
    assert float(second_h[1] / first_h[1]) == pytest.approx(0.4)
    # Time counts accepted steps only.
    assert result.flow_time[1] == pytest.approx(float(second_h[1]))
    assert result.flow_time[0] == pytest.approx(float(first_h[0] + second_h[0]))
