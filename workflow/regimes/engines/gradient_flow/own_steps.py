"""The own steps of smooth neurons, compiled by Numba: one neuron after the other.

On a GPU, `Smooth` takes late neurons through a step of the flow by operations on arrays of all that
are still under way, over and over. Here the same formulas are applied to one neuron at a time, in
float64, which spares thousands of calls on small arrays. Both agree to rounding, which neurons that
leave an unstable balance multiply.

Shapes: C neurons, E elements of the batch, n points, d features.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from regimes.engines.common.compiled import compiled

_FLOAT, _COUNT = types.float64, types.int64
_SCALAR = types.UniTuple(_FLOAT, 3)(_FLOAT)
_LIST, _TABLE, _STACK = (types.Array(_FLOAT, ndim, "C") for ndim in (1, 2, 3))

_compiled = njit(error_model="numpy")


@_compiled
def _forward(act, inputs, w, found):
    """Write values, slopes and curvatures of the activation at z = inputs w into found (3, n)."""
    for point in range(len(inputs)):
        z = 0.0
        for feature in range(len(w)):
            z += inputs[point, feature] * w[feature]
        found[0, point], found[1, point], found[2, point] = act(z)


@_compiled
def _force(inputs, density, found, a, rate_a, rate_w, by_w):
    """Return a', and write w' into by_w (d,)."""
    by_a = 0.0
    by_w[:] = 0
    for point in range(len(inputs)):
        by_a += density[point] * found[0, point]
        for feature in range(len(by_w)):
            by_w[feature] += inputs[point, feature] * density[point] * found[1, point]
    by_w *= rate_w * a
    return rate_a * by_a


@_compiled
def _factorise(inputs, density, curvatures, scale, matrix):
    """Factorise 1 - scale sum_i density_i act''(z_i) x_i x_i^T.

    The triangular factors are written into matrix (d, d). Returns the smallest pivot, or NaN where
    one is NaN.
    """
    matrix[:] = 0
    for point in range(len(inputs)):
        bend = scale * density[point] * curvatures[point]
        for row in range(len(matrix)):
            for column in range(len(matrix)):
                matrix[row, column] -= bend * inputs[point, row] * inputs[point, column]
    smallest = math.inf
    for row in range(len(matrix)):
        matrix[row, row] += 1
    for pivot in range(len(matrix)):
        if not matrix[pivot, pivot] >= smallest:
            smallest = matrix[pivot, pivot]
        for row in range(pivot + 1, len(matrix)):
            matrix[row, pivot] /= matrix[pivot, pivot]
            for column in range(pivot + 1, len(matrix)):
                matrix[row, column] -= matrix[row, pivot] * matrix[pivot, column]
    return smallest


@_compiled
def _solve(matrix, values):
    """Solve the equations with these factors, overwriting the right-hand side (d,)."""
    for row in range(len(values)):
        for column in range(row):
            values[row] -= matrix[row, column] * values[column]
    for row in range(len(values) - 1, -1, -1):
        for column in range(row + 1, len(values)):
            values[row] -= matrix[row, column] * values[column]
        values[row] /= matrix[row, row]


@_compiled
def _add(one, factor, other, out):
    """Write one + factor other into out; an expression of arrays would allocate its result."""
    for i in range(len(out)):
        out[i] = one[i] + factor * other[i]


@_compiled
def _distance(one, factor, other):
    """Return |one + factor other|."""
    total = 0.0
    for i in range(len(one)):
        total += (one[i] + factor * other[i]) ** 2
    return math.sqrt(total)


def _travel(
    act, inputs, constants, a, w, found, total, moment, rates, initial_w, element, gram_a, gram_w
):
    """Take neurons through a step of the flow; see `Smooth._travel_together` and `Smooth._step`.

    act: value, slope and curvature at z; inputs (n, d); constants: of the method, see `smooth`.
    Where neurons are, changed in place: a (C,), w (C, d), found (C, 3, n): values, slopes and
    curvatures. What acts on them: total and moment (C, n), initial_w (C, d), and rates (C, 4): of
    a and of w, the tolerance and the first size to try. element (C,): whose they are. gram_a and
    gram_w (E, n, n) receive the kernel of the way, its lower triangle; E = 0: it is not wanted.
    """
    gamma, e32, smallest_pivot, too_long, noise, tiny, safety, shrink, grow, most_tries = constants
    n_points, n_features = inputs.shape
    middle, end = np.empty((2, 3, n_points))
    density, row_a, row_w = np.empty((3, n_points))
    force, middle_force, end_force, rest, k1, k2, middle_w, end_w = np.empty((8, n_features))
    matrix = np.empty((n_features, n_features))
    for c in range(len(a)):
        rate_a, rate_w, tolerance, h = rates[c]
        start, time = found[c], 0.0
        _forward(act, inputs, w[c], start)
        tries = most_tries if math.isfinite(a[c] + w[c].sum() + total[c].sum()) else 0.0
        while tries > 0 and time < 1 - 1e-6:
            tries -= 1
            h = min(h, 1 - time)
            _add(total[c], 12 * time - 6, moment[c], density)
            scale = gamma * h * rate_w * a[c]
            pivot = _factorise(inputs, density, start[2], scale, matrix)
            force_a = _force(inputs, density, start, a[c], rate_a, rate_w, force)
            k1[:] = force
            _solve(matrix, k1)
            _add(w[c], 0.5 * h, k1, middle_w)
            _forward(act, inputs, middle_w, middle)
            _add(density, 6 * h, moment[c], density)
            middle_a = a[c] + 0.5 * h * force_a
            force_a = _force(inputs, density, middle, middle_a, rate_a, rate_w, middle_force)
            _add(middle_force, -1, k1, k2)
            _solve(matrix, k2)
            _add(k2, 1, k1, k2)
            _add(w[c], h, k2, end_w)
            _forward(act, inputs, end_w, end)
            _add(density, 6 * h, moment[c], density)
            end_a = a[c] + h * force_a
            _force(inputs, density, end, end_a, rate_a, rate_w, end_force)
            for i in range(n_features):
                rest[i] = end_force[i] - e32 * (k2[i] - middle_force[i]) - 2 * (k1[i] - force[i])
            _solve(matrix, rest)
            _add(rest, 1, k1, rest)
            way = _distance(end_w, -1, initial_w[c])
            allowed = tolerance * (way + noise * _distance(end_w, 0, end_w))
            error = h / 6 * _distance(rest, -2, k2) / max(allowed, tiny)
            if not pivot > smallest_pivot:
                error = too_long
            elif math.isnan(error):
                error = math.inf
            if error <= 1:
                for i in range(n_points if len(gram_a) else 0):
                    row_a[i] = 0.5 * (start[0, i] + end[0, i])
                    slope = (start[1, i] + 4 * middle[1, i] + end[1, i]) / 6
                    row_w[i] = slope * 0.5 * (a[c] + end_a)
                    for j in range(i + 1):
                        gram_a[element[c], i, j] += h * row_a[i] * row_a[j]
                        gram_w[element[c], i, j] += h * row_w[i] * row_w[j]
                time += h
                a[c] = end_a
                w[c] = end_w
                start[:] = end
            h *= min(max(safety * min(max(error, 1e-9), 1e9) ** (-1 / 3), shrink), grow)
        if time < 1 - 1e-6:
            a[c] = math.nan


@cache
def travel() -> Callable[..., None]:
    """`_travel`, compiled for float64. It is kept for other processes, see `compiled`."""
    signature = types.void(
        types.FunctionType(_SCALAR),
        _TABLE,
        types.UniTuple(_FLOAT, 10),
        *(_LIST, _TABLE, _STACK),
        *(_TABLE, _TABLE, _TABLE, _TABLE),
        types.Array(_COUNT, 1, "C"),
        *(_STACK, _STACK),
    )
    return compiled(_travel, signature, fastmath=frozenset())


@cache
def scalar(function: Callable[[float], tuple[float, float, float]]) -> Any:
    """An activation's value, slope and curvature at a number, compiled."""
    return njit(_SCALAR, error_model="numpy")(function)
