"""Passes over the neurons of a two-layer network with few features, compiled by Numba for CPUs.

With few features, products of matrices are thin, and most of a step's time goes into bringing
pre-activations and slopes of all neurons and points to the processor and back. Here four neurons
are worked through at a time, whose pre-activations z = w . x are made anew where they are needed
and stay in the nearest cache. Activations are ReLU and leaky ReLU: act(z) = z, but low z where
z <= 0.

Shapes: m neurons, d features, n points. Features and neurons are filled up with zeros to multiples
of four, which change nothing.
"""

from typing import Any

import numpy as np
from numba import njit

from regimes.engines.common.compiled import compiled

# What is worked through together, and multiples of it: loops over points have few arrays then, of
# which each is one in memory, as compilers need to turn them into the processor's vectors.
FOUR = 4
# Sums may be taken in the order that vectors ask for.
FAST = frozenset({"contract", "reassoc", "nsz"})
_inlined = njit(error_model="numpy", fastmath=set(FAST))


@_inlined
def _rows(inputs):
    """Four arrays (n,) for the pre-activations of four neurons, each one in memory."""
    n_points = inputs.shape[1]
    return (
        np.empty(n_points, inputs.dtype),
        np.empty(n_points, inputs.dtype),
        np.empty(n_points, inputs.dtype),
        np.empty(n_points, inputs.dtype),
    )


@_inlined
def _multiply(inputs, j, w, z0, z1, z2, z3):
    """Add the part of four features from j on to z = w . x of four neurons, each (n,).

    w: their weights (4, d) at inputs (d, n). From the first feature on, z is overwritten.
    """
    x0, x1, x2, x3 = inputs[j], inputs[j + 1], inputs[j + 2], inputs[j + 3]
    a0, a1, a2, a3 = w[0, j], w[0, j + 1], w[0, j + 2], w[0, j + 3]
    b0, b1, b2, b3 = w[1, j], w[1, j + 1], w[1, j + 2], w[1, j + 3]
    c0, c1, c2, c3 = w[2, j], w[2, j + 1], w[2, j + 2], w[2, j + 3]
    d0, d1, d2, d3 = w[3, j], w[3, j + 1], w[3, j + 2], w[3, j + 3]
    if j == 0:
        for i in range(len(z0)):
            z0[i] = a0 * x0[i] + a1 * x1[i] + a2 * x2[i] + a3 * x3[i]
            z1[i] = b0 * x0[i] + b1 * x1[i] + b2 * x2[i] + b3 * x3[i]
            z2[i] = c0 * x0[i] + c1 * x1[i] + c2 * x2[i] + c3 * x3[i]
            z3[i] = d0 * x0[i] + d1 * x1[i] + d2 * x2[i] + d3 * x3[i]
    else:
        for i in range(len(z0)):
            z0[i] += a0 * x0[i] + a1 * x1[i] + a2 * x2[i] + a3 * x3[i]
            z1[i] += b0 * x0[i] + b1 * x1[i] + b2 * x2[i] + b3 * x3[i]
            z2[i] += c0 * x0[i] + c1 * x1[i] + c2 * x2[i] + c3 * x3[i]
            z3[i] += d0 * x0[i] + d1 * x1[i] + d2 * x2[i] + d3 * x3[i]


@_inlined
def _pull(inputs, j, s0, s1, s2, s3, pull):
    """Write sum_i s_i x_i of four features from j on into (4, d), of four neurons with s (n,)."""
    x0, x1, x2, x3 = inputs[j], inputs[j + 1], inputs[j + 2], inputs[j + 3]
    zero = s0[0] - s0[0]
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zero
    c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zero
    for i in range(len(s0)):
        p, q, r, s = x0[i], x1[i], x2[i], x3[i]
        a, b, c, d = s0[i], s1[i], s2[i], s3[i]
        a0 += a * p
        a1 += a * q
        a2 += a * r
        a3 += a * s
        b0 += b * p
        b1 += b * q
        b2 += b * r
        b3 += b * s
        c0 += c * p
        c1 += c * q
        c2 += c * r
        c3 += c * s
        d0 += d * p
        d1 += d * q
        d2 += d * r
        d3 += d * s
    pull[0, j], pull[0, j + 1], pull[0, j + 2], pull[0, j + 3] = a0, a1, a2, a3
    pull[1, j], pull[1, j + 1], pull[1, j + 2], pull[1, j + 3] = b0, b1, b2, b3
    pull[2, j], pull[2, j + 1], pull[2, j + 2], pull[2, j + 3] = c0, c1, c2, c3
    pull[3, j], pull[3, j + 1], pull[3, j + 2], pull[3, j + 3] = d0, d1, d2, d3


@_inlined
def _to_slopes(z, errors, low):
    """Overwrite z (n,) with act'(z) times the residuals (n,)."""
    for i in range(len(z)):
        z[i] = errors[i] if z[i] > 0 else low * errors[i]


def _gradient(inputs, w, errors, low, gradient):
    """Write sum_i e_i act'(w . x_i) x_i (m, d)."""
    z0, z1, z2, z3 = _rows(inputs)
    for k in range(0, len(w), FOUR):
        for j in range(0, len(inputs), FOUR):
            _multiply(inputs, j, w[k : k + FOUR], z0, z1, z2, z3)
        _to_slopes(z0, errors, low)
        _to_slopes(z1, errors, low)
        _to_slopes(z2, errors, low)
        _to_slopes(z3, errors, low)
        for j in range(0, len(inputs), FOUR):
            _pull(inputs, j, z0, z1, z2, z3, gradient[k : k + FOUR])


def _outputs(inputs, w, output, low, outputs):
    """Write sum_k c_k act(w_k . x) (n,)."""
    n_points = inputs.shape[1]
    z0, z1, z2, z3 = _rows(inputs)
    outputs[:] = 0
    for k in range(0, len(w), FOUR):
        for j in range(0, len(inputs), FOUR):
            _multiply(inputs, j, w[k : k + FOUR], z0, z1, z2, z3)
        a, b, c, d = output[k], output[k + 1], output[k + 2], output[k + 3]
        low_a, low_b, low_c, low_d = low * a, low * b, low * c, low * d
        for i in range(n_points):
            outputs[i] += (
                (a if z0[i] > 0 else low_a) * z0[i]
                + (b if z1[i] > 0 else low_b) * z1[i]
                + (c if z2[i] > 0 else low_c) * z2[i]
                + (d if z3[i] > 0 else low_d) * z3[i]
            )


def _output_change(inputs, w, output, low, direction, outputs):
    """Write sum_k c_k act'(w_k . x) v_k . x (n,), the change with the weights along v (m, d)."""
    n_points = inputs.shape[1]
    z0, z1, z2, z3 = _rows(inputs)
    v0, v1, v2, v3 = _rows(inputs)
    outputs[:] = 0
    for k in range(0, len(w), FOUR):
        for j in range(0, len(inputs), FOUR):
            _multiply(inputs, j, w[k : k + FOUR], z0, z1, z2, z3)
        for j in range(0, len(inputs), FOUR):
            _multiply(inputs, j, direction[k : k + FOUR], v0, v1, v2, v3)
        a, b, c, d = output[k], output[k + 1], output[k + 2], output[k + 3]
        low_a, low_b, low_c, low_d = low * a, low * b, low * c, low * d
        for i in range(n_points):
            outputs[i] += (
                (a if z0[i] > 0 else low_a) * v0[i]
                + (b if z1[i] > 0 else low_b) * v1[i]
                + (c if z2[i] > 0 else low_c) * v2[i]
                + (d if z3[i] > 0 else low_d) * v3[i]
            )


@_inlined
def _to_kept(z, z_end, c, errors, low):
    """Overwrite pre-activations at the start (n,) with kept slopes, those at the end with the rest.

    Both times the residuals.
    """
    for i in range(len(z)):
        e = errors[i]
        start = e if z[i] > 0 else low * e
        end = e if z_end[i] > 0 else low * e
        kept = start if c * e > 0 else end
        z[i] = kept
        z_end[i] = end - kept


def _gradient_at_end(inputs, w, end, output, errors, low, gradient, rest):
    """Write the gradients (m, d) at the weights `end`, with slopes kept where a kink drives back.

    Slopes are those at `end`; but those at w where c_k e_i > 0. gradient: as of `_gradient`, with
    these slopes. rest: what it lacks of that with the slopes at the end.
    """
    z0, z1, z2, z3 = _rows(inputs)
    e0, e1, e2, e3 = _rows(inputs)
    for k in range(0, len(w), FOUR):
        for j in range(0, len(inputs), FOUR):
            _multiply(inputs, j, w[k : k + FOUR], z0, z1, z2, z3)
        for j in range(0, len(inputs), FOUR):
            _multiply(inputs, j, end[k : k + FOUR], e0, e1, e2, e3)
        _to_kept(z0, e0, output[k], errors, low)
        _to_kept(z1, e1, output[k + 1], errors, low)
        _to_kept(z2, e2, output[k + 2], errors, low)
        _to_kept(z3, e3, output[k + 3], errors, low)
        for j in range(0, len(inputs), FOUR):
            _pull(inputs, j, z0, z1, z2, z3, gradient[k : k + FOUR])
        for j in range(0, len(inputs), FOUR):
            _pull(inputs, j, e0, e1, e2, e3, rest[k : k + FOUR])


def _positive(inputs, w, positive):
    """Write whether w . x > 0 (m, n)."""
    n_points = inputs.shape[1]
    z0, z1, z2, z3 = _rows(inputs)
    for k in range(0, len(w), FOUR):
        for j in range(0, len(inputs), FOUR):
            _multiply(inputs, j, w[k : k + FOUR], z0, z1, z2, z3)
        row0, row1, row2, row3 = positive[k], positive[k + 1], positive[k + 2], positive[k + 3]
        for i in range(n_points):
            row0[i] = z0[i] > 0
            row1[i] = z1[i] > 0
            row2[i] = z2[i] > 0
            row3[i] = z3[i] > 0


class FewFeatures:
    """Passes over networks with the same inputs (d, n), in which low is the slope below 0."""

    def __init__(self, inputs: np.ndarray, low: float):
        self._inputs = _filled(inputs, (_up(len(inputs)), inputs.shape[1]))
        self._low = inputs.dtype.type(low)

    def gradient(self, w: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """sum_i e_i act'(w . x_i) x_i (m, d) at weights (m, d), of residuals (n,)."""
        gradient = np.empty(self._shape(w), w.dtype)
        self._run(_gradient, self._fill(w), errors, self._low, gradient)
        return gradient[: len(w), : w.shape[1]]

    def outputs(self, w: np.ndarray, output: np.ndarray) -> np.ndarray:
        """sum_k c_k act(w_k . x) (n,), of output weights (m,)."""
        outputs = np.empty(self._inputs.shape[1], w.dtype)
        self._run(_outputs, self._fill(w), _filled_row(output), self._low, outputs)
        return outputs

    def output_change(self, w: np.ndarray, output: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Change of the outputs (n,) with the weights along a direction (m, d), to first order."""
        outputs = np.empty(self._inputs.shape[1], w.dtype)
        self._run(
            _output_change,
            self._fill(w),
            _filled_row(output),
            self._low,
            self._fill(direction),
            outputs,
        )
        return outputs

    def gradient_at_end(
        self, w: np.ndarray, end: np.ndarray, output: np.ndarray, errors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The gradient (m, d) at the end of a way from w, and what it lacks.

        Slopes are those at the end, but those at w where c_k e_i > 0, for output weights (m,).
        """
        gradient, rest = (np.empty(self._shape(w), w.dtype) for _ in range(2))
        self._run(
            _gradient_at_end,
            self._fill(w),
            self._fill(end),
            _filled_row(output),
            errors,
            self._low,
            gradient,
            rest,
        )
        return gradient[: len(w), : w.shape[1]], rest[: len(w), : w.shape[1]]

    def positive(self, w: np.ndarray) -> np.ndarray:
        """Whether w . x > 0, (m, n)."""
        positive = np.empty((_up(len(w)), self._inputs.shape[1]), np.bool_)
        self._run(_positive, self._fill(w), positive)
        return positive[: len(w)]

    def _run(self, function: Any, *arguments: Any) -> None:
        compiled(function, fastmath=FAST)(self._inputs, *arguments)

    def _shape(self, w: np.ndarray) -> tuple[int, int]:
        return _up(len(w)), len(self._inputs)

    def _fill(self, w: np.ndarray) -> np.ndarray:
        return _filled(w, self._shape(w))


def _up(size: int) -> int:
    return -(-size // FOUR) * FOUR


def _filled_row(values: np.ndarray) -> np.ndarray:
    return _filled(values, (_up(len(values)),))


def _filled(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values with zeros up to a shape, contiguous."""
    if values.shape == shape:
        return np.ascontiguousarray(values)
    result = np.zeros(shape, values.dtype)
    result[tuple(slice(size) for size in values.shape)] = values
    return result
