"""What is measured of a network, against Jacobians and Hessians of autograd and plain sums."""

from typing import Any

import autograd_descent
import numpy as np
import pytest
import torch
from torch import Tensor

from regimes.activations.load import load_activation
from regimes.engines.common.observation import KERNEL, Network, Observer, Sample
from regimes.engines.common.parameterised import OF_KERNEL, Record
from regimes.engines.common.rates import stability_limit

WIDTH, N_FEATURES, N_POINTS, N_TEST = 7, 3, 6, 5
RATES = (0.7, 2.5)
SHOWN = Record(kernel="steps", sharpness="steps", invariant=True)


def tensor(random: np.random.Generator, *shape: int) -> Tensor:
    return torch.tensor(random.standard_normal(shape))


def problem(n_outputs: int, classes: bool = False) -> tuple[Network, Network, Sample, Sample]:
    """A start, a network later, and points to train and to test on."""
    random = np.random.default_rng([n_outputs, classes])
    start = Network(tensor(random, WIDTH, N_FEATURES), tensor(random, n_outputs, WIDTH))
    now = Network(
        start.hidden + 0.3 * tensor(random, WIDTH, N_FEATURES),
        start.output + 0.3 * tensor(random, n_outputs, WIDTH),
    )

    def sample(n_points: int) -> Sample:
        targets = tensor(random, n_outputs, n_points)
        if classes:
            labels = torch.tensor(random.integers(0, n_outputs, n_points))
            targets = torch.nn.functional.one_hot(labels, n_outputs).T.double()
        return Sample(tensor(random, n_points, N_FEATURES), targets)

    return start, now, sample(N_POINTS), sample(N_TEST)


def observer(
    start: Network, train: Sample, test: Sample, activation: str = "relu", **options: Any
) -> Observer:
    chosen: dict[str, Any] = {"loss": "half_mean", "trained": "both", "rates": RATES}
    record = options.pop("record", SHOWN)
    module = load_activation(activation, None)
    return Observer(start, module, train, test, record, **(chosen | options))


def losses(name: str) -> Any:
    """The loss of outputs and targets, both (k, n)."""
    if name == "cross_entropy":
        return lambda f, y: torch.nn.functional.cross_entropy(f.T, y.argmax(0))
    return lambda f, y: autograd_descent.LOSSES[name](f - y)


def kernel_of(network: Network, inputs: Tensor, activation: str, rates: tuple) -> Tensor:
    """J R J^T of autograd, all points of the first output first."""

    def flat(w: Tensor, v: Tensor) -> Tensor:
        return autograd_descent.outputs(w, v, inputs.T, activation).flatten()

    jacobians = torch.autograd.functional.jacobian(flat, (network.hidden, network.output))
    return sum(
        rate * one.flatten(1) @ one.flatten(1).T for rate, one in zip(rates, jacobians, strict=True)
    )


@pytest.mark.parametrize("loss", ["half_sum", "half_mean", "mean_square", "cross_entropy"])
def test_scores_are_those_of_the_outputs(loss: str) -> None:
    start, now, train, test = problem(3, classes=True)
    measured = observer(start, train, test, loss=loss).observe(now, is_end=False)
    for part, sample in (("train", train), ("test", test)):
        f = np.maximum(sample.inputs.numpy() @ now.hidden.numpy().T, 0) @ now.output.numpy().T
        y = sample.targets.numpy().T
        right = np.mean(f.argmax(1) == y.argmax(1))
        assert measured[f"{part}_accuracy"] == pytest.approx(right)
        squares = np.sum((f - y) ** 2)
        expected = {
            "half_sum": squares / 2,
            "half_mean": squares / (2 * len(f)),
            "mean_square": squares / f.size,
            "cross_entropy": -np.mean(np.log((np.exp(f) * y).sum(1) / np.exp(f).sum(1))),
        }
        if part == "test":
            assert measured["test_loss"] == pytest.approx(expected[loss], rel=1e-12)
    assert {measured["train_accuracy"], measured["test_accuracy"]} != {0.0, 1.0}


def test_scores_that_there_are_not() -> None:
    start, now, train, test = problem(1)
    measured = observer(start, train, test).observe(now, is_end=True)
    assert "test_loss" in measured and not any("accuracy" in name for name in measured)
    nothing = Sample(test.inputs[:0], test.targets[:, :0])
    assert "test_loss" not in observer(start, train, nothing).observe(now, is_end=True)
    start, now, train, _ = problem(3, classes=True)
    nothing = Sample(train.inputs[:0], train.targets[:, :0])
    names = observer(start, train, nothing).names()
    assert "train_accuracy" in names and not {"test_accuracy", "test_loss"} & set(names)


def test_distances_and_the_invariant() -> None:
    start, now, train, test = problem(2)
    # V = s node a, with scales of the nodes.
    unit = np.linspace(0.2, 1.0, WIDTH)
    rates = (0.3, 0.9)
    seen = observer(start, train, test, unit=unit, learning_rates=rates)
    measured = seen.observe(now, is_end=False)
    a_start, a_now = (one.output.numpy() / unit for one in (start, now))
    w_start, w_now = start.hidden.numpy(), now.hidden.numpy()
    expected = {
        "weight_distance": np.linalg.norm(w_now - w_start),
        "relative_distance_w": np.linalg.norm(w_now - w_start) / np.linalg.norm(w_start),
        "output_weight_distance": np.linalg.norm(a_now - a_start),
        "relative_distance_a": np.linalg.norm(a_now - a_start) / np.linalg.norm(a_start),
    }
    terms = [
        (rates[1] * (one.hidden.numpy() ** 2).sum(1), rates[0] * (one.output.numpy() ** 2).sum(0))
        for one in (start, now)
    ]
    drift = (terms[1][0] - terms[1][1]) - (terms[0][0] - terms[0][1])
    expected["invariant_drift"] = np.linalg.norm(drift) / np.linalg.norm(sum(terms[0]))
    for name, value in expected.items():
        assert measured[name] == pytest.approx(value, rel=1e-12), name
    one_layer = observer(start, train, test, trained="first").names()
    assert "weight_distance" in one_layer and "relative_distance_a" not in one_layer


@pytest.mark.parametrize("rates", [RATES, (1.3, 0.0), (0.0, 0.4)])
@pytest.mark.parametrize("activation", list(autograd_descent.ACTIVATIONS))
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_kernel_is_that_of_the_jacobian(
    n_outputs: int, activation: str, rates: tuple[float, float]
) -> None:
    start, now, train, test = problem(n_outputs)
    measured = observer(start, train, test, activation, rates=rates).observe(now, is_end=False)
    before, after = (
        kernel_of(one, train.inputs, activation, rates).numpy() for one in (start, now)
    )
    y = train.targets.numpy().ravel()
    values = np.linalg.eigvalsh(after)
    norm = np.linalg.norm
    expected = {
        "kernel_change": norm(after - before) / norm(before),
        "kernel_alignment": y @ after @ y / (y @ y * norm(after)),
        "largest_eigenvalue": values[-1],
    }
    for name, value in expected.items():
        assert measured[name] == pytest.approx(value, rel=1e-10), name
    assert measured["smallest_eigenvalue"] == pytest.approx(values[0], abs=1e-11 * values[-1])
    at_start = observer(start, train, test, activation, rates=rates).observe(start, is_end=True)
    assert at_start["kernel_change"] == 0.0


@pytest.mark.parametrize("ratio", [1.0, 6.0])
@pytest.mark.parametrize("rates", [RATES, (0.2, 9.0), (1.3, 0.0), (0.0, 0.4)])
@pytest.mark.parametrize("loss", ["half_sum", "half_mean", "mean_square", "cross_entropy"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "gelu", "softplus"])
def test_the_sharpness_is_that_of_the_whole_hessian(
    activation: str, loss: str, rates: tuple[float, float], ratio: float
) -> None:
    classes = loss == "cross_entropy"
    start, now, train, test = problem(3, classes)
    seen = observer(start, train, test, activation, loss=loss, rates=rates, ratio=ratio)
    found = seen.observe(now, is_end=False)["sharpness"]
    value = losses(loss)
    roots = rates[0] ** 0.5, (ratio * rates[1]) ** 0.5

    def of_scaled(p: Tensor, q: Tensor) -> Tensor:
        w, v = now.hidden + roots[0] * p, now.output + roots[1] * q
        return value(autograd_descent.outputs(w, v, train.inputs.T, activation), train.targets)

    origin = torch.zeros_like(now.hidden), torch.zeros_like(now.output)
    blocks = torch.autograd.functional.hessian(of_scaled, origin)
    sizes = [one.numel() for one in origin]
    hessian = torch.cat(
        [
            torch.cat([block.reshape(n, k) for block, k in zip(row, sizes, strict=True)], dim=1)
            for row, n in zip(blocks, sizes, strict=True)
        ]
    )
    expected = float(torch.linalg.eigvalsh(hessian)[-1])
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("when", ["never", "ends", "steps"])
def test_things_are_measured_when_they_are_wanted(when: str) -> None:
    start, now, train, test = problem(1)
    kernel = {"kernel_change", "kernel_alignment", "smallest_eigenvalue", "largest_eigenvalue"}
    for key, names in (("kernel", kernel), ("sharpness", {"sharpness"})):
        seen = observer(start, train, test, record=Record.model_validate({key: when}))
        at_end, on_the_way = (seen.observe(now, is_end=is_end) for is_end in (True, False))
        assert at_end.keys() == on_the_way.keys() == set(seen.names())
        wanted = {"kernel_change", "kernel_alignment", "sharpness", *kernel} & at_end.keys()
        assert wanted == (set() if when == "never" else names)
        assert all(np.isfinite(at_end[name]) for name in wanted)
        assert all(np.isfinite(on_the_way[name]) == (when == "steps") for name in wanted)
        assert np.isfinite(on_the_way["test_loss"])


def test_dead_neurons_are_numbers() -> None:
    start, _, train, test = problem(1)
    dead = Network(-start.hidden.abs(), start.output)
    positive = Sample(train.inputs.abs(), train.targets)
    found = observer(dead, positive, test).observe(dead, is_end=True)
    names = ("kernel_change", "kernel_alignment", "smallest_eigenvalue", "sharpness")
    assert [found[name] for name in names] == [0.0] * 4
    alive = Network(start.hidden.abs(), start.output)
    woken = observer(dead, positive, test).observe(alive, is_end=True)
    assert woken["kernel_change"] == np.inf and woken["sharpness"] > 0
    assert stability_limit(torch.zeros(3, 3), 0.5) == 0.0
    assert stability_limit(2 * torch.eye(3), 0.5) == 2.0


def test_the_settings_know_what_needs_the_kernel() -> None:
    assert set(OF_KERNEL) == KERNEL
