"""Activations on the way forth and back, by one kernel of torch each where it has them.

ReLU and GELU take a third off the time of what `regimes.engines.common.shallow.activate_` and a
product with the slopes do, and on a GPU, where each pass goes through the memory, much more.
"""

from types import ModuleType
from typing import Protocol

import torch
from torch import Tensor

from regimes.activations.apply import activate_


class FusedActivation(Protocol):
    """An activation with its backward pass, as a layer needs it.

    z and `kept`, of the same shape, must reach `backward_` as `forward` leaves them.
    """

    def forward(self, z: Tensor, kept: Tensor) -> Tensor:
        """Overwrite one of the two with act(z), and return it."""

    def backward_(self, gradient: Tensor, z: Tensor, kept: Tensor) -> Tensor:
        """Overwrite the gradient in act(z) with its product with act'(z), and return it."""


def fused(activation: ModuleType) -> FusedActivation:
    """The fused form of a module of `regimes.activations`."""
    name = activation.__name__.rpartition(".")[2]
    return _FUSED.get(name) or _Composed(activation)


class _Relu:
    def forward(self, z: Tensor, kept: Tensor) -> Tensor:
        return z.clamp_(min=0)

    def backward_(self, gradient: Tensor, z: Tensor, kept: Tensor) -> Tensor:
        # act(z), which is in place of z, is positive where z is.
        backward = torch.ops.aten.threshold_backward.grad_input
        return backward(gradient, z, 0, grad_input=gradient)


class _Gelu:
    def forward(self, z: Tensor, kept: Tensor) -> Tensor:
        return torch.ops.aten.gelu.out(z, out=kept)

    def backward_(self, gradient: Tensor, z: Tensor, kept: Tensor) -> Tensor:
        return torch.ops.aten.gelu_backward.grad_input(gradient, z, grad_input=gradient)


class _Composed:
    def __init__(self, activation: ModuleType):
        self.activation = activation

    def forward(self, z: Tensor, kept: Tensor) -> Tensor:
        activate_(self.activation, z, kept)
        return z

    def backward_(self, gradient: Tensor, z: Tensor, kept: Tensor) -> Tensor:
        return gradient.mul_(kept)


_FUSED: dict[str, FusedActivation] = {"relu": _Relu(), "gelu": _Gelu()}
