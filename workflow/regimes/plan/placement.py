"""Where networks are trained: on the CPU or on a GPU, and which jobs share a process there.

It is decided once, where Snakemake is started, for all jobs. No result's name depends on it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from regimes.config.models import Config
from regimes.plan.plan import Plan
from regimes.plan.stages import Job

# Guesses, of which docs/gpu.md speaks. Seconds that a process on a GPU takes to start: Python,
# torch, the driver, its kernels.
START_SECONDS = 15.0
# With `device: auto`, what the cores train in so many seconds is left to them.
SMALL_SECONDS = 600.0
# The jobs that share a process take about so many seconds, and are at most so many: Snakemake
# notes what all of them were given beside each of their files.
TOGETHER_SECONDS, MOST_TOGETHER = 900.0, 32


@dataclass(frozen=True)
class Together:
    """Training jobs of an experiment that one process makes, one after the other.

    name: that of the Snakemake rule.
    """

    name: str
    jobs: list[Job]


@dataclass(frozen=True)
class Placement:
    """Where networks are.

    device: "cpu" or "cuda", of those that make data. trained, probed: experiments whose jobs of
    these kinds are on a GPU. gpus: how many of these are used at a time.
    """

    device: str
    trained: tuple[str, ...]
    probed: tuple[str, ...]
    gpus: int

    @classmethod
    def decide(
        cls, config: Config, plan: Plan, resolve: Callable[[str], str], cores: int, gpus: int
    ) -> "Placement":
        """The placement of what a config says.

        resolve: turns `auto` into the device that is there, see `regimes.jobs.devices`. cores,
        gpus: how many jobs may run, and use a GPU, at a time. What `auto` trains on a GPU is probed
        on the CPU, where probes take minutes at most.
        """
        resolve = cache(resolve)
        planned = {name: config.experiments[name] for name in plan.measures}
        said = {name: one.device or config.device for name, one in planned.items() if one.uses_gpu}
        asked = tuple(name for name, device in said.items() if device == "cuda")
        worth = [
            name
            for name, device in said.items()
            if device == "auto"
            and resolve("auto") == "cuda"
            and worth_a_gpu(plan.jobs_of(name), cores, gpus)
        ]
        return cls(resolve(config.device), (*asked, *worth), asked, gpus)

    @classmethod
    def from_text(cls, text: str) -> "Placement":
        """The placement that `text` gave."""
        return cls(**json.loads(text))

    @property
    def text(self) -> str:
        """What jobs on other machines are told."""
        return json.dumps(asdict(self))

    def together(self, plan: Plan, directory: str | Path = ".") -> Iterator[Together]:
        """The jobs that share processes: of each experiment on a GPU those without a file.

        Which jobs may do so depends on the plan alone, so that a job on another machine finds
        itself in the same company. Snakemake deletes the files that a job is to make, before and
        when it fails: therefore those that are there are none of its own.
        """
        for name in self.trained:
            for number, jobs in enumerate(_cut(plan.jobs_of(name), self.gpus), start=1):
                missing = [job for job in jobs if not (Path(directory) / job.path).exists()]
                if len(missing) > 1:
                    yield Together(f"train_{name}_{number}", missing)


def worth_a_gpu(jobs: Sequence[Job], cores: int, gpus: int) -> bool:
    """Whether jobs take long on the cores, and less on GPUs, their processes' starts included."""
    seconds = [job.seconds or 0.0 for job in jobs]
    on_cpu = max(sum(seconds) / cores, max(seconds))
    starts = START_SECONDS * len(list(_cut(jobs, gpus)))
    on_gpu = (starts + sum(job.gpu_seconds for job in jobs)) / gpus
    return on_cpu > SMALL_SECONDS and on_gpu < on_cpu


def _cut(jobs: Sequence[Job], gpus: int) -> Iterator[list[Job]]:
    """Consecutive jobs that take about as long together as is good, with some for each GPU."""
    total = sum(job.gpu_seconds for job in jobs)
    most = min(TOGETHER_SECONDS, max(START_SECONDS, total / gpus))
    some: list[Job] = []
    seconds = 0.0
    for job in jobs:
        if some and (seconds + job.gpu_seconds > most * 1.001 or len(some) == MOST_TOGETHER):
            yield some
            some, seconds = [], 0.0
        some.append(job)
        seconds += job.gpu_seconds
    if some:
        yield some
