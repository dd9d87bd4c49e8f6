"""Gram matrices of embeddings, (12) of Chen et al. (2022), and their limits for wide layers.

The limits are (23), for standard normal weights, and its recursion over the layers of Appendix H.
Those of ReLU need no activation, and with it no torch, which is imported where it is applied.
"""

import numpy as np

from regimes.kernels.limiting_kernels import correlations, gram_a_of_covariance

# Nodes of a Gauss-Hermite rule; nodes of smaller weight than this do not count in float64.
NODES = 150
LEAST_WEIGHT = 1e-18
# Number of values of an activation that are in memory at once.
VALUES_AT_ONCE = 2**20


def gram(psi: np.ndarray) -> np.ndarray:
    """Return G_ab = Phi(x_a) . Phi(x_b)/D of (12), (n, n), from rows Phi(x)/D^(1/2), (n, r)."""
    return psi @ psi.T


def limiting_gram(
    inputs: np.ndarray, embedding: str, activation: str, depth: int = 3
) -> np.ndarray:
    """Gram matrix G (n, n) of inputs (n, d) in an embedding, as D tends to infinity.

    embedding: a module of `regimes.engines.function_space.embeddings`.

    For `identity` and `quadratic`, which are not random, it is G itself. For `random_features`
    it is (23), and for `random_layers` in a network of `depth` L layers G^(L-2) of the recursion
    G^(l+1)_ab = E act(u) act(v), (u, v) ~ N(0, G^(l) at a and b), from G^(0) = X X^T/d.
    """
    products = inputs @ inputs.T / inputs.shape[1]
    if embedding == "identity":
        return products
    if embedding == "quadratic":
        return products**2
    if embedding == "random_features":
        return expected_products(products, activation)
    if embedding == "random_layers":
        if depth < 3:
            raise ValueError(f"random layers in a network of {depth} layers")
        for _ in range(depth - 2):
            products = expected_products(products, activation)
        return products
    raise ValueError(f"no limit is known for the embedding {embedding!r}")


def expected_products(covariance: np.ndarray, activation: str) -> np.ndarray:
    """Return E act(u_a) act(u_b) for centred normal u of a covariance (n, n): (n, n).

    It is in closed form for ReLU and leaky ReLU; otherwise by quadrature, see `by_quadrature`.
    """
    if activation == "relu":
        return gram_a_of_covariance(covariance)
    if activation == "leaky_relu":
        from regimes.activations.leaky_relu import NEGATIVE_SLOPE

        # act(z) = s z + (1 - s) relu(z), and E u relu(v) = E u v/2.
        ramps = gram_a_of_covariance(covariance)
        return NEGATIVE_SLOPE * covariance + (1 - NEGATIVE_SLOPE) ** 2 * ramps
    return by_quadrature(covariance, activation)


def by_quadrature(covariance: np.ndarray, activation: str, nodes: int = NODES) -> np.ndarray:
    """`expected_products` by a Gauss-Hermite rule of so many nodes in each of two dimensions.

    With the default nodes the error is below 1e-13 up to variances of 1, and below 1e-7 up to 3,
    for tanh; below 1e-13 up to 3 for GELU and softplus. A kink converges as 1/nodes only: for ReLU
    and leaky ReLU, which have closed forms, the error is about 1e-3 of the variance.
    """
    from regimes.activations.apply import activate

    places, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights /= weights.sum()
    places, weights = places[weights > LEAST_WEIGHT], weights[weights > LEAST_WEIGHT]
    deviations = np.sqrt(np.diag(covariance))
    cosines = correlations(covariance)
    # act(u_a) at the nodes, times their weights: (n, nodes).
    weighted = activate(activation, np.outer(deviations, places)) * weights
    first, second = np.triu_indices(len(covariance))
    values = np.empty(len(first))
    at_once = max(1, VALUES_AT_ONCE // len(places) ** 2)
    for start in range(0, len(first), at_once):
        a, b = first[start : start + at_once], second[start : start + at_once]
        cosine = cosines[a, b][:, None, None]
        # v given u, in units of its deviation: (pairs, nodes of u, nodes of the rest).
        v = cosine * places[:, None] + np.sqrt(1 - cosine**2) * places
        given_u = activate(activation, deviations[b][:, None, None] * v) @ weights
        values[start : start + at_once] = (weighted[a] * given_u).sum(axis=1)
    result = np.empty_like(covariance)
    result[first, second] = result[second, first] = values
    return result
