"""Standard normal inputs whose targets depend on one random direction.

A single-index model, as in Bietti et al. (2022): x ~ N(0, I_d) and y = g(u . x), with u uniform on
the unit sphere. Each link g here has E g(z)^2 = 1 for a standard normal z. With `normalise` the
inputs are divided by sqrt(d) once the targets have been computed, so that a neuron with standard
normal weights has a pre-activation of order one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.draws import stack_draws
from regimes.datasets.spheres import on_unit_sphere
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, train_then_test

KIND = "single_index"
CITATION = (
    "A. Bietti, J. Bruna, C. Sanford, M. J. Song: Learning single-index models with shallow neural "
    "networks, Advances in Neural Information Processing Systems 35, 2022"
)


def _hermite_2(index: np.ndarray) -> np.ndarray:
    return (index**2 - 1) / 2**0.5


def _hermite_3(index: np.ndarray) -> np.ndarray:
    return index * (index**2 - 3) / 6**0.5


def _relu(index: np.ndarray) -> np.ndarray:
    return 2**0.5 * np.maximum(index, 0)


# ReLU and absolute value are not centred: their means are 1 / sqrt(pi) and sqrt(2 / pi).
LINKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hermite_2": _hermite_2,
    "hermite_3": _hermite_3,
    "relu": _relu,
    "absolute_value": np.abs,
}


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train training and n_test test points of n_features with targets `link`(u . x).

    settings: `link`, a key of LINKS; `noise`, the standard deviation of normal noise on the
    training targets, while those of the test points are exact; `normalise`, whether the inputs are
    divided by sqrt(n_features); `seed`, which selects the draw: the points and the direction u.
    Training points, test points, noise and direction have streams of their own, so that data sets
    of different n_train share the direction and the test points, the smaller is the beginning of
    the larger, and `noise` scales the same draw. With `draws` above 1 there are as many independent
    draws, see `regimes.datasets.draws`.
    """
    return stack_draws(_build_one, settings)


def _build_one(settings: Mapping[str, Any]) -> xr.Dataset:
    seed, n_features, link = settings["seed"], settings["n_features"], settings["link"]
    n_train, n_test = settings["n_train"], settings["n_test"]
    inputs = np.concatenate(
        [
            stream(seed, KIND, part, "inputs").standard_normal((n_points, n_features))
            for part, n_points in (("train", n_train), ("test", n_test))
        ]
    )
    # Sums of a fixed order, not a matrix product, whose order would depend on the number of points.
    targets = LINKS[link]((inputs * direction(seed, n_features)).sum(axis=1))
    steps = (
        "Inputs were drawn from the standard normal distribution; targets are the function "
        f"{link}, of mean square 1, of their product with a random unit vector"
    )
    if settings["noise"]:
        noise = stream(seed, KIND, "train", "noise").standard_normal(n_train)
        targets[:n_train] += settings["noise"] * noise
        steps += f", for training plus normal noise of standard deviation {settings['noise']:g}"
    steps += f" (seed {seed})"
    if settings["normalise"]:
        inputs /= n_features**0.5
        steps += f"; inputs were then divided by sqrt({n_features})"
    return assemble(
        inputs,
        targets,
        train_then_test(n_train, n_test),
        target_name="target: function of one direction",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=f"{steps}.",
    )


def direction(seed: int, n_features: int) -> np.ndarray:
    """The unit vector u (n_features,) of the data set with this seed; draw i has seed + i."""
    return on_unit_sphere(stream(seed, KIND, "direction"), 1, n_features)[0]
