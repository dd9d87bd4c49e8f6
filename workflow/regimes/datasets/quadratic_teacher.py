"""Standard normal inputs whose targets a shallow network on x x^T computes.

Experiment 2 of Chen et al. (2022), Section 4.2: the network (2)-(3) with the quadratic embedding
Phi(x) = vec(x x^T) in dimension D = d^2 and few neurons, the target
y = (1/m) sum_i c_i relu(h_i), h_i = D^(-1/2) <W_i, x x^T> = <W_i, x x^T> / d,
c Rademacher and W standard normal. The text does not state the distribution of x.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.draws import stack_draws
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, train_then_test

KIND = "quadratic_teacher"
CITATION = (
    "Z. Chen, E. Vanden-Eijnden, J. Bruna: On feature learning in neural networks with global "
    "convergence guarantees, International Conference on Learning Representations, 2022, "
    "Experiment 2"
)


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train training and n_test test points of n_features, with the target network's outputs.

    `seed` selects the draw: the points, and the target network of n_teacher_neurons. Training and
    test points and the network have streams of their own, so that data sets of different n_train
    share the network and the test points, and the smaller is the beginning of the larger. With
    `draws` above 1 there are as many independent draws, see `regimes.datasets.draws`.
    """
    return stack_draws(_build_one, settings)


def _build_one(settings: Mapping[str, Any]) -> xr.Dataset:
    seed, n_features = settings["seed"], settings["n_features"]
    n_neurons = settings["n_teacher_neurons"]
    inputs = np.concatenate(
        [
            stream(seed, KIND, part, "inputs").standard_normal((settings[f"n_{part}"], n_features))
            for part in ("train", "test")
        ]
    )
    hidden = stream(seed, KIND, "teacher", "hidden weights")
    weights = hidden.standard_normal((n_neurons, n_features, n_features))
    signs = stream(seed, KIND, "teacher", "signs").choice([-1.0, 1.0], n_neurons)
    return assemble(
        inputs,
        teacher(inputs, weights, signs),
        train_then_test(settings["n_train"], settings["n_test"]),
        target_name="output of the target network",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=(
            f"Inputs were drawn from the standard normal distribution; targets are the outputs of "
            f"a random ReLU network of {n_neurons} neurons on x x^T (seed {seed})."
        ),
    )


def teacher(inputs: np.ndarray, weights: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Outputs (n_points,) of the target network.

    inputs: (n_points, d). weights: (n_neurons, d, d). signs: (n_neurons,), of -1 and 1.
    """
    n_features = inputs.shape[1]
    output = np.zeros(len(inputs))
    for weight, sign in zip(weights, signs, strict=True):
        # <W, x x^T> = x^T W x: x x^T is never formed. Sums of a fixed order, not a matrix
        # product, whose order would depend on the number of points.
        quadratic = np.einsum("ni,ij,nj->n", inputs, weight, inputs, optimize=False)
        output += sign * np.maximum(quadratic / n_features, 0)
    return output / len(signs)
