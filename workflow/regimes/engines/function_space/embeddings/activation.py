"""Activation functions on NumPy arrays: the package's own, so that there is one definition."""

from importlib import import_module

import numpy as np
import torch

from regimes.engines.common.shallow import activate_


def activate(name: str, z: np.ndarray) -> np.ndarray:
    """act(z) for an activation of `regimes.activations`, in float64."""
    values = torch.tensor(z, dtype=torch.float64)
    activate_(import_module(f"regimes.activations.{name}"), values, torch.empty_like(values))
    return values.numpy()
