"""Small networks of several hidden layers, all trained, in the NTK parameterisation.

f(x) = W_L act(... act(W_1 x / d^(1/2)) ...) / m^(1/2), each layer divided by the root of the number
of its inputs. Gradients are computed automatically: this is for the few networks that are too deep
for `regimes.engines.common.shallow`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class DeepNetwork:
    """A network at its start, to be trained by `regimes.engines.function_space.descent`.

    inputs: (n, d). weights: of each layer (outputs of the layer, its inputs). targets: (k, n).
    rate: what a step subtracts of the gradient of |e|^2 / 2.
    """

    static = False

    def __init__(
        self,
        inputs: Tensor,
        weights: Sequence[Tensor],
        targets: Tensor,
        activation: Callable[[Tensor], Tensor],
        *,
        rate: float,
    ):
        self.inputs = inputs
        self.weights = [layer.clone() for layer in weights]
        self.targets = targets
        self.activation = activation
        self.rate = rate
        self._evaluate()

    def predict(self, inputs: Tensor) -> Tensor:
        """Outputs (k, n) of inputs (n, d)."""
        values = inputs.mT
        for number, layer in enumerate(self.weights):
            values = self.activation(values) if number else values
            values = layer @ values / layer.shape[1] ** 0.5
        return values

    def step(self) -> None:
        """One step of gradient descent."""
        for layer in self.weights:
            layer.requires_grad_()
        loss = (self.predict(self.inputs) - self.targets).square().sum() / 2
        gradients = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            pairs = zip(self.weights, gradients, strict=True)
            self.weights = [layer - self.rate * gradient for layer, gradient in pairs]
        self._evaluate()

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs."""
        return {f"layer_{number}": layer for number, layer in enumerate(self.weights)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same network, with the same bits."""
        self.weights = [state[f"layer_{number}"].clone() for number in range(len(self.weights))]
        self._evaluate()

    def _evaluate(self) -> None:
        with torch.no_grad():
            self.outputs = self.predict(self.inputs)
            self.errors = self.outputs - self.targets
