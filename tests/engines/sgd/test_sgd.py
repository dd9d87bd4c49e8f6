"""Steps on minibatches beside autograd and torch's SGD, and batches beside single networks."""

import itertools
from importlib import import_module

import numpy as np
import pytest
import torch
from autograd_descent import ACTIVATIONS
from sessions import Watched
from torch import Tensor, nn

from regimes.activations import gelu, relu
from regimes.engines.sgd import classification
from regimes.engines.sgd import network as batched
from regimes.engines.sgd.batch_losses import LOSSES
from regimes.engines.sgd.classification import Points, evaluate
from regimes.engines.sgd.descent import Progress, Schedule, descend
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained

E, K, M, D, N = 3, 4, 17, 6, 23
TORCH_LOSSES = {
    "cross_entropy": nn.functional.cross_entropy,
    "mean_square": lambda outputs, labels: nn.functional.mse_loss(
        outputs, nn.functional.one_hot(labels, outputs.shape[1]).to(outputs)
    ),
}
LAYERS = [Trained(True, False), Trained(False, True), Trained(True, True)]


@pytest.fixture(params=[True, False], ids=["one by one", "all at once"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """As on the CPU, and as on a GPU."""
    monkeypatch.setattr(batched, "one_by_one", lambda device: request.param)
    return request.param


def parameters_of(seed: int, biases: bool, dtype: torch.dtype = torch.float64) -> Parameters:
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(E, *shape, generator=random, dtype=dtype)

    bias = {"hidden_bias": normal(M), "output_bias": normal(K)} if biases else {}
    return Parameters(normal(M, D), normal(K, M), **bias)


def points_of(seed: int, n_points: int = N, dtype: torch.dtype = torch.float64) -> Points:
    random = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n_points, D, generator=random, dtype=dtype)
    return Points(inputs, torch.randint(0, K, (n_points,), generator=random))


def as_torch(parameters: Parameters, index: int) -> tuple[nn.Linear, nn.Linear]:
    """The two layers of one network."""
    layers = []
    for name in ("hidden", "output"):
        weights = getattr(parameters, name)[index]
        bias = getattr(parameters, f"{name}_bias")
        layer = nn.Linear(*weights.shape[::-1], bias=bias is not None, dtype=weights.dtype)
        with torch.no_grad():
            layer.weight.copy_(weights)
            if bias is not None:
                layer.bias.copy_(bias[index])
        layers.append(layer)
    return layers[0], layers[1]


def check_equal(networks: BatchedNetworks, index: int, layers: tuple[nn.Linear, nn.Linear]) -> None:
    parameters = networks.parameters
    for name, layer in zip(("hidden", "output"), layers, strict=True):
        pairs = [(getattr(parameters, name), layer.weight)]
        if layer.bias is not None:
            pairs.append((getattr(parameters, f"{name}_bias"), layer.bias))
        for mine, theirs in pairs:
            torch.testing.assert_close(mine[index], theirs.detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_their_gradients(loss: str) -> None:
    random = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, K, 5, generator=random, dtype=torch.float64).requires_grad_()
    labels = torch.randint(0, K, (2, 5), generator=random)
    for own in (labels, labels[0]):  # of each network, or shared
        values = LOSSES[loss].values(outputs, own)
        rows = outputs.detach().mT.reshape(-1, K)
        expected = TORCH_LOSSES[loss](rows, own.expand(2, 5).reshape(-1))
        assert float(values.detach().mean()) == pytest.approx(float(expected), rel=1e-12)
        (gradient,) = torch.autograd.grad(values.sum(), outputs)
        found = LOSSES[loss].gradient_(outputs.detach().clone(), own)
        torch.testing.assert_close(found, gradient, rtol=1e-12, atol=1e-12)


def test_cross_entropy_is_stable() -> None:
    outputs = torch.tensor([[1000.0, -1000.0], [0.0, 0.0]])
    values = LOSSES["cross_entropy"].values(outputs, torch.tensor([1, 0]))
    assert values.tolist() == [1000.0, 1000.0]
    gradient = LOSSES["cross_entropy"].gradient_(outputs, torch.tensor([1, 0]))
    assert gradient.tolist() == [[1.0, -1.0], [-1.0, 1.0]]


@pytest.mark.parametrize(
    ("activation", "loss", "biases", "trained"),
    [
        *itertools.product(["relu", "gelu"], LOSSES, [False, True], LAYERS),
        *itertools.product(["leaky_relu", "tanh", "softplus"], LOSSES, [True], LAYERS[2:]),
    ],
)
def test_a_step_is_that_of_autograd(
    either_way: bool, activation: str, loss: str, biases: bool, trained: Trained
) -> None:
    start, points = parameters_of(1, biases), points_of(2)
    module = import_module(f"regimes.activations.{activation}")
    # Of each layer and network another one.
    rates = 0.3 + 0.01 * np.arange(2 * E).reshape(2, E)
    networks = BatchedNetworks(start, module, trained, rates)
    assert len(networks.groups) == (E if either_way else 1)
    for group in networks.groups:
        shape = () if group.one else (E,)
        group.step(
            points.inputs.expand(*shape, N, D),
            points.labels.expand(*shape, N),
            LOSSES[loss].gradient_,
        )
    for index in range(E):
        layers = as_torch(start, index)
        hidden, output = layers
        outputs = output(ACTIVATIONS[activation](hidden(points.inputs)))
        TORCH_LOSSES[loss](outputs, points.labels).backward()
        with torch.no_grad():
            moves = (trained.hidden, trained.output)
            for layer, moving, rate in zip(layers, moves, rates[:, index], strict=True):
                for parameter in layer.parameters() if moving else ():
                    parameter -= rate * parameter.grad
        check_equal(networks, index, layers)


RATES = np.full((2, E), 0.1)
SCHEDULE = Schedule(batch_size=5, epochs=3, every=2)


def orders(epoch: int) -> np.ndarray:
    return np.stack([np.random.default_rng([epoch, run]).permutation(N) for run in range(E)])


def observer(points: Points, loss: str = "cross_entropy"):
    def observe(networks: BatchedNetworks, is_end: bool) -> dict[str, Tensor]:
        measured = evaluate(networks, points, LOSSES[loss])
        return {f"train_{name}": values for name, values in measured.items()}

    return observe


def descended(networks: BatchedNetworks, points: Points, loss: str = "cross_entropy", **options):
    observe = observer(points, loss)
    return descend(networks, points, orders, SCHEDULE, LOSSES[loss], observe, **options)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("activation", "biases", "trained"), [("relu", False, LAYERS[0]), ("gelu", True, LAYERS[2])]
)
def test_epochs_are_those_of_torch(
    either_way: bool, loss: str, activation: str, biases: bool, trained: Trained
) -> None:
    start, points = parameters_of(3, biases), points_of(4)
    module = import_module(f"regimes.activations.{activation}")
    networks = BatchedNetworks(start, module, trained, RATES)
    result = descended(networks, points, loss)
    for index in range(E):
        layers = as_torch(start, index)
        moving = [
            parameter
            for layer, moves in zip(layers, (trained.hidden, trained.output), strict=True)
            for parameter in (layer.parameters() if moves else ())
        ]
        optimiser = torch.optim.SGD(moving, lr=0.1)

        def outputs(inputs: Tensor, layers: tuple = layers) -> Tensor:
            return layers[1](ACTIVATIONS[activation](layers[0](inputs)))

        for epoch in range(SCHEDULE.epochs):
            for chosen in torch.tensor(orders(epoch)[index]).split(SCHEDULE.batch_size):
                optimiser.zero_grad()
                TORCH_LOSSES[loss](outputs(points.inputs[chosen]), points.labels[chosen]).backward()
                optimiser.step()
        check_equal(networks, index, layers)
        with torch.no_grad():
            last = outputs(points.inputs)
        risk = float(TORCH_LOSSES[loss](last, points.labels))
        accuracy = float((last.argmax(1) == points.labels).double().mean())
        assert result.history["train_loss"][index, -1] == pytest.approx(risk, rel=1e-9)
        assert result.history["train_accuracy"][index, -1] == pytest.approx(accuracy)
    assert result.history["train_loss"].shape == (E, 3)  # after 0, 2 and 3 epochs
    assert not result.diverged.any()


def test_labels_of_their_own(either_way: bool) -> None:
    start, points = parameters_of(5, True), points_of(6)
    labels = torch.stack([(points.labels + run) % K for run in range(E)])
    networks = BatchedNetworks(start, gelu, Trained(), RATES)
    result = descended(networks, Points(points.inputs, labels))
    for run in range(E):
        alone = BatchedNetworks(start, gelu, Trained(), RATES)
        same = descended(alone, Points(points.inputs, labels[run]))
        torch.testing.assert_close(
            alone.parameters.hidden[run], networks.parameters.hidden[run], rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(
            same.history["train_loss"][run], result.history["train_loss"][run], rtol=1e-12
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_networks_alone_have_the_same_bits(dtype: torch.dtype) -> None:
    start, points = parameters_of(7, True, dtype), points_of(8, dtype=dtype)
    networks = BatchedNetworks(start, gelu, Trained(), RATES)
    result = descended(networks, points)
    for run in range(E):
        one = Parameters(**{name: values[[run]] for name, values in start.named().items()})
        alone = BatchedNetworks(one, gelu, Trained(), RATES[:, :1])
        same = descend(
            alone,
            points,
            lambda epoch, run=run: orders(epoch)[[run]],
            SCHEDULE,
            LOSSES["cross_entropy"],
            observer(points),
        )
        for name, values in alone.parameters.named().items():
            assert torch.equal(values[0], networks.parameters.named()[name][run]), name
        np.testing.assert_array_equal(
            same.history["train_loss"][0], result.history["train_loss"][run]
        )


def test_evaluation_in_chunks(either_way: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, points = (
        BatchedNetworks(parameters_of(9, True), relu, Trained(), RATES),
        points_of(10),
    )
    whole = evaluate(networks, points, LOSSES["mean_square"])
    monkeypatch.setattr(classification, "CHUNK_BYTES", 4 * 8 * M * E)
    parts = evaluate(networks, points, LOSSES["mean_square"])
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=0)
    outputs = torch.stack([group.outputs(points.inputs).clone() for group in networks.groups])
    outputs = outputs.view(E, K, N)
    expected = (outputs.argmax(1) == points.labels).double().mean(1)
    torch.testing.assert_close(whole["accuracy"], expected)


def test_a_run_that_diverges_leaves_the_others_alone(either_way: bool) -> None:
    start, points = parameters_of(11, False), points_of(12)
    calm = descended(BatchedNetworks(start, relu, Trained(), RATES), points, "mean_square")
    wild = Parameters(start.hidden.clone(), start.output.clone())
    wild.output[1] *= 1e100
    result = descended(BatchedNetworks(wild, relu, Trained(), RATES), points, "mean_square")
    assert result.diverged.tolist() == [False, True, False]
    assert np.isfinite(result.history["train_loss"][1, 0])
    for values in result.history.values():
        assert np.isnan(values[1, 1:]).all()
    for run in (0, 2):
        np.testing.assert_array_equal(
            result.history["train_loss"][run], calm.history["train_loss"][run]
        )


def test_reports_and_recorded_epochs() -> None:
    assert SCHEDULE.recorded_epochs().tolist() == [0, 2, 3]
    assert Schedule(8, 4, 2).recorded_epochs().tolist() == [0, 2, 4]
    assert Schedule(8, 1, 100).recorded_epochs().tolist() == [0, 1]
    assert SCHEDULE.steps_in_epoch(N) == 5 and Schedule(8, 1).steps_in_epoch(16) == 2
    session = Watched()
    networks = BatchedNetworks(parameters_of(13, False), relu, Trained(), RATES)
    result = descended(networks, points_of(14), session=session)
    reports: list[Progress] = session.reports
    assert [report.epoch for report in reports] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    risk = result.history["train_loss"]
    assert reports[0].loss == risk[:, 0].max() and reports[-1].loss == risk[:, 1].max()
    assert str(reports[0]).startswith("0 of 3 epochs, largest training loss ")
