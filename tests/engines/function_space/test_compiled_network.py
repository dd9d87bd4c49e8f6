"""Function-space networks with few features, compiled, against those of products."""

from types import ModuleType

import numpy as np
import pytest
import torch

from regimes.activations import leaky_relu, relu
from regimes.engines.common.shallow import few_feature_passes
from regimes.engines.function_space import slope_products
from regimes.engines.function_space.compiled_network import CompiledNetwork
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.multistep import MultistepControl, control_of, multistep
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.engines.function_space.slope_products import SlopeProducts

WIDTH, N_POINTS, N_FEATURES = 90, 70, 5


def both(activation: ModuleType) -> tuple[CompiledNetwork, FunctionSpaceNetwork]:
    """The same network twice, at its start."""
    random = np.random.default_rng(0)
    inputs = torch.tensor(random.standard_normal((N_POINTS, N_FEATURES)) / N_FEATURES**0.5)
    weights = torch.tensor(random.standard_normal((WIDTH, N_FEATURES)))
    scales = torch.tensor(random.uniform(0.5, 1.5, WIDTH) / WIDTH**0.5)
    output = scales * torch.tensor(random.choice([-1.0, 1.0], WIDTH))
    targets = torch.tensor(random.standard_normal(N_POINTS))
    embedded = Embedded(inputs, inputs[:3])
    passes = few_feature_passes(inputs.mT, activation)
    assert passes is not None
    given = (output, targets, activation)
    factors = {"output_scale": 0.9, "step_factor": 0.5}
    compiled = CompiledNetwork(passes, embedded, weights, *given, **factors)
    initial = weights @ torch.cat([embedded.train, embedded.test]).mT
    products = FunctionSpaceNetwork(embedded, initial, *given, **factors, in_weights=True)
    return compiled, products


def assert_together(one: FunctionSpaceNetwork, other: FunctionSpaceNetwork, atol: float) -> None:
    torch.testing.assert_close(one.errors, other.errors, rtol=0, atol=atol)
    torch.testing.assert_close(one.coefficients, other.coefficients, rtol=0, atol=atol)
    torch.testing.assert_close(one.slopes, other.slopes, rtol=0, atol=0)
    for found, expected in zip(one.pre_activations(), other.pre_activations(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=10 * atol)
    torch.testing.assert_close(one.tangent_kernel(), other.tangent_kernel(), rtol=0, atol=1e-13)
    assert one.coordinate_distance() == pytest.approx(other.coordinate_distance(), abs=atol)


@pytest.mark.parametrize("activation", [relu, leaky_relu])
def test_steps_and_multisteps_are_those_of_products(activation: ModuleType) -> None:
    compiled, products = both(activation)
    assert_together(compiled, products, 1e-14)
    for network in (compiled, products):
        for _ in range(30):
            network.step()
    assert_together(compiled, products, 1e-12)
    found, expected = multistep(compiled, 40), multistep(products, 40)
    assert 1e-6 < expected.error < 0.5
    assert found.error == pytest.approx(expected.error, rel=1e-6)
    compiled.move_to(found.end)
    products.move_to(expected.end)
    assert_together(compiled, products, 1e-11)


def test_whole_runs_are_those_of_products() -> None:
    compiled, products = both(relu)
    steps = np.array([0, 1, 10, 100, 1000, 3000])

    def observe(network: FunctionSpaceNetwork) -> dict[str, float]:
        return {"loss": float(network.errors.square().mean())}

    found = descend(compiled, steps, observe, MultistepControl(0.05, 5))
    expected = descend(products, steps, observe, MultistepControl(0.05, 5))
    assert found.multisteps == expected.multisteps > 20
    np.testing.assert_allclose(found.history["loss"], expected.history["loss"], rtol=1e-6)


def test_multisteps_are_as_long_where_passes_are_not_compiled() -> None:
    compiled, products = both(relu)
    lengths = [control_of(network, 0.01).break_even_steps for network in (compiled, products)]
    assert lengths[0] == lengths[1] and 4 < lengths[0] < 30


@pytest.mark.parametrize("low", [0.0, 0.01])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5])
def test_updated_products_are_those_made_anew(share: float, low: float) -> None:
    random = np.random.default_rng(0)
    squares = torch.tensor(random.uniform(0.1, 2, 40))
    positive = random.random((40, 31)) < 0.5
    updated = SlopeProducts(squares, low)
    updated.at(positive)
    for _ in range(5):
        positive = positive ^ (random.random((40, 31)) < share)
        slopes = np.where(positive, 1.0, low)
        expected = slopes.T @ (slopes * squares.numpy()[:, None])
        np.testing.assert_allclose(updated.at(positive).numpy(), expected, rtol=0, atol=1e-12)


def test_many_changes_are_not_added_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    updated = SlopeProducts(torch.ones(40, dtype=torch.float64), 0.0)
    positive = np.random.default_rng(0).random((40, 31)) < 0.5
    updated.at(positive)
    monkeypatch.setattr(slope_products, "MOST_CHANGED", -1.0)
    expected = (~positive).T.astype(float) @ (~positive)
    np.testing.assert_array_equal(updated.at(~positive).numpy(), expected)


def test_a_restored_network_goes_on_with_the_same_bits() -> None:
    network, _ = both(relu)
    for _ in range(3):
        network.move_to(multistep(network, 10).end)
    network.step()
    state = {name: value.clone() for name, value in network.state().items()}
    other, _ = both(relu)
    other.restore(state)
    ends = [multistep(one, 20).end for one in (network, other)]
    assert torch.equal(ends[0].errors, ends[1].errors)
    assert torch.equal(ends[0].coefficients, ends[1].coefficients)
