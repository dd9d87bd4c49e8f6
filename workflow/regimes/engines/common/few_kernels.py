"""Functions of arrays that GPUs do in few kernels, compiled by torch where it can.

Run as it stands, each operation of a function is a kernel of its own, which brings its arrays from
the GPU's memory and back. `torch.compile` makes one kernel of operations on arrays of one shape.
"""

import functools
import importlib.util
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")
# Sums of so few terms are written out, within the kernel that uses them.
FEW = 8
# Versions of a function: of other numbers of points and features, number formats, activations.
MOST_VERSIONS = 64


def in_few_kernels(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function be compiled where its first argument is on a GPU for which torch can compile.

    The sizes of that one but the first, those of `fixed` arrays, and all that have to agree with
    them are compiled in. What is done must not depend on values, and sums over long dimensions
    belong to libraries. It is the same function otherwise, and to rounding there too.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        first = args[0]
        if not isinstance(first, Tensor) or not _compiles(first):
            return function(*args, **kwargs)
        torch._dynamo.mark_static(first, list(range(1, first.ndim)))
        try:
            return compiled(function)(*args, **kwargs)
        except torch._dynamo.exc.TorchDynamoException as error:
            # Nothing has run then.
            reason = str(error).partition("\n")[0]
            warnings.warn(
                f"{function.__name__} is not compiled for the GPU: {reason}", stacklevel=2
            )
            return function(*args, **kwargs)

    return call


@functools.cache
def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """A function compiled by torch, for arrays of any sizes."""
    # Sizes that are equal by chance need not be so the next time.
    torch.fx.experimental._config.use_duck_shape = False  # type: ignore[attr-defined]
    torch._dynamo.config.recompile_limit = MOST_VERSIONS
    return torch.compile(function, fullgraph=True, dynamic=True)


def fixed(values: Tensor) -> Tensor:
    """The same array, whose sizes, and others that have to agree with them, are compiled in."""
    if _compiles(values):
        torch._dynamo.mark_static(values)
    return values


def _compiles(one: Tensor) -> bool:
    return one.is_cuda and can_compile()


@functools.cache
def can_compile() -> bool:
    """Whether torch compiles for the GPU that is there: it takes Triton and a compiler for C."""
    if importlib.util.find_spec("triton") is None:
        return False
    try:
        torch.compile(torch.neg)(torch.zeros(2, device="cuda"))
    except Exception:  # whatever it is that is missing
        return False
    return True
