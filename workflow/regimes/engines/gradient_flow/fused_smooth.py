"""The own steps of smooth neurons, many neurons at a time, compiled by Numba for CPUs.

`Smooth` says what an own step is, by operations on arrays of all points and neurons. Here the same
formulas are applied to a block of neurons that stays in the nearest cache, each with a time and a
size of its own: neurons that have come through the step of the flow make room for the next ones, so
that those which take many steps do not keep the others waiting. Both agree to rounding, which
neurons that leave an unstable balance multiply. All is in float64, whatever the number format.

Shapes: E elements of a batch, n points, d features, m neurons; B neurons of a block, of which the
first `count` are in use. A *point* is where neurons are: rows of a, of the d weights w, and of
values, slopes and curvatures of the activation at the n points, (1 + d + 3 n, B).
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numba import cfunc, njit, types

from regimes.engines.common.compiled import compiled
from regimes.engines.gradient_flow import branch_free, smooth
from regimes.engines.gradient_flow.motion import Batch, Sums, Weights
from regimes.engines.gradient_flow.smooth import Smooth

# Neurons of a block: its arrays fit the nearest caches.
BLOCK = 128

_TABLE, _COUNT = types.Array(types.float64, 2, "C"), types.int64
_ACTIVATION = types.void(_TABLE, _TABLE, _TABLE, _COUNT, _COUNT)

# Sums may be taken in the order that vectors ask for.
_summing = njit(error_model="numpy", fastmath={"reassoc", "contract"})
_compiled = njit(error_model="numpy", fastmath={"contract"})


@_compiled
def _parts(point, n_features):
    """Views of a (B,), w (d, B), and values, slopes and curvatures (n, B) of a point."""
    first = 1 + n_features
    n_points = (len(point) - first) // 3
    values = point[first : first + n_points]
    slopes = point[first + n_points : first + 2 * n_points]
    return point[0], point[1:first], values, slopes, point[first + 2 * n_points :]


@_compiled
def _activate(act, inputs, point, start, end):
    """Write values, slopes and curvatures of the block's neurons from `start` to `end`."""
    _, w, values, slopes, curvatures = _parts(point, inputs.shape[1])
    for i in range(len(inputs)):
        x, one, z = inputs[i, 0], w[0, start:end], values[i, start:end]
        for k in range(len(z)):
            z[k] = x * one[k]
        for j in range(1, len(w)):
            x, one = inputs[i, j], w[j, start:end]
            for k in range(len(z)):
                z[k] += x * one[k]
    act(values, slopes, curvatures, start, end)


@_compiled
def _fill(row, number, count):
    for k in range(count):
        row[k] = number


@_compiled
def _add(one, factor, other, out, count):
    """Write one + factor other, all rows (p, B) but the factor (B,), into out."""
    for j in range(len(out)):
        x, y, target = one[j], other[j], out[j]
        for k in range(count):
            target[k] = x[k] + factor[k] * y[k]


@_compiled
def _square_distance(one, factor, other, out, count):
    """Write |one + factor other|^2 of rows (d, B) into out (B,)."""
    _fill(out, 0.0, count)
    for j in range(len(one)):
        x, y = one[j], other[j]
        for k in range(count):
            out[k] += (x[k] + factor * y[k]) ** 2


@_compiled
def _force(inputs, impulse, late, rates, point, by_a, by_w, row, count):
    """Write a' (B,) and w' (d, B) at a point.

    impulse: total and moment (2, n). late: 12 t - 6 at the shares t of the step (B,).
    """
    a, _, values, slopes, _ = _parts(point, len(by_w))
    _fill(by_a, 0.0, count)
    for j in range(len(by_w)):
        _fill(by_w[j], 0.0, count)
    for i in range(len(inputs)):
        total, moment = impulse[0, i], impulse[1, i]
        value, slope = values[i], slopes[i]
        for k in range(count):
            density = total + late[k] * moment
            by_a[k] += density * value[k]
            row[k] = density * slope[k]
        for j in range(len(by_w)):
            x, target = inputs[i, j], by_w[j]
            for k in range(count):
                target[k] += x * row[k]
    for k in range(count):
        by_a[k] *= rates[0]
        row[k] = rates[1] * a[k]
    for j in range(len(by_w)):
        target = by_w[j]
        for k in range(count):
            target[k] *= row[k]


@_compiled
def _factorise(products, bend, matrix, smallest, row, count):
    """Factorise 1 - sum_i bend_i x_i x_i^T of each neuron, as L D L^T.

    products: of all features (d, d, p), of points that are filled up with zeros to a multiple of
    four; bend (p, B). Writes L and 1 / D into the lower triangle of matrix (d, d, B), and the
    smallest of D (B,), NaN where one is NaN.
    """
    for r in range(len(matrix)):
        for c in range(r + 1):
            entry = matrix[r, c]
            _fill(entry, 1.0 if r == c else 0.0, count)
            # Four at a time: the sum is fetched and kept once for them.
            for i in range(0, len(bend), 4):
                four = products[r, c, i : i + 4]
                x0, x1, x2, x3 = four[0], four[1], four[2], four[3]
                b0, b1, b2, b3 = bend[i], bend[i + 1], bend[i + 2], bend[i + 3]
                for k in range(count):
                    entry[k] -= x0 * b0[k] + x1 * b1[k] + x2 * b2[k] + x3 * b3[k]
    _fill(smallest, math.inf, count)
    for p in range(len(matrix)):
        pivot = matrix[p, p]
        for k in range(count):
            smallest[k] = smallest[k] if pivot[k] >= smallest[k] else pivot[k]
            pivot[k] = 1 / pivot[k]
        # From below, since rows above are needed as they are.
        for r in range(len(matrix) - 1, p, -1):
            factor = matrix[r, p]
            for k in range(count):
                row[k] = factor[k] * pivot[k]
            for c in range(p + 1, r + 1):
                entry, above = matrix[r, c], matrix[c, p]
                for k in range(count):
                    entry[k] -= row[k] * above[k]
            for k in range(count):
                factor[k] = row[k]


@_compiled
def _solve(matrix, values, count):
    """Solve the equations with these factors, overwriting the right-hand sides (d, B)."""
    for r in range(len(values)):
        value = values[r]
        for c in range(r):
            factor, other = matrix[r, c], values[c]
            for k in range(count):
                value[k] -= factor[k] * other[k]
    for r in range(len(values) - 1, -1, -1):
        value, inverse = values[r], matrix[r, r]
        for k in range(count):
            value[k] *= inverse[k]
        for c in range(r + 1, len(values)):
            factor, other = matrix[c, r], values[c]
            for k in range(count):
                value[k] -= factor[k] * other[k]


@_compiled
def _step(
    act, inputs, products, impulse, rates, constants, start, initial_w, time, h,
    middle, end, error, bend, matrix, vectors, rows, count,
):  # fmt: skip
    """Take an own step of sizes h (B,) from shares `time` of the step of the flow on.

    See `Smooth._step`. Writes the points in the middle and at the end, and the error over what is
    allowed. The arrays from bend on are for what is computed on the way.
    """
    gamma, e32, smallest_pivot, too_long, noise, tiny = constants
    n_features = inputs.shape[1]
    force, middle_force, rest, k1, k2 = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4]
    late, half, by_a, smallest, row = rows[0], rows[1], rows[2], rows[3], rows[4]
    way, size = rows[5], rows[6]
    a, w, _, _, curvatures = _parts(start, n_features)
    for k in range(count):
        late[k] = 12 * time[k] - 6
        half[k] = 0.5 * h[k]
        row[k] = gamma * h[k] * rates[1] * a[k]
    for i in range(len(inputs)):
        total, moment = impulse[0, i], impulse[1, i]
        curvature, target = curvatures[i], bend[i]
        for k in range(count):
            target[k] = (row[k] * curvature[k]) * (total + late[k] * moment)
    _factorise(products, bend, matrix, smallest, row, count)
    _force(inputs, impulse, late, rates, start, by_a, force, row, count)
    _fill(row, 0.0, count)
    _add(force, row, force, k1, count)
    _solve(matrix, k1, count)
    middle_a, middle_w, _, _, _ = _parts(middle, n_features)
    _add(w, half, k1, middle_w, count)
    _activate(act, inputs, middle, 0, count)
    for k in range(count):
        middle_a[k] = a[k] + half[k] * by_a[k]
        late[k] += 6 * h[k]
    _force(inputs, impulse, late, rates, middle, by_a, middle_force, row, count)
    _fill(row, -1.0, count)
    _add(middle_force, row, k1, k2, count)
    _solve(matrix, k2, count)
    _fill(row, 1.0, count)
    _add(k2, row, k1, k2, count)
    end_a, end_w, _, _, _ = _parts(end, n_features)
    _add(w, h, k2, end_w, count)
    _activate(act, inputs, end, 0, count)
    for k in range(count):
        end_a[k] = a[k] + h[k] * by_a[k]
        late[k] += 6 * h[k]
    _force(inputs, impulse, late, rates, end, by_a, rest, row, count)
    for j in range(n_features):
        x, y, at_middle, x1, x2 = rest[j], force[j], middle_force[j], k1[j], k2[j]
        for k in range(count):
            x[k] -= e32 * (x2[k] - at_middle[k]) + 2 * (x1[k] - y[k])
    _solve(matrix, rest, count)
    _fill(row, 1.0, count)
    _add(rest, row, k1, rest, count)
    _square_distance(rest, -2.0, k2, error, count)
    _square_distance(end_w, -1.0, initial_w, way, count)
    _square_distance(end_w, 0.0, end_w, size, count)
    for k in range(count):
        allowed = rates[2] * (math.sqrt(way[k]) + noise * math.sqrt(size[k]))
        allowed = tiny if allowed < tiny else allowed
        found = h[k] / 6 * math.sqrt(error[k]) / allowed
        found = found if found == found else math.inf
        # Where growth makes the equations nearly singular, or worse, the estimate says nothing.
        error[k] = found if smallest[k] > smallest_pivot else too_long


@_summing
def _dot(one, other, count):
    total = 0.0
    for k in range(count):
        total += one[k] * other[k]
    return total


@_compiled
def _add_gram(rows, share, gram, row, count):
    """Add the Gram matrix of shares (B,) of rows (n, B) to its lower triangle."""
    for i in range(len(rows)):
        one = rows[i]
        for k in range(count):
            row[k] = share[k] * one[k]
        for j in range(i + 1):
            gram[i, j] += _dot(row, rows[j], count)


@_compiled
def _mean_rows(start, middle, end, n_features, error, count):
    """Write what accepted steps add to the kernel of the way over values and slopes of `middle`."""
    a, _, values, slopes, _ = _parts(start, n_features)
    end_a, _, end_values, end_slopes, _ = _parts(end, n_features)
    _, _, rows_a, rows_w, _ = _parts(middle, n_features)
    for i in range(len(values)):
        row, one, other = rows_a[i], values[i], end_values[i]
        for k in range(count):
            row[k] = 0.5 * (one[k] + other[k]) if error[k] <= 1 else 0.0
        row, one, other = rows_w[i], slopes[i], end_slopes[i]
        for k in range(count):
            slope = (one[k] + 4 * row[k] + other[k]) / 6
            row[k] = slope * (0.5 * (a[k] + end_a[k])) if error[k] <= 1 else 0.0


@_compiled
def _end_rows(start, middle, n_features, there, count):
    """Write what neurons add to the tangent where they are there, over values and slopes."""
    a, _, values, slopes, _ = _parts(start, n_features)
    _, _, rows_a, rows_w, _ = _parts(middle, n_features)
    for i in range(len(values)):
        row, one = rows_a[i], values[i]
        for k in range(count):
            row[k] = one[k] if there[k] > 0 else 0.0
        row, one = rows_w[i], slopes[i]
        for k in range(count):
            row[k] = one[k] * a[k] if there[k] > 0 else 0.0


def _move(
    act, inputs, constants, a, w, initial_a, initial_w, impulses, rates, completes,
    end_a, end_w, squares, outputs, gram_a, gram_w,
):  # fmt: skip
    """Take all neurons through a step of the flow; see `Smooth`.

    act: overwrites pre-activations with values, and writes slopes and curvatures. constants: of the
    method. impulses: total and moment (E, 2, n). rates: of a and of w, and the tolerance (E, 3).
    completes: whether to write the weights at the end, and to add to the outputs (E, n) and to the
    Gram matrices there; else to those of the way. Of Gram matrices (E, n, n) the lower triangles.
    Adds to the squared distances (2, E).
    """
    of_step, (safety, shrink, grow, most_tries) = constants
    n_points, n_features = inputs.shape
    products = np.zeros((n_features, n_features, -(-n_points // 4) * 4))
    for r in range(n_features):
        for c in range(n_features):
            for i in range(n_points):
                products[r, c, i] = inputs[i, r] * inputs[i, c]
    # Of neurons under way: where they are, and what else goes with them.
    n_rows = 1 + n_features + 3 * n_points
    state = np.empty((n_rows + n_features + 5, BLOCK))
    start, first_w = state[:n_rows], state[n_rows : n_rows + n_features]
    first_a, time, h = state[-5], state[-4], state[-3]
    tries, index = state[-2], state[-1]
    now_a, now_w, _, _, _ = _parts(start, n_features)
    middle = np.empty((n_rows, BLOCK))
    end = np.empty((n_rows, BLOCK))
    error = np.empty(BLOCK)
    share = np.empty(BLOCK)
    row = np.empty(BLOCK)
    bend = np.zeros((products.shape[2], BLOCK))
    matrix = np.empty((n_features, n_features, BLOCK))
    vectors = np.empty((5, n_features, BLOCK))
    rows = np.empty((7, BLOCK))
    for e in range(len(a)):
        impulse = 0.0
        for i in range(n_points):
            impulse += impulses[e, 0, i]
        taken = count = 0
        while True:
            fresh = min(BLOCK - count, a.shape[1] - taken)
            for k in range(fresh):
                lane, neuron = count + k, taken + k
                now_a[lane], first_a[lane] = a[e, neuron], initial_a[e, neuron]
                total = now_a[lane] + impulse
                for j in range(n_features):
                    now_w[j, lane], first_w[j, lane] = w[e, j, neuron], initial_w[e, j, neuron]
                    total += now_w[j, lane]
                time[lane], h[lane], index[lane] = 0.0, 1.0, neuron
                # Shorter steps do not help where a value is not finite.
                tries[lane] = most_tries if math.isfinite(total) else 0.0
            if fresh > 0:
                _activate(act, inputs, start, count, count + fresh)
            count += fresh
            taken += fresh
            if count == 0:
                break
            _step(
                act, inputs, products, impulses[e], rates[e], of_step, start, first_w, time, h,
                middle, end, error, bend, matrix, vectors, rows, count,
            )  # fmt: skip
            if not completes:
                _mean_rows(start, middle, end, n_features, error, count)
                _, _, rows_a, rows_w, _ = _parts(middle, n_features)
                _add_gram(rows_a, h, gram_a[e], row, count)
                _add_gram(rows_w, h, gram_w[e], row, count)
            for j in range(n_rows):
                old, new = start[j], end[j]
                for k in range(count):
                    old[k] = new[k] if error[k] <= 1 else old[k]
            finished = 0
            for k in range(count):
                time[k] += h[k] if error[k] <= 1 else 0.0
                # Sizes are cut to end there, but for the rounding of sums.
                there = time[k] >= 1 - 1e-6
                share[k] = 1.0 if there or tries[k] <= 0 else 0.0
                tries[k] -= 1
                if share[k] > 0:
                    finished += 1
                    now_a[k] = now_a[k] if there else math.nan
                else:
                    factor = safety * min(max(error[k], 1e-9), 1e9) ** (-1 / 3)
                    h[k] = min(h[k] * min(max(factor, shrink), grow), 1 - time[k])
            if finished == 0:
                continue
            for k in range(count):
                if share[k] > 0:
                    squares[0, e] += (now_a[k] - first_a[k]) ** 2
                    for j in range(n_features):
                        squares[1, e] += (now_w[j, k] - first_w[j, k]) ** 2
            if completes:
                _end_rows(start, middle, n_features, share, count)
                _, _, rows_a, rows_w, _ = _parts(middle, n_features)
                _add_gram(rows_a, share, gram_a[e], row, count)
                _add_gram(rows_w, share, gram_w[e], row, count)
                for k in range(count):
                    row[k] = now_a[k] if share[k] > 0 else 0.0
                    if share[k] > 0:
                        end_a[e, int(index[k])] = now_a[k]
                        for j in range(n_features):
                            end_w[e, j, int(index[k])] = now_w[j, k]
                for i in range(n_points):
                    outputs[e, i] += _dot(rows_a[i], row, count)
            # The last neurons under way take the places of those that are there.
            count -= finished
            last = count
            for k in range(count):
                if share[k] > 0:
                    while share[last] > 0:
                        last += 1
                    for j in range(len(state)):
                        state[j, k] = state[j, last]
                    last += 1


@cache
def _activation(function: Callable[[float], tuple[float, float, float]]) -> Any:
    """Write value, slope and curvature of a function over many numbers, compiled.

    It is handed to passes by its address, so that these are compiled once for all activations.
    """
    scalar = branch_free.compiled(function)

    def act(values, slopes, curvatures, start, end):  # type: ignore[no-untyped-def]
        for i in range(len(values)):
            value, slope = values[i, start:end], slopes[i, start:end]
            curvature = curvatures[i, start:end]
            for k in range(len(value)):
                value[k], slope[k], curvature[k] = scalar(value[k])

    return cfunc(_ACTIVATION, error_model="numpy", fastmath={"contract"})(act)


class FusedSmooth(Smooth):
    """The `Motion` of `Smooth` on a CPU.

    activation: a module with `value_and_slope_` and `scalar`.
    """

    def predict(self, batch: Batch) -> tuple[Sums, None]:
        """See `Motion`; `correct` needs nothing of it."""
        return self._move(batch, completes=False)[1], None

    def correct(self, batch: Batch, ways: None) -> tuple[Weights, Sums]:
        """See `Motion`."""
        return self._move(batch, completes=True)

    def _move(self, batch: Batch, *, completes: bool) -> tuple[Weights, Sums]:
        """The weights at the end, uninitialised unless the move is completed, and the sums."""
        end, sums = batch.weights.empty(), Sums(batch.weights.a, len(self.inputs))
        written = end.a, end.w, sums.squares, sums.outputs, sums.gram_a, sums.gram_w
        found = [one.double().numpy() for one in written]
        numbers = torch.finfo(self.inputs.dtype)
        limits = smooth.SMALLEST_PIVOT, smooth.TOO_LONG, smooth.ROUNDINGS * numbers.eps
        sizes = smooth.SAFETY, smooth.SHRINK, smooth.GROW, float(smooth.MOST_TRIES)
        tolerance = smooth.SHARE_OF_TOLERANCE * batch.tolerance
        given = (
            batch.weights.a,
            batch.weights.w,
            batch.initial.a,
            batch.initial.w,
            torch.stack([batch.total, batch.moment], dim=1),
            torch.cat([-batch.rate_a, -batch.rate_w, tolerance], dim=1),
        )
        compiled(_move)(
            _activation(self.activation.scalar),
            self.inputs.double().contiguous().numpy(),
            ((smooth.GAMMA, smooth.E32, *limits, numbers.tiny), sizes),
            *(one.double().contiguous().numpy() for one in given),
            completes,
            *found,
        )
        for gram in found[-2:]:
            gram += np.tril(gram, -1).swapaxes(1, 2)
        for target, values in zip(written, found, strict=True):
            target.copy_(torch.from_numpy(values))
        return end, sums
