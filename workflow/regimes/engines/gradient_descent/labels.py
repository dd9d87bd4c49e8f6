"""Labels that depend on the network at its start (Razborov, 2022, Section 4).

Each function returns e_0 (n,), the residuals at the start, from the tangent kernel H_0 (n, n), the
inputs X (d, n) and the width m; all but `high_spectrum` have |e_0| = sqrt(n m). The labels are then
y = f_0 - e_0.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def low_spectrum(kernel: Tensor, inputs: Tensor, width: int) -> Tensor:
    """Residuals along the eigenvector of the smallest eigenvalue; its largest entry is positive."""
    vector = torch.linalg.eigh(kernel).eigenvectors[:, 0]
    sign = vector[vector.abs().argmax()].sign()
    return vector * (sign * (len(vector) * width) ** 0.5)


def high_spectrum(kernel: Tensor, inputs: Tensor, width: int) -> Tensor:
    """Residuals sqrt(d m) X^T x_1, for which |H_0 e_0| is large."""
    return (inputs.T @ inputs[:, 0]) * (len(inputs) * width) ** 0.5


def local(kernel: Tensor, inputs: Tensor, width: int) -> Tensor:
    """Residuals that vanish on all points but the first."""
    residuals = kernel.new_zeros(len(kernel))
    residuals[0] = (len(kernel) * width) ** 0.5
    return residuals


INITIAL_RESIDUALS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "low_spectrum": low_spectrum,
    "high_spectrum": high_spectrum,
    "local": local,
}
