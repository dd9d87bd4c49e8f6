"""Independent draws of points on the unit sphere with normal targets.

The data of Razborov (2022), sections 2.4 and 4: each run has a draw of its own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.spheres import on_unit_sphere
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, described, train_then_test

KIND = "unit_sphere"
CITATION = (
    "A. Razborov: Improved convergence guarantees for shallow neural networks, "
    "arXiv:2212.02323, 2022, Section 4"
)


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """Draws of inputs, uniform on the unit sphere, with standard normal targets.

    settings: `draws`, `n_points`, `n_features` and `seed`. Of two data sets that differ in
    `draws` or `n_points` alone, the smaller is the beginning of the larger.
    Returns the layout of `regimes.storage.layout`, all points for training, with `draw` as the
    first dimension of `inputs` and `targets`.
    """
    n_points, n_features = settings["n_points"], settings["n_features"]
    draws = [
        _draw((settings["seed"], KIND, draw), n_points, n_features)
        for draw in range(settings["draws"])
    ]
    dataset = xr.concat(
        draws, "draw", data_vars=["inputs", "targets"], coords="minimal", compat="override"
    )
    return dataset.assign_coords(
        draw=("draw", np.arange(settings["draws"]), described("index of the draw"))
    )


def _draw(key: tuple[int, str, int], n_points: int, n_features: int) -> xr.Dataset:
    return assemble(
        on_unit_sphere(stream(*key, "inputs"), n_points, n_features),
        stream(*key, "targets").standard_normal(n_points),
        train_then_test(n_points, 0),
        target_name="targets",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=(
            "Inputs were drawn uniformly from the unit sphere and targets from the standard normal "
            f"distribution (seed {key[0]})."
        ),
    )
