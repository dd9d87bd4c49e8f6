"""Gradient descent as one writes it with autograd: the reference of tests and benchmarks."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    # Beyond its threshold torch takes z itself.
    "softplus": lambda z: functional.softplus(z, threshold=50),
}
LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "half_sum": lambda e: e.square().sum() / 2,
    "half_mean": lambda e: e.square().sum() / (2 * e.shape[1]),
    "mean_square": lambda e: e.square().mean(),
}


@dataclass
class Path:
    """What a run went through, step by step: residuals (k, n), weights (m, d) and (k, m), and
    whether each neuron is active on each point (m, n).
    """

    residuals: list[Tensor]
    hidden: list[Tensor]
    output: list[Tensor]
    active: list[Tensor]

    def activation_changes(self) -> int:
        """Pairs (neuron, point) whose activation ever left the initial one."""
        history = torch.stack(self.active)
        return int((history != history[0]).any(dim=0).sum())


def outputs(hidden: Tensor, output: Tensor, inputs: Tensor, activation: str) -> Tensor:
    """f (k, n) of a network; hidden: (m, d), output: (k, m), inputs: (d, n)."""
    return output @ ACTIVATIONS[activation](hidden @ inputs)


def descend(
    hidden: Tensor,
    output: Tensor,
    inputs: Tensor,
    targets: Tensor,
    rates: tuple[float, float],
    steps: int,
    activation: str = "relu",
    loss: str = "half_sum",
    scale: float = 1.0,
) -> Path:
    """Steps of torch.optim.SGD on one run; a layer with rate 0 does not move."""
    hidden, output = (layer.clone().requires_grad_() for layer in (hidden, output))
    optimiser = torch.optim.SGD(
        [{"params": [hidden], "lr": rates[0]}, {"params": [output], "lr": rates[1]}]
    )
    path = Path([], [], [], [])
    for _ in range(steps + 1):
        optimiser.zero_grad()
        residuals = scale * outputs(hidden, output, inputs, activation) - targets
        LOSSES[loss](residuals).backward()
        path.residuals.append(residuals.detach().clone())
        path.hidden.append(hidden.detach().clone())
        path.output.append(output.detach().clone())
        path.active.append((hidden @ inputs > 0).detach())
        optimiser.step()
    return path
