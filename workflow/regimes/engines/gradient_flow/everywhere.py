"""The moves of neurons with a kink by the same operations for all of them, as GPUs want it.

`Kinked` lists which neurons cross kinks, and at which points. How long a list is a host has to wait
for, and what depends on it cannot be captured as a CUDA graph. Here all neurons go the way of
those that cross kinks, and those that do not keep the slopes that they started with: the same
numbers, with more arithmetic, in arrays whose shapes do not depend on them.

Shapes: E elements of a tile, n points, d features, m neurons.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from regimes.engines.gradient_flow.kinked import Kinked
from regimes.engines.gradient_flow.motion import Batch, Rows, Sums, Tile, Weights, multiplied


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
        # A graph makes ways, and writes them to where they are kept.
        self.kept = 2 * (n_points + 2)
        self.worked_on = 16 * n_points + 6 * n_features + 8

    def predict(self, batch: Batch) -> tuple[Sums, Any]:
        """See `Motion`; what `correct` needs are the ways of all tiles."""
        sums, ways = Sums(batch.weights.a, len(self.inputs)), []
        for tile in batch.tiles():
            way, rows = self._way(tile)
            sums.add_rows(tile.elements, rows, share=0.25)
            ways.append(way)
        return sums, ways

    def correct(self, batch: Batch, ways: Any) -> tuple[Weights, Sums]:
        """See `Motion`."""
        sums, end = Sums(batch.weights.a, len(self.inputs)), batch.weights.empty()
        for tile, way in zip(batch.tiles(), ways, strict=True):
            end_a, end_w = end.tile(tile.elements, tile.neurons)
            rows = self._end(tile, way, end_a, end_w)
            sums.add_rows(tile.elements, rows, end_a)
        return end, sums

    def _way(self, tile: Tile) -> tuple[Way, Rows]:
        """See `predict`, for a tile."""
        z, slope = self._start(tile)
        values = self.activation.value(z, slope)
        # a halfway, were the activations to stay as they are
        by_a = (-0.5 * tile.rate_a * tile.total)[:, :, None]
        response = -tile.rate_w * (tile.a + (by_a * values).sum(1))
        impulse = tile.total[:, :, None] * response[:, None]
        # The change of z, were the slopes to stay
        change = multiplied(self._overlaps, impulse * slope)
        own = impulse.mul_(self._overlaps.diagonal()[:, None])
        crossing = _crosses(z, change)
        mean = self.activation.mean_slope(z, slope, change, own)
        slopes = torch.where(crossing, mean, slope)
        middle_a, end_a, end_w = self._turn(tile, slopes)
        end = self.activation.apply_(multiplied(self.inputs, end_w))
        rows_w = slopes * (2 * middle_a)[:, None]
        moved_a, moved_w = end_a - tile.initial_a, end_w - tile.initial_w
        rows = Rows(values.add_(end), rows_w, moved_a, moved_w)
        return Way(slopes, crossing.any(1), -tile.rate_w * middle_a), rows

    def _end(self, tile: Tile, way: Way, end_a: Tensor, end_w: Tensor) -> Rows:
        """See `correct`, for a tile; writes the weights at its end."""
        z, _ = self._start(tile)
        impulse = tile.total[:, :, None] * way.response[:, None]
        columns = (values.movedim(1, 0).flatten(1) for values in (z, way.slopes, impulse))
        swept = self._sweep(*columns).view(len(self.inputs), *tile.a.shape).movedim(0, 1)
        slopes = torch.where(way.crossing[:, None], swept, way.slopes)
        _, new_a, new_w = self._turn(tile, slopes)
        end_a.copy_(new_a)
        end_w.copy_(new_w)
        values, slope = self.forward(new_w)
        moved_a, moved_w = new_a - tile.initial_a, new_w - tile.initial_w
        return Rows(values, slope.mul_(new_a[:, None]), moved_a, moved_w)

    def _start(self, tile: Tile) -> tuple[Tensor, Tensor]:
        z = multiplied(self.inputs, tile.w)
        return z, self.activation.slope(z)

    def _pull(self, tile: Tile, slopes: Tensor) -> Tensor:
        return multiplied(self.inputs.T, tile.total[:, :, None] * slopes)

    def _mean_slopes(
        self, z: Tensor, start: Tensor, slopes: Tensor, change: Tensor, own: Tensor
    ) -> Tensor:
        as_started = torch.addcmul(change, start - slopes, own)
        crossing = _crosses(z, as_started)
        return torch.where(crossing, self.activation.mean_slope(z, start, as_started, own), start)


def _crosses(z: Tensor, change: Tensor) -> Tensor:
    """Whether a kink may be met on the way; one on which it starts, too."""
    return (z + change).mul_(z) <= 0
