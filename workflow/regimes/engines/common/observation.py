"""What is measured of two-layer networks along their training, the same for all engines.

A network is f(x) = sum_k V_k act(w_k . x): the scale of its output is in V.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.engine import Variable
from regimes.engines.common.losses import loss_of
from regimes.engines.common.outputs import accuracy, outputs
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
        names = self.names()
        measured = dict.fromkeys(names, float("nan"))
        if not (torch.isfinite(now.hidden).all() and torch.isfinite(now.output).all()):
            return measured
        due = {name for name in names if is_end or self.record.when(name) == "steps"}
        self._scores(now, due, measured)
        self._distances(now, due, measured)
        self._states(now, due, measured)
        return measured

    def _scores(self, now: Network, due: set[str], measured: dict[str, float]) -> None:
        if "test_loss" in due:
            predicted = self._outputs(now, self.test)
            of_test = loss_of(self.loss, *predicted.shape)
            measured["test_loss"] = of_test.value(predicted, self.test.targets)
            if "test_accuracy" in due:
                measured["test_accuracy"] = accuracy(predicted, self.test.targets)
        if "train_accuracy" in due:
            predicted = self._outputs(now, self.train)
            measured["train_accuracy"] = accuracy(predicted, self.train.targets)

    def _distances(self, now: Network, due: set[str], measured: dict[str, float]) -> None:
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

    def _states(self, now: Network, due: set[str], measured: dict[str, float]) -> None:
        if due & KERNEL:
            if self._kernel is None:
                self._kernel = self.kernel(self.initial)
            targets = self.train.targets.flatten()
            measured |= kernel_measures(self.kernel(now), self._kernel, targets)
        if "sharpness" in due:
            predicted = self._outputs(now, self.train)
            loss, targets = loss_of(self.loss, *predicted.shape), self.train.targets
            measured["sharpness"] = sharpness(
                now.hidden,
                now.output,
                self.train.inputs.T,
                loss.gradient(predicted, targets),
                lambda change: loss.curvature(predicted, targets, change),
                self.activation,
                first=self.rates[0],
                second=self.rates[1] * self._ratio,
            )

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


def kernel_measures(kernel: Tensor, initial: Tensor, targets: Tensor) -> dict[str, float]:
    """The quantities of KERNEL, of a tangent kernel (n, n), that at the start, and targets (n,).

    NaN for a kernel that is not finite.
    """
    if not torch.isfinite(kernel).all():
        return dict.fromkeys(sorted(KERNEL), float("nan"))
    eigenvalues = torch.linalg.eigvalsh(kernel)
    size = float(targets @ targets) * _norm(kernel)
    return {
        "kernel_change": _share(_norm(kernel - initial), _norm(initial)),
        "kernel_alignment": _share(float(targets @ kernel @ targets), size),
        "smallest_eigenvalue": float(eigenvalues[0]),
        "largest_eigenvalue": float(eigenvalues[-1]),
    }


def invariants(network: Network, rates: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Invariants eta_V |w_j|^2 - eta_w |V_j|^2 of the neurons, and both terms' sum, (m,).

    Gradient flow conserves the first if the activation is positively homogeneous (Razborov, 2022,
    Appendix F). rates: those of w and V.
    """
    rate_w, rate_v = rates
    through_w = rate_v * network.hidden.square().sum(1)
    through_v = rate_w * network.output.square().sum(0)
    return through_w - through_v, through_w + through_v


def _share(part: float, whole: float) -> float:
    """Part / whole; 0 of nothing is 0, as of a network whose neurons are all dead."""
    if not whole:
        return math.copysign(math.inf, part) if part else 0.0
    return part / whole


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values))
