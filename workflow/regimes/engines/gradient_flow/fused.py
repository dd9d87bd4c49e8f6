"""The moves of neurons with a kink in one pass each over the neurons, compiled by Numba for CPUs.

`Kinked` says what a move is, by operations on arrays of all points and neurons; with few points and
features most of its time goes into bringing these arrays to the processor and back. Here the same
formulas are applied to blocks of neurons that stay in its nearest cache. Both agree to rounding,
which neurons that meet kinks multiply: on which side of a kink one is that slides along it is for
rounding to say.

Shapes: E elements of a batch, n points, d features, m neurons; B neurons of a block.
"""

import math
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from regimes.engines.common.compiled import compiled
from regimes.engines.gradient_flow.kinked import Kinked
from regimes.engines.gradient_flow.motion import Batch, Sums, Weights

# Neurons of a block: a dozen arrays of points x neurons fit the nearest cache. Loops over them have
# a fixed length, which compilers turn into the processor's vectors; the last block is filled up
# with neurons of weight 0, which add nothing.
BLOCK = 128

# Sums may be taken in the order that vectors ask for.
_summing = njit(error_model="numpy", fastmath={"reassoc", "contract"})
_compiled = njit(error_model="numpy", fastmath={"contract"})


@_compiled
def _load(values, start, block):
    """Copy the neurons from `start` on of a row (m,) to a block (B,)."""
    part = values[start : start + BLOCK]
    for k in range(len(part)):
        block[k] = part[k]
    for k in range(len(part), BLOCK):
        block[k] = 0.0


@_compiled
def _store(block, start, values):
    """Copy a block (B,) to the neurons from `start` on of a row (m,)."""
    part = values[start : start + BLOCK]
    for k in range(len(part)):
        part[k] = block[k]


@_summing
def _dot(one, other):
    """The scalar product of two rows of a block."""
    total = one[0] * other[0]
    for k in range(1, BLOCK):
        total += one[k] * other[k]
    return total


@_summing
def _square_distance(block, start, values):
    """The squared distance of a block (B,) from the neurons from `start` on of a row (m,)."""
    part = values[start : start + BLOCK]
    total = 0.0
    for k in range(len(part)):
        total += (block[k] - part[k]) ** 2
    return total


@_compiled
def _multiply(row, w, z):
    """Write z = row . w (B,) of a block's neurons with weights (d, B)."""
    x = row[0]
    for k in range(BLOCK):
        z[k] = x * w[0, k]
    for j in range(1, len(row)):
        x = row[j]
        for k in range(BLOCK):
            z[k] += x * w[j, k]


@_compiled
def _values_at(inputs, w, low, values, slopes):
    """Write values and slopes of the activation (n, B) of a block's neurons at weights (d, B)."""
    for i in range(len(inputs)):
        _multiply(inputs[i], w, values[i])
        for k in range(BLOCK):
            slope = 1.0 if values[i, k] > 0 else low
            slopes[i, k] = slope
            values[i, k] *= slope


@_compiled
def _mean_slope(z, slope, change, kick, low, tiny):
    """Mean slope on a step of one pre-activation; see `activations.relu.active_share`.

    low: the slope where z <= 0, above being 1. Without branches, so that loops become vectors.
    """
    above = slope > low
    side = 1.0 if above else -1.0
    distance = max(side * z, tiny)
    away = side * change + distance
    b = away + distance - (1 - low) * kick
    c = min(away * distance, 0.0)
    half = 0.5 * (math.sqrt(b * b - 4 * c) + abs(b))
    beyond = -c / half if b > 0 else half
    share_beyond = 0.0 if c == 0 else beyond / (distance + beyond)
    share = (1.0 if above else 0.0) - side * share_beyond
    return low + (1 - low) * share


@_compiled
def _pull(weighted, slopes, pull):
    """Write the pulls (d, B) of slopes (n, B); weighted: inputs times the impulse (n, d)."""
    for j in range(weighted.shape[1]):
        x = weighted[0, j]
        for k in range(BLOCK):
            pull[j, k] = x * slopes[0, k]
        for i in range(1, len(weighted)):
            x = weighted[i, j]
            for k in range(BLOCK):
                pull[j, k] += x * slopes[i, k]


@_compiled
def _turn(pull, a, w, rate_a, rate_w, middle, end_a, end_w):
    """The rotation of a block's neurons under pulls (d, B); see `Kinked`."""
    for k in range(BLOCK):
        middle[k] = pull[0, k] * w[0, k]
        end_a[k] = pull[0, k] * pull[0, k]
    for j in range(1, len(pull)):
        for k in range(BLOCK):
            middle[k] += pull[j, k] * w[j, k]
            end_a[k] += pull[j, k] * pull[j, k]
    for k in range(BLOCK):
        middle[k] = (a[k] - 0.5 * rate_a * middle[k]) / (1 - 0.25 * rate_a * rate_w * end_a[k])
        end_a[k] = 2 * middle[k] - a[k]
    for j in range(len(pull)):
        for k in range(BLOCK):
            end_w[j, k] = w[j, k] - rate_w * middle[k] * pull[j, k]


@_summing
def _add_grams(values, slopes, share, gram_a, gram_w):
    """Add `share` of the Gram matrices of a block's rows to the lower triangles."""
    for i in range(len(values)):
        for j in range(i + 1):
            gram_a[i, j] += share * _dot(values[i], values[j])
            gram_w[i, j] += share * _dot(slopes[i], slopes[j])


@_compiled
def _mirror(gram):
    """Copy the lower triangles of matrices (E, n, n) to the upper ones."""
    for e in range(len(gram)):
        for i in range(gram.shape[1]):
            for j in range(i):
                gram[e, j, i] = gram[e, i, j]


def _predict(
    inputs, overlaps, a, w, initial_a, initial_w, total, rate_a, rate_w, low, tiny,
    slopes, response, squares, gram_a, gram_w,
):  # fmt: skip
    """The first try of a move; see `Kinked._predict`.

    low: the slope below 0. Writes the mean slopes (E, n, m), and the response (E, m) of neurons
    that may cross a kink, 0 for others; adds to the squared distances (2, E) and to the Gram
    matrices of the way (E, n, n).
    """
    n_points, n_features = inputs.shape
    z = np.empty((n_points, BLOCK), inputs.dtype)
    values = np.empty((n_points, BLOCK), inputs.dtype)
    change = np.empty((n_points, BLOCK), inputs.dtype)
    mean = np.empty((n_points, BLOCK), inputs.dtype)
    own_w = np.empty((n_features, BLOCK), inputs.dtype)
    pull = np.empty((n_features, BLOCK), inputs.dtype)
    end_w = np.empty((n_features, BLOCK), inputs.dtype)
    own_a = np.empty(BLOCK, inputs.dtype)
    by_a = np.empty(BLOCK, inputs.dtype)
    middle = np.empty(BLOCK, inputs.dtype)
    end_a = np.empty(BLOCK, inputs.dtype)
    crosses = np.empty(BLOCK, inputs.dtype)
    weighted = np.empty_like(inputs)
    for e in range(len(a)):
        for i in range(n_points):
            for j in range(n_features):
                weighted[i, j] = total[e, i] * inputs[i, j]
        for start in range(0, a.shape[1], BLOCK):
            _load(a[e], start, own_a)
            for j in range(n_features):
                _load(w[e, j], start, own_w[j])
            for k in range(BLOCK):
                by_a[k] = 0.0
                crosses[k] = 0.0
            for i in range(n_points):
                _multiply(inputs[i], own_w, z[i])
                x = total[e, i]
                for k in range(BLOCK):
                    slope = 1.0 if z[i, k] > 0 else low
                    mean[i, k] = slope
                    values[i, k] = z[i, k] * slope
                    by_a[k] += x * values[i, k]
            # a halfway, and with it the change of z, were the slopes to stay as they are
            for k in range(BLOCK):
                by_a[k] = -rate_w[e] * (own_a[k] - 0.5 * rate_a[e] * by_a[k])
            _pull(weighted, mean, pull)
            for i in range(n_points):
                _multiply(inputs[i], pull, change[i])
                for k in range(BLOCK):
                    change[i, k] *= by_a[k]
                    # <= : a neuron may start exactly on a kink
                    crosses[k] += 1.0 if (change[i, k] + z[i, k]) * z[i, k] <= 0 else 0.0
            for i in range(n_points):
                own = overlaps[i, i] * total[e, i]
                for k in range(BLOCK):
                    slope = mean[i, k]
                    found = _mean_slope(z[i, k], slope, change[i, k], own * by_a[k], low, tiny)
                    mean[i, k] = found if (change[i, k] + z[i, k]) * z[i, k] <= 0 else slope
            _pull(weighted, mean, pull)
            _turn(pull, own_a, own_w, rate_a[e], rate_w[e], middle, end_a, end_w)
            squares[0, e] += _square_distance(end_a, start, initial_a[e])
            for j in range(n_features):
                squares[1, e] += _square_distance(end_w[j], start, initial_w[e, j])
            for k in range(BLOCK):
                by_a[k] = -rate_w[e] * middle[k] if crosses[k] > 0 else 0.0
            _store(by_a, start, response[e])
            for i in range(n_points):
                _store(mean[i], start, slopes[e, i])
                _multiply(inputs[i], end_w, z[i])
                for k in range(BLOCK):
                    values[i, k] += z[i, k] * (1.0 if z[i, k] > 0 else low)
                    change[i, k] = 2 * middle[k] * mean[i, k]
            _add_grams(values, change, 0.25, gram_a[e], gram_w[e])
    _mirror(gram_a)
    _mirror(gram_w)


@_compiled
def _given_others(z, slope, change, own, low, tiny):
    """Mean slope at a point, given those of the others; see `Kinked._mean_slopes`."""
    start = 1.0 if z > 0 else low
    as_started = change + (start - slope) * own
    found = _mean_slope(z, start, as_started, own, low, tiny)
    return found if (as_started + z) * z <= 0 else start


@_compiled
def _sweep(inputs, overlaps, impulse, z, slopes, count, low, tiny, change, change_of_w):
    """Improve the mean slopes (n, B) of the first `count` neurons; see `Kinked._sweep`.

    impulse: that of the points, times the response (n, B). z: pre-activations at the start (n, B).
    Overwrites change (n, B) and change_of_w (d, B).
    """
    n_points, n_features = inputs.shape
    for again in range(2):
        for j in range(n_features):
            for k in range(count):
                change_of_w[j, k] = 0.0
            for i in range(n_points):
                x = inputs[i, j]
                for k in range(count):
                    change_of_w[j, k] += x * (impulse[i, k] * slopes[i, k])
        for i in range(n_points):
            for k in range(count):
                change[i, k] = 0.0
            for j in range(n_features):
                x = inputs[i, j]
                for k in range(count):
                    change[i, k] += x * change_of_w[j, k]
            own = overlaps[i, i]
            for k in range(count):
                old = slopes[i, k]
                slopes[i, k] = _given_others(
                    z[i, k], old, change[i, k], own * impulse[i, k], low, tiny
                )
                change[i, k] = impulse[i, k] * (slopes[i, k] - old)
            # At first all points with the slopes that were predicted for the others, then one after
            # the other.
            if again:
                for j in range(n_features):
                    x = inputs[i, j]
                    for k in range(count):
                        change_of_w[j, k] += x * change[i, k]


def _correct(
    inputs, overlaps, a, w, initial_a, initial_w, total, rate_a, rate_w, low, tiny,
    slopes, response, end_a, end_w, squares, outputs, gram_a, gram_w,
):  # fmt: skip
    """The completed move; see `Kinked.correct`.

    slopes, response: as `_predict` wrote them. Writes the weights at the end; adds to the squared
    distances, to the outputs (E, n) and to the Gram matrices there.
    """
    n_points, n_features = inputs.shape
    values = np.empty((n_points, BLOCK), inputs.dtype)
    mean = np.empty((n_points, BLOCK), inputs.dtype)
    own_w = np.empty((n_features, BLOCK), inputs.dtype)
    pull = np.empty((n_features, BLOCK), inputs.dtype)
    block_w = np.empty((n_features, BLOCK), inputs.dtype)
    own_a = np.empty(BLOCK, inputs.dtype)
    middle = np.empty(BLOCK, inputs.dtype)
    block_a = np.empty(BLOCK, inputs.dtype)
    push = np.empty(BLOCK, inputs.dtype)
    # Of the neurons of a block that may cross kinks, put together.
    place = np.empty(BLOCK, np.int64)
    z = np.empty((n_points, BLOCK), inputs.dtype)
    swept = np.empty((n_points, BLOCK), inputs.dtype)
    impulse = np.empty((n_points, BLOCK), inputs.dtype)
    weighted = np.empty_like(inputs)
    for e in range(len(a)):
        for i in range(n_points):
            for j in range(n_features):
                weighted[i, j] = total[e, i] * inputs[i, j]
        for start in range(0, a.shape[1], BLOCK):
            _load(a[e], start, own_a)
            _load(response[e], start, push)
            for j in range(n_features):
                _load(w[e, j], start, own_w[j])
            for i in range(n_points):
                _load(slopes[e, i], start, mean[i])
            crossing = 0
            for k in range(BLOCK):
                if push[k] != 0:
                    place[crossing] = k
                    crossing += 1
            for i in range(n_points):
                _multiply(inputs[i], own_w, values[i])
                for c in range(crossing):
                    k = place[c]
                    z[i, c] = values[i, k]
                    swept[i, c] = mean[i, k]
                    impulse[i, c] = total[e, i] * push[k]
            _sweep(
                inputs, overlaps, impulse, z, swept, crossing, low, tiny, values, block_w,
            )  # fmt: skip
            for i in range(n_points):
                for c in range(crossing):
                    mean[i, place[c]] = swept[i, c]
            _pull(weighted, mean, pull)
            _turn(pull, own_a, own_w, rate_a[e], rate_w[e], middle, block_a, block_w)
            _store(block_a, start, end_a[e])
            squares[0, e] += _square_distance(block_a, start, initial_a[e])
            for j in range(n_features):
                _store(block_w[j], start, end_w[e, j])
                squares[1, e] += _square_distance(block_w[j], start, initial_w[e, j])
            _values_at(inputs, block_w, low, values, mean)
            for i in range(n_points):
                outputs[e, i] += _dot(values[i], block_a)
                for k in range(BLOCK):
                    mean[i, k] *= block_a[k]
            _add_grams(values, mean, 1.0, gram_a[e], gram_w[e])
    _mirror(gram_a)
    _mirror(gram_w)


class Fused(Kinked):
    """The `Motion` of `Kinked` on a CPU, where points and features are few."""

    def __init__(self, activation: ModuleType, inputs: Tensor):
        super().__init__(activation, inputs)
        # Of the inputs' number format, so that compiled code keeps to it.
        number = self._inputs.dtype.type
        self._slope_below = number(activation.slope(inputs.new_tensor([-1.0])).item())
        self._tiny = number(torch.finfo(inputs.dtype).tiny ** 0.5)

    @property
    def _inputs(self) -> np.ndarray:
        return self.inputs.contiguous().numpy()

    def predict(self, batch: Batch) -> tuple[Sums, Any]:
        """See `Motion`; what `correct` needs are mean slopes and responses."""
        sums = Sums(batch.weights.a, len(self.inputs))
        n_elements, width = batch.weights.a.shape
        slopes = self.inputs.new_empty(n_elements, len(self.inputs), width)
        way = slopes.numpy(), torch.empty_like(batch.weights.a).numpy()
        compiled(_predict)(
            *self._given(batch), *way, *_arrays(sums.squares, sums.gram_a, sums.gram_w)
        )
        return sums, way

    def correct(self, batch: Batch, ways: Any) -> tuple[Weights, Sums]:
        """See `Motion`."""
        sums, end = Sums(batch.weights.a, len(self.inputs)), batch.weights.empty()
        found = (end.a, end.w, sums.squares, sums.outputs, sums.gram_a, sums.gram_w)
        compiled(_correct)(*self._given(batch), *ways, *_arrays(*found))
        return end, sums

    def _given(self, batch: Batch) -> tuple[Any, ...]:
        return (
            self._inputs,
            self._overlaps.numpy(),
            *_arrays(
                batch.weights.a,
                batch.weights.w,
                batch.initial.a,
                batch.initial.w,
                batch.total,
                batch.rate_a[:, 0],
                batch.rate_w[:, 0],
            ),
            self._slope_below,
            self._tiny,
        )


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """The arrays that tensors are views of, or contiguous copies."""
    return tuple(one.contiguous().numpy() for one in tensors)
