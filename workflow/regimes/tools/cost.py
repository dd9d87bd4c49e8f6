"""What a Snakemake command would cost, before it starts: jobs, CPU time, wall time, disk.

  regimes cost --cores 8 figures/phase_diagram.pdf
  regimes cost --cores 8 --config scale=paper -- luo2021

Options and targets are those of `snakemake`, which says in a dry run which jobs would start. Their
times are those of earlier jobs: of the same settings here, of other blocks of the same experiment
here (in proportion to neurons x points x steps, by at most a factor of ten), or of the table that
is shipped, workflow/resources/times.csv, or a rough estimate: the engine's, or what other jobs of
the rule take, if they do not train. For a job on a GPU those of GPUs here count, else a guess: the
CPU's over the engine's gain, and a start for each process. Jobs of which none of these tells a
time are unknown; sums leave them out, and then say `at least`. As many GPUs are used as --resources
gpu=N or the profile allows.

  regimes cost --record DIR... > workflow/resources/times.csv

prints that table, from the results in some folders.
"""

import argparse
import csv
import math
import platform
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from pathlib import Path

from regimes.config import models
from regimes.plan.placement import START_SECONDS
from regimes.plotting.wording import pluralise
from regimes.tools.dry_run import Job, dry_run
from regimes.tools.records import (
    COLUMNS,
    Record,
    all_records,
    read_table,
    records,
    table_rows,
)

SUMMARY = "what a snakemake command would cost, before it starts"
# Words after `regimes cost` that are not Snakemake's.
OWN = ("-h", "--help", "--record")
# Rules whose jobs differ by orders of magnitude.
TRAINING = ("train", "probe")
# Times are scaled to other amounts of work by at most this factor.
LARGEST_FACTOR = 10.0
HERE, SCALED, TABLE = "measured here", "scaled from here", "table"
GUESSED, ON_GPU, UNKNOWN = "estimated", "estimate for a GPU", "unknown"
HEADER = ("rule", "of", "jobs", "CPU min", "MB", "times")


@dataclass(frozen=True)
class Estimate:
    """CPU seconds, wall seconds and bytes that a job may take, None where unknown.

    origin: where the numbers come from.
    """

    job: Job
    seconds: float | None
    wall: float | None
    size: float | None
    origin: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `--record`; without that, all go to Snakemake."""
    parser.usage = "regimes cost SNAKEMAKE'S OPTIONS AND TARGETS | --record DIR... [--machine NAME]"
    parser.add_argument(
        "--record",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="print a table of what the jobs there took",
    )
    parser.add_argument("--machine", default=platform.machine(), help="its name in that table")


def run(arguments: argparse.Namespace) -> int:
    """Print the costs of a command, or the table of times."""
    if arguments.record:
        found = [one for directory in arguments.record for one in all_records(directory)]
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(table_rows(found, arguments.machine))
        return 0
    planned = dry_run(arguments.rest)
    # Other jobs of the same kind have their files beside those of the planned ones.
    folders = sorted({(planned.directory / job.output[0]).parent for job in planned.jobs})
    here = list(records(planned.directory, folders))
    estimates = estimate(planned.jobs, here, read_table(), planned.scale)
    print(report(estimates, planned.cores, planned.gpus))
    return 0


def estimate(
    jobs: Iterable[Job], here: Iterable[Record], table: Iterable[Record], scale: str | None
) -> list[Estimate]:
    """What each job may take, from records of jobs here or else of a table.

    scale: of the config; a row of the table that says no work counts for its own scale alone.
    """
    table = list(table)
    here_by_kind, table_by_kind = _by_kind(here), _by_kind(table)
    found = [_estimate(job, here_by_kind[job.kind], table_by_kind[job.kind], scale) for job in jobs]
    usual = _usual_seconds(table)
    return [
        replace(one, seconds=seconds, wall=seconds, origin=GUESSED)
        if one.seconds is None and (seconds := usual.get(one.job.rule)) is not None
        else one
        for one in found
    ]


def _usual_seconds(table: Iterable[Record]) -> dict[str, float]:
    """The median of the seconds of a table, by rule, of those whose jobs take about the same."""
    groups = defaultdict(list)
    for one in table:
        if one.rule not in TRAINING:
            groups[one.rule].append(one.seconds)
    return {rule: statistics.median(seconds) for rule, seconds in groups.items()}


def _by_kind(found: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    groups = defaultdict(list)
    for one in found:
        groups[one.rule, one.name].append(one)
    return groups


def _estimate(job: Job, here: list[Record], table: list[Record], scale: str | None) -> Estimate:
    """An estimate from records of the job's kind, on its device or else on the CPU."""
    on_cpu = [one for one in here if one.device == "cpu"]
    if not job.gpu:
        return _from_records(job, on_cpu, table, scale)
    found = _from_records(job, [one for one in here if one.device != "cpu"], [], scale)
    if found.origin in (HERE, SCALED):
        return found
    found = _from_records(job, on_cpu, table, scale)
    if found.seconds is None:
        return found
    seconds = found.seconds / job.gpu_gain + START_SECONDS / job.sharing
    return replace(found, seconds=seconds, wall=seconds, origin=ON_GPU)


def _from_records(job: Job, here: list[Record], table: list[Record], scale: str | None) -> Estimate:
    """An estimate from some records, or of the engine."""

    def same(record: Record) -> float | None:
        is_same = record.settings is not None and job.settings.startswith(record.settings)
        return 1.0 if is_same else None

    def scaled(record: Record) -> float | None:
        if not job.work or not record.work:
            neither = job.work is None and record.work is None
            return 1.0 if neither and record.scale == scale else None
        factor = job.work / record.work
        return factor if 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR else None

    for found, origin, factor_of in (
        (here, HERE, same),
        (table, TABLE, same),
        (here, SCALED, scaled),
        (table, TABLE, scaled),
    ):
        pairs = [(one, factor) for one in found if (factor := factor_of(one)) is not None]
        if not pairs:
            continue
        # Of records of different work those closest to the job's.
        closest = min(abs(math.log(factor)) for _, factor in pairs)
        pairs = [pair for pair in pairs if abs(math.log(pair[1])) <= closest + 0.01]
        sizes = [factor * one.size for one, factor in pairs if one.size is not None]
        return Estimate(
            job,
            statistics.fmean(factor * one.seconds for one, factor in pairs),
            statistics.fmean(factor * one.wall for one, factor in pairs),
            statistics.fmean(sizes) if sizes else None,
            origin,
        )
    if job.seconds is not None:
        return Estimate(job, job.seconds, job.seconds, None, GUESSED)
    return Estimate(job, None, None, None, UNKNOWN)


def wall_seconds(jobs: Sequence[Job], seconds: Sequence[float], cores: int, gpus: int = 1) -> float:
    """Seconds until all jobs are done, each started as soon as its files and a core are there.

    As Snakemake's greedy scheduler does it: by priority, then in the given order. Each job has one
    core, and waits for the GPUs that it asks for.
    """
    makers = {path: index for index, job in enumerate(jobs) for path in job.output}
    graph = TopologicalSorter(
        {
            index: [makers[path] for path in job.input if path in makers]
            for index, job in enumerate(jobs)
        }
    )
    graph.prepare()
    waiting: list[tuple[int, int]] = []
    running: list[tuple[float, int]] = []
    now = 0.0
    while graph.is_active():
        for index in graph.get_ready():
            heappush(waiting, (-jobs[index].priority, index))
        without_gpu = []
        while waiting and len(running) < cores:
            _, index = entry = heappop(waiting)
            if jobs[index].gpu > gpus:
                without_gpu.append(entry)
                continue
            gpus -= jobs[index].gpu
            heappush(running, (now + seconds[index], index))
        for entry in without_gpu:
            heappush(waiting, entry)
        if not running:  # jobs that ask for more GPUs than there are
            break
        now, index = heappop(running)
        gpus += jobs[index].gpu
        graph.done(index)
    return now


def report(estimates: Sequence[Estimate], cores: int, gpus: int | None = None) -> str:
    """The table of jobs by rule and experiment, and their sums.

    cores, gpus: how many may be used at a time; gpus None: as many as there are jobs at a time.
    """
    if not estimates:
        return "nothing to be done"
    groups: dict[tuple[int, str, str], list[Estimate]] = defaultdict(list)
    for one in estimates:
        rule, name = one.job.rule, one.job.name
        stage = models.RULES.index(rule) if rule in models.RULES else len(models.RULES)
        # Figures of a paper in one line.
        name = name.split("/")[0] if rule in ("figure", "table") else name
        groups[stage, name, rule].append(one)
    lines: list[tuple[str, ...]] = [HEADER]
    for (_, name, rule), group in sorted(groups.items()):
        counts = Counter(one.origin for one in group)
        origins = [origin if len(counts) == 1 else f"{n} {origin}" for origin, n in counts.items()]
        lines.append((rule, name, str(len(group)), *_sums(group), ", ".join(origins)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.rjust(width) if 2 <= column <= 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    jobs = [one.job for one in estimates]
    # A job on the CPU has a core to itself here; where it ran, the machine may have been busy, and
    # its wall time longer. Jobs of unknown time take none, but others wait for their files.
    seconds = [(one.wall if one.job.gpu else one.seconds) or 0.0 for one in estimates]
    wall = wall_seconds(jobs, seconds, cores, cores if gpus is None else gpus) / 60
    where = pluralise(cores, "core")
    if gpus is not None and any(job.gpu for job in jobs):
        where += f" and {pluralise(gpus, 'GPU')}"
    unknown = sum(one.seconds is None for one in estimates)
    without_size = sum(one.size is None for one in estimates)
    minutes, megabytes = _sums(estimates)
    of_disk = f", unknown of {pluralise(without_size, 'job')}" if without_size else ""
    text += [
        "",
        f"jobs        {len(jobs)}",
        f"CPU time    {minutes} min",
        f"wall time   {_at_least(wall, unknown, len(jobs))} min on {where}, "
        "without Snakemake's own",
        f"disk        {megabytes} MB{of_disk}",
    ]
    if unknown:
        text.append(f"unknown     {pluralise(unknown, 'job')}, in none of these sums")
    return "\n".join(text)


def _sums(estimates: Sequence[Estimate]) -> tuple[str, ...]:
    """CPU minutes and megabytes of some jobs."""
    minutes = [one.seconds and one.seconds / 60 for one in estimates]
    megabytes = [one.size and one.size / 1e6 for one in estimates]
    return tuple(
        _at_least(math.fsum(filter(None, values)), values.count(None), len(values))
        for values in (minutes, megabytes)
    )


def _at_least(total: float, unknown: int, n: int) -> str:
    """The text of a sum that leaves out `unknown` of n parts."""
    if unknown == n:
        return "?"
    return f"at least {total:.1f}" if unknown else f"{total:.1f}"
