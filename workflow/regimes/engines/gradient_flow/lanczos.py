"""What some residuals see of a large kernel, by the method of Lanczos.

Residuals that decay as e' = -G e stay in the space that e, G e, G^2 e, ... span. In an orthonormal
basis V of its first k vectors G is a tridiagonal matrix T, and

    exp(-t G) e ~ |e| V exp(-t T) u,    u = (1, 0, ..., 0).

This solves the equation but for a rest of size |e| b |(exp(-t T) u)_k|, b being the norm of what
the next product adds to the space. G is positive semidefinite, so that the error at any time up to
h is at most the integral of the rest; and as the components of exp(-t T) u have the same signs at
all times, that integral is the k-th component of h phi_1(-h T) u, times b (compare Hochbruck &
Ostermann, Acta Numerica 2010, Section 4.2).

A product with G is n^2 operations, all eigenvectors are some 9 n^3. How many products are needed
grows with the root of h times the largest eigenvalue, and with how many eigenvalues h tells apart.
"""

import torch
from torch import Tensor

from regimes.engines.gradient_flow.phi import phi1

# Least number of products, between checks, and growth of their number from check to check.
FIRST, GROWTH = 24, 1.25
# A larger share of n is not worth it: products and checks cost as much as all eigenvectors.
LARGEST_SHARE = 1 / 8


def decomposed(
    kernel: Tensor, residuals: Tensor, h: float, noise: float
) -> tuple[Tensor, Tensor] | None:
    """Eigenvalues (k,) and vectors (n, k) that stand for a kernel (n, n) where e (n,) decays.

    They give exp(-t G) e to about 1e-10 (float64) of |e| for all t up to h, and in any case up to 1
    over the largest eigenvalue. noise: eigenvalues below this share of the largest are 0.
    Returns None where that takes too large a space.
    """
    n, norm = len(residuals), torch.linalg.vector_norm(residuals)
    if not bool(norm > 0) or not bool(torch.isfinite(norm)):
        return kernel.new_zeros(1), kernel.new_zeros(n, 1)
    eps = torch.finfo(kernel.dtype).eps
    largest = max(1, int(LARGEST_SHARE * n))
    basis = kernel.new_empty(largest, n)
    diagonal: list[float] = []
    beside: list[float] = []
    vector, check = residuals / norm, FIRST
    for k in range(1, largest + 1):
        basis[k - 1] = vector
        product = kernel @ vector
        diagonal.append(float(vector @ product))
        # Twice: after the first time what is left may be rounding along the basis.
        for _ in range(2):
            product = product - basis[:k].T @ (basis[:k] @ product)
        left = float(torch.linalg.vector_norm(product))
        closed = left <= n * eps * max(diagonal)
        if closed or k >= check or k == largest:
            eigenvalues, vectors = _eigen(diagonal, beside, noise)
            time = max(h, 1 / float(eigenvalues[-1])) if eigenvalues[-1] > 0 else h
            # What the network cannot change needs no resolution.
            parts = torch.where(eigenvalues > 0, vectors[-1] * vectors[0], 0.0)
            error = left * abs(float((parts * time * phi1(-time * eigenvalues)).sum()))
            if closed or error <= 0.01 * eps**0.5:
                return eigenvalues.to(kernel), basis[:k].T @ vectors.to(kernel)
            check = int(GROWTH * k) + 1
        beside.append(left)
        vector = product / left
    return None


def _eigen(diagonal: list[float], beside: list[float], noise: float) -> tuple[Tensor, Tensor]:
    """Eigenvalues (k,) and eigenvectors (k, k) of the tridiagonal matrix, in float64 on the CPU."""
    above = torch.tensor(beside, dtype=torch.float64)
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    matrix = matrix + torch.diag(above, 1) + torch.diag(above, -1)
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return torch.where(eigenvalues > noise * eigenvalues[-1], eigenvalues, 0.0), vectors
