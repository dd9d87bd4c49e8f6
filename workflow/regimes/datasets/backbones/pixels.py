"""No network: the pixels themselves."""

from collections.abc import Callable

import torch

LICENCE = ""
CITATION = ""
PREPROCESSING = "The features are the pixels, divided by 255."


def load(device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function from images (b, 3, rows, columns) uint8 to features (b, 3 rows columns)."""
    return _features


def _features(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1).to(torch.float32) / 255
