"""Two-layer networks: their tangent against autograd, their moves against the theory."""

from importlib import import_module

import numpy as np
import pytest
import torch
from problems import draw, four_points
from torch import Tensor

from regimes.activations import relu
from regimes.engines.common.draws import antisymmetric
from regimes.engines.common.streams import stream
from regimes.engines.gradient_flow import network as two_layer
from regimes.engines.gradient_flow.initialisation import gaussian
from regimes.engines.gradient_flow.network import (
    Impulse,
    Move,
    Prediction,
    TwoLayerNetwork,
    Weights,
)
from regimes.parameterisations import normalised

# Sums over some hundred neurons in another order, after cancellations of at most a factor ten.
ROUNDING = {"rtol": 1e-12, "atol": 1e-13}
# One activation with a kink, one without
KINDS = ("relu", "tanh")


def random_batch(
    width: int, n_elements: int = 3, activation: str = "relu"
) -> tuple[TwoLayerNetwork, Weights]:
    """Networks whose scales all differ, of order one."""
    inputs, _ = four_points()
    random = stream(5, "networks", width, n_elements)
    scales = [torch.tensor(random.uniform(0.5, 1.5, n_elements)) for _ in range(3)]
    a, w = random.normal(size=(n_elements, width)), random.normal(size=(n_elements, 2, width))
    module = import_module(f"regimes.activations.{activation}")
    return TwoLayerNetwork(inputs, *scales, module), Weights(torch.tensor(a), torch.tensor(w))


def away_from_kinks(width: int, distance: float) -> tuple[TwoLayerNetwork, Weights]:
    """A batch whose pre-activations are all at least `distance` from the kink."""
    network, weights = random_batch(20 * width, n_elements=2)
    z = torch.einsum("nd,edm->enm", network.inputs, weights.w)
    clear = (z.abs() > distance).all(dim=1).all(dim=0).nonzero().squeeze(1)[:width]
    assert len(clear) == width
    # The scale for the output to be of order one
    network.output_scale /= width**0.5
    return network, Weights(weights.a[:, clear], weights.w[:, :, clear])


def impulse_of(size: float, n_elements: int = 2) -> Impulse:
    """An impulse of that size, always in the same direction, that is constant in time."""
    direction = torch.tensor(stream(6, "impulse").normal(size=(n_elements, 4)))
    total = size * direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    return Impulse(total, torch.zeros_like(total))


def varying(impulse: Impulse) -> Impulse:
    """The same with a density that changes its direction in time."""
    return Impulse(impulse.total, 0.1 * impulse.total.roll(1, dims=1))


def predicted(network: TwoLayerNetwork, weights: Weights, impulse: Impulse) -> Prediction:
    """A prediction from the initial weights, with a tolerance of its own for each element."""
    return network.predict(weights, weights, impulse, tolerances(weights))


def corrected(
    network: TwoLayerNetwork, weights: Weights, impulse: Impulse, prediction: Prediction
) -> Move:
    return network.correct(weights, weights, impulse, tolerances(weights), prediction)


def moved(network: TwoLayerNetwork, weights: Weights, impulse: Impulse) -> Move:
    return corrected(network, weights, impulse, predicted(network, weights, impulse))


def tolerances(weights: Weights) -> Tensor:
    return torch.linspace(0.03, 0.01, len(weights.a), dtype=weights.a.dtype)


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
            network.rate_a[element] * by_a @ by_a.T + network.rate_w[element] * by_w @ by_w.T
        ) / len(f)
        torch.testing.assert_close(kernel[element], expected, **ROUNDING)


def test_kernels_of_a_small_move_tend_to_the_tangent_kernel() -> None:
    network, weights = away_from_kinks(width=40, distance=0.2)
    _, kernel = network.tangent(weights)
    of_prediction, of_move = [], []
    for size in (1e-2, 5e-3, 2.5e-3):
        impulse = impulse_of(size)
        prediction = predicted(network, weights, impulse)
        of_prediction.append(float((prediction.kernel - kernel).norm()))
        move = corrected(network, weights, impulse, prediction)
        of_move.append(float((move.kernel - kernel).norm()))
    # First order, with a next term that is smaller by a factor of about the impulse
    for errors in (of_prediction, of_move):
        assert errors[0] < 0.1 * float(kernel.norm())
        np.testing.assert_allclose(orders(errors), 1, atol=0.05)


def exact_move(network: TwoLayerNetwork, weights: Weights, impulse: Impulse) -> Weights:
    """The flow under a constant force c over unit time, by many small Runge-Kutta steps."""

    def velocity(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        a, w = state
        z = torch.einsum("nd,edm->enm", network.inputs, w)
        force = impulse.total * network.output_scale[:, None] / len(network.inputs)
        by_a = torch.einsum("en,enm->em", force, torch.relu(z))
        by_w = torch.einsum("en,enm,nd->edm", force, (z > 0).to(z), network.inputs)
        return (
            -network.rate_a[:, None] * by_a,
            -network.rate_w[:, None, None] * a[:, None] * by_w,
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
        move = moved(network, weights, impulse)
        off = move.weights.distance(exact_move(network, weights, impulse))
        errors.append(float(torch.hypot(*off).max()))
    # A method of second order leaves an error of third order in one move.
    assert orders(errors)[-1] == pytest.approx(3, abs=0.1)


def identity_defect(
    network: TwoLayerNetwork, weights: Weights, impulse: Impulse
) -> tuple[float, Move]:
    """|f(1) - f(0) + G c| with the kernel G of the prediction, and the move."""
    start, _ = network.tangent(weights)
    prediction = predicted(network, weights, impulse)
    wanted = start - torch.bmm(prediction.kernel, impulse.total[:, :, None]).squeeze(2)
    move = corrected(network, weights, impulse, prediction)
    return float((move.outputs - wanted).norm()), move


def signs(network: TwoLayerNetwork, weights: Weights) -> Tensor:
    return torch.einsum("nd,edm->enm", network.inputs, weights.w) > 0


def test_discrete_gradient_identity_without_crossings() -> None:
    network, weights = away_from_kinks(width=40, distance=0.2)
    for size in (0.2, 0.1, 0.05, 0.025):
        defect, move = identity_defect(network, weights, impulse_of(size))
        assert torch.equal(signs(network, weights), signs(network, move.weights))
        # The midpoint rule has a discrete gradient where slopes are constant.
        assert defect < 1e-14


def test_discrete_gradient_identity_across_a_kink() -> None:
    network, weights = away_from_kinks(width=40, distance=0.2)
    # Half of the neurons start beside the kink of the second point, far from the others, at a
    # distance in proportion to the impulse, so that as many cross it however small that is.
    point = network.inputs[1]
    along = torch.stack([point[1], -point[0]]) * torch.tensor([1.0, -1.0]).repeat(10)[:, None]
    distances = torch.linspace(-0.02, 0.02, 20, dtype=torch.float64)
    defects = []
    for size in (0.2, 0.1, 0.05, 0.025):
        beside = Weights(weights.a, weights.w.clone())
        beside.w[:, :, :20] = (along + size * distances[:, None] * point / point.dot(point)).T
        impulse = impulse_of(size)
        defect, move = identity_defect(network, beside, impulse)
        crossed = signs(network, beside) != signs(network, move.weights)
        assert crossed[:, 1].sum() >= 4 and crossed[:, [0, 2, 3]].sum() == 0
        defects.append(defect)
    # The conservation law takes the mean of the pre-activations times the mean slope where the
    # identity has the mean of the activations. The two differ by first order, as z is of first
    # order itself, and so a does by second order. The share of such neurons does not fall here;
    # in a flow it falls with the step, by another order.
    np.testing.assert_allclose(orders(defects), 2, atol=0.05)
    assert defects[0] < 1e-4 * float(move.kernel.norm() * impulse_of(0.2).total.norm())


@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus"])
def test_discrete_gradient_identity_of_smooth_activations(activation: str) -> None:
    network, weights = random_batch(width=40, n_elements=2, activation=activation)
    network.output_scale /= 40**0.5
    defects = [
        identity_defect(network, weights, impulse_of(size))[0] for size in (0.2, 0.1, 0.05, 0.025)
    ]
    # The mean of the activations at both ends is off by second order, and so is that of a: third
    # order in the outputs.
    np.testing.assert_allclose(orders(defects), 3, atol=0.05)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus"])
def test_the_identity_holds_across_steps_of_their_own(activation: str) -> None:
    # Neurons that take many steps of their own have the kernel of their whole way.
    network, weights = random_batch(width=40, n_elements=2, activation=activation)
    network.output_scale /= 40**0.5
    weights.a *= 20
    impulse, off = impulse_of(1.0), []
    for tolerance in (1e-2, 1e-4, 1e-6):
        each = torch.full((2,), tolerance, dtype=torch.float64)
        start, _ = network.tangent(weights)
        prediction = network.predict(weights, weights, impulse, each)
        change = torch.bmm(prediction.kernel, impulse.total[:, :, None]).squeeze(2)
        move = network.correct(weights, weights, impulse, each, prediction)
        off.append(float((move.outputs - start + change).norm() / change.norm()))
    # The identity is of second order in their own steps, whose sizes go as the cube root of the
    # tolerance: a hundredth of it leaves a twentieth.
    assert off[0] < 0.01
    assert off[1] < off[0] / 10 and off[2] < off[1] / 10


CORNERS = [(-1.0, 0.5), (-1.0, 2.0), (1.0, 0.5), (1.0, 2.0)]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize(("gamma_prime", "gamma"), CORNERS)
def test_the_law_is_kept_to_rounding_whatever_crosses(
    activation: str, gamma_prime: float, gamma: float
) -> None:
    network, weights = random_batch(width=300, n_elements=4, activation=activation)
    scales = normalised.scales({"gamma_prime": gamma_prime, "gamma": gamma, "width": 300})
    network.output_scale.fill_(scales.output)
    network.rate_a.fill_(scales.rate_a)
    network.rate_w.fill_(scales.rate_w)
    # Impulses that turn neurons by angles of up to this many radians
    sizes = torch.tensor([0.1, 1.0, 3.0, 10.0], dtype=torch.float64)[:, None]
    direction = impulse_of(4 / scales.output, n_elements=4)
    impulse = Impulse(sizes * direction.total, direction.moment)
    move = moved(network, weights, impulse)
    crossed = (signs(network, weights) != signs(network, move.weights)).any(dim=1)
    off = drift_of_neurons(network, weights, move.weights)
    assert crossed.sum(dim=1).tolist()[-1] > 200 and int(crossed.sum()) > 400
    assert float(off.max()) < 1e-14


def drift_of_neurons(network: TwoLayerNetwork, start: Weights, end: Weights) -> Tensor:
    """How far a^2 / M_a - |w|^2 / M_w moved, over the largest sum of both terms, (E, m)."""

    def terms(weights: Weights) -> tuple[Tensor, Tensor]:
        by_a = weights.a.square() / network.rate_a[:, None]
        return by_a, weights.w.square().sum(dim=1) / network.rate_w[:, None]

    (a0, w0), (a1, w1) = terms(start), terms(end)
    return ((a1 - w1) - (a0 - w0)).abs() / torch.maximum(a0 + w0, a1 + w1)


@pytest.mark.parametrize("offset", [0.0, 1e-12, -1e-12])
def test_a_neuron_on_a_kink_slides_along_it(offset: float) -> None:
    # Inactive on the first point, the neuron is pushed towards its kink by the second one;
    # active, it is pushed back. It must stay, wherever rounding has left it.
    inputs = torch.tensor([[-1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    network = TwoLayerNetwork(inputs, one, 0 * one, one, relu)
    weights = Weights(one[None], torch.tensor([[[0.5], [0.5 + offset]]], dtype=torch.float64))
    total = torch.tensor([[0.1, -0.1]], dtype=torch.float64)
    move = moved(network, weights, Impulse(total, torch.zeros_like(total)))
    z = network.inputs @ move.weights.w[0]
    assert abs(float(z[0])) <= abs(offset) + 1e-15
    # With c = (0.1, -0.1) the pull of the first point is twice that of the second; Filippov's
    # share of one half balances them, and dw = -(1/2) (-0.1, 0.1)/2 + (0, 0.1)/2 = 0.025 (1, 1).
    expected = weights.w + 0.025
    torch.testing.assert_close(move.weights.w, expected, rtol=0, atol=1e-11)


def test_distances_are_those_from_the_initial_weights() -> None:
    for network, initial in (
        away_from_kinks(width=40, distance=0.2),
        random_batch(width=50, n_elements=2, activation="tanh"),
    ):
        impulse, tolerance = varying(impulse_of(0.02)), tolerances(initial)
        weights = Weights(1.1 * initial.a, 1.05 * initial.w)
        prediction = network.predict(weights, initial, impulse, tolerance)
        distances = prediction.distances.clone()
        move = network.correct(weights, initial, impulse, tolerance, prediction)
        expected = torch.stack(move.weights.distance(initial))
        assert float(expected.min()) > 0.1
        torch.testing.assert_close(move.distances, expected, rtol=1e-13, atol=0)
        # Without crossings and with the same impulse both tries end at one place, ...
        torch.testing.assert_close(distances, expected, rtol=1e-13, atol=0)
        # ... and with another one they do not.
        other = Impulse(1.1 * impulse.total, impulse.moment)
        prediction = network.predict(weights, initial, other, tolerance)
        away = prediction.distances.clone()
        move = network.correct(weights, initial, impulse, tolerance, prediction)
        assert float((away - move.distances).abs().min()) > 1e-6


def results_of(network: TwoLayerNetwork, weights: Weights, impulse: Impulse) -> dict[str, Tensor]:
    """All that the dynamics gets to see of a tangent and of a move."""
    outputs, kernel = network.tangent(weights)
    initial = Weights(weights.a + 0.1, weights.w - 0.2)
    tolerance = tolerances(weights)
    return outcome(network, weights, initial, impulse, tolerance) | {
        "outputs": outputs,
        "kernel": kernel,
    }


def outcome(
    network: TwoLayerNetwork,
    weights: Weights,
    initial: Weights,
    impulse: Impulse,
    tolerance: Tensor,
) -> dict[str, Tensor]:
    prediction = network.predict(weights, initial, impulse, tolerance)
    found = {
        "predicted kernel": prediction.kernel.clone(),
        "predicted distances": prediction.distances.T.clone(),
    }
    # The impulse that belongs to the predicted kernel is another one.
    second = Impulse(1.1 * impulse.total, impulse.moment)
    move = network.correct(weights, initial, second, tolerance, prediction)
    return found | {
        "a": move.weights.a,
        "w": move.weights.w,
        "new outputs": move.outputs,
        "new kernel": move.kernel,
        "distances": move.distances.T,
    }


@pytest.mark.parametrize("activation", KINDS)
@pytest.mark.parametrize("neurons_in_a_tile", [250, 100, 33, 7])
def test_tiles_change_nothing(
    monkeypatch: pytest.MonkeyPatch, neurons_in_a_tile: int, activation: str
) -> None:
    # 250 neurons: two elements to a tile, and the last one alone; fewer: pieces of an element
    network, weights = random_batch(width=100, activation=activation)
    impulse = varying(impulse_of(5.0, n_elements=3))
    expected = results_of(network, weights, impulse)
    assert len(list(network._tiles(weights))) == 1
    monkeypatch.setattr(two_layer, "TILE_BYTES", 8 * len(network.inputs) * neurons_in_a_tile)
    assert len(list(network._tiles(weights))) > 1
    for name, value in results_of(network, weights, impulse).items():
        torch.testing.assert_close(
            value, expected[name], **ROUNDING, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("activation", KINDS)
@pytest.mark.parametrize("index", [[0], [1], [2], [2, 0]], ids=str)
def test_an_element_does_not_depend_on_its_batch(index: list[int], activation: str) -> None:
    network, weights = random_batch(width=100, activation=activation)
    impulse = varying(impulse_of(5.0, n_elements=3))
    initial = Weights(weights.a + 0.1, weights.w - 0.2)
    together = outcome(network, weights, initial, impulse, tolerances(weights))
    alone = outcome(
        network[index],
        weights[index],
        initial[index],
        Impulse(impulse.total[index], impulse.moment[index]),
        tolerances(weights)[index],
    )
    for name, value in alone.items():
        torch.testing.assert_close(
            value, together[name][index], **ROUNDING, msg=lambda text, name=name: name + text
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
