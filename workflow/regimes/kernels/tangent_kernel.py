"""Tangent kernels of the networks of `regimes.engines.common.shallow`, in closed form."""

from types import ModuleType

import torch
from torch import Tensor

from regimes.activations.apply import activate_


def tangent_kernel(
    hidden: Tensor,
    output: Tensor,
    inputs: Tensor,
    activation: ModuleType,
    *,
    first: float = 1.0,
    second: float = 1.0,
    output_scale: float = 1.0,
) -> Tensor:
    """Return H = J J^T, with J the Jacobian of the k n outputs, and with weights of the layers.

    With F = act(W X), A = act'(W X) and B_k = diag(z_k) A, the block of the outputs k and l is
    s^2 [first (B_k^T B_l) o (X^T X) + second delta_kl F^T F] (Razborov, 2022, sections 2.2 and
    3.2, where k = 1, s = 1).

    hidden: W (m, d); output: z (k, m); inputs: X (d, n); output_scale: s. A weight of 0 leaves a
    layer out. Returns (k n, k n), all points of the first output first.
    """
    n_outputs, width = output.shape
    values = hidden @ inputs
    slopes = torch.empty_like(values)
    activate_(activation, values, slopes)
    n_points = inputs.shape[1]
    kernel = inputs.new_zeros(n_outputs * n_points, n_outputs * n_points)
    if first:
        scaled = output.T[:, :, None] * slopes[:, None, :]
        scaled = scaled.reshape(width, -1)
        torch.mm(scaled.T, scaled, out=kernel)
        kernel.mul_((inputs.T @ inputs).repeat(n_outputs, n_outputs)).mul_(first)
    if second:
        blocks = kernel.view(n_outputs, n_points, n_outputs, n_points)
        features = (values.T @ values).mul_(second)
        for k in range(n_outputs):
            blocks[k, :, k, :].add_(features)
    return kernel.mul_(output_scale**2)


def smallest_eigenvalue(kernel: Tensor) -> float:
    """Smallest eigenvalue of a symmetric matrix."""
    return float(torch.linalg.eigvalsh(kernel)[0])


def largest_eigenvalue(kernel: Tensor) -> float:
    """Largest eigenvalue of a symmetric matrix."""
    return float(torch.linalg.eigvalsh(kernel)[-1])
