"""Two-layer networks f(x) = s sum_k a_k act(w_k . x), batched, and how they move.

The dynamics sees a network as a map from weights to outputs with two operations: `tangent`, the
outputs and their tangent kernel at a point, and a move along an impulse, `predict` and `correct`.
They work through the neurons in tiles that stay in cache, and no Jacobian is ever formed.

Shapes: E elements of the batch, n points, d features, m neurons.

Given the residuals as functions of time, neurons do not see each other: each follows equations of
its own, and how is left to a `Motion` (`kinked` where the slope of the activation jumps at 0 and is
constant elsewhere, `smooth` where it is continuous). They have in common the discrete gradient:
with the mean a_mid of a neuron's output weight over a move, the mean act_mid of its activation and
the mean slopes s_ik = (act(z(1)) - act(z(0))) / (z(1) - z(0)), the outputs change under an impulse
c = int e dt as those of a linear network whose tangent kernel is

    G_ij = (s^2/n) sum_k [M_a act_mid_ik act_mid_jk + M_w a_mid_k^2 s_ik s_jk x_i . x_j],

f(1) - f(0) = -G c: the kernel G = J M J^T / n (J: Jacobian of the outputs, M: mobilities) of the
way. It depends on where the way ends, so that a move is tried twice: `predict`, then `correct` with
the impulse that belongs to the kernel which the prediction found.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import Tensor

from regimes.engines.gradient_flow.everywhere import KinkedEverywhere
from regimes.engines.gradient_flow.kinked import Kinked
from regimes.engines.gradient_flow.motion import (
    Batch,
    Motion,
    Sums,
    Weights,
    neurons_at_once,
)
from regimes.engines.gradient_flow.smooth import Smooth

# Bytes of one array of points x neurons in a tile: calls cost little beside the arithmetic, and a
# handful of them still fits a processor's last cache. Half or a quarter of it takes a third longer.
TILE_BYTES = 4 * 1024 * 1024
# From more points on, products of matrices are what takes the time, which libraries do best.
MOST_POINTS = 200


@dataclass
class Impulse:
    """The impulse of the residuals e over a step, each (E, n).

    total: the integral of e over the step. moment: that of (t - 1/2) e, t being the share of the
    step that has gone by, less what a mere change of pace makes of it (see `exponential`).
    """

    total: Tensor
    moment: Tensor


@dataclass
class Prediction:
    """A first try of a move.

    kernel: of its way (E, n, n). distances: |a - a(0)| and |w - w(0)| between its end and the
    initial weights (2, E). ways: what the `Motion` keeps of the way.
    """

    kernel: Tensor
    distances: Tensor
    ways: Any


@dataclass
class Move:
    """A completed move.

    weights, outputs (E, n), kernel: at its end, the kernel being the tangent kernel (E, n, n).
    distances: |a - a(0)| and |w - w(0)| between its end and the initial weights (2, E).
    """

    weights: Weights
    outputs: Tensor
    kernel: Tensor
    distances: Tensor


class TwoLayerNetwork:
    """A batch of networks that share inputs, width and activation, but not their scales.

    inputs: (n, d). output_scale, rate_a, rate_w: (E,). All of one floating type, on one
    device. activation: a module of `regimes.activations`.
    """

    def __init__(
        self,
        inputs: Tensor,
        output_scale: Tensor,
        rate_a: Tensor,
        rate_w: Tensor,
        activation: ModuleType,
    ):
        self.activation = activation
        self.motion = motion(activation, inputs)
        self.inputs = inputs
        self.output_scale = output_scale
        self.rate_a = rate_a
        self.rate_w = rate_w
        self._overlaps = inputs @ inputs.T

    def __getitem__(self, index) -> "TwoLayerNetwork":
        return TwoLayerNetwork(
            self.inputs,
            self.output_scale[index],
            self.rate_a[index],
            self.rate_w[index],
            self.activation,
        )

    def tangent(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """Outputs f (E, n) and tangent kernel G = J M J^T / n (E, n, n) at `weights`."""
        sums = Sums(weights.a, len(self.inputs))
        for elements, neurons in self._tiles(weights):
            a, w = weights.tile(elements, neurons)
            sums.add_tangent(elements, a, *self.motion.forward(w))
        return self._outputs(sums), self._kernel(sums)

    def predict(
        self, weights: Weights, initial: Weights, impulse: Impulse, tolerance: Tensor
    ) -> Prediction:
        """Try a move from `weights` for the first time.

        initial: the weights that training started from, to which the distances and the tolerance
        (E,) of the neurons' own errors refer.
        """
        batch = self._batch(weights, initial, impulse, tolerance)
        sums, ways = self.motion.predict(batch)
        return Prediction(self._kernel(sums), sums.distances(), ways)

    def correct(
        self,
        weights: Weights,
        initial: Weights,
        impulse: Impulse,
        tolerance: Tensor,
        prediction: Prediction,
    ) -> Move:
        """The move from `weights`, with the impulse that belongs to the predicted kernel."""
        batch = self._batch(weights, initial, impulse, tolerance)
        end, sums = self.motion.correct(batch, prediction.ways)
        return Move(end, self._outputs(sums), self._kernel(sums), sums.distances())

    def is_static(self, weights: Weights) -> bool:
        """Whether moves do the same whatever the values, and so little that launches cost a part.

        `weights` of one tile are so few; with many tiles graphs would be large, too.
        """
        return isinstance(self.motion, KinkedEverywhere) and len(list(self._tiles(weights))) == 1

    def _batch(
        self, weights: Weights, initial: Weights, impulse: Impulse, tolerance: Tensor
    ) -> Batch:
        total, moment = _scaled(self.output_scale, impulse, len(self.inputs))
        return Batch(
            weights,
            initial,
            total,
            moment,
            self.rate_a[:, None],
            self.rate_w[:, None],
            tolerance[:, None],
            list(self._tiles(weights)),
        )

    def _outputs(self, sums: "Sums") -> Tensor:
        return sums.outputs * self.output_scale[:, None]

    def _kernel(self, sums: "Sums") -> Tensor:
        rates = self.rate_a, self.rate_w
        return _kernel(self.output_scale, *rates, self._overlaps, sums.gram_a, sums.gram_w)

    def _tiles(self, weights: Weights) -> Iterator[tuple[slice, slice]]:
        """Slices of elements and of neurons that cover the batch."""
        n_elements, width = weights.a.shape
        room = max(1, TILE_BYTES // (weights.a.element_size() * len(self.inputs)))
        if weights.a.is_cuda:
            room = neurons_at_once(self.motion, weights.a)
        elements = max(1, room // width)
        # Equal tiles: a short last one would cost as many calls as a full one.
        neurons = -(-width // -(-width // room))
        for first in range(0, n_elements, elements):
            for start in range(0, width, neurons):
                yield slice(first, first + elements), slice(start, start + neurons)


def _scaled(output_scale: Tensor, impulse: Impulse, n_points: int) -> tuple[Tensor, Tensor]:
    """Total and moment of an impulse, times s/n."""
    scale = (output_scale / n_points)[:, None]
    return impulse.total * scale, impulse.moment * scale


def _kernel(
    output_scale: Tensor,
    rate_a: Tensor,
    rate_w: Tensor,
    overlaps: Tensor,
    gram_a: Tensor,
    gram_w: Tensor,
) -> Tensor:
    """The kernel (E, n, n) of two Gram matrices."""
    scale = (output_scale**2 / len(overlaps))[:, None, None]
    through_a = rate_a[:, None, None] * gram_a
    through_w = rate_w[:, None, None] * overlaps * gram_w
    return scale * (through_a + through_w)


def motion(activation: ModuleType, inputs: Tensor) -> Motion:
    """How neurons with a module of `regimes.activations` move on inputs (n, d)."""
    smooth = hasattr(activation, "value_and_slope_")
    reference = Smooth if smooth else Kinked
    if inputs.device.type != "cpu":
        return Smooth(activation, inputs) if smooth else KinkedEverywhere(activation, inputs)
    if not smooth and len(inputs) > MOST_POINTS:
        return Kinked(activation, inputs)
    try:
        if smooth:
            from regimes.engines.gradient_flow.fused_smooth import FusedSmooth

            return FusedSmooth(activation, inputs)
        from regimes.engines.gradient_flow.fused import Fused

        return Fused(activation, inputs)
    except ImportError as error:
        warnings.warn(
            f"numba cannot be loaded ({error}): gradient flow takes several times as long",
            stacklevel=2,
        )
    return reference(activation, inputs)
