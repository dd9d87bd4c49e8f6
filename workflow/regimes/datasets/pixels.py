"""Pixels of images, bytes from 0 to 255, as numbers that networks take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Scaling:
    """value = scale * pixel + offset, in float64.

    It is written in this form, and not as pixel / 255, because CF files store such values as the
    bytes that they come from, with `scale_factor` and `add_offset`: an eighth of the size, and
    what is read is bit for bit what was written. float32 would not hold pixel / 255 - 0.5.
    """

    scale: float
    offset: float
    sentence: str

    @classmethod
    def from_settings(cls, pixels: Sequence[float] | Mapping[str, float]) -> "Scaling":
        """Scaling of [low, high], linear with low at 0 and high at 255, or of {mean, std}."""
        if isinstance(pixels, Mapping):
            mean, std = pixels["mean"], pixels["std"]
            sentence = f"divided by 255, less the mean {mean:g}, divided by {std:g}"
            return cls(1 / (255 * std), -mean / std, sentence)
        low, high = pixels
        return cls((high - low) / 255, low, f"scaled linearly from 0..255 to [{low:g}, {high:g}]")

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Values (float64) of pixels (uint8) of any shape."""
        values = pixels.astype(np.float64)
        # In place, and in the order of operations of a reader of the file.
        values *= self.scale
        values += self.offset
        return values

    def packed(self, variable: xr.Variable) -> None:
        """Let a variable that holds `apply`'s values be stored as the bytes behind them."""
        variable.encoding |= {
            "dtype": "uint8",
            "scale_factor": self.scale,
            "add_offset": self.offset,
        }


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """1 in the column of the label, else 0: (n_points, n_classes) of labels (n_points,)."""
    return np.eye(n_classes)[labels]
