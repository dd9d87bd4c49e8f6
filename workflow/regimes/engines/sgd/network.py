"""Two-layer networks f(x) = V act(W x + b) + c, batched, moved by steps on minibatches.

The work of a step is two matrix products: weights times inputs (the pre-activations), and the
gradient, which is added to the weights by the product itself (gemm with beta = 1): writing it down
first and adding it then costs a quarter more where the weights are large beside a minibatch.

Shapes: E networks, k outputs, m neurons, d features, b points of a minibatch.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.shallow import aligned, one_by_one
from regimes.engines.sgd.fused_activations import fused

# Puts the gradient of the sum of the points' losses in place of their outputs (..., k, b), from
# labels (..., b).
Gradient = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Parameters:
    """Weights and biases of E networks.

    hidden: W (E, m, d). output: V (E, k, m). hidden_bias: b (E, m). output_bias: c (E, k). The
    biases are None where the networks have none.
    """

    hidden: Tensor
    output: Tensor
    hidden_bias: Tensor | None = None
    output_bias: Tensor | None = None

    def __len__(self) -> int:
        return len(self.hidden)

    def named(self) -> dict[str, Tensor]:
        """Return the arrays that are not None, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: values for name, values in named.items() if values is not None}

    def aligned(self) -> "Parameters":
        """A copy, in which each network's part begins with a cache line."""
        return Parameters(**{name: aligned(values) for name, values in self.named().items()})


@dataclass(frozen=True)
class Trained:
    """Which layers move, each with its biases."""

    hidden: bool = True
    output: bool = True


class BatchedNetworks:
    """A batch of networks at their parameters, which `groups` evaluate and move.

    parameters: where they start; they are copied. activation: a module of `regimes.activations`.
    rates: learning rates of the two layers of each network (2, E).

    On the CPU each network is a group of its own, with the same operations whatever the batch, so
    that its numbers do not depend on the others to the last bit, and its weights stay in the cache
    from step to step; elsewhere one group has all.
    """

    def __init__(
        self,
        parameters: Parameters,
        activation: ModuleType,
        trained: Trained,
        rates: np.ndarray,
    ):
        self.parameters = parameters.aligned()
        self.rates = rates
        self.activation = fused(activation)
        self.trained = trained
        self._scratch: dict[int, _Scratch] = {}
        elements: list[int | slice] = [slice(0, len(self))]
        if one_by_one(parameters.hidden.device):
            elements = list(range(len(self)))
        self.groups = [Group(self, one) for one in elements]

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def width(self) -> int:
        """Number of neurons m."""
        return self.parameters.hidden.shape[1]

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs to continue with the same bits; views, not copies."""
        return self.parameters.named()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same networks."""
        for name, values in self.parameters.named().items():
            values.copy_(state[name])

    def scratch(self, n_points: int) -> "_Scratch":
        """Scratch for some points, which groups share and the next step uses again."""
        if n_points not in self._scratch:
            hidden, output = self.parameters.hidden, self.parameters.output
            batch = () if isinstance(self.groups[0].elements, int) else (len(self),)

            def empty(rows: int) -> Tensor:
                return hidden.new_empty(*batch, rows, n_points)

            width, n_outputs = hidden.shape[1], output.shape[1]
            self._scratch[n_points] = _Scratch(
                empty(width), empty(width), empty(width), empty(n_outputs)
            )
        return self._scratch[n_points]


@dataclass
class _Scratch:
    """Scratch of a group of networks for some points.

    z, kept, pull: each (..., m, n); z and kept are what the activation makes of them, see
    `FusedActivation`, and pull is (V^T e) o act'(z). outputs: (..., k, n).
    """

    z: Tensor
    kept: Tensor
    pull: Tensor
    outputs: Tensor


class Group:
    """Networks that are worked through at once: one, as matrices, or all, as batches of them.

    elements: which of the batch, an index or a slice. Arguments and results have the first
    dimension E for a slice, and not for an index.
    """

    def __init__(self, networks: BatchedNetworks, elements: int | slice):
        one = isinstance(elements, int)
        self.elements = elements
        self.n_networks = 1 if one else len(networks)
        self.one = one
        self._networks = networks
        self._multiply = torch.mm if one else torch.bmm
        self._add_product = torch.addmm if one else torch.baddbmm
        self._rates = [
            _rate(layer[elements], networks.parameters.hidden) for layer in networks.rates
        ]
        self._hidden = networks.parameters.hidden[elements]
        self._output = networks.parameters.output[elements]
        self._hidden_bias, self._output_bias = (
            None if bias is None else bias[elements][..., None]
            for bias in (networks.parameters.hidden_bias, networks.parameters.output_bias)
        )

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return f (..., k, n) on inputs (..., n, d); the next call of any group overwrites it."""
        inputs = inputs if self.one else inputs.expand(self.n_networks, -1, -1)
        return self._forward(inputs, self._networks.scratch(inputs.shape[-2]))[1]

    def step(self, inputs: Tensor, labels: Tensor, gradient_: Gradient) -> None:
        """One step on the mean of the losses of some points.

        inputs: (..., b, d); labels: (..., b), or targets (..., b, k).

        A fixed sequence of kernels without a look at their results.
        """
        scratch, trained = self._networks.scratch(inputs.shape[-2]), self._networks.trained
        values, outputs = self._forward(inputs, scratch)
        errors = gradient_(outputs, labels)
        n_points = inputs.shape[-2]
        of_hidden, of_output = self._rates
        if trained.hidden:  # before the output weights move
            self._multiply(self._output.mT, errors, out=scratch.pull)
            self._networks.activation.backward_(scratch.pull, scratch.z, scratch.kept)
        if trained.output:
            self._move(self._output, self._output_bias, errors, values.mT, of_output, n_points)
        if trained.hidden:
            self._move(self._hidden, self._hidden_bias, scratch.pull, inputs, of_hidden, n_points)

    def _forward(self, inputs: Tensor, scratch: _Scratch) -> tuple[Tensor, Tensor]:
        """Values of the neurons (..., m, n) and outputs (..., k, n)."""
        self._layer(self._hidden_bias, self._hidden, inputs.mT, scratch.z)
        values = self._networks.activation.forward(scratch.z, scratch.kept)
        self._layer(self._output_bias, self._output, values, scratch.outputs)
        return values, scratch.outputs

    def _layer(self, bias: Tensor | None, weights: Tensor, inputs: Tensor, out: Tensor) -> None:
        if bias is None:
            self._multiply(weights, inputs, out=out)
        else:
            self._add_product(bias, weights, inputs, out=out)

    def _move(
        self,
        weights: Tensor,
        bias: Tensor | None,
        errors: Tensor,
        inputs: Tensor,
        rate: float | Tensor,
        n_points: int,
    ) -> None:
        if isinstance(rate, float):
            factor = -rate / n_points
        else:
            errors, factor = errors * rate, -1 / n_points
        self._add_product(weights, errors, inputs, alpha=factor, out=weights)
        if bias is not None:
            bias.add_(errors.sum(-1, keepdim=True), alpha=factor)


def _rate(rates: np.ndarray | np.floating, like: Tensor) -> float | Tensor:
    """One rate of a layer, or those of several networks (E, 1, 1)."""
    values = np.unique(rates)
    return float(values[0]) if len(values) == 1 else like.new_tensor(rates)[:, None, None]
