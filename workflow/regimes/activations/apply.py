"""Applying a module of `regimes.activations` to tensors and to arrays."""

from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from torch import Tensor


def activate_(activation: ModuleType, z: Tensor, slope: Tensor) -> None:
    """Overwrite z with act(z), and `slope`, of the same shape, with act'(z).

    activation: a module with `value_and_slope_(z, slope)`; or, if act(z) = act'(z) z, with
    `slope(z, out)` and `value(z, slope, out)`.
    """
    if hasattr(activation, "value_and_slope_"):
        activation.value_and_slope_(z, slope)
    else:
        activation.value(z, activation.slope(z, out=slope), out=z)


def kinked(activation: ModuleType) -> bool:
    """Whether act' is constant but for a jump at 0, as that of ReLU: act(z) = act'(z) z."""
    return not hasattr(activation, "value_and_slope_")


def slope_below(activation: ModuleType) -> float:
    """act'(z) where z <= 0 of a kinked activation."""
    return float(activation.slope(torch.tensor([-1.0], dtype=torch.float64)))


def activate(name: str, z: np.ndarray) -> np.ndarray:
    """Return act(z) in float64 for the activation of `regimes.activations` that has this name."""
    values = torch.tensor(z, dtype=torch.float64)
    activate_(import_module(f"regimes.activations.{name}"), values, torch.empty_like(values))
    return values.numpy()
