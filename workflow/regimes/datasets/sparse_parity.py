"""Labels that are the parity of the first few features, with all other features noise.

As in Barak et al. (2022): x is uniform on {-1, 1}^d and y = x_1 ... x_k, where k is the `order`;
any other k features would be the same up to the order of the features. With normal inputs the
label is the product of their signs. With `normalise` the inputs are divided by sqrt(d), so that a
neuron with standard normal weights has a pre-activation of order one; labels are 1 and -1 always.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.draws import stack_draws
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, train_then_test

KIND = "sparse_parity"
CITATION = (
    "B. Barak, B. L. Edelman, S. Goel, S. Kakade, E. Malach, C. Zhang: Hidden progress in deep "
    "learning: SGD learns parities near the computational limit, Advances in Neural Information "
    "Processing Systems 35, 2022"
)

MEANING = {
    "signs": "uniformly from -1 and 1 in each feature",
    "gaussian": "from the standard normal distribution",
}


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train training and n_test test points of n_features with labels 1 and -1.

    settings: `order`, the number of features that set the label; `inputs`, a key of MEANING: signs
    are those of the normal inputs, so that the labels of both are the same; `normalise`, whether
    the inputs are divided by sqrt(n_features); `seed`, which selects the draw. Training and test
    points have streams of their own, so that data sets of different n_train share the test points,
    and the smaller is the beginning of the larger. With `draws` above 1 there are as many
    independent draws, see `regimes.datasets.draws`.
    """
    return stack_draws(_build_one, settings)


def _build_one(settings: Mapping[str, Any]) -> xr.Dataset:
    seed, n_features, order = settings["seed"], settings["n_features"], settings["order"]
    inputs = np.concatenate(
        [
            stream(seed, KIND, part, "inputs").standard_normal((settings[f"n_{part}"], n_features))
            for part in ("train", "test")
        ]
    )
    labels = signs(inputs[:, :order]).prod(axis=1)
    if settings["inputs"] == "signs":
        inputs = signs(inputs)
    steps = (
        f"Inputs were drawn {MEANING[settings['inputs']]}; labels are the product of the signs of "
        f"the first {order} features (seed {seed})"
    )
    if settings["normalise"]:
        inputs /= n_features**0.5
        steps += f"; inputs were then divided by sqrt({n_features})"
    return assemble(
        inputs,
        labels,
        train_then_test(settings["n_train"], settings["n_test"]),
        target_name="label",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=f"{steps}.",
    )


def signs(values: np.ndarray) -> np.ndarray:
    """1 and -1 where values are positive and negative; 1 for 0, so that none is without a sign."""
    return np.where(values < 0, -1.0, 1.0)
