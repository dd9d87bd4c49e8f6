"""Small images as the networks for ImageNet take them: normalised, 224 x 224."""

from collections.abc import Sequence

import torch
from torch.nn import functional

SIDE = 224


def enlarged(
    images: torch.Tensor, mean: Sequence[float], deviation: Sequence[float]
) -> torch.Tensor:
    """(pixel - mean) / deviation of each channel, enlarged bilinearly: (b, 3, 224, 224) float32.

    images: (b, 3, rows, columns) uint8. mean, deviation: on the scale of the bytes, 0 to 255.
    """
    shift, scale = (
        torch.tensor(values, dtype=torch.float32, device=images.device)[:, None, None]
        for values in (mean, deviation)
    )
    # Normalised before they are enlarged, at a fiftieth of the size: each enlarged pixel is a
    # weighted mean of pixels, so that the order does not matter. With the channels last in memory,
    # the networks take half the time on a CPU.
    images = images.contiguous(memory_format=torch.channels_last)
    normalised = (images.to(torch.float32) - shift) / scale
    return functional.interpolate(
        normalised, size=(SIDE, SIDE), mode="bilinear", align_corners=False
    )
