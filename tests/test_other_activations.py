"""Gradient flow with leaky ReLU and smooth activations: tangents, moves, and flows to the end."""

from functools import cache
from importlib import import_module

import numpy as np
import pytest
import torch
from activation_flows import SETTINGS, SMOOTH, errors
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import four_points
from torch import Tensor

from regimes.activations import leaky_relu, tanh
from regimes.networks import smooth, two_layer
from regimes.networks.shallow import activate_
from regimes.networks.two_layer import Move, TwoLayerNetwork, Weights
from regimes.streams import stream

ROUNDING = {"rtol": 1e-12, "atol": 1e-13}
BY_TORCH = {
    "leaky_relu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "softplus": torch.nn.functional.softplus,
}
numbers = st.one_of(st.just(0.0), st.floats(-1e3, 1e3))


def batch(activation: str, width: int, n_elements: int = 2) -> tuple[TwoLayerNetwork, Weights]:
    """Networks whose scales all differ, with outputs of order one."""
    inputs, _ = four_points()
    random = stream(7, activation, width)
    scales = [torch.tensor(random.uniform(0.5, 1.5, n_elements)) for _ in range(3)]
    scales[0] /= width**0.5
    a, w = random.normal(size=(n_elements, width)), random.normal(size=(n_elements, 2, width))
    module = import_module(f"regimes.activations.{activation}")
    return TwoLayerNetwork(inputs, *scales, module), Weights(torch.tensor(a), torch.tensor(w))


def impulse_of(size: float, n_elements: int = 2) -> Tensor:
    direction = torch.tensor(stream(8, "impulse").normal(size=(n_elements, 4)))
    return size * direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)


def moved(network: TwoLayerNetwork, weights: Weights, impulse: Tensor) -> Move:
    return network.correct(weights, impulse, network.predict(weights, impulse))


def applied(network: TwoLayerNetwork, w: Tensor) -> tuple[Tensor, Tensor]:
    """Pre-activations and activations."""
    z = network.inputs @ w
    values = z.clone()
    activate_(network.activation, values, torch.empty_like(z))
    return z, values


@pytest.mark.parametrize("activation", BY_TORCH)
def test_outputs_and_tangent_kernel_match_autograd(activation: str) -> None:
    network, weights = batch(activation, width=37)
    outputs, kernel = network.tangent(weights)
    for element in range(2):
        a = weights.a[element].clone().requires_grad_()
        w = weights.w[element].clone().requires_grad_()
        f = network.output_scale[element] * (BY_TORCH[activation](network.inputs @ w) @ a)
        torch.testing.assert_close(outputs[element], f.detach(), **ROUNDING)
        rows = [torch.autograd.grad(value, (a, w), retain_graph=True) for value in f]
        by_a = torch.stack([row[0] for row in rows])
        by_w = torch.stack([row[1].flatten() for row in rows])
        expected = (
            network.mobility_a[element] * by_a @ by_a.T
            + network.mobility_w[element] * by_w @ by_w.T
        ) / len(f)
        torch.testing.assert_close(kernel[element], expected, **ROUNDING)


@pytest.mark.parametrize("activation", SMOOTH)
def test_curvatures_are_derivatives_of_slopes(activation: str) -> None:
    module = import_module(f"regimes.activations.{activation}")
    z = torch.linspace(-5, 5, 101, dtype=torch.float64).requires_grad_()
    values = BY_TORCH[activation](z)
    (slope,) = torch.autograd.grad(values.sum(), z, create_graph=True)
    (expected,) = torch.autograd.grad(slope.sum(), z)
    found = module.curvature(z.detach(), values.detach(), slope.detach())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def settled(
    network: TwoLayerNetwork, weights: Weights, impulse: Tensor
) -> tuple[Weights, Tensor, Tensor]:
    """The end of a move whose tries are repeated until nothing changes, with its shares and the
    mean of the activations.
    """
    prediction = network.predict(weights, impulse)
    (path,) = prediction.paths
    z, values = applied(network, weights.w)
    slope = torch.empty_like(z)
    activate_(network.activation, z.clone(), slope)
    for _ in range(60):
        end = network.correct(weights, impulse, prediction).weights
        end_z, end_values = applied(network, end.w)
        network.passage.arrive_(z, values, slope, end_z.clone(), path.shares)
        if hasattr(path.shares, "moved"):
            path.shares.moved = end.w - weights.w
        else:
            path.shares.values = (end_values - values) / (end_z - z)
        path.middle_a = (weights.a + end.a) / 2
        path.a, path.w = end.a.clone(), end.w.clone()
    return end, path.shares.values, (values + end_values) / 2


@pytest.mark.parametrize("activation", BY_TORCH)
def test_the_discrete_gradient_identity_holds_to_rounding(activation: str) -> None:
    network, weights = batch(activation, width=30)
    impulse = impulse_of(0.3)
    end, shares, middle = settled(network, weights, impulse)
    before, _ = network.tangent(weights)
    after, _ = network.tangent(end)
    rows = shares * ((weights.a + end.a) / 2)[:, None]
    overlaps = network.inputs @ network.inputs.T
    kernel = network.mobility_a[:, None, None] * (middle @ middle.mT)
    kernel += network.mobility_w[:, None, None] * overlaps * (rows @ rows.mT)
    kernel *= (network.output_scale**2 / 4)[:, None, None]
    change = -(kernel @ impulse[:, :, None]).squeeze(2)
    assert float(change.abs().min()) > 1e-3
    # What the iteration leaves, and roundings of sums over the neurons
    torch.testing.assert_close(after - before, change, rtol=0, atol=1e-13)


@pytest.mark.parametrize("activation", SMOOTH)
def test_a_move_meets_the_identity_to_third_order(activation: str) -> None:
    network, weights = batch(activation, width=40)
    start, _ = network.tangent(weights)
    off = []
    for size in (0.1, 0.05, 0.025):
        impulse = impulse_of(size)
        prediction = network.predict(weights, impulse)
        wanted = start - torch.bmm(prediction.kernel, impulse[:, :, None]).squeeze(2)
        off.append(float((network.correct(weights, impulse, prediction).outputs - wanted).norm()))
    assert np.log2(off[-2] / off[-1]) > 2.8


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("activation", SMOOTH)
def test_quotients_keep_their_digits(activation: str, size: float) -> None:
    # Across the change below which the mean of the slopes takes the place of the quotient
    network, weights = batch(activation, width=30)
    impulse = impulse_of(size)
    (path,) = network.predict(weights, impulse).paths
    z, values = applied(network, weights.w)
    end_z, end_values = applied(network, path.w)
    torch.testing.assert_close(
        path.shares.values * (end_z - z), end_values - values, rtol=0, atol=2e-15
    )


def test_a_neuron_that_is_held_stays_however_long_the_step() -> None:
    # One weight, points x = 1 and 2 that pull against each other: at w = 1/2 they balance, and
    # from either side they pull back to there, by much more than the way to it.
    inputs = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    network = TwoLayerNetwork(inputs, one, 0 * one, one, tanh)
    slopes = 1 - torch.tanh(inputs[:, 0] / 2) ** 2
    balance = torch.stack([-slopes[1] * 2, slopes[0]])
    for length in (10.0, 1e3, 1e6):
        for offset in (-1e-3, 1e-3):
            start = torch.full((1, 1, 1), 0.5 + offset, dtype=torch.float64)
            weights = Weights(one[None], start)
            pull_back = [moved(network, weights, sign * length * balance[None]) for sign in (1, -1)]
            ends = [abs(float(move.weights.w) - 0.5) for move in pull_back]
            # One of the two signs holds the neuron; the other one drives it away.
            assert min(ends) < abs(offset), (length, offset)


def test_equations_of_all_neurons_are_solved_at_once() -> None:
    random = torch.Generator().manual_seed(0)
    root = torch.randn(2, 7, 5, 5, generator=random, dtype=torch.float64)
    matrix = root @ root.mT + torch.eye(5)
    values = torch.randn(2, 5, 7, generator=random, dtype=torch.float64)
    expected = torch.linalg.solve(matrix, values.mT[..., None]).squeeze(-1).mT
    found = smooth._solve_(matrix.permute(0, 2, 3, 1).contiguous(), values.clone())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh"])
def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch, activation: str) -> None:
    network, weights = batch(activation, width=100)
    impulse = impulse_of(1.0)
    whole = moved(network, weights, impulse)
    monkeypatch.setattr(two_layer, "TILE_BYTES", 8 * 4 * 33)
    assert len(list(network._tiles(weights))) > 2
    cut = moved(network, weights, impulse)
    for one, other in (
        (cut.weights.a, whole.weights.a),
        (cut.weights.w, whole.weights.w),
        (cut.kernel, whole.kernel),
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@settings(deadline=None)
@given(numbers, numbers, numbers)
def test_the_share_of_leaky_relu_is_that_of_its_own_way(
    z: float, drift: float, kick: float
) -> None:
    start, kicks = torch.tensor([z]).double(), torch.tensor([kick]).double()
    slope = leaky_relu.slope(start)
    share = leaky_relu.share(start, slope, drift + slope * kicks, kicks)
    low = leaky_relu.NEGATIVE_SLOPE
    assert low - 1e-15 <= float(share) <= 1 + 1e-15
    end = start + drift + share * kicks
    gone = leaky_relu.apply_(end.clone()) - leaky_relu.apply_(start.clone())
    rounding = 1e-13 * (abs(z) + abs(drift) + abs(kick)) + 1e-150
    assert float(share * (end - start) - gone) == pytest.approx(0, abs=rounding)


@cache
def largest_errors(activation: str, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Relative error of RD_w, and the largest of all layers, by setting."""
    off, _ = errors(activation, tolerance)
    largest = torch.stack(list(off.values())).abs().amax(dim=0)
    return off["w"].abs().numpy(), largest.numpy()


@pytest.mark.parametrize("activation", SMOOTH)
def test_the_flow_of_smooth_activations_is_that_of_scipy(activation: str) -> None:
    coarse_w, coarse = largest_errors(activation, 0.03)
    assert coarse_w.max() < 0.03 and coarse.max() < 0.08 and np.median(coarse) < 0.01
    fine_w, fine = largest_errors(activation, 0.003)
    # Where gamma' < 0 the output weights barely move, and their distance is the least certain.
    assert fine_w.max() < 0.004 and fine.max() < 0.02 and np.median(fine) < 0.001


def test_the_flow_of_leaky_relu_is_that_of_euler() -> None:
    _, off = largest_errors("leaky_relu", 0.03)
    # With gamma' < 0 neurons slide into w = 0, where the flow is not unique: docs/accuracy.md.
    unique = np.array([gamma_prime >= 0 for gamma_prime, _ in SETTINGS])
    assert off[unique].max() < 0.005 and off.max() < 0.03
