"""What jobs of the workflow took: from their files and logs in a results folder, or from a table.

The table, workflow/resources/times.csv, is shipped with the code.
"""

import csv
import json
import math
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regimes.errors import ConfigError, StoreError
from regimes.plan.provenance import PACKAGE, config_hash
from regimes.storage.store import read_attributes

TIMES = PACKAGE.parent / "resources/times.csv"
COLUMNS = (
    "rule",
    "name",
    "scale",
    "settings",
    "work",
    "jobs",
    "cpu_seconds",
    "megabytes",
    "machine",
)
# Of hashes of settings in a table.
HASH_LENGTH = 12
# The file of a job by its rule; what several jobs belong to together is their name. A path does not
# tell the rule `features` from `data`.
FILES = {
    "data": re.compile(r"results/data/([^/]+)\.nc"),
    "train": re.compile(r"results/runs/([^/]+)/[^/]+\.nc"),
    "probe": re.compile(r"results/probes/([^/]+/[^/]+)/[^/]+\.nc"),
    "measure": re.compile(r"results/measures/([^/]+)\.nc"),
    "claims": re.compile(r"results/claims/([^/]+)\.nc"),
    "all_claims": re.compile(r"results/(claims)\.nc"),
    "explorer": re.compile(r"results/(explorer)\.html"),
    "figure": re.compile(r"figures/(.+)\.pdf"),
    "table": re.compile(r"figures/(.+)\.csv"),
}
# Rules whose jobs have settings by which they can be told apart; the files of these say them.
WITH_SETTINGS = ("data", "train", "probe", "measure", "claims")
FINISHED = re.compile(r"^ *([\d.]+) s  finished$", flags=re.MULTILINE)
# Keys of an experiment that say how many steps its runs make. Below `stopping` or `solver`, they
# only limit runs that end by themselves.
STEPS = ("max_steps", "epochs", "draws")
# Axes whose value is a size; of others only the number of values counts.
SIZES = ("width", "n_train")


@dataclass(frozen=True)
class Record:
    """What one job took, or the average job of a row of the table.

    name: as `kind_of` gives it. settings: the hash of the job's settings, or the start of it in a
    table; empty for a job without settings, None for a row of jobs whose settings differ. work: as
    `work` gives it. seconds: of CPU time, or of wall time where only a log tells. wall: seconds of
    wall time. size: of the job's files in bytes, if known. scale: of the config, if known. device:
    "cpu" or "cuda".
    """

    rule: str
    name: str
    settings: str | None
    work: float | None
    seconds: float
    wall: float
    size: int | None
    scale: str | None = None
    device: str = "cpu"


def kind_of(path: str) -> tuple[str, str] | None:
    """Rule and name of the job that makes a file; None for files of other kinds.

    path: relative to the directory in which the workflow runs. The name is that of the experiment,
    `<experiment>/<probe>`, data set, paper or figure; `all_claims` and `explorer` are their own.
    """
    for rule, pattern in FILES.items():
        if found := pattern.fullmatch(path):
            return rule, found[1] if rule not in ("all_claims", "explorer") else rule
    return None


def work(settings: Mapping[str, Any]) -> float | None:
    """How much a job has to do: neurons x training points x steps, summed over its runs.

    A factor that is no axis, or not fixed beforehand, counts as 1. settings: of a training job, of
    an experiment, or of several below `experiments`. None if there are no axes.
    """
    if "experiments" in settings:
        parts = [work(one) for one in settings["experiments"].values()]
        known = [part for part in parts if part is not None]
        return math.fsum(known) if known and known == parts else None
    if "axes" not in settings:
        return None
    grids = [settings["axes"] | grid for grid in settings.get("grids") or [{}]]
    runs = math.fsum(
        math.prod(math.fsum(values) if name in SIZES else len(values) for name, values in axes)
        for axes in map(dict.items, grids)
    )
    return runs * math.prod(settings.get(key, 1) for key in STEPS)


def records(directory: Path, folders: Iterable[Path]) -> Iterator[Record]:
    """Records of the jobs whose files lie in some folders of a directory where the workflow ran.

    Files are left out that are damaged, or of which neither attributes nor a log tell a time.
    """
    for folder in folders:
        for path in sorted(folder.glob("*.*")):
            kind = kind_of(path.relative_to(directory).as_posix())
            record = _record(*kind, path, directory) if kind else None
            if record:
                yield record


def all_records(directory: Path) -> list[Record]:
    """Records of all jobs of a directory; runs and probes have the scale of their measures.

    Raises ConfigError if the workflow never ran there.
    """
    if not (directory / "results").is_dir():
        raise ConfigError(f"--record {directory}: has no folder results")
    roots = [directory / "results", directory / "figures"]
    below = [path for root in roots for path in sorted(root.rglob("*/"))]
    found = list(records(directory, [*roots, *(path for path in below if path.is_dir())]))
    scales = {one.name: one.scale for one in found if one.rule == "measure"}
    usual = statistics.mode(scales.values()) if scales else None
    return [
        replace(one, scale=one.scale or scales.get(one.name.split("/")[0]) or usual)
        for one in found
    ]


def _record(rule: str, name: str, path: Path, directory: Path) -> Record | None:
    files = [path, path.with_suffix(".png")] if rule == "figure" else [path]
    attributes: dict[str, Any] = {}
    settings = {}
    try:
        size = sum(file.stat().st_size for file in files)
        if rule in WITH_SETTINGS:
            attributes = read_attributes(path)
            settings = json.loads(attributes["config"])
    except (OSError, StoreError, KeyError, ValueError):
        return None
    scale = settings.get("scale")
    if rule == "data":
        settings = settings.get("datasets", {}).get(name)
    elif rule in ("train", "probe"):
        settings.pop("datasets", None)
    seconds, wall = attributes.get("cpu_seconds"), attributes.get("wall_seconds")
    if seconds is None or wall is None:
        seconds = wall = _logged_seconds(rule, name, path, directory / "results")
    if seconds is None or wall is None:
        return None
    digest = config_hash(settings) if rule in WITH_SETTINGS else ""
    amount = work(settings or {})
    device = attributes.get("device", "cpu")
    return Record(rule, name, digest, amount, float(seconds), float(wall), size, scale, device)


def _logged_seconds(rule: str, name: str, path: Path, results: Path) -> float | None:
    """Seconds of a job from the last line of its log; None if it has not finished."""
    if rule in ("figure", "table"):
        log = results / f"logs/{rule}s/{name}.log"
    else:
        log = results / "logs" / path.relative_to(results).with_suffix(".log")
    try:
        found = FINISHED.findall(log.read_text(encoding="utf-8"))
    except OSError:
        return None
    return float(found[-1]) if found else None


def read_table(path: Path = TIMES) -> list[Record]:
    """The records of a table, each an average over jobs; none if there is no such file.

    Raises ConfigError for a file of other content.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    try:
        return [
            Record(
                rule=row["rule"],
                name=row["name"],
                settings=row["settings"] or None,
                work=float(row["work"]) if row["work"] else None,
                seconds=float(row["cpu_seconds"]),
                wall=float(row["cpu_seconds"]),
                size=round(1e6 * float(row["megabytes"])) if row["megabytes"] else None,
                scale=row["scale"] or None,
            )
            for row in rows
        ]
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path} is no table of times: {error!r}") from None


def table_rows(found: Iterable[Record], machine: str) -> Iterator[tuple[str, ...]]:
    """The rows of a table below COLUMNS: averages over jobs of one kind that did the same work."""
    groups: dict[tuple, list[Record]] = defaultdict(list)
    for one in found:
        groups[one.rule, one.name, one.scale or "", one.work].append(one)
    for (rule, name, scale, amount), group in groups.items():
        settings = {one.settings or "" for one in group}
        yield (
            rule,
            name,
            scale,
            settings.pop()[:HASH_LENGTH] if len(settings) == 1 else "",
            "" if amount is None else f"{amount:.6g}",
            str(len(group)),
            f"{statistics.fmean(one.seconds for one in group):.1f}",
            f"{statistics.fmean(one.size or 0 for one in group) / 1e6:.3f}",
            machine,
        )
