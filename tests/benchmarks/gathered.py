"""What the benchmarks measured, gathered: rows of all modules, as one table and as one file.

Seconds are those of the processor (`time.process_time`, one thread), which other work on the
machine lengthens far less than it does wall time; wall time is kept beside them.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from roofline import Machine, Work, machine

RESULTS = Path(__file__).with_name("results.json")
Result = TypeVar("Result")
PACKAGES = ("diffrax", "jax", "numpy", "scipy", "snakemake", "torch", "torchode")
KINDS = ("comparisons", "growth", "overhead")
# What a method is to the summary; "" for others.
PACKAGE, PYTORCH, SCIPY, TORCHODE, DIFFRAX = "package", "pytorch", "scipy", "torchode", "diffrax"


@dataclass(frozen=True)
class Seconds:
    """Time of a piece of work, in seconds of the processor and on the wall."""

    cpu: float
    wall: float

    def __mul__(self, factor: float) -> "Seconds":
        return Seconds(factor * self.cpu, factor * self.wall)

    @classmethod
    def least(cls, turns: Sequence["Seconds"]) -> "Seconds":
        """The fastest of several turns, by each clock."""
        return cls(min(turn.cpu for turn in turns), min(turn.wall for turn in turns))


def timed(work: Callable[[], Result]) -> tuple[Result, Seconds]:
    """The work's result and its time in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, Seconds(time.process_time() - cpu, time.perf_counter() - wall)


@dataclass(frozen=True)
class Measured:
    """One method on one problem.

    error: how far it is from the others, where it is. work: what it took, where a formula says so.
    """

    method: str
    seconds: Seconds
    role: str = ""
    error: str = ""
    work: Work | None = None


def power(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """p of seconds = c size^p, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def circumstances() -> dict[str, Any]:
    """Date, machine, load and versions."""
    return {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


class Gathered:
    """Results by kind and name; what was not measured anew keeps its earlier values and date.

    machine: the rates that the limits of work come from; it is asked for where there are limits.
    """

    def __init__(self, path: Path = RESULTS, machine: Callable[[], Machine] = machine) -> None:
        self.path = path
        self.machine = machine
        self.new: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}

    def compare(self, paper: str, problem: str, rows: Sequence[Measured]) -> None:
        """Add methods on a core problem; one of them, of role PACKAGE, is what ratios are over."""
        (package,) = [row for row in rows if row.role == PACKAGE]
        self._add(
            "comparisons",
            f"{paper}: {problem}",
            {
                "paper": paper,
                "problem": problem,
                "methods": [
                    {
                        "method": row.method,
                        "role": row.role,
                        "seconds": significant(row.seconds.cpu),
                        "wall_seconds": significant(row.seconds.wall),
                        "ratio": significant(row.seconds.cpu / package.seconds.cpu),
                        "share_of_limit": self._share(row.work, row.seconds),
                        "error": row.error,
                    }
                    for row in rows
                ],
            },
        )

    def grow(
        self,
        work: str,
        over: str,
        sizes: Sequence[int],
        turns: Mapping[int, Seconds],
        largest: Work,
    ) -> None:
        """Add the time of a piece of work over one of its sizes; what it took at the largest."""
        seconds = [significant(turns[size].cpu) for size in sizes]
        half = len(sizes) // 2
        self._add(
            "growth",
            f"{work} over {over}",
            {
                "work": work,
                "over": over,
                "sizes": list(sizes),
                "seconds": seconds,
                "power": round(power(sizes, seconds), 2),
                "power_of_upper_half": round(power(sizes[half:], seconds[half:]), 2),
                "share_of_limit": self._share(largest, turns[sizes[-1]]),
            },
        )

    def overhead(self, job: str, values: Mapping[str, Any]) -> None:
        """Add what a run of the workflow spent where."""
        self._add("overhead", job, dict(values))

    def _share(self, work: Work | None, seconds: Seconds) -> float | None:
        """Share of the limit in the processor time, where the work is known."""
        return work and significant(self.machine().least_seconds(work) / seconds.cpu)

    def _add(self, kind: str, name: str, values: dict[str, Any]) -> None:
        rates = {} if kind == "overhead" else self.machine().record()
        self.new[kind][name] = {**values, "measured": circumstances() | rates}
        # At once: an interrupted run keeps what it measured.
        self.write()

    def all(self) -> dict[str, dict[str, Any]]:
        """Earlier results with the new ones in their place."""
        earlier = json.loads(self.path.read_text("utf-8")) if self.path.exists() else {}
        return {kind: {**earlier.get(kind, {}), **self.new[kind]} for kind in KINDS}

    def write(self) -> None:
        """Write the file."""
        text = json.dumps(self.all(), indent=1, ensure_ascii=False) + "\n"
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path)

    def table(self) -> str:
        """The new results."""
        return tables(self.new)


def significant(value: float) -> float:
    """Three digits."""
    return float(f"{value:.3g}")


def duration(seconds: float) -> str:
    """Seconds; milliseconds below a tenth, nanoseconds below a tenth of a millisecond."""
    if seconds < 1e-4:
        return f"{1e9 * seconds:.0f} ns"
    return f"{1000 * seconds:.3g} ms" if seconds < 0.1 else f"{seconds:.3g} s"


def percent(share: float | None) -> str:
    """A share in percent, two digits; nothing where it is not known."""
    if share is None:
        return ""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def tables(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Everything, as Markdown."""
    lines = []
    if results["comparisons"]:
        lines += [
            "",
            "| paper | core problem | method | CPU | wall | over this package | of the limit "
            "| error |",
            "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |",
        ]
    for group in results["comparisons"].values():
        lines += [
            f"| {group['paper']} | {group['problem']} | {row['method']} "
            f"| {duration(row['seconds'])} | {duration(row['wall_seconds'])} "
            f"| {row['ratio']:.3g} | {percent(row.get('share_of_limit'))} | {row['error']} |"
            for row in group["methods"]
        ]
    if results["growth"]:
        lines += [
            "",
            "| work | over | CPU seconds at size | power | of the upper half "
            "| of the limit, at the largest |",
            "| --- | --- | --- | ---: | ---: | ---: |",
        ]
    for curve in results["growth"].values():
        points = zip(curve["sizes"], curve["seconds"], strict=True)
        lines.append(
            f"| {curve['work']} | {curve['over']} "
            f"| {', '.join(f'{size}: {value:.3g}' for size, value in points)} "
            f"| {curve['power']:.2f} | {curve['power_of_upper_half']:.2f} "
            f"| {percent(curve.get('share_of_limit'))} |"
        )
    for job, values in results["overhead"].items():
        lines += ["", f"| {job} | CPU seconds | share |", "| --- | ---: | ---: |"]
        lines += [
            f"| {name} | {value:.1f} | {value / values['cpu_seconds']:.1%} |"
            for name, value in values["parts"].items()
        ]
        lines.append(f"| all | {values['cpu_seconds']:.1f} | |")
        if "wall_seconds" in values:
            lines += [
                "",
                f"On the wall {values['wall_seconds']:.0f} s, of them "
                f"{values['wall_before_training']:.0f} s before the first training job started and "
                f"{values['wall_after_training']:.0f} s after the last one ended.",
            ]
    return "\n".join(lines) + "\n"
