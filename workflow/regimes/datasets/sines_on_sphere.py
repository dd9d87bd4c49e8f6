"""Inputs uniform on the unit sphere, targets a sum of sines with noise.

The simulated data of Caron et al., Section 6.1: y = (5/d) sum_j sin(pi x_j) + noise. The text has
noise of variance 1; the authors' code has 0.1, taken here as its standard deviation.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.spheres import on_unit_sphere
from regimes.engines.common.streams import stream
from regimes.storage.layout import assemble, train_then_test

KIND = "sines_on_sphere"
CITATION = (
    "F. Caron, F. Ayed, P. Jung, H. Lee, J. Lee, H. Yang: Over-parameterised shallow neural "
    "networks with asymmetrical node scaling: global convergence guarantees and feature learning, "
    "2023, Section 6.1"
)


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train training and n_test test points of n_features, `noise` its standard deviation.

    `seed` selects the draw. Training and test points have streams of their own, so that data sets
    of different n_train share the test points, and the smaller is the beginning of the larger;
    inputs and noise have too, so that `noise` scales the same draw.
    """
    seed, n_features = settings["seed"], settings["n_features"]
    inputs, noise = [], []
    for part in ("train", "test"):
        n_points = settings[f"n_{part}"]
        inputs.append(on_unit_sphere(stream(seed, KIND, part, "inputs"), n_points, n_features))
        noise.append(stream(seed, KIND, part, "noise").standard_normal(n_points))
    points = np.concatenate(inputs)
    return assemble(
        points,
        sines(points) + settings["noise"] * np.concatenate(noise),
        train_then_test(settings["n_train"], settings["n_test"]),
        target_name="target: sum of sines with noise",
        licence="none needed (random numbers)",
        citation=CITATION,
        preprocessing=(
            f"Inputs were drawn uniformly from the unit sphere; targets are a sum of sines plus "
            f"normal noise of standard deviation {settings['noise']:g} (seed {seed})."
        ),
    )


def sines(inputs: np.ndarray) -> np.ndarray:
    """Targets (n_points,) without noise of inputs (n_points, d): (5/d) sum_j sin(pi x_j)."""
    return 5 / inputs.shape[1] * np.sin(np.pi * inputs).sum(axis=1)
