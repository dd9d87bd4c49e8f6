"""Code that makes every Python process below write down what it spent, and how to read it.

As `sitecustomize.py` in a folder of PYTHONPATH it is run by each interpreter that starts. Imports
are timed from outside the outermost one: processor time of the importing thread, and wall time.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

SITECUSTOMIZE = """
import atexit, importlib._bootstrap as bootstrap, json, os, sys, threading, time

began, spent, local = time.time(), [], threading.local()
load = bootstrap._find_and_load

def timed(*arguments):
    if getattr(local, "inside", False):
        return load(*arguments)
    local.inside, at = True, time.time()
    start, wall = time.thread_time(), time.perf_counter()
    try:
        return load(*arguments)
    finally:
        local.inside = False
        spent.append((at, time.thread_time() - start, time.perf_counter() - wall))

bootstrap._find_and_load = timed

@atexit.register
def write():
    record = {
        "arguments": sys.argv,
        "began": began,
        "ended": time.time(),
        "cpu": time.process_time(),
        "imported": spent,
    }
    with open(os.path.join(%(folder)r, f"{os.getpid()}.json"), "w") as stream:
        json.dump(record, stream)
"""


@dataclass(frozen=True)
class Process:
    """When a process began and ended (since the epoch), and its seconds of the processor.

    imported: when each outermost import began, and its seconds by both clocks.
    """

    arguments: list[str]
    began: float
    ended: float
    cpu: float
    imported: list[tuple[float, float, float]]

    @property
    def imports(self) -> float:
        """Seconds of the processor that all imports took."""
        return sum(cpu for _, cpu, _ in self.imported)

    def wall_of_imports(self, since: float = 0.0, until: float = math.inf) -> float:
        """Wall time of the imports that began in an interval."""
        return sum(wall for began, _, wall in self.imported if since <= began <= until)

    @property
    def script(self) -> str:
        """Name of the workflow's script that it ran: Snakemake runs copies with other names."""
        return Path(self.arguments[0]).name.rpartition(".")[0].rpartition(".")[2]


def install(folder: Path) -> None:
    """Write sitecustomize.py into the folder, where the records go, too."""
    folder.mkdir()
    text = SITECUSTOMIZE % {"folder": str(folder)}
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")


def read(folder: Path) -> list[Process]:
    """All processes that ended."""
    return [Process(**json.loads(path.read_text("utf-8"))) for path in folder.glob("*.json")]
