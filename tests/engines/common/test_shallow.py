"""Shallow networks: steps against autograd, independence of the batch, tangent kernels."""

from importlib import import_module

import autograd_descent
import pytest
import torch
from autograd_descent import ACTIVATIONS, LOSSES
from descent_problems import draw, rates

from regimes.activations.apply import activate_
from regimes.engines.common import shallow
from regimes.engines.common.draws import initial_weights
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights
from regimes.engines.common.streams import stream
from regimes.kernels.tangent_kernel import (
    largest_eigenvalue,
    smallest_eigenvalue,
    tangent_kernel,
)

STEPS = 5
LAYERS = {"first": (0.02, 0.0), "second": (0.0, 0.003), "both": (0.02, 0.003)}


def module(activation: str):
    return import_module(f"regimes.activations.{activation}")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_torch(name: str) -> None:
    z = torch.linspace(-30, 30, 1202, dtype=torch.float64).view(2, -1).requires_grad_()
    expected = ACTIVATIONS[name](z)
    (slope,) = torch.autograd.grad(expected.sum(), z)
    value, out = z.detach().clone(), torch.full_like(z, torch.nan)
    activate_(module(name), value, out)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(out, slope, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_steps_are_those_of_autograd(
    monkeypatch: pytest.MonkeyPatch,
    activation: str,
    loss: str,
    layers: str,
    n_outputs: int,
    at_once: bool,
) -> None:
    monkeypatch.setattr(shallow, "one_by_one", lambda device: not at_once)
    # Three pieces of the neurons, the last one smaller
    monkeypatch.setattr(shallow, "LEAST_NEURONS", 5)
    monkeypatch.setattr(shallow, "PIECE_BYTES", 0)
    inputs, targets, weights = draw(2, 13, 9, 4, n_outputs)
    factor = gradient_factor(loss, n_outputs, 9)
    # The same rate of change whatever the loss
    rate = [value / factor for value in LAYERS[layers]]
    networks = ShallowNetworks(
        inputs,
        weights,
        rates(2, rate[0] * factor, rate[1] * factor),
        module(activation),
        trained=layers,
        output_scale=0.7,
    )
    found = [networks.evaluate() - targets]
    for _ in range(STEPS):
        found.append(networks.move(found[-1]) - targets)
    for run in range(2):
        path = autograd_descent.descend(
            weights.hidden[run],
            weights.output[run],
            inputs[run],
            targets[run],
            tuple(rate),
            STEPS,
            activation,
            loss,
            scale=0.7,
        )
        for residuals, expected in zip(found, path.residuals, strict=True):
            torch.testing.assert_close(residuals[run], expected, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(
            networks.weights.hidden[run], path.hidden[-1], rtol=1e-12, atol=0
        )
        torch.testing.assert_close(
            networks.weights.output[run], path.output[-1], rtol=1e-12, atol=0
        )
        moved = [not torch.equal(steps[0], steps[-1]) for steps in (path.hidden, path.output)]
        assert moved == [layers != "second", layers != "first"]


def test_rates_are_those_of_each_run_and_inputs_can_be_shared() -> None:
    inputs, targets, weights = draw(3, 10, 6, 4)
    own = torch.tensor([0.01, 0.03, 0.0], dtype=torch.float64)
    networks = ShallowNetworks(
        inputs[0], weights, Rates(own, own.flip(0)), module("relu"), trained="both"
    )
    networks.move(networks.evaluate() - targets)
    for run in range(3):
        path = autograd_descent.descend(
            weights.hidden[run],
            weights.output[run],
            inputs[0],
            targets[run],
            (float(own[run]), float(own[2 - run])),
            1,
        )
        torch.testing.assert_close(networks.weights.hidden[run], path.hidden[-1])
        torch.testing.assert_close(networks.weights.output[run], path.output[-1])


@pytest.mark.parametrize("sizes", [(77, 33, 11), (300, 101, 20), (16, 8, 3), (64, 45, 45)])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_bits_do_not_depend_on_the_batch(
    sizes: tuple[int, int, int], layers: str, n_outputs: int, activation: str
) -> None:
    inputs, targets, weights = draw(4, *sizes, n_outputs)

    def run(chosen: list[int], kept: list[int] | None = None) -> list[torch.Tensor]:
        networks = ShallowNetworks(
            inputs[chosen],
            weights[chosen],
            rates(len(chosen), 1e-3, 1e-4),
            module(activation),
            trained=layers,
        )
        goals, outputs = targets[chosen], networks.evaluate()
        for step in range(4):
            if step == 2 and kept is not None:
                outputs = outputs[kept]
                networks.keep(kept)
                goals = goals[kept]
            outputs = networks.move(outputs - goals)
        norms = torch.linalg.vector_norm(outputs - goals, dim=(1, 2))
        return [networks.weights.hidden, networks.weights.output, outputs.clone(), norms]

    together, some = run([0, 1, 2, 3]), run([3, 0, 2], kept=[1, 2])
    for index in range(4):
        alone = run([index])
        assert all(torch.equal(a[0], b[index]) for a, b in zip(alone, together, strict=True))
    for position, index in enumerate([0, 2]):
        assert all(torch.equal(a[position], b[index]) for a, b in zip(some, together, strict=True))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_activation_changes_are_those_of_the_history(activation: str) -> None:
    inputs, targets, weights = draw(3, 40, 30, 5)
    networks = ShallowNetworks(inputs, weights, rates(3, 0.02), module(activation))
    assert networks.activation_changes().tolist() == [0, 0, 0]
    outputs = networks.evaluate()
    for _ in range(20):
        outputs = networks.move(outputs - targets)
    counts = networks.activation_changes().tolist()
    for run, count in enumerate(counts):
        path = autograd_descent.descend(
            weights.hidden[run],
            weights.output[run],
            inputs[run],
            targets[run],
            (0.02, 0.0),
            20,
            activation,
        )
        assert count == path.activation_changes()
        at_the_end = int((path.active[-1] != path.active[0]).sum())
        # Some came back, or the count would not tell whether it looks at all steps.
        assert count > at_the_end > 0


def test_the_weights_that_are_given_are_not_moved() -> None:
    inputs, targets, weights = draw(1, 10, 6, 4)
    before = weights.clone()
    networks = ShallowNetworks(inputs, weights, rates(1, 0.1), module("relu"), trained="both")
    networks.move(networks.evaluate() - targets)
    assert torch.equal(weights.hidden, before.hidden)
    assert torch.equal(weights.output, before.output)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("weights_of_layers", [(1.0, 0.0), (0.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_tangent_kernel_is_that_of_the_jacobian(
    activation: str, weights_of_layers: tuple[float, float], n_outputs: int
) -> None:
    inputs, _, weights = draw(1, 7, 5, 4, n_outputs)
    hidden, output = weights.hidden[0], weights.output[0]
    jacobians = torch.autograd.functional.jacobian(
        lambda w, z: 0.3 * autograd_descent.outputs(w, z, inputs[0], activation).flatten(),
        (hidden, output),
    )
    expected = sum(
        weight * jacobian.flatten(1) @ jacobian.flatten(1).T
        for weight, jacobian in zip(weights_of_layers, jacobians, strict=True)
    )
    first, second = weights_of_layers
    kernel = tangent_kernel(
        hidden,
        output,
        inputs[0],
        module(activation),
        first=first,
        second=second,
        output_scale=0.3,
    )
    torch.testing.assert_close(kernel, expected, rtol=1e-12, atol=1e-14)
    eigenvalues = torch.linalg.eigvalsh(expected)
    assert smallest_eigenvalue(kernel) == pytest.approx(float(eigenvalues[0]), abs=1e-12)
    assert largest_eigenvalue(kernel) == pytest.approx(float(eigenvalues[-1]))


def test_initial_weights_have_their_distributions() -> None:
    hidden, output = initial_weights(stream(0, "a"), 400, 50, 2, "rademacher")
    assert hidden.shape == (400, 50) and output.shape == (2, 400)
    assert set(output.ravel().tolist()) == {-1.0, 1.0}
    assert abs(output.mean()) < 4 / 800**0.5
    assert abs(hidden.mean()) < 4 / 20_000**0.5 and abs(hidden.var() - 1) < 4 * (2 / 20_000) ** 0.5
    same, gaussian = initial_weights(stream(0, "a"), 400, 50, 2, "gaussian")
    assert (same == hidden).all()
    assert abs(gaussian.var() - 1) < 4 * (2 / 800) ** 0.5 and len(set(gaussian.ravel())) == 800


def test_networks_know_their_inputs() -> None:
    inputs, _, weights = draw(2, 5, 4, 3)
    own = ShallowNetworks(inputs, weights, rates(2, 0.1), module("relu"))
    shared = ShallowNetworks(inputs[1], weights, rates(2, 0.1), module("relu"))
    assert torch.equal(own.inputs_of(0), inputs[0])
    assert torch.equal(shared.inputs_of(0), inputs[1])
    assert len(own) == 2 and isinstance(own.weights, Weights)
