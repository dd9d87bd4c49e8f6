"""The same networks with few features: compiled passes over the neurons in place of products."""

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork, Place

if TYPE_CHECKING:
    from regimes.engines.common.few_features import FewFeatures


class CompiledNetwork(FunctionSpaceNetwork):
    """A `FunctionSpaceNetwork` whose state is the way of the weights, with a kinked activation.

    No pre-activations or slopes are kept: passes make them from the weights. weights: those at the
    start (m, r), in the coordinates of `embedded`. passes: over networks
    with these inputs. The rest is as of `FunctionSpaceNetwork`.
    """

    def __init__(
        self,
        passes: "FewFeatures",
        embedded: Embedded,
        weights: Tensor,
        output_weights: Tensor,
        targets: Tensor,
        activation: ModuleType,
        *,
        output_scale: float,
        step_factor: float,
    ):
        self._start = weights
        self._passes = passes
        super().__init__(
            embedded,
            weights @ torch.cat([embedded.train, embedded.test]).mT,
            output_weights,
            targets,
            activation,
            output_scale=output_scale,
            step_factor=step_factor,
            in_weights=True,
        )

    def step(self) -> None:
        """One step of gradient descent."""
        self.move_to(self.look(self.coefficients.add_(self.directions(self.errors))))

    def look(self, coefficients: Tensor) -> Place:
        """What some coefficients (m, r) lead to; without slopes."""
        outputs = self._passes.outputs(self._at(coefficients), self.output_weights.numpy())
        errors = torch.from_numpy(outputs).mul_(self.output_scale).sub_(self.targets)
        return Place(coefficients, errors, None)

    def directions(self, errors: Tensor) -> Tensor:
        """Change of the weights (m, r) in one step here with given residuals (n,)."""
        gradient = self._passes.gradient(self._at(self.coefficients), errors.numpy())
        return torch.from_numpy(gradient).mul_(self.factor)

    def directions_at_end(self, end: Place) -> tuple[Tensor, Tensor]:
        """Changes of the weights in one step at the end of a way, and what they lack."""
        gradients = self._passes.gradient_at_end(
            self._at(self.coefficients),
            self._at(end.coefficients),
            self.output_weights.numpy(),
            end.errors.numpy(),
        )
        way, lacking = (torch.from_numpy(one).mul_(self.factor) for one in gradients)
        return way, lacking

    def output_change(self, directions: Tensor) -> Tensor:
        """Change of the outputs (n,) with a change of the weights, to first order."""
        change = self._passes.output_change(
            self._at(self.coefficients), self.output_weights.numpy(), directions.numpy()
        )
        return torch.from_numpy(change).mul_(self.output_scale)

    def _positive(self) -> np.ndarray:
        return self._passes.positive(self._at(self.coefficients))

    def _at(self, coefficients: Tensor) -> np.ndarray:
        """The weights (m, r) at some coefficients."""
        return (self._start + coefficients).numpy()
