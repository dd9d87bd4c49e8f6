"""What is measured of two-layer networks along their training, the same for all engines.

A network is f(x) = sum_k V_k act(w_k . x): the scale of its output is in V.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.device_memory import CHUNK_SHARE, device_bytes
from regimes.engines.common.engine import Variable
from regimes.engines.common.losses import loss_of
from regimes.engines.common.outputs import Number, accuracy, fetched, number, outputs
from regimes.engines.common.shallow import Layers
from regimes.kernels.sharpness import sharpness
from regimes.kernels.tangent_kernel import tangent_kernel

if TYPE_CHECKING:
    from regimes.engines.common.parameterised import Record

# Plain names are those along the run; the values at the end are called final_*.
SCORES = {
    "test_loss": "loss on the test points",
    "train_accuracy": "share of the training points that are classified correctly",
    "test_accuracy": "share of the test points that are classified correctly",
}
DISTANCES = {
    "relative_distance_w": "relative distance |w - w_0| / |w_0| of the first-layer weights",
    "relative_distance_a": "relative distance |a - a_0| / |a_0| of the output weights",
    "weight_distance": "distance |w - w_0| of the first-layer weights from the start",
    "output_weight_distance": "distance |a - a_0| of the output weights from the start",
    "invariant_drift": "relative change of eta_a |w_j|^2 - eta_w |a_j|^2 over the neurons j",
    "kernel_change": "relative change |H - H_0| / |H_0| of the tangent kernel on the training "
    "points",
}
# The same, with values at the start called initial_*.
STATES = {
    "kernel_alignment": "alignment y.Hy / (|y|^2 |H|) of the tangent kernel with the targets",
    "smallest_eigenvalue": "smallest eigenvalue of the tangent kernel H",
    "largest_eigenvalue": "largest eigenvalue of the tangent kernel H",
    "sharpness": "largest eigenvalue of the Hessian of the loss, in weights scaled by the roots of "
    "their layers' rates",
}


# Those of them that need the tangent kernel.
KERNEL = {"kernel_change", *STATES} - {"sharpness"}


def measured_variables(dim: str) -> dict[str, Variable]:
    """The variables of files that `arranged` returns, histories along a dimension."""
    found: dict[str, Variable] = {}
    for name, text in (SCORES | DISTANCES | STATES).items():
        if name in STATES:
            found[f"initial_{name}"] = Variable(f"{text} at the start")
        found[name] = Variable(f"{text} along the run", (dim,))
        found[f"final_{name}"] = Variable(f"{text} at the end")
    return found


def arranged(
    final: Mapping[str, np.ndarray], history: Mapping[str, np.ndarray], record: "Record"
) -> dict[str, np.ndarray]:
    """Measurements of runs as variables: at the end, (E,), and along the run, (E, records)."""
    found: dict[str, np.ndarray] = {}
    for name, values in history.items():
        if name in STATES:
            found[f"initial_{name}"] = values[:, 0]
        if record.when(name) == "steps":
            found[name] = values
        found[f"final_{name}"] = final[name]
    return found


@dataclass(frozen=True)
class Sample:
    """Inputs (n, d) and targets (k, n) of some points."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Network:
    """The weights of one network, w (m, d) and V (k, m)."""

    hidden: Tensor
    output: Tensor


class Observer:
    """Measures one run, at its start, at recorded steps and at its end.

    Without test points there are no test scores, and without several outputs, one for each class,
    no accuracies.
    """

    def __init__(
        self,
        initial: Network,
        activation: ModuleType,
        train: Sample,
        test: Sample,
        record: "Record",
        *,
        loss: str,
        trained: Layers,
        rates: tuple[float, float],
        learning_rates: tuple[float, float] | None = None,
        ratio: float = 1.0,
        unit: float | np.ndarray = 1.0,
        scores: bool = True,
    ):
        """rates: of w and V, relative to the learning rate, and 0 for a layer that is fixed.

        learning_rates: those of w and V, for the invariant, where they are not these. ratio: of the
        rates of V and w, times that of `rates`: of the descent, and with it of its stability, but
        not of the tangent kernel. unit: V over a, (m,) or one number. scores: whether losses and
        accuracies are measured.
        """
        self.initial = initial
        self.activation = activation
        self.train, self.test = train, test
        self.record = record
        self.loss = loss
        self.trained = trained
        self.rates = rates
        self._learning_rates = learning_rates or rates
        self._ratio = ratio
        self._with_scores = scores
        self._unit = unit if isinstance(unit, float) else initial.output.new_tensor(unit)
        self._kernel: Tensor | None = None

    def names(self) -> list[str]:
        """Names of what is measured."""
        n_classes = len(self.train.targets)
        moves_w, moves_a = self.trained != "second", self.trained != "first"
        when = self.record.when
        wanted = {
            "test_loss": len(self.test) > 0,
            "train_accuracy": n_classes > 1,
            "test_accuracy": n_classes > 1 and len(self.test) > 0,
            "relative_distance_w": moves_w,
            "relative_distance_a": moves_a,
            "weight_distance": moves_w,
            "output_weight_distance": moves_a,
            **{
                name: when(name) != "never"
                for name in ("invariant_drift", "kernel_change", *STATES)
            },
        }
        return [
            name
            for name, is_wanted in wanted.items()
            if is_wanted and (self._with_scores or name not in SCORES)
        ]

    def observe(self, now: Network, *, is_end: bool) -> dict[str, float]:
        """Measure the network; NaN stands for what is wanted at the ends alone.

        Of a network that is not finite all is NaN.

        is_end: whether it is at one of the two ends of its run.
        """
        return observe([self], [now], is_end=is_end)[0]

    def due(self, is_end: bool) -> set[str]:
        """Names of what is measured at an end, or on the way."""
        return {name for name in self.names() if is_end or self.record.when(name) == "steps"}

    def measure(self, now: Network, *, is_end: bool) -> dict[str, Number]:
        """What `observe` returns, but for what the kernel is needed for."""
        measured: dict[str, Number] = dict.fromkeys(self.names(), float("nan"))
        finite, due = _is_finite(now), self.due(is_end)
        # On a GPU the host waits for the answer only where it waits in any case.
        if not (finite.is_cuda and "sharpness" not in due) and not finite:
            return measured
        self._scores(now, due, measured)
        self._distances(now, due, measured)
        if "sharpness" in due:
            measured["sharpness"] = self._sharpness(now)
        return {
            name: _where(finite, one) if isinstance(one, Tensor) else one
            for name, one in measured.items()
        }

    def _scores(self, now: Network, due: set[str], measured: dict[str, Number]) -> None:
        if "test_loss" in due:
            predicted = self._outputs(now, self.test)
            of_test = loss_of(self.loss, *predicted.shape)
            measured["test_loss"] = number(of_test.value(predicted, self.test.targets))
            if "test_accuracy" in due:
                measured["test_accuracy"] = accuracy(predicted, self.test.targets)
        if "train_accuracy" in due:
            predicted = self._outputs(now, self.train)
            measured["train_accuracy"] = accuracy(predicted, self.train.targets)

    def _distances(self, now: Network, due: set[str], measured: dict[str, Number]) -> None:
        start = self.initial
        moved = now.hidden - start.hidden, (now.output - start.output) / self._unit
        sizes = start.hidden, start.output / self._unit
        names = ("weight_distance", "output_weight_distance")
        relative = ("relative_distance_w", "relative_distance_a")
        for way, size, name, share in zip(moved, sizes, names, relative, strict=True):
            if name in due:
                measured[name] = _norm(way)
                measured[share] = _share(measured[name], _norm(size))
        if "invariant_drift" in due:
            rates = self._learning_rates
            (before, terms), (after, _) = invariants(start, rates), invariants(now, rates)
            measured["invariant_drift"] = _share(_norm(after - before), _norm(terms))

    def _sharpness(self, now: Network) -> float:
        predicted = self._outputs(now, self.train)
        loss, targets = loss_of(self.loss, *predicted.shape), self.train.targets
        return sharpness(
            now.hidden,
            now.output,
            self.train.inputs.T,
            loss.gradient(predicted, targets),
            lambda change: loss.curvature(predicted, targets, change),
            self.activation,
            first=self.rates[0],
            second=self.rates[1] * self._ratio,
        )

    def kernels(self, now: Network) -> tuple[Tensor, Tensor, Tensor]:
        """What `kernel_measures` takes; NaN for a network that is not finite."""
        if self._kernel is None:
            self._kernel = self.kernel(self.initial)
        kernel = torch.where(_is_finite(now), self.kernel(now), torch.nan)
        return kernel, self._kernel, self.train.targets.flatten()

    def kernel(self, now: Network) -> Tensor:
        """The tangent kernel on the training points, of the trained layers with their rates."""
        first, second = self.rates
        return tangent_kernel(
            now.hidden,
            now.output,
            self.train.inputs.T,
            self.activation,
            first=first,
            second=second,
        )

    def _outputs(self, now: Network, points: Sample) -> Tensor:
        return outputs(now.hidden, now.output, points.inputs, self.activation)


def observe(
    observers: Sequence[Observer], networks: Sequence[Network], *, is_end: bool
) -> list[dict[str, float]]:
    """What observers measure of their networks, on as many points, as by `Observer.observe`.

    The host waits for a GPU once, and once more for the eigenvalues of some kernels; and for each
    product that a sharpness takes.
    """
    pairs = list(zip(observers, networks, strict=True))
    measured = [observer.measure(network, is_end=is_end) for observer, network in pairs]
    with_kernel = [i for i, observer in enumerate(observers) if observer.due(is_end) & KERNEL]
    if with_kernel:
        points = observers[0].train
        of_kernel = points.targets.numel() ** 2 * points.targets.element_size()
        # On the CPU one by one.
        size = max(1, device_bytes(points.inputs.device.type, 0, CHUNK_SHARE) // of_kernel)
        for first in range(0, len(with_kernel), size):
            some = with_kernel[first : first + size]
            found = kernel_measures([pairs[i][0].kernels(pairs[i][1]) for i in some])
            for i, one in zip(some, found, strict=True):
                measured[i] |= one
    return fetched(measured)


def kernel_measures(kernels: Sequence[tuple[Tensor, Tensor, Tensor]]) -> list[dict[str, Number]]:
    """The quantities of KERNEL, of tangent kernels (n, n), those at the start, and targets (n,).

    NaN for a kernel that is not finite.
    """
    finite = [torch.isfinite(kernel).all() for kernel, _, _ in kernels]
    safe = [torch.where(is_so, one[0], 0.0) for is_so, one in zip(finite, kernels, strict=True)]
    eigenvalues = torch.linalg.eigvalsh(torch.stack(safe))
    found = []
    for position, (kernel, initial, targets) in enumerate(kernels):
        size = number(targets @ targets) * _norm(kernel)
        measured = {
            "kernel_change": _share(_norm(kernel - initial), _norm(initial)),
            "kernel_alignment": _share(number(targets @ kernel @ targets), size),
            "smallest_eigenvalue": number(eigenvalues[position, 0]),
            "largest_eigenvalue": number(eigenvalues[position, -1]),
        }
        found.append({name: _where(finite[position], one) for name, one in measured.items()})
    return found


def invariants(network: Network, rates: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Invariants eta_V |w_j|^2 - eta_w |V_j|^2 of the neurons, and both terms' sum, (m,).

    Gradient flow conserves the first if the activation is positively homogeneous (Razborov, 2022,
    Appendix F). rates: those of w and V.
    """
    rate_w, rate_v = rates
    through_w = rate_v * network.hidden.square().sum(1)
    through_v = rate_w * network.output.square().sum(0)
    return through_w - through_v, through_w + through_v


def _is_finite(network: Network) -> Tensor:
    return torch.isfinite(network.hidden).all() & torch.isfinite(network.output).all()


def _where(condition: Tensor, value: Number) -> Number:
    """The value, or NaN."""
    if isinstance(value, Tensor):
        return torch.where(condition, value, torch.nan)
    return value if condition else torch.nan


def _share(part: Number, whole: Number) -> Number:
    """Part / whole; 0 of nothing is 0, as of a network whose neurons are all dead."""
    if isinstance(part, Tensor) and isinstance(whole, Tensor):
        return torch.where((part == 0) & (whole == 0), 0.0, part / whole)
    if not whole:
        return math.copysign(math.inf, part) if part else 0.0
    return part / whole


def _norm(values: Tensor) -> Number:
    return number(torch.linalg.vector_norm(values))
