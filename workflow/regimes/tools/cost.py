"""What a Snakemake command would cost, before it starts: jobs, CPU time, wall time, disk.

  regimes cost --cores 8 figures/phase_diagram.pdf
  regimes cost --cores 8 --config scale=paper -- luo2021

Options and targets are those of `snakemake`, which says in a dry run what would start. Times are
those of earlier jobs: of the same settings here, of other blocks of the same experiment here
(scaled by neurons x points x steps, over at most a factor of ten), or of the table that is shipped,
workflow/resources/times.csv; what none of these tells is unknown, and in no sum, which then says
`at least`. GPUs are as many as --resources gpu=N or the profile says.

  regimes cost --record DIR... > workflow/resources/times.csv

prints that table, from the results in some folders.
"""

import argparse
import csv
import platform
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regimes.config import models
from regimes.errors import ConfigError
from regimes.plotting.wording import pluralise
from regimes.tools.dry_run import Job, dry_run
from regimes.tools.records import COLUMNS, Record, read_table, records, rows
from regimes.tools.schedule import Task, wall_seconds

SUMMARY = "what a snakemake command would cost, before it starts"
# Words after `regimes cost` that are not Snakemake's.
OWN = ("-h", "--help", "--record")
# Times are scaled to other amounts of work over at most this factor.
FARTHEST = 10.0
# In the order in which the table lists them.
RULES = tuple(rule for rule in models.RULES if rule != "all")
HERE, SCALED, TABLE, UNKNOWN = "measured here", "scaled from here", "table", "unknown"
HEADER = ("rule", "of", "jobs", "CPU min", "MB", "times")


@dataclass(frozen=True)
class Estimate:
    """What a job may take: CPU and wall seconds and bytes; None where unknown. origin: of them."""

    job: Job
    seconds: float | None
    wall: float | None
    size: float | None
    origin: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `--record`; without that, all go to Snakemake."""
    parser.usage = "regimes cost SNAKEMAKE'S OPTIONS AND TARGETS | --record DIR... [--machine NAME]"
    parser.add_argument(
        "--record", nargs="+", metavar="DIR", help="print a table of what the jobs there took"
    )
    parser.add_argument("--machine", default=platform.machine(), help="its name in that table")


def run(arguments: argparse.Namespace) -> int:
    """Print the costs of a command, or the table of times."""
    if arguments.record:
        found = [one for folder in arguments.record for one in _recorded(Path(folder))]
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(found, arguments.machine))
        return 0
    planned = dry_run(arguments.rest)
    wanted = {(_rule(job), job.name) for job in planned.jobs}
    here = list(records(Path(planned.directory), wanted))
    estimates = estimate(planned.jobs, here, read_table(), planned.scale)
    print(report(estimates, planned.cores or 1, planned.gpus))
    return 0


def _recorded(folder: Path) -> list[Record]:
    """Records of a folder; runs and probes have the scale of the measures made of them."""
    if not (folder / "results").is_dir():
        raise ConfigError(f"--record {folder}: has no folder results")
    found = list(records(folder))
    scales = {one.name: one.scale for one in found if one.rule == "measure"}
    common = Counter(scale for scale in scales.values() if scale).most_common(1)
    usual = common[0][0] if common else None
    return [
        replace(one, scale=one.scale or scales.get(one.name.split("/")[0]) or usual)
        for one in found
    ]


def _rule(job: Job) -> str:
    return "data" if job.rule == "features" else job.rule


def estimate(
    jobs: Iterable[Job], here: Sequence[Record], table: Sequence[Record], scale: str | None
) -> list[Estimate]:
    """What each job may take, from records of jobs here or else of a table.

    scale: of the config, for rows of the table that say no work.
    """
    return [_estimate(job, here, table, scale) for job in jobs]


def _estimate(
    job: Job, here: Sequence[Record], table: Sequence[Record], scale: str | None
) -> Estimate:
    mine = [one for one in here if (one.rule, one.name) == (_rule(job), job.name)]
    same = [one for one in mine if one.settings == job.settings]
    if same:
        seconds, wall, size = _means(same, [1.0] * len(same))
        return Estimate(job, seconds, wall, size, HERE)
    shipped = [one for one in table if (one.rule, one.name) == (_rule(job), job.name)]
    same = [
        one for one in shipped if one.settings and (job.settings or "").startswith(one.settings)
    ]
    if same:
        seconds, wall, size = _means(same, [1.0] * len(same))
        return Estimate(job, seconds, wall, size, TABLE)
    if job.work is None:
        shipped = [one for one in shipped if one.scale == scale]
    for found, origin in ((mine, SCALED), (shipped, TABLE)):
        near = [one for one in found if _factor(job, one) is not None]
        if near:
            closest = min(_distance(job, one) for one in near)
            near = [one for one in near if _distance(job, one) <= 1.01 * closest]
            seconds, wall, size = _means(near, [_factor(job, one) or 1.0 for one in near])
            return Estimate(job, seconds, wall, size, origin)
    return Estimate(job, None, None, None, UNKNOWN)


def _factor(job: Job, record: Record) -> float | None:
    """By how much more work a job does than a recorded one; None if they cannot be compared."""
    if job.work is None and record.work is None:
        # Data and figures: a row of the table is of the same scale.
        return 1.0 if record.scale is not None else None
    if not job.work or not record.work:
        return None
    factor = job.work / record.work
    return factor if 1 / FARTHEST <= factor <= FARTHEST else None


def _distance(job: Job, record: Record) -> float:
    factor = _factor(job, record) or 1.0
    return max(factor, 1 / factor)


def _means(found: Sequence[Record], factors: Sequence[float]) -> tuple[float, float, float | None]:
    pairs = list(zip(found, factors, strict=True))
    sizes = [one.size * factor for one, factor in pairs if one.size is not None]
    return (
        statistics.fmean(one.seconds * factor for one, factor in pairs),
        statistics.fmean(one.wall * factor for one, factor in pairs),
        statistics.fmean(sizes) if sizes else None,
    )


def report(estimates: Sequence[Estimate], cores: int, gpus: int | None = None) -> str:
    """The table of jobs by rule and experiment, and what they come to.

    cores, gpus: how many may be used at a time; gpus None: as many as there are jobs at a time.
    """
    if not estimates:
        return "nothing to be done"
    groups: dict[tuple[str, str], list[Estimate]] = {}
    for one in estimates:
        # Figures of a paper in one line.
        name = one.job.name.split("/")[0] if one.job.rule in ("figure", "table") else one.job.name
        groups.setdefault((one.job.rule, name), []).append(one)
    lines = [HEADER] + [(*key, *_cells(group)) for key, group in sorted(groups.items(), key=_stage)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    text = [
        "  ".join(
            cell.rjust(width) if 2 <= column <= 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    unknown = sum(one.seconds is None for one in estimates)
    unsized = sum(one.size is None for one in estimates)
    minutes, megabytes = _sums(estimates)
    # Jobs of unknown time take none, but others wait for their files.
    seconds = wall_seconds(
        [_task(one) for one in estimates], cores, cores if gpus is None else gpus
    )
    wall = _at_least(f"{seconds / 60:.1f}", unknown, len(estimates))
    where = pluralise(cores, "core")
    if gpus is not None and any(one.job.gpu for one in estimates):
        where += f" and {pluralise(gpus, 'GPU')}"
    text += [
        "",
        f"jobs        {len(estimates)}",
        f"CPU time    {minutes} min",
        f"wall time   {wall} min on {where}, without Snakemake's own",
        f"disk        {megabytes} MB"
        + (f", unknown of {pluralise(unsized, 'job')}" if unsized else ""),
    ]
    if unknown:
        text.append(f"unknown     {pluralise(unknown, 'job')}, in none of these sums")
    return "\n".join(text)


def _stage(group: tuple[tuple[str, str], object]) -> tuple[int, str]:
    (rule, name), _ = group
    return (RULES.index(rule) if rule in RULES else len(RULES), name)


def _cells(group: Sequence[Estimate]) -> tuple[str, str, str, str]:
    counts = Counter(one.origin for one in group)
    origins = [origin if len(counts) == 1 else f"{n} {origin}" for origin, n in counts.items()]
    return (str(len(group)), *_sums(group), ", ".join(origins))


def _sums(estimates: Sequence[Estimate]) -> tuple[str, str]:
    """CPU minutes and megabytes."""
    seconds = [one.seconds for one in estimates if one.seconds is not None]
    sizes = [one.size for one in estimates if one.size is not None]
    n = len(estimates)
    return (
        _at_least(f"{sum(seconds) / 60:.1f}", n - len(seconds), n),
        _at_least(f"{sum(sizes) / 1e6:.1f}", n - len(sizes), n),
    )


def _at_least(total: str, unknown: int, n: int) -> str:
    """A sum of which `unknown` of n parts are not known."""
    if unknown == n:
        return "?"
    return f"at least {total}" if unknown else total


def _task(one: Estimate) -> Task:
    # A job on the CPU has one core to itself; its wall time may have been that of a busy machine.
    seconds = one.wall if one.job.gpu else one.seconds
    return Task(seconds or 0.0, one.job.input, one.job.output, one.job.priority, one.job.gpu)
