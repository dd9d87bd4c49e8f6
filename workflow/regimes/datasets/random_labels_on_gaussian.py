"""Standard normal inputs with labels uniform on an interval (Chen et al., 2022, Section 4.1)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.draws import stack_draws
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, train_then_test

KIND = "random_labels_on_gaussian"
CITATION = (
    "Z. Chen, E. Vanden-Eijnden, J. Bruna: On feature learning in neural networks with global "
    "convergence guarantees, International Conference on Learning Representations, 2022, "
    "Experiment 1"
)


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train training and n_test test points of n_features, labels uniform on `label_range`.

    `seed` selects the draw. Training and test points have streams of their own, so that data sets
    of different n_train share the test points, and the smaller is the beginning of the larger. With
    `draws` above 1 there are as many independent draws, see `regimes.datasets.draws`.
    """
    return stack_draws(_build_one, settings)


def _build_one(settings: Mapping[str, Any]) -> xr.Dataset:
    seed, n_features = settings["seed"], settings["n_features"]
    low, high = settings["label_range"]
    inputs, labels = [], []
    for part in ("train", "test"):
        n_points = settings[f"n_{part}"]
        inputs.append(stream(seed, KIND, part, "inputs").standard_normal((n_points, n_features)))
        labels.append(stream(seed, KIND, part, "labels").uniform(low, high, n_points))
    return assemble(
        np.concatenate(inputs),
        np.concatenate(labels),
        train_then_test(settings["n_train"], settings["n_test"]),
        target_name="random labels",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=(
            f"Inputs were drawn from the standard normal distribution and labels uniformly from "
            f"[{low:g}, {high:g}] (seed {seed})."
        ),
    )
