"""The common parts of the motions of neurons: what drives them, and the sums over them.

Shapes: E elements of a tile, n points, d features, m neurons.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

# Numbers of outer products that are held at a time.
COLUMN_NUMBERS = 1 << 20
# Bytes that the arrays of neurons may take that are worked on at a time on a GPU: so many that to
# launch a kernel costs little beside what it does.
GPU_TILE_BYTES = 1024**3


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

    def empty(self) -> "Weights":
        """Return uninitialised weights of the same shapes."""
        return Weights(torch.empty_like(self.a), torch.empty_like(self.w))

    def clone(self) -> "Weights":
        """Return a copy."""
        return Weights(self.a.clone(), self.w.clone())

    def norms(self) -> tuple[Tensor, Tensor]:
        """Return |a| and |w|, each (E,)."""
        return (
            torch.linalg.vector_norm(self.a, dim=1),
            torch.linalg.vector_norm(self.w, dim=(1, 2)),
        )

    def distance(self, other: "Weights") -> tuple[Tensor, Tensor]:
        """Return |a - a'| and |w - w'|, each (E,)."""
        return Weights(self.a - other.a, self.w - other.w).norms()


@dataclass
class Tile:
    """Some neurons of some elements of a batch, and what drives them; see `Batch`.

    elements, neurons: which ones; a, initial_a: (E, m); w, initial_w: (E, d, m).
    """

    elements: slice
    neurons: slice
    a: Tensor
    w: Tensor
    initial_a: Tensor
    initial_w: Tensor
    total: Tensor
    moment: Tensor
    rate_a: Tensor
    rate_w: Tensor
    tolerance: Tensor


@dataclass
class Batch:
    """The neurons that are to move, and what drives them.

    weights: where they are; initial: the weights that training started from; total, moment: the
    residuals' impulse over points, times s/n, (E, n); rate_a, rate_w, tolerance: (E, 1);
    slices: the elements and the neurons of each tile.
    """

    weights: Weights
    initial: Weights
    total: Tensor
    moment: Tensor
    rate_a: Tensor
    rate_w: Tensor
    tolerance: Tensor
    slices: list[tuple[slice, slice]]

    def tiles(self) -> Iterator[Tile]:
        """Yield the batch, tile by tile."""
        for elements, neurons in self.slices:
            by_element = (self.total, self.moment, self.rate_a, self.rate_w, self.tolerance)
            yield Tile(
                elements,
                neurons,
                *self.weights.tile(elements, neurons),
                *self.initial.tile(elements, neurons),
                *(values[elements] for values in by_element),
            )


@dataclass
class Rows:
    """What the neurons of a tile add to the sums over them.

    a, w: rows (E, n, m) of both Gram matrices. moved_a, moved_w: how far the weights are from the
    initial ones at the end of the move, (E, m) and (E, d, m).
    """

    a: Tensor
    w: Tensor
    moved_a: Tensor
    moved_w: Tensor


class Motion(Protocol):
    """How the neurons of a batch move with one kind of activations.

    arrays: how many numbers it keeps for each point and neuron between its two methods.
    kept, worked_on: how many numbers it has on a GPU for a neuron at most, beside the weights: of
    all neurons through a step, and of those of a tile.
    share_of_way: of the kernel of the way there in that with which a flow goes on from a point.
    """

    arrays: int
    kept: int
    worked_on: int
    share_of_way: float

    def forward(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Values and slopes of the activation (E, n, m) at weights (E, d, m)."""

    def predict(self, batch: Batch) -> tuple["Sums", Any]:
        """Try the move for the first time.

        Returns sums of the kernel of its way and of the distances at its end, and what `correct`
        needs.
        """

    def correct(self, batch: Batch, ways: Any) -> tuple[Weights, "Sums"]:
        """Complete the move.

        Returns the weights at its end, and sums of the outputs, the tangent and the distances
        there.
        """


def multiplied(matrix: Tensor, values: Tensor) -> Tensor:
    """The products of a matrix (p, q) with each of values (E, q, m), which `matmul` would copy."""
    return torch.bmm(matrix.expand(len(values), *matrix.shape), values)


def neurons_at_once(motion: Motion, like: Tensor) -> int:
    """How many neurons a motion may work on at a time on a GPU; like: of their number format."""
    return max(1, GPU_TILE_BYTES // (like.element_size() * motion.worked_on))


def bytes_at_once(motion: Motion, like: Tensor, n_neurons: int) -> int:
    """What it then takes at most, of so many neurons in all."""
    return min(n_neurons, neurons_at_once(motion, like)) * like.element_size() * motion.worked_on


class Sums:
    """Sums over the neurons of each element of a batch.

    They are outputs (E, n), two Gram matrices (E, n, n), both without scales, and the squared
    distances of a and of w from the initial weights (2, E).
    """

    def __init__(self, a: Tensor, n_points: int):
        """a: output weights (E, m), which tell the batch and the number format."""
        self.outputs = a.new_zeros(len(a), n_points)
        self.gram_a = a.new_zeros(len(a), n_points, n_points)
        self.gram_w = a.new_zeros(len(a), n_points, n_points)
        self.squares = a.new_zeros(2, len(a))

    def distances(self) -> Tensor:
        """Return |a - a(0)| and |w - w(0)| (2, E)."""
        return self.squares.sqrt()

    def add_end(self, tile: Tile, a: Tensor, w: Tensor) -> None:
        """Add the distances of a tile's weights at the end of its move."""
        self.squares[0, tile.elements] += (a - tile.initial_a).square_().sum(1)
        self.squares[1, tile.elements] += (w - tile.initial_w).square_().sum((1, 2))

    def add_ends(self, element: Tensor, a: Tensor, w: Tensor) -> None:
        """Add the distances a (C,) and w (d, C) of columns to their elements (C,)."""
        self.squares[0].index_add_(0, element, a.square())
        self.squares[1].index_add_(0, element, w.square().sum(0))

    def add_grams(
        self, elements: slice, rows_a: Tensor, rows_w: Tensor, share: float = 1.0
    ) -> None:
        """Add `share` of the Gram matrices of rows (E, n, m) of a tile."""
        self.gram_a[elements].add_(torch.bmm(rows_a, rows_a.mT), alpha=share)
        self.gram_w[elements].add_(torch.bmm(rows_w, rows_w.mT), alpha=share)

    def add_rows(
        self, elements: slice, rows: Rows, a: Tensor | None = None, share: float = 1.0
    ) -> None:
        """Add `share` of the Gram matrices of a tile's rows, and its distances, on a GPU.

        a: output weights (E, m) with which rows of values give outputs, to be added too.
        """
        if a is not None:
            self.outputs[elements, :, None].baddbmm_(rows.a, a[:, :, None])
        self.gram_a[elements].baddbmm_(rows.a, rows.a.mT, alpha=share)
        self.gram_w[elements].baddbmm_(rows.w, rows.w.mT, alpha=share)
        for squares, moved in zip(self.squares, (rows.moved_a, rows.moved_w), strict=True):
            flat = moved.flatten(1)
            squares[elements, None, None].baddbmm_(flat[:, None], flat[:, :, None])

    def add_tangent(self, elements: slice, a: Tensor, values: Tensor, slope: Tensor) -> None:
        """Add the outputs and the tangent's Gram matrices; overwrites the slope."""
        self.outputs[elements] += torch.bmm(values, a[:, :, None]).squeeze(2)
        self.add_grams(elements, values, slope.mul_(a[:, None]))

    def add_columns(self, element: Tensor, rows_a: Tensor, rows_w: Tensor, share: Tensor) -> None:
        """Add to the Gram matrices of elements (C,) shares (C,) of those of columns (n, C)."""
        # On a GPU in a few pieces, each no more than a few times the columns themselves.
        numbers = max(COLUMN_NUMBERS, 4 * rows_a.numel()) if rows_a.is_cuda else COLUMN_NUMBERS
        step = max(1, numbers // len(rows_a) ** 2)
        for first in range(0, len(element), step):
            part = slice(first, first + step)
            for gram, rows in ((self.gram_a, rows_a), (self.gram_w, rows_w)):
                columns = rows[:, part].T
                outer = (columns * share[part, None])[:, :, None] * columns[:, None, :]
                gram.index_add_(0, element[part], outer)
