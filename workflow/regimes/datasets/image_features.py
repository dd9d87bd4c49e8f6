"""Features of images: outputs of a network that was trained on other images.

Caron et al. (2023), Section 6.3, train on features of CIFAR-10 that a ResNet-18 computes once.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.backbones.extraction import extract
from regimes.storage.layout import PARTS, assemble

# Channels, rows and columns of an image.
SHAPE = (3, 32, 32)
COPIED = ("source_url", "classes")


def build(
    settings: Mapping[str, Any],
    images: xr.Dataset,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda line: None,
) -> xr.Dataset:
    """The features of the images of another data set; targets and split are those of the images.

    settings: `backbone`, a module of regimes.datasets.backbones, and `standardise`: "train" (mean 0
    and variance 1 of each feature on the training points) or "none". images: a data set of kind
    cifar10 with `inputs` (point, 3072) uint8. device: "cpu" or "cuda". progress: takes lines.
    Returns `inputs` (point, feature) float32; the attribute `backbone` says what made them. Raises
    DataError when the weights of the backbone cannot be had.
    """
    # Loaded by name, so that a backbone is part of the hash of its own features alone.
    backbone = import_module(f"regimes.datasets.backbones.{settings['backbone']}")
    pixels = np.ascontiguousarray(images["inputs"].values).reshape(-1, *SHAPE)
    inputs = extract(backbone.load(device), pixels, device, progress)
    steps = [images.attrs["preprocessing"], backbone.PREPROCESSING]
    if settings["standardise"] == "train":
        inputs = _standardised(inputs, images["split"].values == PARTS.index("train"))
        steps.append(
            "Features were shifted and scaled to mean 0 and variance 1 on the training points; "
            "those that do not vary there were only shifted."
        )
    of_images, of_backbone = images.attrs["licence"], backbone.LICENCE
    targets = images["targets"]
    return assemble(
        inputs,
        targets.values,
        images["split"].values,
        target_name=targets.attrs["long_name"],
        target_units=targets.attrs["units"],
        licence=f"images: {of_images}; network: {of_backbone}" if of_backbone else of_images,
        citation="; ".join(filter(None, (images.attrs["citation"], backbone.CITATION))),
        preprocessing=" ".join(steps),
        backbone=settings["backbone"],
        **{name: images.attrs[name] for name in COPIED if name in images.attrs},
    )


def _standardised(inputs: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Features (n_points, n_features) float32 with mean 0 and variance 1 where `train` is true."""
    mean = inputs[train].mean(axis=0, dtype=np.float64)
    deviation = inputs[train].std(axis=0, dtype=np.float64)
    # Some outputs of a ReLU may be 0 for every training image.
    deviation[deviation == 0] = 1
    return ((inputs - mean) / deviation).astype(np.float32)
