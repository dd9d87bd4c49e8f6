"""The least time that a piece of work can take on one core: its roofline.

A core multiplies and adds at some rate at most, and moves data to and from memory at another; what
takes longer of the two is the limit (Williams, Waterman and Patterson, Communications of the ACM
52(4), 2009). Both rates are measured here, as those of a large matrix product and of a large copy.

Operations are counted by the formulas below, two for each multiplication with addition in products
and sums of products. What comes on top (activations, kinks, combinations of stages) is not counted,
nor are bytes but of what a method has to read and write once in every pass: weights or coefficients
and inputs, and these only where together they do not fit the last cache. So the time is a lower
bound for the method, and the share of it in what was measured says what is left to gain at most.

Shapes: m neurons, n points, d features, k outputs.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

# Rows of square matrices that are multiplied, and bytes of an array that is copied: more than any
# cache has.
ROWS, COPIED = (1024, 2048), 256 * 1024**2
# The fastest counts.
TURNS = 8


@dataclass(frozen=True)
class Work:
    """Operations, bytes that are moved unless they stay in the cache, and bytes of all arrays."""

    operations: float
    moved: float
    kept: float
    dtype: torch.dtype = torch.float64

    def __mul__(self, times: float) -> "Work":
        """The work done so many times over."""
        return Work(times * self.operations, times * self.moved, self.kept, self.dtype)

    def __add__(self, other: "Work") -> "Work":
        """One after the other, on the same arrays."""
        return Work(
            self.operations + other.operations,
            self.moved + other.moved,
            max(self.kept, other.kept),
            self.dtype,
        )


@dataclass(frozen=True)
class Machine:
    """Rates of one core.

    operations: a second, by number format. bandwidth: bytes read and written a second. cache: bytes
    of the last cache.
    """

    operations: Mapping[torch.dtype, float]
    bandwidth: float
    cache: float

    def least_seconds(self, work: Work) -> float:
        """The time that the work takes at least."""
        moved = work.moved if work.kept > self.cache else 0.0
        return max(work.operations / self.operations[work.dtype], moved / self.bandwidth)

    def record(self) -> dict[str, float]:
        """The rates in Gflop/s and GB/s, for files."""
        rates = {str(dtype).rpartition(".")[2]: rate for dtype, rate in self.operations.items()}
        named = {f"gflops_{name}": rate for name, rate in rates.items()}
        return {
            name: round(rate / 1e9, 1)
            for name, rate in {**named, "gigabytes_per_second": self.bandwidth}.items()
        }


@cache
def machine() -> Machine:
    """The rates of this machine, measured once, in about five seconds of the processor."""
    operations = {
        dtype: max(_product_rate(rows, dtype) for rows in ROWS)
        for dtype in (torch.float64, torch.float32)
    }
    source, target = (torch.ones(COPIED, dtype=torch.uint8) for _ in range(2))
    bandwidth = 2 * COPIED / _fastest(lambda: target.copy_(source))
    return Machine(operations, bandwidth, _last_cache())


def _product_rate(rows: int, dtype: torch.dtype) -> float:
    """Operations a second of a product of square matrices."""
    one, other, result = (torch.ones(rows, rows, dtype=dtype) for _ in range(3))
    seconds = _fastest(lambda: torch.mm(one, other, out=result))
    return product(rows, rows, rows).operations / seconds


def _fastest(work: Callable[[], Any]) -> float:
    """Processor seconds of the fastest turn."""
    turns = []
    for _ in range(TURNS):
        start = time.process_time()
        work()
        turns.append(time.process_time() - start)
    return min(turns)


def _last_cache() -> float:
    """Bytes of the last cache, inf where the system does not say: then no bytes count."""
    sizes = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    return max((1024.0 * int(path.read_text().strip("K\n")) for path in sizes), default=torch.inf)


def _work(
    multiply_adds: float, changed: int, read: int, dtype: torch.dtype = torch.float64
) -> Work:
    """Work on numbers that are read and written, and on others that are only read or written."""
    size = dtype.itemsize
    return Work(2 * multiply_adds, size * (2 * changed + read), size * (changed + read), dtype)


def product(rows: int, inner: int, columns: int, dtype: torch.dtype = torch.float64) -> Work:
    """A product of matrices (rows, inner) and (inner, columns)."""
    numbers = rows * inner + inner * columns + rows * columns
    return _work(rows * inner * columns, 0, numbers, dtype)


def flow_evaluation(width: int, n_points: int, n_features: int) -> Work:
    """An evaluation of the gradient of both layers of a network with one output.

    Pre-activations and pulls take m n d multiplications each, outputs and the second layer's
    gradient m n.
    """
    weights = width * (n_features + 1)
    return _work(2 * width * n_points * (n_features + 1), weights, n_points * n_features)


def flow_pass(width: int, n_points: int, n_features: int) -> Work:
    """A pass of the solver of gradient flow.

    Pre-activations and pulls take m n d multiplications each, outputs m n, and the two Gram
    matrices, which are symmetric, m n (n + 1) / 2 each. The initial weights are read, too.
    """
    products = n_points * (2 * n_features + 1 + n_points + 1)
    weights = width * (n_features + 1)
    return _work(width * products, weights, weights + n_points * n_features)


def weights_step(
    width: int,
    n_points: int,
    n_features: int,
    n_outputs: int = 1,
    *,
    both_layers: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Work:
    """A step of gradient descent of a network on n points, all of them or a minibatch.

    Two products for each layer, forward and back: m n d multiplications in the first, k m n in the
    second, and as many for the second's gradient, where it is trained.
    """
    second = (3 if both_layers else 2) * n_outputs * width * n_points
    hidden, output = width * n_features, n_outputs * width
    changed = hidden + (output if both_layers else 0)
    read = n_points * n_features + (0 if both_layers else output)
    return _work(2 * width * n_points * n_features + second, changed, read, dtype)


def function_space_step(width: int, n_points: int, n_rows: int, in_weights: bool) -> Work:
    """A step of descent in function space, of coefficients (m, r).

    Where these are weights it is a step on them. Otherwise the gradient is not multiplied with the
    inputs: the Gram matrix is, with the coefficients, r = n.
    """
    products = (2 if in_weights else 1) * n_rows + 2
    return _work(width * n_points * products, width * n_rows, n_rows * n_points)


def multistep(width: int, n_points: int, n_rows: int, in_weights: bool) -> Work:
    """Many steps of descent in function space at once, of coefficients (m, r).

    Two looks at other coefficients and one change of the outputs take m r n multiplications
    each, and as many the three ways, where the coefficients are weights. What the kernel takes is
    not counted: it depends on how many slopes have changed.
    """
    products = (6 if in_weights else 3) * n_rows
    return _work(width * n_points * products, width * n_rows, n_rows * n_points)


def descent(network: Any, result: Any) -> Work:
    """What a `FunctionSpaceNetwork` took for a `Descent`, tried multisteps included."""
    sizes = network.width, network.n_points, len(network.basis), network.in_weights
    tried = result.multisteps + result.failed_multisteps
    return function_space_step(*sizes) * result.plain_steps + multistep(*sizes) * tried
