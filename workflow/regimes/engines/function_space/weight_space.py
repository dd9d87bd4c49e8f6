"""One network f(x) = s sum_j z_j act(w_j . x) with one or several outputs, moved on its weights.

The weights move in the span of the inputs alone (`regimes.engines.common.span`), so that steps are
made there, by `regimes.engines.common.shallow`, and the whole weights are put together when asked
for.

Shapes: k outputs, m neurons, d features, n points.
"""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.shallow import Layers, Rates, ShallowNetworks, Weights
from regimes.engines.common.span import project_to_span


class WeightSpaceNetwork:
    """A network at its start, to be trained by `regimes.engines.function_space.descent`.

    inputs: (n, d), as an array. hidden: first-layer weights (m, d), output: z (k, m), at the start.
    targets: (k, n). rates: what a step subtracts of the gradient of |e|^2 / 2, for the two layers;
    trained: the layers that move. output_scale: s.
    """

    static = True

    def __init__(
        self,
        inputs: np.ndarray,
        hidden: Tensor,
        output: Tensor,
        targets: Tensor,
        activation: ModuleType,
        *,
        rates: tuple[float, float],
        trained: Layers = "first",
        output_scale: float = 1.0,
    ):
        reduced = project_to_span(inputs)
        self.targets = targets
        self._initial = hidden
        self._basis = None if reduced.whole else _like(reduced.basis, hidden)
        start = hidden if self._basis is None else hidden @ self._basis
        self._start = start
        self._networks = ShallowNetworks(
            _like(np.ascontiguousarray(reduced.inputs.T), hidden),
            Weights(start[None], output[None]),
            Rates(*(hidden.new_tensor([rate]) for rate in rates)),
            activation,
            trained=trained,
            output_scale=output_scale,
            count_changes=False,
        )
        # (k, n)
        self.outputs = self._networks.evaluate()[0]
        self.errors = self.outputs - self.targets

    def step(self) -> None:
        """One step of gradient descent."""
        self._networks.move(self.errors[None])
        torch.sub(self.outputs, self.targets, out=self.errors)

    def hidden(self) -> Tensor:
        """First-layer weights (m, d) where the network is."""
        now = self._networks.weights.hidden[0]
        if self._basis is None:
            return now.clone()
        return self._initial + (now - self._start) @ self._basis.mT

    def output(self) -> Tensor:
        """Output weights (k, m) where the network is."""
        return self._networks.weights.output[0].clone()

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs."""
        return self._networks.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same network, with the same bits."""
        self._networks.restore(state)
        torch.sub(self.outputs, self.targets, out=self.errors)


def _like(values: np.ndarray, tensor: Tensor) -> Tensor:
    return torch.tensor(values, dtype=tensor.dtype, device=tensor.device)
