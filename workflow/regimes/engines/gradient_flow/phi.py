"""The phi functions of exponential integrators."""

import torch
from torch import Tensor


def phi1(z: Tensor) -> Tensor:
    """(e^z - 1) / z, elementwise, for z <= 0; 1 at z = 0."""
    safe = torch.where(z == 0, torch.ones_like(z), z)
    return torch.where(z == 0, torch.ones_like(z), torch.expm1(safe) / safe)
