"""The span of the training inputs, in which alone the first layer moves.

Updates of the first layer are combinations of the inputs. With the thin QR X^T = B R (B: features
x r, orthonormal, r = min(points, features)) the network on X with weights w is exactly the network
on R^T with weights B^T w, of which a standard normal w makes a standard normal one; the rest of w
never moves.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Span:
    """Orthonormal basis (n_features, r) of the inputs' span and the inputs in it (n_points, r).

    `whole` where the span is the space itself: then the basis is the identity, and nothing is
    reduced.
    """

    basis: np.ndarray
    inputs: np.ndarray
    whole: bool


def project_to_span(inputs: np.ndarray, project: bool = True) -> Span:
    """Return the span of inputs (n_points, n_features).

    It is the whole space without `project`, or when there are as many inputs as features.
    """
    n_points, n_features = inputs.shape
    if not project or n_points >= n_features:
        return Span(np.eye(n_features), inputs, whole=True)
    basis, upper = np.linalg.qr(inputs.T)
    return Span(basis, upper.T, whole=False)
