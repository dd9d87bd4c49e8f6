"""How many threads the numerical libraries use."""

import os


def limit_threads(count: int) -> None:
    """Let the linear algebra of NumPy and torch use so many threads.

    To be called before anything imports them, since they read these variables once.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(count)
