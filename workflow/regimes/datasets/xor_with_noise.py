"""Labels that are a function of two features, with all other features noise.

(93)-(96) of Chen et al. (2022), Appendix I.3: (x_1, x_2) is one of (1, 0), (-1, 0), with y = 1, and
(0, 1), (0, -1), with y = -1, each with probability 1/4 (exclusive or, turned by 45 degrees); the
other features are uniform on [-1, 1] and independent.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.draws import stack_draws
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, train_then_test

KIND = "xor_with_noise"
CITATION = (
    "Z. Chen, E. Vanden-Eijnden, J. Bruna: On feature learning in neural networks with global "
    "convergence guarantees, International Conference on Learning Representations, 2022, "
    "Experiment 3"
)

CORNERS = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
LABELS = np.array([1.0, 1.0, -1.0, -1.0])


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train training and n_test test points of n_features with labels 1 and -1.

    `seed` selects the draw. Training and test points have streams of their own, so that data sets
    of different n_train share the test points, and the smaller is the beginning of the larger. With
    `draws` above 1 there are as many independent draws, see `regimes.datasets.draws`.
    """
    return stack_draws(_build_one, settings)


def _build_one(settings: Mapping[str, Any]) -> xr.Dataset:
    seed, n_features = settings["seed"], settings["n_features"]
    inputs, labels = [], []
    for part in ("train", "test"):
        n_points = settings[f"n_{part}"]
        corner = stream(seed, KIND, part, "corners").integers(len(CORNERS), size=n_points)
        noise = stream(seed, KIND, part, "noise").uniform(-1, 1, (n_points, n_features - 2))
        inputs.append(np.hstack([CORNERS[corner], noise]))
        labels.append(LABELS[corner])
    return assemble(
        np.concatenate(inputs),
        np.concatenate(labels),
        train_then_test(settings["n_train"], settings["n_test"]),
        target_name="label",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=(
            f"Points were drawn from (93)-(96) of the paper: the first two features set the label, "
            f"the others are uniform on [-1, 1] (seed {seed})."
        ),
    )
