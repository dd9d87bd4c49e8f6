"""Two-layer networks f(x) = s sum_k a_k act(w_k . x), batched, and how they move.

The dynamics sees a network as a map from weights to outputs with two operations: `tangent`, the
outputs and their tangent kernel at a point, and a move along an impulse, `predict` and `correct`.
They work through the neurons in tiles that stay in cache, and no Jacobian is ever formed.

Shapes: E elements of the batch, n points, d features, m neurons.

A move under an impulse c = int e dt takes each neuron to

    w_k(1) = w_k(0) - M_w a_mid_k (s/n) sum_i c_i s_ik x_i,
    a_k(1) = a_k(0) - M_a (s/n) sum_i c_i act_mid_ik,

with a_mid = (a(0) + a(1)) / 2, act_mid = (act(z(0)) + act(z(1))) / 2 and s_ik the mean slope of
the activation on the way, (act(z(1)) - act(z(0))) / (z(1) - z(0)): for relu the share of the move
during which neuron k is active on point i, and called so of any (see `passages`). This is the
discrete gradient of the outputs: they change exactly as those of a linear network with kernel

    G_ij = (s^2/n) sum_k [M_a act_mid_ik act_mid_jk + M_w a_mid_k^2 s_ik s_jk x_i . x_j],

f(1) - f(0) = -G c: G = J M J^T / n (J: Jacobian of the outputs, M: mobilities), averaged over the
way. The averages depend on the end of the move, so it is tried twice: `predict`, then `correct`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from regimes.networks.kinked import Kinked
from regimes.networks.passages import Passage, Push, Shares
from regimes.networks.smooth import Smooth

# Bytes of one array of points x neurons in a tile: large enough that calls cost
# little beside the arithmetic, small enough for a handful of them to stay in cache.
TILE_BYTES = 512 * 1024


@dataclass
class Weights:
    """Output weights a (E, m) and first-layer weights w (E, d, m)."""

    a: Tensor
    w: Tensor

    def __getitem__(self, index) -> "Weights":
        return Weights(self.a[index], self.w[index])

    def tile(self, elements: slice, neurons: slice) -> tuple[Tensor, Tensor]:
        """Views of a and w of some neurons of some elements."""
        return self.a[elements, neurons], self.w[elements, :, neurons]

    def norms(self) -> tuple[Tensor, Tensor]:
        """|a| and |w|, each (E,)."""
        return (
            torch.linalg.vector_norm(self.a, dim=1),
            torch.linalg.vector_norm(self.w, dim=(1, 2)),
        )

    def distance(self, other: "Weights") -> tuple[Tensor, Tensor]:
        """|a - a'| and |w - w'|, each (E,)."""
        return Weights(self.a - other.a, self.w - other.w).norms()


@dataclass
class Path:
    """Where the neurons of a tile have been on a first try of a move.

    shares: of the move, at each point (tile, n, m); middle_a: the output weights halfway (tile, m);
    a, w: weights at the end.
    """

    shares: Shares
    middle_a: Tensor
    a: Tensor
    w: Tensor


@dataclass
class Prediction:
    """A first try of a move: the kernel (E, n, n) of the way that it went, and its path by tile."""

    kernel: Tensor
    paths: list[Path]


@dataclass
class Move:
    """A move: weights, outputs (E, n) and tangent kernel (E, n, n) at its end.

    corrections: distances in a and in w from the end of the prediction, each (E,).
    """

    weights: Weights
    outputs: Tensor
    kernel: Tensor
    corrections: tuple[Tensor, Tensor]


def passage(activation: ModuleType) -> Passage:
    """How pre-activations pass through a module of `regimes.activations`."""
    return Smooth(activation) if hasattr(activation, "value_and_slope_") else Kinked(activation)


class TwoLayerNetwork:
    """A batch of networks that share inputs, width and activation, but not their scales.

    inputs: (n, d). output_scale, mobility_a, mobility_w: (E,). All of one floating type, on one
    device. activation: a module of `regimes.activations`.
    """

    def __init__(
        self,
        inputs: Tensor,
        output_scale: Tensor,
        mobility_a: Tensor,
        mobility_w: Tensor,
        activation: ModuleType,
    ):
        self.activation = activation
        self.passage = passage(activation)
        self.inputs = inputs
        self.output_scale = output_scale
        self.mobility_a = mobility_a
        self.mobility_w = mobility_w
        self._overlaps = inputs @ inputs.T

    def __getitem__(self, index) -> "TwoLayerNetwork":
        scales = (self.output_scale, self.mobility_a, self.mobility_w)
        return TwoLayerNetwork(
            self.inputs, *(scale[index] for scale in scales), activation=self.activation
        )

    def tangent(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """Outputs f (E, n) and tangent kernel G = J M J^T / n (E, n, n) at `weights`."""
        sums = _Sums(weights, len(self.inputs))
        for elements, neurons in self._tiles(weights):
            a, w = weights.tile(elements, neurons)
            z = self._preactivations(w)
            slope = torch.empty_like(z)
            sums.add_tangent(elements, a, self.passage.forward_(z, slope), slope)
        return self._outputs(sums), self._kernel(sums)

    def predict(self, weights: Weights, impulse: Tensor) -> Prediction:
        """First try of a move from `weights` under an impulse c (E, n), the time integral of the
        residuals.
        """
        sums = _Sums(weights, len(self.inputs))
        paths = []
        forces = self._forces(impulse)
        for elements, neurons in self._tiles(weights):
            a, w = weights.tile(elements, neurons)
            z = self._preactivations(w)
            values, slope = self.passage.forward(z)
            # a halfway, were the activations to stay as they are
            step = torch.baddbmm(a[:, None], forces.a[elements], values).squeeze(1)
            step.mul_(-self.mobility_w[elements, None])
            shares = self.passage.first(z, values, slope, forces.push(elements, step))
            new_w = torch.addcmul(w, torch.bmm(forces.w[elements], shares.values), step[:, None])
            end = self.passage.arrive_(z, values, slope, self._preactivations(new_w), shares)
            twice_middle = values.add_(end)
            new_a = torch.baddbmm(a[:, None], forces.a[elements], twice_middle).squeeze(1)
            twice_middle_a = a + new_a
            paths.append(Path(shares, twice_middle_a.mul(0.5), new_a, new_w))
            sums.add_grams(elements, twice_middle, shares.values * twice_middle_a[:, None])
        return Prediction(0.25 * self._kernel(sums), paths)

    def correct(self, weights: Weights, impulse: Tensor, prediction: Prediction) -> Move:
        """The move from `weights` under an impulse c (E, n), on the prediction's path refined.

        Overwrites the prediction's paths.
        """
        sums = _Sums(weights, len(self.inputs))
        end = Weights(torch.empty_like(weights.a), torch.empty_like(weights.w))
        squares = torch.zeros(2, len(weights.a), dtype=weights.a.dtype, device=weights.a.device)
        forces = self._forces(impulse)
        tiles = self._tiles(weights)
        for (elements, neurons), path in zip(tiles, prediction.paths, strict=True):
            a, w = weights.tile(elements, neurons)
            new_a, new_w = end.tile(elements, neurons)
            z = self._preactivations(w)
            values, slope = self.passage.forward(z)
            step = path.middle_a * -self.mobility_w[elements, None]
            share = self.passage.second(z, slope, forces.push(elements, step), path.shares)
            torch.addcmul(w, torch.bmm(forces.w[elements], share), step[:, None], out=new_w)
            new_z = self._preactivations(new_w)
            new_slope = share
            new_values = self.passage.forward_(new_z, new_slope)
            twice_middle = values.add_(new_values)
            new_a.copy_(torch.baddbmm(a[:, None], forces.a[elements], twice_middle).squeeze(1))
            squares[0, elements] += path.a.sub_(new_a).square_().sum(1)
            squares[1, elements] += path.w.sub_(new_w).square_().sum((1, 2))
            sums.add_tangent(elements, new_a, new_values, new_slope)
        distances = squares.sqrt_()
        return Move(end, self._outputs(sums), self._kernel(sums), (distances[0], distances[1]))

    def _forces(self, impulse: Tensor) -> "_Forces":
        scaled = impulse * (self.output_scale / len(self.inputs))[:, None]
        return _Forces(
            inputs=self.inputs,
            points=scaled[:, :, None],
            w=scaled[:, None, :] * self.inputs.T,
            a=(scaled * (-0.5 * self.mobility_a)[:, None])[:, None, :],
            z=scaled[:, None, :] * self._overlaps,
            own=(scaled * self._overlaps.diagonal())[:, :, None],
        )

    def _preactivations(self, w: Tensor) -> Tensor:
        """z = X w, (tile, n, m)."""
        return torch.bmm(self.inputs.expand(len(w), *self.inputs.shape), w)

    def _outputs(self, sums: "_Sums") -> Tensor:
        return sums.outputs * self.output_scale[:, None]

    def _kernel(self, sums: "_Sums") -> Tensor:
        scale = (self.output_scale**2 / len(self.inputs))[:, None, None]
        through_a = self.mobility_a[:, None, None] * sums.gram_a
        through_w = self.mobility_w[:, None, None] * self._overlaps * sums.gram_w
        return scale * (through_a + through_w)

    def _tiles(self, weights: Weights) -> Iterator[tuple[slice, slice]]:
        """Slices of elements and of neurons that cover the batch."""
        n_elements, width = weights.a.shape
        if weights.a.is_cuda:
            yield slice(0, n_elements), slice(0, width)
            return
        room = max(1, TILE_BYTES // (weights.a.element_size() * len(self.inputs)))
        elements = max(1, room // width)
        # Equal tiles: a short last one would cost as many calls as a full one.
        neurons = -(-width // -(-width // room))
        for first in range(0, n_elements, elements):
            for start in range(0, width, neurons):
                yield slice(first, first + elements), slice(start, start + neurons)


@dataclass
class _Forces:
    """Impulses by point (E, n, 1), as they act: w (E, d, n) on first-layer weights, a (E, 1, n) on
    output weights through twice the activation, z (E, n, n) on pre-activations, own (E, n, 1) the
    part of it on a point's own. inputs: (n, d).
    """

    inputs: Tensor
    points: Tensor
    w: Tensor
    a: Tensor
    z: Tensor
    own: Tensor

    def push(self, elements: slice, step: Tensor) -> Push:
        """On the pre-activations of a tile; step: (tile, m)."""
        acting = (values[elements] for values in (self.points, self.w, self.z, self.own))
        return Push(self.inputs, *acting, step)


class _Sums:
    """Sums over neurons: outputs (E, n) and the two Gram matrices (E, n, n), without scales."""

    def __init__(self, weights: Weights, n_points: int):
        n_elements = len(weights.a)
        self.outputs = weights.a.new_zeros(n_elements, n_points)
        self.gram_a = weights.a.new_zeros(n_elements, n_points, n_points)
        self.gram_w = weights.a.new_zeros(n_elements, n_points, n_points)

    def add_grams(self, elements: slice, rows_a: Tensor, rows_w: Tensor) -> None:
        """Add the Gram matrices of rows (tile, n, m)."""
        self.gram_a[elements] += torch.bmm(rows_a, rows_a.mT)
        self.gram_w[elements] += torch.bmm(rows_w, rows_w.mT)

    def add_tangent(self, elements: slice, a: Tensor, values: Tensor, slope: Tensor) -> None:
        """Add the outputs and the tangent's Gram matrices; overwrites the slope."""
        self.outputs[elements] += torch.bmm(values, a[:, :, None]).squeeze(2)
        self.add_grams(elements, values, slope.mul_(a[:, None]))
