"""Random initial weights of two-layer networks."""

from dataclasses import dataclass

import numpy as np

# Features whose weights are drawn at once: some tens of MB at the largest widths.
CHUNK_FEATURES = 16


@dataclass(frozen=True)
class OrthogonalPart:
    """The part of first-layer weights outside of a span, as far as it is kept.

    squared_norm: |w_k - B B^T w_k|^2 of each neuron (width,). products: its scalar products with
    given directions (direction, width), such as a reference direction or test inputs.
    """

    squared_norm: np.ndarray
    products: np.ndarray


def gaussian(
    random: np.random.Generator, width: int, n_features: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal weights: output weights (width,), first-layer weights (n_features, width)."""
    return random.standard_normal(width), random.standard_normal((n_features, width))


def gaussian_in_span(
    random: np.random.Generator, width: int, basis: np.ndarray, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, OrthogonalPart]:
    """Draw the weights of `gaussian`, reduced to a span.

    Returns output weights (width,), the coordinates B^T w (r, width) of the first-layer weights,
    and what is kept of their orthogonal part.

    basis: orthonormal, (n_features, r). directions: (direction, n_features). The weights are the
    same numbers that `gaussian` would draw, but never held as a whole.
    """
    n_features, rank = basis.shape
    output = random.standard_normal(width)
    coordinates = np.zeros((rank, width))
    squares = np.zeros(width)
    products = np.zeros((len(directions), width))
    for first in range(0, n_features, CHUNK_FEATURES):
        rows = slice(first, min(first + CHUNK_FEATURES, n_features))
        weights = random.standard_normal((rows.stop - rows.start, width))
        coordinates += basis[rows].T @ weights
        squares += np.einsum("fk,fk->k", weights, weights)
        products += directions[:, rows] @ weights
    squares -= np.einsum("rk,rk->k", coordinates, coordinates)
    products -= (directions @ basis) @ coordinates
    # Rounding may leave a little less than nothing where the span is nearly all.
    return output, coordinates, OrthogonalPart(squares.clip(min=0), products)
