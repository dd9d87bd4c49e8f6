"""Sharpness: the largest eigenvalue of the Hessian of the loss of a two-layer network.

With Z = W X, f = V act(Z) and the loss's gradient G and Hessian in the outputs, a direction (P, Q)
of the weights (W, V) changes Z by P X, the outputs by df = Q act(Z) + V (act'(Z) o P X) and the
gradients (V^T G o act'(Z)) X^T and G act(Z)^T by what the product rule says. ReLU's act'' is 0.
"""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from regimes.activations.apply import activate_

# Relative accuracy of the eigenvalue, and number of products after which it is given up.
TOLERANCE, MOST_PRODUCTS = 1e-4, 3000


def hessian_product(
    hidden: Tensor,
    output: Tensor,
    inputs: Tensor,
    gradient: Tensor,
    curvature: Callable[[Tensor], Tensor],
    activation: ModuleType,
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The product of the Hessian with directions P (m, d) and Q (k, m), as a function of them.

    hidden: W (m, d); output: V (k, m); inputs: X (d, n). gradient: of the loss in the outputs (k,
    n). curvature: the product of the loss's Hessian in the outputs with a change of these (k, n).
    """
    values = hidden @ inputs
    slopes, bends = torch.empty_like(values), None
    before = values.clone()
    activate_(activation, values, slopes)
    if hasattr(activation, "curvature"):
        bends = activation.curvature(before, values.clone(), slopes.clone())
    pull = output.T @ gradient

    def product(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        change = p @ inputs
        moved = slopes * change
        bent = curvature(q @ values + output @ moved)
        inner = (q.T @ gradient + output.T @ bent) * slopes
        if bends is not None:
            inner += pull * bends * change
        return inner @ inputs.T, bent @ values.T + gradient @ moved.T

    return product


def sharpness(
    hidden: Tensor,
    output: Tensor,
    inputs: Tensor,
    gradient: Tensor,
    curvature: Callable[[Tensor], Tensor],
    activation: ModuleType,
    *,
    first: float = 1.0,
    second: float = 1.0,
) -> float:
    """Largest eigenvalue of the Hessian, with weights of the layers; by Lanczos (ARPACK).

    Arguments as of `hessian_product`. first, second: rates of the layers, relative to the learning
    rate: the Hessian H is that of weights scaled by the roots of their rates R, R^(1/2) H R^(1/2),
    so that descent is stable at learning rates below 2 over it. A rate of 0 leaves a layer out.
    NaN where it is not found.
    """
    # Here: few jobs ask for it, and it takes a fifth of a second to import.
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    product = hessian_product(hidden, output, inputs, gradient, curvature, activation)
    roots = first**0.5, second**0.5
    sizes = [
        layer.numel() if root else 0 for layer, root in zip((hidden, output), roots, strict=True)
    ]

    def apply(vector: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(np.ascontiguousarray(vector, dtype=np.float64)).to(hidden)
        p, q = torch.zeros_like(hidden), torch.zeros_like(output)
        for layer, part, root in zip((p, q), parts.split(sizes), roots, strict=True):
            if root:
                layer.copy_(part.view(layer.shape) * root)
        of_layers = zip(product(p, q), roots, strict=True)
        kept = [one.flatten() * root for one, root in of_layers if root]
        return torch.cat(kept).double().cpu().numpy()

    size = sum(sizes)
    operator = LinearOperator((size, size), matvec=apply, dtype=np.float64)
    if size < 3:
        return float(np.linalg.eigvalsh(operator @ np.eye(size))[-1])
    start = np.random.default_rng(0).standard_normal(size)  # the same bits each time
    if not np.any(operator @ start):
        return 0.0  # of a network whose neurons are all dead
    try:
        found = eigsh(
            operator,
            k=1,
            which="LA",
            v0=start,
            tol=TOLERANCE,
            maxiter=MOST_PRODUCTS,
            return_eigenvectors=False,
        )
    except ArpackError:
        return float("nan")
    return float(found[0])
