"""What the main job spends on training, and what on Snakemake and on imports.

Run with `pytest tests/benchmarks/test_overhead.py --benchmark-enable`. The phase diagram is drawn
at its default widths, with fewer settings, by `snakemake --cores 2` in an empty folder; every
process writes down the seconds of the processor that it took, and how many of them to import. What
is left to a training job is split by wall time: integration lies between the first start and the
last end of a batch in its log, imports aside. The full main job has more blocks of the same kind:
its training jobs are the measured ones times their number, while all else is taken to stay as it
is.
"""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import recorder
from gathered import Gathered, significant
from recorder import Process

CHECKOUT = Path(__file__).parents[2]
AXES = "gamma_prime: [-1.0, 0.0, 1.0], seed: [0]"
BLOCKS, FULL_BLOCKS = 3, 27
COMMAND = [
    *(sys.executable, "-m", "snakemake", "--snakefile", str(CHECKOUT / "Snakefile")),
    *("--workflow-profile", str(CHECKOUT / "profiles" / "default"), "--cores", "2"),
    *("--config", f"experiments={{phase_diagram: {{axes: {{{AXES}}}}}}}"),
]
FIGURE = "figures/phase_diagram.pdf"
# Of seconds in logs
ROUNDING = 0.1


def integration(log: Path, process: Process) -> float:
    """Processor seconds of a training job between the first start and the last end of a batch.

    Without the imports that the first batch asks for.
    """
    lines = log.read_text("utf-8").splitlines()
    at = {line.partition(" s ")[2]: float(line.partition(" s ")[0]) for line in lines}
    start = min(seconds for text, seconds in at.items() if text.endswith(": start"))
    end = max(seconds for text, seconds in at.items() if re.search(r": done in [\d.]+ s$", text))
    # The last line was written when the file was; times in it are rounded.
    began = log.stat().st_mtime - max(at.values())
    imports = process.wall_of_imports(began + start - ROUNDING, began + end)
    own = process.ended - process.began - process.wall_of_imports()
    return (process.cpu - process.imports) * (end - start - imports) / own


def in_order(logs: Path, processes: list[Process]) -> list[tuple[Path, Process]]:
    """Logs of the training jobs with their processes, in the order in which they ended."""
    by_end = sorted(logs.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    return list(zip(by_end, sorted(processes, key=lambda one: one.ended), strict=True))


def test_main_job(benchmark, gathered: Gathered, tmp_path: Path) -> None:
    recorder.install(tmp_path / "records")
    paths = [str(tmp_path / "records"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [*COMMAND, "--directory", str(tmp_path / "out"), "--", FIGURE]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.time()

    def run() -> subprocess.CompletedProcess:
        return subprocess.run(command, env=environment, text=True, capture_output=True)

    done = benchmark.pedantic(run, rounds=1)
    ended = time.time()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / FIGURE).exists()

    processes = recorder.read(tmp_path / "records")
    snakemake = [one for one in processes if "snakemake" in Path(one.arguments[0]).parts]
    scripts = [one for one in processes if one.script and one not in snakemake]
    training = [one for one in scripts if one.script == "train"]
    assert len(training) == BLOCKS
    logs = in_order(tmp_path / "out" / "results" / "logs" / "runs" / "phase_diagram", training)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    integrated = sum(integration(log, one) for log, one in logs)
    imports = sum(one.imports for one in training)
    other_imports = sum(one.imports for one in scripts) - imports
    parts = {
        "integration": integrated,
        "imports of the training jobs": imports,
        "files and hashes of the training jobs": sum(one.cpu for one in training)
        - integrated
        - imports,
        "imports of data, measures, figure": other_imports,
        "work of data, measures, figure": sum(one.cpu for one in scripts if one not in training)
        - other_imports,
        "Snakemake: imports": sum(one.imports for one in snakemake),
        "Snakemake: planning, scheduling": sum(one.cpu - one.imports for one in snakemake),
    }
    parts["starts of interpreters, other programs"] = cpu - sum(parts.values())
    assert min(parts.values()) >= 0
    first, last = min(one.began for one in training), max(one.ended for one in training)
    name = f"main job with {BLOCKS} of its {FULL_BLOCKS} blocks ({AXES})"
    wall = {
        "wall_seconds": significant(ended - began),
        "wall_before_training": significant(first - began),
        "wall_after_training": significant(ended - last),
    }
    gathered.overhead(name, shares(parts) | wall)
    more = FULL_BLOCKS / BLOCKS
    full = {part: value * (more if "train" in part else 1) for part, value in parts.items()}
    full["integration"] = integrated * more
    gathered.overhead(f"main job with its {FULL_BLOCKS} blocks, extrapolated", shares(full))


def shares(parts: dict[str, float]) -> dict:
    """Processor seconds of all and of the parts."""
    return {
        "cpu_seconds": significant(sum(parts.values())),
        "parts": {part: significant(value) for part, value in parts.items()},
    }
