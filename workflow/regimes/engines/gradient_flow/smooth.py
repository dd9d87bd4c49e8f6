"""Neurons with an activation whose slope is continuous, such as tanh: each with steps of its own.

While the residuals go through a step of the flow, they act on the neurons with an impulse whose
density over the share t of the step is taken as linear, q(t) = total + 12 (t - 1/2) moment. Given
that, every neuron (a, w) follows equations of its own, of d + 1 variables,

    w' = -M_w a (s/n) sum_i q_i act'(w . x_i) x_i,    a' = -M_a (s/n) sum_i q_i act(w . x_i).

Some are stiff: neurons that condense sit where the pulls of the points balance, and are pulled back
to there by far more than a step of the flow would allow. Some are unstable: they leave a balance
from which they are pushed away, exponentially and to one side or the other, and what becomes of
them for good is decided there, in a time far shorter than that of the flow. Most are neither. So
each takes as many steps as it needs, by the second-order L-stable method of Rosenbrock type of
Shampine and Reichelt (SIAM J. Sci. Comput. 18, 1997; known as ode23s), which are accepted by its
third-order estimate of the error of w over how far the neuron is from its initial w. The method
keeps its order with an approximate Jacobian; here it is that of w' in w alone, so that the systems
of equations are symmetric, of d variables.

Shapes: E elements of a tile, n points, d features, m neurons. Those that go on by themselves are
columns of one element.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from types import ModuleType
from typing import Self

import torch
from torch import Tensor

from regimes.engines.gradient_flow.motion import (
    Batch,
    Sums,
    Tile,
    Weights,
    multiplied,
    neurons_at_once,
)

# The method's gamma in W = 1 - gamma h J, and a coefficient of its estimate.
GAMMA = 1 / (2 + 2**0.5)
E32 = 6 + 2**0.5
# The error of a neuron's own step may be this share of the tolerance.
SHARE_OF_TOLERANCE = 0.03
# Own steps for which a pivot of W is smaller (for unstable neurons, 1 - gamma times growth over the
# step) are tried again, half as long.
SMALLEST_PIVOT, TOO_LONG = 0.25, 4.0
# Ways shorter than so many roundings of the weights are noise.
ROUNDINGS = 256
SAFETY, SHRINK, GROW = 0.8, 0.1, 4.0
# A step of the flow for which a neuron tries more own steps than this is too long: it is given up.
MOST_TRIES = 1000
# A GPU makes so many, and then half as many as it has made, between two looks at who is through.
TRIES = 4


@dataclass
class Columns:
    """Base of records of arrays whose last dimension is that of the neurons."""

    def every(self) -> tuple[Tensor, ...]:
        """Return the arrays in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def columns(self, element: Tensor, neuron: Tensor) -> Self:
        """Select some of the neurons, as columns of one element."""
        return type(self)(*(_columns(values, element, neuron) for values in self.every()))

    def only(self, chosen: Tensor | slice) -> Self:
        """Select some of the columns."""
        return type(self)(*(values[..., chosen] for values in self.every()))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join the columns of all parts."""
        by_field = zip(*(part.every() for part in parts), strict=True)
        return cls(*(torch.cat(values, dim=-1) for values in by_field))


@dataclass
class Neurons(Columns):
    """State of neurons: a (E, m), w (E, d, m), values and slopes of the activation (E, n, m)."""

    a: Tensor
    w: Tensor
    values: Tensor
    slope: Tensor


@dataclass
class Pull(Columns):
    """The forces that act on each neuron over a step of the flow.

    total, moment: of the impulse (E, n, m). rate_a, rate_w, tolerance: (E, m). initial_a,
    initial_w: initial weights, (E, m) and (E, d, m). A last dimension of 1 in place of m stands for
    all neurons.
    """

    total: Tensor
    moment: Tensor
    rate_a: Tensor
    rate_w: Tensor
    tolerance: Tensor
    initial_a: Tensor
    initial_w: Tensor

    @classmethod
    def of(cls, tile: Tile) -> "Pull":
        """The pull on the neurons of a tile, equal for all neurons of an element."""
        return cls(
            tile.total[:, :, None],
            tile.moment[:, :, None],
            -tile.rate_a,
            -tile.rate_w,
            SHARE_OF_TOLERANCE * tile.tolerance,
            tile.initial_a,
            tile.initial_w,
        )

    def density(self, time: Tensor) -> Tensor:
        """The impulse's density q at a share `time` of the step, (E, m) or one for all."""
        return torch.addcmul(self.total, self.moment, (12 * time - 6)[:, None])


def _columns(values: Tensor, element: Tensor, neuron: Tensor) -> Tensor:
    """Select some neurons of values (E, ..., m) or (E, ..., 1), as columns (1, ..., C)."""
    chosen = neuron if values.shape[-1] > 1 else torch.zeros_like(neuron)
    return values[element, ..., chosen].movedim(0, -1)[None]


@dataclass
class Late:
    """The C neurons of a batch for which one own step through the step of the flow is not accurate.

    element, neuron: which ones, (C,); neurons: where they are; pull: what acts on them; error: of
    the own step that was tried, over what is allowed, (1, C).
    """

    element: Tensor
    neuron: Tensor
    neurons: Neurons
    pull: Pull
    error: Tensor

    @classmethod
    def joined(cls, parts: "list[Late]") -> "Late":
        """Join the late neurons of several tiles."""
        return cls(
            torch.cat([part.element for part in parts]),
            torch.cat([part.neuron for part in parts]),
            Neurons.joined([part.neurons for part in parts]),
            Pull.joined([part.pull for part in parts]),
            torch.cat([part.error for part in parts], dim=-1),
        )

    def part(self, chosen: slice) -> "Late":
        """Views of some of them."""
        return Late(
            self.element[chosen],
            self.neuron[chosen],
            self.neurons.only(chosen),
            self.pull.only(chosen),
            self.error[:, chosen],
        )

    def moved(self) -> tuple[Tensor, Tensor]:
        """Return how far a (C,) and w (d, C) are from their initial values."""
        return (self.neurons.a - self.pull.initial_a)[0], (self.neurons.w - self.pull.initial_w)[0]


class Smooth:
    """The `Motion` of neurons whose activation has a continuous slope.

    activation: a module with `value_and_slope_` and `curvature`. inputs: (n, d).
    """

    arrays = 0
    share_of_way = 0.0

    def __init__(self, activation: ModuleType, inputs: Tensor):
        self.activation = activation
        self.inputs = inputs
        n_points, n_features = inputs.shape
        # If all neurons are late; when those of the tiles are joined, they are there twice.
        self.kept = 8 * n_points + 4 * n_features + 10
        self.worked_on = 2 * n_features**2 + 14 * n_points + 10 * n_features + 10

    @cached_property
    def _squares(self) -> Tensor:
        """Products of all features of each point (d^2, n)."""
        squares = self.inputs[:, :, None] * self.inputs[:, None, :]
        return squares.flatten(1).T.contiguous()

    def forward(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """See `Motion`."""
        values = multiplied(self.inputs, w)
        slope = torch.empty_like(values)
        self.activation.value_and_slope_(values, slope)
        return values, slope

    def predict(self, batch: Batch) -> tuple[Sums, None]:
        """See `Motion`; `correct` needs nothing of it."""
        sums, parts = Sums(batch.weights.a, len(self.inputs)), []
        for tile in batch.tiles():
            end, rows, left = self._try(tile)
            sums.add_grams(tile.elements, *rows)
            sums.add_end(tile, end.a, end.w)
            parts.append(left)
        late = Late.joined(parts)
        self._travel(late, sums)
        sums.add_ends(late.element, *late.moved())
        return sums, None

    def correct(self, batch: Batch, ways: None) -> tuple[Weights, Sums]:
        """See `Motion`."""
        sums, weights, parts = Sums(batch.weights.a, len(self.inputs)), batch.weights.empty(), []
        for tile in batch.tiles():
            end, _, left = self._try(tile)
            end_a, end_w = weights.tile(tile.elements, tile.neurons)
            end_a.copy_(end.a)
            end_w.copy_(end.w)
            sums.add_tangent(tile.elements, end.a, end.values, end.slope)
            sums.add_end(tile, end.a, end.w)
            parts.append(left)
        late = Late.joined(parts)
        self._travel(late)
        end = late.neurons
        weights.a[late.element, late.neuron] = end.a[0]
        weights.w[late.element, :, late.neuron] = end.w[0].T
        sums.add_ends(late.element, *late.moved())
        sums.outputs.index_add_(0, late.element, (end.values * end.a)[0].T)
        whole = torch.ones_like(end.a[0])
        sums.add_columns(late.element, end.values[0], (end.slope * end.a)[0], whole)
        return weights, sums

    def _try(self, tile: Tile) -> tuple[Neurons, tuple[Tensor, Tensor], Late]:
        """Take all neurons of a tile through the whole step of the flow by one own step each.

        Returns the end, what the neurons add to the kernel of the way, and the neurons for which
        the own step is not accurate enough; the first two leave these out.
        """
        start, pull = Neurons(tile.a, tile.w, *self.forward(tile.w)), Pull.of(tile)
        whole = tile.a.new_ones(1, 1)
        end, error, slopes = self._step(start, pull, 0 * whole, whole)
        rows = _rows(start, end, slopes)
        element, neuron = (error > 1).nonzero(as_tuple=True)
        left = Late(
            element + (tile.elements.start or 0),
            neuron + (tile.neurons.start or 0),
            start.columns(element, neuron),
            pull.columns(element, neuron),
            _columns(error, element, neuron),
        )
        end.a[element, neuron] = tile.initial_a[element, neuron]
        end.w[element, :, neuron] = tile.initial_w[element, :, neuron]
        for values in (end.values, end.slope, *rows):
            values[element, :, neuron] = 0
        return end, rows, left

    def _travel(self, late: Late, sums: Sums | None = None) -> None:
        """Take late neurons through the step. sums: receives the kernel of their way, if given.

        Those with which it is given up get an output weight that is no number, as do those that
        overflow, so that the step is rejected.
        """
        if not len(late.element):
            return
        room = len(late.element)
        if late.element.is_cuda:
            room = neurons_at_once(self, late.error)
        for first in range(0, len(late.element), room):
            self._travel_together(late.part(slice(first, first + room)), sums)

    def _travel_together(self, late: Late, sums: Sums | None) -> None:
        """Take late neurons through the step by operations on the arrays of all of them."""
        now, pull, element = late.neurons, late.pull, late.element
        column = torch.arange(len(element), device=element.device)
        h = _next_size(torch.ones_like(late.error), late.error)
        time = torch.zeros_like(h)
        # Shorter steps do not help where a value is not finite.
        lost = ~torch.isfinite(now.a + now.w.sum(dim=1) + pull.total.sum(dim=1))[0]
        now.a.masked_fill_(lost, torch.nan)
        tries = 0
        while tries < MOST_TRIES:
            # A host waits for a GPU to say which are there.
            at_once = max(TRIES, tries // 2) if h.is_cuda else 1
            for _ in range(min(at_once, MOST_TRIES - tries)):
                now, time, h = self._try_own(now, pull, time, h, lost, element, sums)
                tries += 1
            under_way = ~_there(time, lost)[0]
            count = int(under_way.sum())
            if count < len(column):
                for target, source in zip(late.neurons.every(), now.every(), strict=True):
                    target[..., column] = source
                # In their order, without the host's waiting for it once more.
                left = torch.argsort(under_way, descending=True, stable=True)[:count]
                now, pull = now.only(left), pull.only(left)
                column, element = column[left], element[left]
                time, h, lost = time[:, left], h[:, left], lost[left]
            if not count:
                return
        late.neurons.a[:, column] = torch.nan

    def _try_own(
        self,
        now: Neurons,
        pull: Pull,
        time: Tensor,
        h: Tensor,
        lost: Tensor,
        element: Tensor,
        sums: Sums | None,
    ) -> tuple[Neurons, Tensor, Tensor]:
        """Try an own step of columns that are at `time` (1, C); those that are there stay there.

        Returns where they are then, at which time, and the size of the next own step.
        """
        h = torch.minimum(h, 1 - time)
        new, error, slopes = self._step(now, pull, time, h)
        accepted = (error <= 1) & ~_there(time, lost)
        if sums is not None:
            rows_a, rows_w = (rows[0] for rows in _rows(now, new, slopes))
            sums.add_columns(element, rows_a, rows_w, torch.where(accepted, h, 0.0)[0])
        kept = (
            torch.where(accepted if old.ndim == 2 else accepted[:, None], values, old)
            for old, values in zip(now.every(), new.every(), strict=True)
        )
        return Neurons(*kept), torch.where(accepted, time + h, time), _next_size(h, error)

    def _step(
        self, start: Neurons, pull: Pull, time: Tensor, h: Tensor
    ) -> tuple[Neurons, Tensor, Tensor]:
        """Take an own step from `time` on, of size h, both (E, m) or one for all.

        Returns where it ends, its error over what is allowed (E, m), and the mean slopes over it
        (E, n, m).
        """
        density = pull.density(time)
        z = multiplied(self.inputs, start.w)
        curvature = self.activation.curvature(z, start.values, start.slope).mul_(density)
        factors = self._factors(curvature, (GAMMA * h) * pull.rate_w * start.a)
        force_a, force_w = self._force(start, density, pull)
        k1 = _solve_(factors, force_w.clone())
        half = 0.5 * h
        middle_w = torch.addcmul(start.w, k1, half[:, None])
        middle = Neurons(start.a + half * force_a, middle_w, *self.forward(middle_w))
        middle_a, middle_force = self._force(middle, pull.density(time + half), pull)
        k2 = _solve_(factors, middle_force - k1).add_(k1)
        end_w = torch.addcmul(start.w, k2, h[:, None])
        end = Neurons(start.a + h * middle_a, end_w, *self.forward(end_w))
        _, end_force = self._force(end, pull.density(time + h), pull)
        rest = end_force - E32 * (k2 - middle_force) - 2 * (k1 - force_w)
        error = (_solve_(factors, rest) + k1).sub_(k2, alpha=2).mul_(h[:, None] / 6)
        # Where growth makes W nearly singular, or worse, the estimate says nothing.
        pivots = factors.diagonal(dim1=1, dim2=2).amin(dim=2)
        ratio = torch.where(pivots > SMALLEST_PIVOT, _relative(error, end.w, pull), TOO_LONG)
        # The mean slope by Simpson's rule: a quotient of differences would lose digits.
        slopes = torch.add(start.slope, middle.slope, alpha=4).add_(end.slope).div_(6)
        return end, ratio, slopes

    def _force(self, at: Neurons, density: Tensor, pull: Pull) -> tuple[Tensor, Tensor]:
        """Return a' (E, m) and w' (E, d, m)."""
        by_a = (density * at.values).sum(dim=1).mul_(pull.rate_a)
        by_w = multiplied(self.inputs.T, density * at.slope)
        return by_a, by_w.mul_((pull.rate_w * at.a)[:, None])

    def _factors(self, bend: Tensor, scale: Tensor) -> Tensor:
        """Triangular factors (E, d, d, m) of 1 - scale sum_i bend_i x_i x_i^T, for each neuron.

        By elimination, of all neurons at a time: a library takes small matrices one by one.
        """
        n_features = self.inputs.shape[1]
        matrix = multiplied(self._squares, bend.mul_(-scale[:, None]))
        matrix = matrix.view(len(bend), n_features, n_features, -1)
        matrix.diagonal(dim1=1, dim2=2).add_(1)
        for pivot in range(n_features - 1):
            below = slice(pivot + 1, n_features)
            factors = matrix[:, below, pivot] / matrix[:, pivot, None, pivot]
            matrix[:, below, below] -= factors[:, :, None] * matrix[:, pivot, None, below]
            matrix[:, below, pivot] = factors
        return matrix


def _solve_(factors: Tensor, values: Tensor) -> Tensor:
    """Solve the equations with these factors, overwriting the right-hand side (E, d, m)."""
    n_features = values.shape[1]
    for pivot in range(n_features - 1):
        below = slice(pivot + 1, n_features)
        values[:, below] -= factors[:, below, pivot] * values[:, pivot, None]
    for pivot in reversed(range(n_features)):
        values[:, pivot] /= factors[:, pivot, pivot]
        values[:, :pivot] -= factors[:, :pivot, pivot] * values[:, pivot, None]
    return values


def _rows(start: Neurons, end: Neurons, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the kernel's Gram matrices on the way; overwrites the slopes."""
    rows_a = (start.values + end.values).mul_(0.5)
    return rows_a, slopes.mul_((0.5 * (start.a + end.a))[:, None])


def _relative(error: Tensor, end_w: Tensor, pull: Pull) -> Tensor:
    """An error of w (E, d, m) over what is allowed, (E, m); infinite where it is no number."""
    way = torch.linalg.vector_norm(end_w - pull.initial_w, dim=1)
    noise = ROUNDINGS * torch.finfo(way.dtype).eps * torch.linalg.vector_norm(end_w, dim=1)
    size = torch.linalg.vector_norm(error, dim=1)
    # A neuron that does not move at all has an error of 0 over 0.
    allowed = (pull.tolerance * (way + noise)).clamp(min=torch.finfo(way.dtype).tiny)
    return (size / allowed).nan_to_num_(nan=torch.inf)


def _there(time: Tensor, lost: Tensor) -> Tensor:
    """Which columns (1, C) need no more own steps: sizes are cut to end at 1, but for rounding."""
    return (time >= 1 - 1e-6) | lost


def _next_size(h: Tensor, error: Tensor) -> Tensor:
    return h * (SAFETY * error.clamp(1e-9, 1e9).pow(-1 / 3)).clamp(SHRINK, GROW)
