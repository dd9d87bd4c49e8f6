"""What a job does first: it says how many threads there are, and imports without delay.

Imports make some hundred thousand objects, which stay. Python's garbage collector looks through
them again and again, and once more when the process ends: a third of what an import of torch or of
matplotlib costs. Nothing is garbage there, so that it may wait.
"""

import gc
import os


def start(threads: int | None = None) -> None:
    """Make imports quick, and let the linear algebra of NumPy and torch use so many threads.

    To be called before anything imports them, since they read these variables once; None: as many
    as they like. Garbage is collected again after `imported`.
    """
    gc.disable()
    if threads is not None:
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[variable] = str(threads)


def imported() -> None:
    """Collect garbage from now on, but never among what has been imported since `start`."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
