"""Small networks of several hidden layers of ReLU neurons, all layers trained.

In the NTK parameterisation f(x) = W_L relu(... relu(W_1 x / d^(1/2)) ...) / m^(1/2), each layer
divided by the root of the number of its inputs; in the standard one with biases and no factors, as
PyTorch's layers are. This is for the few networks that are too deep, or have biases, for
`regimes.engines.common.shallow`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class DeepNetwork:
    """A network at its start, to be trained by `regimes.engines.function_space.descent`.

    inputs: (n, d). weights: of each layer (outputs of the layer, its inputs). biases: of each layer
    (outputs of the layer, 1), in the standard parameterisation; None: none, in that of the NTK.
    targets: (k, n). rate: what a step subtracts of the gradient of |e|^2 / 2.
    """

    static = False

    def __init__(
        self,
        inputs: Tensor,
        weights: Sequence[Tensor],
        targets: Tensor,
        *,
        rate: float,
        biases: Sequence[Tensor] | None = None,
    ):
        self.inputs = inputs.mT
        self.weights = [layer.clone() for layer in weights]
        self.biases = [one.clone() for one in biases or ()]
        self.scales = [1.0 if biases else layer.shape[1] ** -0.5 for layer in weights]
        self.targets = targets
        self.rate = rate
        self._evaluate()

    def predict(self, inputs: Tensor) -> Tensor:
        """Outputs (k, n) of inputs (n, d)."""
        return self._layers(inputs.mT)[-1]

    def step(self) -> None:
        """One step of gradient descent."""
        back = self.errors
        for number in reversed(range(len(self.weights))):
            layer, scale, values = self.weights[number], self.scales[number], self.values[number]
            # What flows back through the layer is that of its weights before the step.
            further = layer.mT @ back * (values > 0) * scale if number else back
            layer.addmm_(back, values.mT, alpha=-self.rate * scale)
            if self.biases:
                self.biases[number].sub_(back.sum(1, keepdim=True), alpha=self.rate)
            back = further
        self._evaluate()

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs."""
        return {f"parameter_{number}": one for number, one in enumerate(self._parameters())}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same network, with the same bits."""
        for number, one in enumerate(self._parameters()):
            one.copy_(state[f"parameter_{number}"])
        self._evaluate()

    def _parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def _layers(self, values: Tensor) -> list[Tensor]:
        """The inputs (inputs of the layer, n) of each layer, and the outputs of the last."""
        found = [values]
        for number, (layer, scale) in enumerate(zip(self.weights, self.scales, strict=True)):
            values = layer @ found[-1] * scale
            if self.biases:
                values = values + self.biases[number]
            found.append(values if number == len(self.weights) - 1 else torch.relu(values))
        return found

    def _evaluate(self) -> None:
        *self.values, self.outputs = self._layers(self.inputs)
        self.errors = self.outputs - self.targets
