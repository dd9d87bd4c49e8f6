"""Neurons with an activation act(z) = act'(z) z whose slope jumps at 0, as relu's does.

Between kinks the equations of a neuron under the residuals' impulse c are linear: with the pull
g = (s/n) sum_i c_i s_i x_i, s_i being the slope at point i, it turns by a hyperbolic rotation,

    w' = -M_w a g,    a' = -M_a g . w,

which keeps a^2 / M_a - |w|^2 / M_w, the conservation law of gradient flow with homogeneous
activations (Luo et al., 2021, appendix). A move takes the slopes at their means over it and does
the rotation by the midpoint rule, which keeps that law to rounding whatever the slopes:

    a_mid = (a - M_a g . w / 2) / (1 - M_a M_w |g|^2 / 4),
    w(1) = w - M_w a_mid g,    a(1) = 2 a_mid - a.

Where a kink is not crossed the mean slope is the slope at the start. Where it is, the way of the
pre-activation is taken as straight, and the mean slope as the share of it on either side: a
quadratic equation, whose solution where both sides push towards the kink is Filippov's sliding mode
(see `activations.relu`). What neurons do at one kink changes how they get to the next, so that the
corrector goes through the points of those that cross kinks one after the other, with what has been
found for the others so far (a sweep of Gauss and Seidel). All points at once, as the predictor does
it, leaves neurons that slide along one kink and cross others far from where they go.

The impulse's moment is not used: at kinks it would change next to nothing.
"""

from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from regimes.engines.gradient_flow.motion import (
    Batch,
    Sums,
    Tile,
    Weights,
    multiplied,
)


@dataclass
class Way:
    """The way of a tile's neurons, as the prediction of a move keeps it.

    slopes: mean slopes on the predicted way (E, n, m). The other fields are of the C neurons that
    may cross a kink: places, their elements and indices in the tile, each (C,); z and their mean
    slopes (n, C); and response (C,), by which a pull is multiplied to give a change of w.
    """

    slopes: Tensor
    places: tuple[Tensor, Tensor]
    z: Tensor
    crossing_slopes: Tensor
    response: Tensor


class Kinked:
    """The `Motion` of neurons whose activation has a kink at 0.

    activation: a module with `slope`, `value`, `apply_` and `mean_slope`. inputs: (n, d).
    """

    arrays = 1
    share_of_way = 0.5

    def __init__(self, activation: ModuleType, inputs: Tensor):
        self.activation = activation
        self.inputs = inputs
        self._overlaps = inputs @ inputs.T
        n_points, n_features = inputs.shape
        # If half of the neurons cross a kink; what a step sees of them is there twice.
        self.kept = 4 * n_points
        self.worked_on = 12 * n_points + 4 * n_features + 4

    def forward(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """See `Motion`."""
        z = multiplied(self.inputs, w)
        slope = self.activation.slope(z)
        return self.activation.value(z, slope, out=z), slope

    def predict(self, batch: Batch) -> tuple[Sums, list[Way]]:
        """See `Motion`; what `correct` needs are the ways of all tiles."""
        sums = Sums(batch.weights.a, len(self.inputs))
        return sums, [self._predict(tile, sums) for tile in batch.tiles()]

    def correct(self, batch: Batch, ways: list[Way]) -> tuple[Weights, Sums]:
        """See `Motion`."""
        self._refine(batch, ways)
        sums, end = Sums(batch.weights.a, len(self.inputs)), batch.weights.empty()
        for tile, way in zip(batch.tiles(), ways, strict=True):
            end_a, end_w = end.tile(tile.elements, tile.neurons)
            _, new_a, new_w = self._turn(tile, way.slopes)
            end_a.copy_(new_a)
            end_w.copy_(new_w)
            sums.add_end(tile, new_a, new_w)
            sums.add_tangent(tile.elements, new_a, *self.forward(new_w))
        return end, sums

    def _predict(self, tile: Tile, sums: Sums) -> Way:
        z = multiplied(self.inputs, tile.w)
        slope = self.activation.slope(z)
        values = self.activation.value(z, slope)
        # a halfway, were the activations to stay as they are
        by_a = (-0.5 * tile.rate_a * tile.total)[:, None]
        response = torch.baddbmm(tile.a[:, None], by_a, values).squeeze(1).mul_(-tile.rate_w)
        # The change of z, were the slopes to stay
        others = self._overlaps * tile.total[:, None, :]
        change = torch.bmm(others, slope).mul_(response[:, None])
        # <= : a neuron may start exactly on a kink
        index = (torch.add(change, z).mul_(z) <= 0).view(-1).nonzero().squeeze(1)
        slopes = slope.clone()
        if len(index):
            width = z.shape[2]
            by_neuron = index // z[0].numel() * width + index % width
            own = others.diagonal(dim1=1, dim2=2).reshape(-1)[index // width]
            own *= response.view(-1)[by_neuron]
            chosen = (of_all.view(-1)[index] for of_all in (z, slope, change))
            slopes.view(-1)[index] = self.activation.mean_slope(*chosen, own)
        middle_a, end_a, end_w = self._turn(tile, slopes)
        end = self.activation.apply_(multiplied(self.inputs, end_w))
        sums.add_end(tile, end_a, end_w)
        sums.add_grams(
            tile.elements, values.add_(end), slopes * (2 * middle_a)[:, None], share=0.25
        )
        element, neuron = places = _neurons(index, slope)
        return Way(
            slopes,
            places,
            z[element, :, neuron].t().contiguous(),
            slopes[element, :, neuron].t().contiguous(),
            middle_a[element, neuron] * -tile.rate_w[element, 0],
        )

    def _refine(self, batch: Batch, ways: list[Way]) -> None:
        """Improve the mean slopes of neurons that cross kinks.

        Those of all tiles are done together, since there are few in each.
        """
        z, slopes, response = (
            torch.cat([getattr(way, name) for way in ways], dim=-1)
            for name in ("z", "crossing_slopes", "response")
        )
        by_tile = zip(batch.slices, ways, strict=True)
        total = torch.cat([batch.total[elements][way.places[0]] for (elements, _), way in by_tile])
        bettered = self._sweep(z, slopes, total.T * response)
        sizes = [len(way.response) for way in ways]
        for way, part in zip(ways, bettered.split(sizes, dim=1), strict=True):
            element, neuron = way.places
            way.slopes[element, :, neuron] = part.t()

    def _sweep(self, z: Tensor, slopes: Tensor, impulse: Tensor) -> Tensor:
        """Improve the mean slopes of neurons that cross kinks, point by point; all are (n, C).

        slopes: what they were predicted to be; impulse: that of the points, times the response.
        """
        start = self.activation.slope(z)
        own = self._overlaps.diagonal()[:, None] * impulse
        # At first all points with the slopes that were predicted for the others.
        slopes = self._mean_slopes(z, start, slopes, self._overlaps @ (impulse * slopes), own)
        change_of_w = self.inputs.T @ (impulse * slopes)
        for point, x in enumerate(self.inputs):
            old = slopes[point].clone()
            slopes[point] = self._mean_slopes(
                z[point], start[point], old, x @ change_of_w, own[point]
            )
            change_of_w += x[:, None] * (impulse[point] * (slopes[point] - old))
        return slopes

    def _mean_slopes(
        self, z: Tensor, start: Tensor, slopes: Tensor, change: Tensor, own: Tensor
    ) -> Tensor:
        """Mean slopes at a point, given those of the other points and the change of z by these.

        start: slopes at the start; own: what a slope of 1 adds to the change. All of one shape.
        """
        as_started = torch.addcmul(change, start - slopes, own)
        index = (torch.add(as_started, z).mul_(z) <= 0).view(-1).nonzero().squeeze(1)
        found = start.clone()
        chosen = (values.reshape(-1)[index] for values in (z, start, as_started, own))
        found.view(-1)[index] = self.activation.mean_slope(*chosen)
        return found

    def _pull(self, tile: Tile, slopes: Tensor) -> Tensor:
        """The pulls g times n/s (E, d, m) of mean slopes (E, n, m)."""
        return torch.bmm(tile.total[:, None] * self.inputs.T, slopes)

    def _turn(self, tile: Tile, slopes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean output weights, and both weights at the end, with these mean slopes (E, n, m)."""
        pull = self._pull(tile, slopes)
        along = (pull * tile.w).sum(1)
        size = pull.square().sum(1)
        middle_a = torch.addcmul(tile.a, along, -0.5 * tile.rate_a)
        middle_a /= 1 - (0.25 * tile.rate_a * tile.rate_w) * size
        end_w = torch.addcmul(tile.w, pull, (-tile.rate_w * middle_a)[:, None])
        return middle_a, 2 * middle_a - tile.a, end_w


def _neurons(index: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Elements and neurons, each once, to which flat indices of slopes (E, n, m) belong."""
    n_elements, n_points, width = slopes.shape
    met = torch.zeros(n_elements * width, dtype=torch.bool, device=index.device)
    met[index // (n_points * width) * width + index % width] = True
    element, neuron = met.view(n_elements, width).nonzero(as_tuple=True)
    return element, neuron
