"""Steps of stochastic gradient descent beside torch.nn with torch.optim.SGD, one student at a time.

Run with `pytest tests/benchmarks/test_minibatch.py --benchmark-enable -s`; it prints one table and
takes about a minute. All take the same steps of the same students from the same start, in turn, in
one process, on one core, gathering the minibatches included; float32. The products are what no
method can do without: two for the first layer, of m x d with d x b and of m x b with b x d, and for
the second its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from gathered import PACKAGE, PYTORCH, Gathered, Measured, Seconds, timed
from roofline import Work, weights_step
from torch import Tensor, nn

from regimes.activations import gelu, relu
from regimes.engines.sgd.batch_losses import LOSSES
from regimes.engines.sgd.classification import Points
from regimes.engines.sgd.descent import Schedule, descend
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained

N_POINTS, STUDENTS = 1280, 4
# Epochs are timed in turns; the fastest of each method counts.
TURNS = 20


@dataclass(frozen=True)
class Case:
    """Sizes d, m, k and b, and what is trained."""

    n_features: int
    width: int
    n_outputs: int
    batch_size: int
    activation: ModuleType
    torch_activation: Callable[[], nn.Module]
    trained: Trained
    biases: bool
    learning_rate: float

    @property
    def steps(self) -> int:
        return N_POINTS // self.batch_size

    @property
    def work(self) -> Work:
        """Of a step of a student; its products alone are as much."""
        return weights_step(
            self.width,
            self.batch_size,
            self.n_features,
            self.n_outputs,
            both_layers=self.trained.output,
            dtype=torch.float32,
        )


CASES = {
    # Caron et al. (2023), CIFAR-10
    "512-2000-10, ReLU, first layer, b = 64": Case(
        512, 2000, 10, 64, relu, nn.ReLU, Trained(True, False), False, 5.0
    ),
    # Song et al. (2021), MNIST
    "784-1000-10, GeLU, all, b = 128": Case(
        784, 1000, 10, 128, gelu, nn.GELU, Trained(), True, 0.01
    ),
}


def start_of(case: Case) -> Parameters:
    """Students with different weights."""
    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(STUDENTS, *shape, generator=random)

    biases = {}
    if case.biases:
        biases = {"hidden_bias": normal(case.width) / 30, "output_bias": normal(case.n_outputs)}
    hidden = normal(case.width, case.n_features) / case.n_features**0.5
    return Parameters(hidden, normal(case.n_outputs, case.width) / case.width**0.5, **biases)


def points_of(case: Case) -> Points:
    random = torch.Generator().manual_seed(1)
    inputs = torch.randn(N_POINTS, case.n_features, generator=random) / case.n_features**0.5
    return Points(inputs, torch.randint(0, case.n_outputs, (N_POINTS,), generator=random))


def orders(epoch: int) -> Tensor:
    random = torch.Generator().manual_seed(epoch)
    return torch.stack([torch.randperm(N_POINTS, generator=random) for _ in range(STUDENTS)])


class ByPackage:
    """The students of this package, together."""

    def __init__(self, case: Case):
        rates = np.full((2, STUDENTS), case.learning_rate)
        self.networks = BatchedNetworks(start_of(case), case.activation, case.trained, rates)
        self.points = points_of(case)
        self.schedule = Schedule(case.batch_size, epochs=1)

    def epoch(self, number: int) -> None:
        descend(
            self.networks,
            self.points,
            lambda _: orders(number).numpy(),
            self.schedule,
            LOSSES["cross_entropy"],
            lambda networks, is_end: {"train_loss": torch.zeros(STUDENTS)},
        )

    def hidden(self) -> Tensor:
        return self.networks.parameters.hidden


class ByTorch:
    """Students as one writes them, one at a time."""

    def __init__(self, case: Case):
        self.points, self.case = points_of(case), case
        start = start_of(case).named()
        self.students, self.optimisers = [], []
        for index in range(STUDENTS):
            layers = [
                nn.Linear(case.n_features, case.width, bias=case.biases),
                nn.Linear(case.width, case.n_outputs, bias=case.biases),
            ]
            for layer, name in zip(layers, ("hidden", "output"), strict=True):
                layer.weight.data.copy_(start[name][index])
                if case.biases:
                    layer.bias.data.copy_(start[f"{name}_bias"][index])
            layers[1].requires_grad_(case.trained.output)
            student = nn.Sequential(layers[0], case.torch_activation(), layers[1])
            moving = [values for values in student.parameters() if values.requires_grad]
            self.students.append(student)
            self.optimisers.append(torch.optim.SGD(moving, lr=case.learning_rate))
        self.loss = nn.CrossEntropyLoss()

    def epoch(self, number: int) -> None:
        for order, student, optimiser in zip(
            orders(number), self.students, self.optimisers, strict=True
        ):
            for chosen in order.split(self.case.batch_size):
                optimiser.zero_grad()
                outputs = student(self.points.inputs[chosen])
                self.loss(outputs, self.points.labels[chosen]).backward()
                optimiser.step()

    def hidden(self) -> Tensor:
        return torch.stack([student[0].weight.detach() for student in self.students])


class ByProducts:
    """The matrix products of the steps, and nothing else."""

    def __init__(self, case: Case):
        start = start_of(case)
        self.case, self.weights, self.output = case, start.hidden, start.output
        self.inputs = points_of(case).inputs[: case.batch_size]
        self.z = torch.empty(case.width, case.batch_size)
        self.outputs = torch.empty(case.n_outputs, case.batch_size)

    def epoch(self, number: int) -> None:
        for weights, output in zip(self.weights, self.output, strict=True):
            for _ in range(self.case.steps):
                torch.mm(weights, self.inputs.mT, out=self.z)
                torch.mm(output, self.z, out=self.outputs)
                torch.mm(output.mT, self.outputs, out=self.z)
                torch.mm(self.z, self.inputs, out=weights)
                if self.case.trained.output:
                    torch.mm(self.outputs, self.z.mT, out=output)


METHODS: dict[str, type] = {
    "this package": ByPackage,
    "torch.nn, torch.optim.SGD": ByTorch,
    "matrix products": ByProducts,
}


ROLES = {"this package": PACKAGE, "torch.nn, torch.optim.SGD": PYTORCH}
PAPERS = dict(zip(CASES, ("caron2023", "song2021"), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_an_epoch(benchmark, gathered: Gathered, name: str) -> None:
    case = CASES[name]
    methods = {label: method(case) for label, method in METHODS.items()}
    seconds: dict[str, list[Seconds]] = {label: [] for label in METHODS}
    epochs = []

    def turn() -> None:
        for label, method in methods.items():
            _, spent = timed(partial(method.epoch, len(epochs)))
            seconds[label].append(spent * (1 / (STUDENTS * case.steps)))
        epochs.append(1)

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    best = {label: Seconds.least(values) for label, values in seconds.items()}
    rows = [
        Measured(label, value, ROLES.get(label, ""), work=case.work)
        for label, value in best.items()
    ]
    gathered.compare(PAPERS[name], f"a step of a student, {name}", rows)
    benchmark.extra_info.update(
        {label: f"{1 / value.cpu:.0f} student-steps/s" for label, value in best.items()}
    )
    # The same students, to what many steps in single precision leave of it.
    start = start_of(case).hidden
    ways = [
        methods[label].hidden() - start for label in ("this package", "torch.nn, torch.optim.SGD")
    ]
    assert float((ways[0] - ways[1]).norm() / ways[1].norm()) < 1e-2
    assert best["this package"].cpu < 1.1 * best["torch.nn, torch.optim.SGD"].cpu
