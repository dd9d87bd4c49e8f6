"""Two-layer networks: their tangent against autograd, their moves against the theory."""

import numpy as np
import pytest
import torch
from problems import draw, four_points
from torch import Tensor

from regimes.activations import relu
from regimes.networks import two_layer
from regimes.networks.initialisation import antisymmetric, gaussian
from regimes.networks.two_layer import Move, Prediction, TwoLayerNetwork, Weights
from regimes.streams import stream

# Sums over some hundred neurons in another order, after cancellations of at most a factor ten.
ROUNDING = {"rtol": 1e-12, "atol": 1e-13}


def random_batch(width: int, n_elements: int = 3) -> tuple[TwoLayerNetwork, Weights]:
    """Networks whose scales all differ, of order one."""
    inputs, _ = four_points()
    random = stream(5, "networks", width, n_elements)
    scales = [torch.tensor(random.uniform(0.5, 1.5, n_elements)) for _ in range(3)]
    a, w = random.normal(size=(n_elements, width)), random.normal(size=(n_elements, 2, width))
    return TwoLayerNetwork(inputs, *scales, relu), Weights(torch.tensor(a), torch.tensor(w))


def away_from_kinks(width: int, distance: float) -> tuple[TwoLayerNetwork, Weights]:
    """A batch whose pre-activations are all at least `distance` from the kink."""
    network, weights = random_batch(20 * width, n_elements=2)
    z = torch.einsum("nd,edm->enm", network.inputs, weights.w)
    clear = (z.abs() > distance).all(dim=1).all(dim=0).nonzero().squeeze(1)[:width]
    assert len(clear) == width
    # The scale for the output to be of order one
    network.output_scale /= width**0.5
    return network, Weights(weights.a[:, clear], weights.w[:, :, clear])


def impulse_of(size: float, n_elements: int = 2) -> Tensor:
    """An impulse of that size, always in the same direction."""
    direction = torch.tensor(stream(6, "impulse").normal(size=(n_elements, 4)))
    return size * direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)


def end_of(prediction: Prediction, tile: int = 0) -> Weights:
    """Where a prediction in one tile ends; a copy, since `correct` overwrites it."""
    path = prediction.paths[tile]
    return Weights(path.a.clone(), path.w.clone())


def orders(errors: list[float]) -> np.ndarray:
    """Powers of the step with which errors fall, from one halving to the next."""
    return np.log2(np.array(errors[:-1]) / errors[1:])


def test_outputs_and_tangent_kernel_match_autograd() -> None:
    network, weights = random_batch(width=37)
    outputs, kernel = network.tangent(weights)
    for element in range(3):
        a = weights.a[element].clone().requires_grad_()
        w = weights.w[element].clone().requires_grad_()
        f = network.output_scale[element] * (torch.relu(network.inputs @ w) @ a)
        torch.testing.assert_close(outputs[element], f.detach(), **ROUNDING)
        rows = [torch.autograd.grad(value, (a, w), retain_graph=True) for value in f]
        by_a = torch.stack([row[0] for row in rows])
        by_w = torch.stack([row[1].flatten() for row in rows])
        expected = (
            network.mobility_a[element] * by_a @ by_a.T
            + network.mobility_w[element] * by_w @ by_w.T
        ) / len(f)
        torch.testing.assert_close(kernel[element], expected, **ROUNDING)


def test_kernels_of_a_small_move_tend_to_the_tangent_kernel() -> None:
    network, weights = away_from_kinks(width=40, distance=0.2)
    _, kernel = network.tangent(weights)
    of_prediction, of_move = [], []
    for size in (1e-2, 5e-3, 2.5e-3):
        impulse = impulse_of(size)
        prediction = network.predict(weights, impulse)
        of_prediction.append(float((prediction.kernel - kernel).norm()))
        move = network.correct(weights, impulse, prediction)
        of_move.append(float((move.kernel - kernel).norm()))
    # First order, with a next term that is smaller by a factor of about the impulse
    for errors in (of_prediction, of_move):
        assert errors[0] < 0.1 * float(kernel.norm())
        np.testing.assert_allclose(orders(errors), 1, atol=0.05)


def exact_move(network: TwoLayerNetwork, weights: Weights, impulse: Tensor) -> Weights:
    """The flow under a constant force c over unit time, by many small Runge-Kutta steps."""

    def velocity(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        a, w = state
        z = torch.einsum("nd,edm->enm", network.inputs, w)
        force = impulse * network.output_scale[:, None] / len(network.inputs)
        by_a = torch.einsum("en,enm->em", force, torch.relu(z))
        by_w = torch.einsum("en,enm,nd->edm", force, (z > 0).to(z), network.inputs)
        return (
            -network.mobility_a[:, None] * by_a,
            -network.mobility_w[:, None, None] * a[:, None] * by_w,
        )

    def shifted(state, by, length):
        return tuple(value + length * rate for value, rate in zip(state, by, strict=True))

    state, length = (weights.a, weights.w), 1 / 20
    for _ in range(20):
        k1 = velocity(state)
        k2 = velocity(shifted(state, k1, length / 2))
        k3 = velocity(shifted(state, k2, length / 2))
        k4 = velocity(shifted(state, k3, length))
        mean = tuple(
            (one + 2 * two + 2 * three + four) / 6
            for one, two, three, four in zip(k1, k2, k3, k4, strict=True)
        )
        state = shifted(state, mean, length)
    return Weights(*state)


def test_a_move_follows_the_flow_to_second_order() -> None:
    network, weights = away_from_kinks(width=40, distance=0.2)
    errors = []
    for size in (0.2, 0.1, 0.05, 0.025):
        impulse = impulse_of(size)
        move = network.correct(weights, impulse, network.predict(weights, impulse))
        off = move.weights.distance(exact_move(network, weights, impulse))
        errors.append(float(torch.hypot(*off).max()))
    # A method of second order leaves an error of third order in one move.
    assert orders(errors)[-1] == pytest.approx(3, abs=0.1)


def identity_defects(
    network: TwoLayerNetwork, weights: Weights, impulse: Tensor
) -> tuple[float, float, Move]:
    """|f(1) - f(0) + G c| with the kernel G of the prediction: at its end, and the move's."""
    start, _ = network.tangent(weights)
    prediction = network.predict(weights, impulse)
    wanted = start - torch.bmm(prediction.kernel, impulse[:, :, None]).squeeze(2)
    predicted, _ = network.tangent(end_of(prediction))
    move = network.correct(weights, impulse, prediction)
    return float((predicted - wanted).norm()), float((move.outputs - wanted).norm()), move


def signs(network: TwoLayerNetwork, weights: Weights) -> Tensor:
    return torch.einsum("nd,edm->enm", network.inputs, weights.w) > 0


def test_discrete_gradient_identity_without_crossings() -> None:
    network, weights = away_from_kinks(width=40, distance=0.2)
    predicted, moved = [], []
    for size in (0.2, 0.1, 0.05, 0.025):
        at_prediction, at_move, move = identity_defects(network, weights, impulse_of(size))
        assert torch.equal(signs(network, weights), signs(network, move.weights))
        predicted.append(at_prediction)
        moved.append(at_move)
    # The prediction moves w with the a of an explicit half step, off by second order from the mean
    # that its kernel has: third order in the outputs. The move takes that mean: one order more.
    assert orders(predicted)[-1] == pytest.approx(3, abs=0.1)
    assert orders(moved)[-1] == pytest.approx(4, abs=0.1)


def test_discrete_gradient_identity_across_a_kink() -> None:
    network, weights = away_from_kinks(width=40, distance=0.2)
    # Half of the neurons start beside the kink of the second point, far from the others, at a
    # distance in proportion to the impulse, so that as many cross it however small that is.
    point = network.inputs[1]
    along = torch.stack([point[1], -point[0]]) * torch.tensor([1.0, -1.0]).repeat(10)[:, None]
    distances = torch.linspace(-0.02, 0.02, 20, dtype=torch.float64)
    predicted, moved = [], []
    for size in (0.2, 0.1, 0.05, 0.025):
        beside = Weights(weights.a, weights.w.clone())
        beside.w[:, :, :20] = (along + size * distances[:, None] * point / point.dot(point)).T
        at_prediction, at_move, move = identity_defects(network, beside, impulse_of(size))
        crossed = signs(network, beside) != signs(network, move.weights)
        assert crossed[:, 1].sum() >= 4 and crossed[:, [0, 2, 3]].sum() == 0
        predicted.append(at_prediction)
        moved.append(at_move)
    # With one kink on its way a neuron's share is exact in the prediction, so that the order
    # stays; the move's shares differ from it by second order, which costs it its extra order.
    assert orders(predicted)[-1] == pytest.approx(3, abs=0.1)
    assert orders(moved)[-1] == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("offset", [0.0, 1e-12, -1e-12])
def test_a_neuron_on_a_kink_slides_along_it(offset: float) -> None:
    # Inactive on the first point, the neuron is pushed towards its kink by the second one;
    # active, it is pushed back. It must stay, wherever rounding has left it.
    inputs = torch.tensor([[-1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    network = TwoLayerNetwork(inputs, one, 0 * one, one, relu)
    weights = Weights(one[None], torch.tensor([[[0.5], [0.5 + offset]]], dtype=torch.float64))
    impulse = torch.tensor([[0.1, -0.1]], dtype=torch.float64)
    move = network.correct(weights, impulse, network.predict(weights, impulse))
    z = network.inputs @ move.weights.w[0]
    assert abs(float(z[0])) <= abs(offset) + 1e-15
    # With c = (0.1, -0.1) the pull of the first point is twice that of the second; Filippov's
    # share of one half balances them, and dw = -(1/2) (-0.1, 0.1)/2 + (0, 0.1)/2 = 0.025 (1, 1).
    expected = weights.w + 0.025
    torch.testing.assert_close(move.weights.w, expected, rtol=0, atol=1e-11)


def test_corrections_are_distances_from_the_end_of_the_prediction() -> None:
    network, weights = random_batch(width=50)
    impulse = impulse_of(0.5, n_elements=3)
    prediction = network.predict(weights, impulse)
    predicted = end_of(prediction)
    move = network.correct(weights, impulse, prediction)
    expected = move.weights.distance(predicted)
    assert min(float(distance.min()) for distance in expected) > 1e-6
    for correction, distance in zip(move.corrections, expected, strict=True):
        torch.testing.assert_close(correction, distance, rtol=1e-9, atol=0)


def moves(network: TwoLayerNetwork, weights: Weights, impulse: Tensor) -> dict[str, Tensor]:
    """All that the dynamics gets to see of a tangent and of a move."""
    outputs, kernel = network.tangent(weights)
    prediction = network.predict(weights, impulse)
    predicted_kernel = prediction.kernel
    move = network.correct(weights, impulse, prediction)
    return {
        "outputs": outputs,
        "kernel": kernel,
        "predicted kernel": predicted_kernel,
        "a": move.weights.a,
        "w": move.weights.w,
        "new outputs": move.outputs,
        "new kernel": move.kernel,
        "correction of a": move.corrections[0],
        "correction of w": move.corrections[1],
    }


@pytest.mark.parametrize("neurons_in_a_tile", [250, 100, 33, 7])
def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch, neurons_in_a_tile: int) -> None:
    # 250 neurons: two elements to a tile, and the last one alone; fewer: pieces of an element
    network, weights = random_batch(width=100)
    impulse = impulse_of(1.0, n_elements=3)
    expected = moves(network, weights, impulse)
    assert len(list(network._tiles(weights))) == 1
    monkeypatch.setattr(two_layer, "TILE_BYTES", 8 * len(network.inputs) * neurons_in_a_tile)
    assert len(list(network._tiles(weights))) > 1
    for name, value in moves(network, weights, impulse).items():
        torch.testing.assert_close(
            value, expected[name], **ROUNDING, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_an_element_does_not_depend_on_its_batch() -> None:
    network, weights = random_batch(width=100)
    impulse = impulse_of(1.0, n_elements=3)
    together = moves(network, weights, impulse)
    for element in range(3):
        chosen = slice(element, element + 1)
        alone = moves(network[chosen], weights[chosen], impulse[chosen])
        for name, value in alone.items():
            torch.testing.assert_close(
                value, together[name][chosen], **ROUNDING, msg=lambda text, name=name: name + text
            )


def test_a_batch_can_be_indexed() -> None:
    network, weights = draw([(0.0, 0.6), (0.5, 1.0), (-1.0, 1.4)], width=10)
    index = torch.tensor([2, 0])
    outputs, kernel = network.tangent(weights)
    chosen_outputs, chosen_kernel = network[index].tangent(weights[index])
    torch.testing.assert_close(chosen_outputs, outputs[index], **ROUNDING)
    torch.testing.assert_close(chosen_kernel, kernel[index], **ROUNDING)


def test_antisymmetric_weights_give_nothing() -> None:
    drawn = gaussian(stream(1, "antisymmetric"), 20, 2)
    a, w = antisymmetric(*drawn)
    assert a.shape == (20,) and w.shape == (2, 20)
    np.testing.assert_array_equal(a[:10], drawn[0][:10])
    np.testing.assert_array_equal(w[:, :10], drawn[1][:, :10])
    inputs, _ = four_points()
    outputs = torch.relu(inputs @ torch.tensor(w)) @ torch.tensor(a)
    torch.testing.assert_close(outputs, torch.zeros(4).double(), rtol=0, atol=1e-14)


def test_antisymmetric_weights_need_an_even_width() -> None:
    with pytest.raises(ValueError, match="even width, not 7"):
        antisymmetric(*gaussian(stream(1, "antisymmetric"), 7, 2))


def test_gaussian_weights_are_standard() -> None:
    a, w = gaussian(stream(2, "gaussian"), 20_000, 3)
    values = np.concatenate([a, w.ravel()])
    # Five standard errors of the mean and of the variance of 80 000 numbers
    assert abs(values.mean()) < 5 / np.sqrt(values.size)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / values.size)


def test_streams_are_named_by_their_whole_key() -> None:
    keys = [(1, "a", 2, 3), (1, "a", 3, 2), (1, "a", 23), (1, "a", "2", 3), (2, "a", 2, 3)]
    numbers = {stream(*key).integers(2**62) for key in keys}
    assert len(numbers) == len(keys)
    again = {stream(*key).integers(2**62) for key in keys}
    assert again == numbers
