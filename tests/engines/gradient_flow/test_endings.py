"""How runs of gradient flow end: each in one of four ways, whatever the units are."""

from types import ModuleType

import numpy as np
import pytest
import torch
from flow_blocks import block_of
from problems import draw, four_points, stack
from torch import Tensor

from regimes.activations import relu, tanh
from regimes.datasets import points
from regimes.engines.common.runner import train
from regimes.engines.common.streams import stream
from regimes.engines.gradient_flow.integrator import ENDINGS, FlowResult, Limits, integrate
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.engines.gradient_flow.step_size import StepSizeControl

RELATIVE_LOSS = 1e-6
GAMMAS = [(p, g) for p in (-0.5, 0.0, 0.5) for g in (0.6, 1.0, 1.6)]
# Two points with one input and other targets: the best that can be had is their mean.
DUPLICATES = (-1.0, -0.33, 0.33, 1.0, 1.0)
CONTRADICTING = (0.3, -0.6, 0.7, 0.2, -0.2)
LOSS_OF_DUPLICATES = (0.2**2 + 0.2**2) / (2 * 5)
# Oxidation of ammonia to nitric acid: air flow, water temperature, acid concentration, and the
# ammonia that is lost (K. A. Brownlee, Statistical Theory and Methodology in Science and
# Engineering, 1965; `stackloss` in R, `statsmodels.datasets.stackloss`). Rows 7 and 8 differ in
# their target alone.
STACKLOSS = np.fromstring(
    "80 27 89 42  80 27 88 37  75 25 90 37  62 24 87 28  62 22 87 18  62 23 87 18  62 24 93 19 "
    "62 24 93 20  58 23 87 15  58 18 80 14  58 18 89 14  58 17 88 13  58 18 82 11  58 19 93 12 "
    "50 18 89 8  50 18 86 7  50 19 72 8  50 19 79 8  50 20 80 9  56 20 82 15  70 20 91 15",
    sep=" ",
).reshape(21, 4)


def with_bias(inputs: tuple[float, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor([[value, 1.0] for value in inputs], dtype=dtype)


def on(network: TwoLayerNetwork, inputs: Tensor, activation: ModuleType = relu) -> TwoLayerNetwork:
    """The same network on other inputs."""
    scales = (network.output_scale, network.rate_a, network.rate_w)
    return TwoLayerNetwork(inputs, *scales, activation)


def follow(
    network: TwoLayerNetwork,
    weights: Weights,
    targets: Tensor,
    max_steps: int = 500,
    max_time: float = 1e30,
) -> FlowResult:
    """The flow, of which each run has one ending."""
    limits = Limits(RELATIVE_LOSS, max_steps, max_time)
    result = integrate(network, weights, targets, StepSizeControl(0.03), limits, 8)
    assert (sum(getattr(result, name).astype(int) for name in ENDINGS) == 1).all()
    return result


def endings(result: FlowResult) -> list[str]:
    return [
        next(name for name in ENDINGS if getattr(result, name)[run])
        for run in range(len(result.converged))
    ]


def duplicates(
    dtype: torch.dtype = torch.float64,
    settings: list[tuple[float, float]] = GAMMAS,
    activation: ModuleType = relu,
) -> tuple[TwoLayerNetwork, Weights, Tensor]:
    network, weights = draw(settings, 200, dtype=dtype, activation=activation)
    inputs = with_bias(DUPLICATES, dtype)
    return on(network, inputs, activation), weights, torch.tensor(CONTRADICTING, dtype=dtype)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [relu, tanh])
def test_contradicting_targets_end_at_their_mean(activation: ModuleType) -> None:
    result = follow(*duplicates(activation=activation))
    assert endings(result) == ["stationary"] * len(GAMMAS)
    # Less than the wanted share of the loss is left to gain.
    np.testing.assert_allclose(result.final_loss, LOSS_OF_DUPLICATES, rtol=RELATIVE_LOSS)
    assert (result.accepted_steps + result.rejected_steps < 300).all()


@pytest.mark.slow
def test_a_table_with_repeated_rows_ends_at_their_means() -> None:
    table = (STACKLOSS - STACKLOSS.mean(0)) / STACKLOSS.std(0)
    inputs, targets = table[:, :3].tolist(), table[:, 3].tolist()
    data = points.build({"inputs": inputs, "targets": targets, "bias": True})
    axes = {"gamma_prime": [-0.5, 0.0, 0.5], "gamma": [0.6, 1.0, 1.6], "width": [200], "seed": [0]}
    runs = train(block_of(axes), data, "cpu")
    assert (runs["stationary"] == 1).all()
    # Two rows, each half of their difference from their mean.
    best = 2 * (0.5 / STACKLOSS[:, 3].std()) ** 2 / (2 * 21)
    np.testing.assert_allclose(runs["final_loss"], best, rtol=RELATIVE_LOSS)


@pytest.mark.slow
def test_neurons_that_slide_for_ever_end() -> None:
    # Neurons slide along kinks, where each step puts back within reach what it took.
    inputs = np.repeat(np.linspace(-1, 1, 10), 3)
    targets = np.sin(3 * inputs) + 0.1 * stream(6, "noise").normal(size=30)
    network, weights = draw([(-0.5, 1.0), (0.0, 1.0)], 30)
    network = on(network, with_bias(tuple(inputs)))
    result = follow(network, weights, torch.tensor(targets))
    assert endings(result) == ["stationary"] * 2
    # Less than the smallest share of what they took is left only by chance, near 1e20.
    assert (result.flow_time < 1e17).all()


def test_contradicting_targets_in_single_precision() -> None:
    result = follow(*duplicates(torch.float32))
    assert endings(result) == ["stationary"] * len(GAMMAS)
    np.testing.assert_allclose(result.final_loss, LOSS_OF_DUPLICATES, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [relu, tanh])
def test_single_precision_converges(activation: ModuleType) -> None:
    network, weights = draw(GAMMAS, 100, dtype=torch.float32, activation=activation)
    _, targets = four_points(torch.float32)
    result = follow(network, weights, targets)
    assert endings(result) == ["converged"] * len(GAMMAS)
    share = result.final_loss / result.initial_loss / RELATIVE_LOSS
    assert (share <= 1).all() and (share >= 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
@pytest.mark.parametrize("what", ["outputs", "times"])
def test_units_change_no_ending(factor: float, what: str) -> None:
    # Powers of two are exact, so that all roundings are the same ones.
    settings = [(0.0, 0.6), (0.0, 1.6), (0.5, 0.6)]
    network, weights, targets = duplicates(settings=settings)
    fit = four_points()
    for inputs, goals in ((network.inputs, targets), fit):
        plain = on(network, inputs)
        expected = follow(plain, weights, goals)
        other, goals_there = on(network, inputs), goals
        if what == "outputs":
            other.output_scale = network.output_scale * factor
            goals_there = goals * factor
        else:
            other.rate_a = network.rate_a * factor
            other.rate_w = network.rate_w * factor
        result = follow(other, weights, goals_there)
        assert endings(result) == endings(expected)
        loss = factor**2 if what == "outputs" else 1
        time = factor**-2 if what == "outputs" else 1 / factor
        for name, scale in (("final_loss", loss), ("flow_time", time), ("accepted_steps", 1)):
            found, wanted = getattr(result, name), getattr(expected, name) * scale
            np.testing.assert_allclose(found, wanted, rtol=1e-9, err_msg=name)


def test_noise_ends_at_the_best_affine_fit() -> None:
    # Twenty points, on all of which all neurons are active, so that the network is affine.
    random = stream(3, "noise")
    x = random.uniform(-1, 1, 20)
    noise = random.normal(size=20)
    network, weights = draw([(0.0, 0.6), (0.5, 1.0)], 30)
    weights.w[:, 1] = weights.w[:, 1].abs() + 10
    inputs = with_bias(tuple(x))
    result = follow(on(network, inputs), weights, torch.tensor(noise))
    assert endings(result) == ["stationary"] * 2
    fit = inputs.numpy() @ np.linalg.lstsq(inputs.numpy(), noise, rcond=None)[0]
    left = result.final_loss - np.square(fit - noise).mean() / 2
    assert (left <= 1.01 * RELATIVE_LOSS * result.initial_loss).all() and (left > -1e-14).all()


def test_noise_ends_at_the_best_fit_of_fixed_features() -> None:
    # A first layer that does not move leaves four output weights for twenty points.
    random = stream(4, "noise")
    inputs = with_bias(tuple(random.uniform(-1, 1, 20)))
    noise = random.normal(size=20)
    network, weights = draw([(0.0, 0.6), (0.0, 1.0)], 4, activation=tanh)
    network.rate_w = torch.zeros_like(network.rate_w)
    result = follow(on(network, inputs, tanh), weights, torch.tensor(noise))
    assert endings(result) == ["stationary"] * 2
    features = np.tanh(inputs.numpy() @ weights.w[0].numpy())
    fit = features @ np.linalg.lstsq(features, noise, rcond=None)[0]
    left = result.final_loss - np.square(fit - noise).mean() / 2
    assert (left <= 1.01 * RELATIVE_LOSS * result.initial_loss).all() and (left > -1e-14).all()


def test_a_dead_point_is_left_out() -> None:
    # The third point alone has a second feature, whose weights are all negative: no neuron is
    # active on it, and nothing can change that.
    inputs = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    targets = torch.tensor([0.3, -0.5, 0.2], dtype=torch.float64)
    network, weights = draw([(0.0, 0.6), (0.0, 1.0), (-0.5, 1.6)], 50)
    weights.w[:, 1] = -weights.w[:, 1].abs()
    result = follow(on(network, inputs), weights, targets)
    assert endings(result) == ["stationary"] * 3
    left = result.final_loss - 0.2**2 / (2 * 3)
    assert (left <= 1.01 * RELATIVE_LOSS * result.initial_loss).all() and (left > -1e-15).all()
    assert torch.equal(stack(result.weights).w[:, 1], weights.w[:, 1])


@pytest.mark.slow
@pytest.mark.parametrize("width", [200, 1000])
def test_targets_of_one_sign_in_the_condensed_regime(width: int) -> None:
    network, weights = draw([(-0.5, 2.0)], width)
    targets = torch.tensor([0.3, 0.6, 0.7, 0.2], dtype=torch.float64)
    result = follow(network, weights, targets, max_steps=1000)
    active = network.inputs @ result.weights[0].w > 0
    if width == 200:
        assert endings(result) == ["converged"]
        assert (active.any(dim=0) & ~active.all(dim=0)).any()
        return
    # Neurons end active on all points or on none, which leaves an affine fit. The last of them
    # slide there along a kink and hold the steps short, so that the cap may come first.
    assert endings(result)[0] in ("stationary", "capped")
    inputs = network.inputs.numpy()
    fit = inputs @ np.linalg.lstsq(inputs, targets.numpy(), rcond=None)[0]
    best = np.square(fit - targets.numpy()).mean() / 2
    np.testing.assert_allclose(result.final_loss, best, rtol=5e-3)


def test_runs_land_where_they_are_meant_to() -> None:
    settings = [*GAMMAS, (-0.5, 1.4), (1.0, 0.5), (0.0, 0.5)]
    for activation in (relu, tanh):
        network, weights = draw(settings, 50, activation=activation)
        _, targets = four_points()
        result = follow(network, weights, targets)
        assert endings(result) == ["converged"] * len(settings)
        share = result.final_loss / result.initial_loss / RELATIVE_LOSS
        assert (share <= 1).all() and (share >= 0.5).all()


def test_each_ending_is_told_from_the_others() -> None:
    # In one batch: a fit, a first layer and an output that cannot move, and no number.
    network, weights = draw([(0.0, 0.6)] * 4, 50)
    network.rate_a[1] = network.rate_w[1] = 0
    weights.a[2, 0] = torch.nan
    _, targets = four_points()
    result = follow(network, weights, targets)
    assert endings(result) == ["converged", "stationary", "diverged", "converged"]
    assert result.final_loss[1] == result.initial_loss[1] and result.accepted_steps[1] == 0
    assert endings(follow(network, weights, targets, max_steps=3)) == [
        "capped",
        "stationary",
        "diverged",
        "capped",
    ]
    late = follow(network, weights, targets, max_time=1e-3)
    assert endings(late) == ["capped", "stationary", "diverged", "capped"]
    at_the_goal = follow(network, weights, network.tangent(weights)[0][0])
    assert endings(at_the_goal)[0] == "converged" and at_the_goal.accepted_steps[0] == 0
