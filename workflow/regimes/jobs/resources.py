"""Record the time and memory that the present job has used, from which costs are estimated."""

import sys
import time

# A job loads this module among its first.
_START = {"cpu_seconds": 0.0, "wall_seconds": time.monotonic()}
_EARLIER = {"cpu_seconds": 0.0, "wall_seconds": 0.0}


def used() -> dict[str, float | int]:
    """Return what the job has used, by the name of a file's global attribute.

    cpu_seconds: of all threads. wall_seconds: since this module was loaded, or since `restart`.
    peak_memory: largest resident memory of the process in bytes; only where the system says it.
    """
    numbers: dict[str, float | int] = {
        name: round(_EARLIER[name] + now - _START[name], 2) for name, now in _clocks().items()
    }
    if memory := _peak_memory():
        numbers["peak_memory"] = memory
    return numbers


def restart() -> None:
    """Begin with the next job of the process."""
    _START.update(_clocks())
    _EARLIER.update(dict.fromkeys(_EARLIER, 0.0))


def add_earlier(numbers: dict[str, float]) -> None:
    """Add what the processes used that did the earlier parts of this job, as `used` gave it.

    The largest values count, since those of a later part include the earlier parts.
    """
    for name in _EARLIER:
        _EARLIER[name] = max(_EARLIER[name], float(numbers.get(name, 0.0)))


def _clocks() -> dict[str, float]:
    return {"cpu_seconds": time.process_time(), "wall_seconds": time.monotonic()}


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
