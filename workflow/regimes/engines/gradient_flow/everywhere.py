"""The moves of neurons with a kink by the same operations for all of them, as GPUs want it.

`Kinked` lists which neurons cross kinks, and at which points. How long a list is a host has to wait
for, and what depends on it can neither be compiled into few kernels nor launched beforehand. Here
all neurons go the way of those that cross kinks, and those that do not keep the slopes that they
started with: the same numbers, with more arithmetic, in arrays whose shapes do not depend on them.

Shapes: E elements of a tile, n points, d features, m neurons.
"""

from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from regimes.engines.gradient_flow.kinked import Kinked
from regimes.engines.gradient_flow.motion import Batch, Sums, Tile, Weights, multiplied


@dataclass
class Way:
    """The way of a tile's neurons, as the prediction of a move keeps it.

    slopes: mean slopes on the predicted way (E, n, m); crossing: whether a neuron may cross a kink
    (E, m); response: by which a pull is multiplied to give a change of w (E, m).
    """

    slopes: Tensor
    crossing: Tensor
    response: Tensor


class KinkedEverywhere(Kinked):
    """The `Motion` of `Kinked`, for GPUs."""

    def __init__(self, activation: ModuleType, inputs: Tensor):
        super().__init__(activation, inputs)
        n_points, n_features = inputs.shape
        self.kept = n_points + 2
        self.worked_on = 14 * n_points + 6 * n_features + 8

    def _predict(self, tile: Tile, sums: Sums) -> Way:
        z = multiplied(self.inputs, tile.w)
        slope = self.activation.slope(z)
        values = self.activation.value(z, slope)
        # a halfway, were the activations to stay as they are
        by_a = (-0.5 * tile.rate_a * tile.total)[:, :, None]
        response = (tile.a + (by_a * values).sum(1)).mul_(-tile.rate_w)
        impulse = tile.total[:, :, None] * response[:, None]
        # The change of z, were the slopes to stay
        change = multiplied(self._overlaps, impulse * slope)
        own = impulse.mul_(self._overlaps.diagonal()[:, None])
        crossing = _crosses(z, change)
        mean = self.activation.mean_slope(z, slope, change, own)
        slopes = torch.where(crossing, mean, slope)
        middle_a, end_a, end_w = self._turn(tile, slopes)
        end = self.activation.apply_(multiplied(self.inputs, end_w))
        sums.add_end(tile, end_a, end_w)
        rows_w = slopes * (2 * middle_a)[:, None]
        sums.add_grams(tile.elements, values.add_(end), rows_w, share=0.25)
        return Way(slopes, crossing.any(1), middle_a * -tile.rate_w)

    def _refine(self, batch: Batch, ways: list[Way]) -> None:
        for tile, way in zip(batch.tiles(), ways, strict=True):
            z = multiplied(self.inputs, tile.w)
            impulse = tile.total[:, :, None] * way.response[:, None]
            columns = (values.movedim(1, 0).flatten(1) for values in (z, way.slopes, impulse))
            found = self._sweep(*columns).view(z.movedim(1, 0).shape).movedim(0, 1)
            way.slopes = torch.where(way.crossing[:, None], found, way.slopes)

    def _mean_slopes(
        self, z: Tensor, start: Tensor, slopes: Tensor, change: Tensor, own: Tensor
    ) -> Tensor:
        as_started = torch.addcmul(change, start - slopes, own)
        crossing = _crosses(z, as_started)
        return torch.where(crossing, self.activation.mean_slope(z, start, as_started, own), start)


def _crosses(z: Tensor, change: Tensor) -> Tensor:
    """Whether a kink may be met on the way; one on which it starts, too."""
    return (z + change).mul_(z) <= 0
