"""Inputs uniform on the unit sphere with normal labels.

The main series of Razborov (2022), Section 4: labels from N(0, S), S the number of neurons. Labels
that depend on the network at initialisation (Section 4: low spectrum, high spectrum, local) cannot
be made before the network.
"""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from regimes.datasets.spheres import on_unit_sphere
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, train_then_test

KIND = "random_labels_on_sphere"
CITATION = (
    "A. Razborov: Improved convergence guarantees for shallow neural networks, "
    "arXiv:2212.02323, 2022, Section 4"
)


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train points of n_features with labels of variance `label_variance`, all for training.

    `seed` selects the draw. Of two data sets that differ in n_train alone, the smaller is the
    beginning of the larger.
    """
    seed, n_train = settings["seed"], settings["n_train"]
    inputs = on_unit_sphere(stream(seed, KIND, "inputs"), n_train, settings["n_features"])
    labels = stream(seed, KIND, "labels").standard_normal(n_train)
    variance = settings["label_variance"]
    return assemble(
        inputs,
        labels * variance**0.5,
        train_then_test(n_train, 0),
        target_name="random labels",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=(
            f"Inputs were drawn uniformly from the unit sphere and labels from the normal "
            f"distribution of mean 0 and variance {variance:g} (seed {seed})."
        ),
    )
