"""Functions compiled by Numba, of which jobs that start at once compile each only once.

Numba keeps what it has compiled in a folder, beside the source where that can be written to. It
takes seconds, and a checkout's first jobs all start together: one of them compiles a function, and
the others wait, and load it.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

# After this long, several times what a function takes, a process compiles one that another holds:
# that one may be suspended.
MOST_SECONDS = 60.0
SECONDS_BETWEEN_TRIES = 0.02


@cache
def compiled(
    function: Callable[..., Any],
    signature: Any = None,
    fastmath: frozenset[str] = frozenset({"contract"}),
) -> Any:
    """A function of numbers and NumPy arrays, compiled and kept for other processes.

    It is compiled, or loaded, when it is first called, for the types of its arguments; or here, for
    those of a Numba `signature` alone. fastmath: what LLVM may do to floating-point operations, as
    of `numba.njit`; contracting them to fused ones by default. Functions that it calls need `njit`
    alone, and have to be in the same file: Numba does not notice when another one is edited. Where
    nothing can be kept, each process compiles its own.
    """
    # Numba does not notice a change of these either: delete what it has kept.
    options: Any = {"error_model": "numpy", "fastmath": set(fastmath)}
    try:
        made = njit(cache=True, **options)(function)
    except RuntimeError:  # Numba finds no folder that it can write to
        made = njit(**options)(function)
    else:
        _in_turn(made, function)
    if signature is not None:
        made.compile(signature)
        made.disable_compile()
    return made


def _in_turn(made: Any, function: Callable[..., Any]) -> None:
    """Let processes compile a function one after the other, so that the first does it for all."""
    path = Path(made.stats.cache_path) / f"{function.__module__}.{function.__qualname__}.lock"
    compile_or_load = made.compile

    def compile_alone(signature: Any) -> Any:
        # Numba's own functions take most of the time to load one: it need not be waited for.
        made.targetctx.refresh()
        with ExitStack() as stack:
            _lock(path, stack)
            return compile_or_load(signature)

    made.compile = compile_alone


def _lock(path: Path, stack: ExitStack) -> None:
    """Hold the lock of a file until the stack ends, or the process, however that ends.

    Without effect where there are no locks, as on some network file systems, where the file cannot
    be made, and when another process holds it for too long.
    """
    try:
        import fcntl  # which Windows lacks

        file = stack.enter_context(path.open("ab"))
        until = time.monotonic() + MOST_SECONDS
        while time.monotonic() < until:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(SECONDS_BETWEEN_TRIES)
    except (ImportError, OSError):
        pass
