"""What earlier jobs took: from the files in a results folder and their logs, or a shipped table."""

import csv
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4

from regimes.claims.files import ALL_CLAIMS
from regimes.errors import ConfigError
from regimes.plan.provenance import PACKAGE, config_hash
from regimes.tools.work import work

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
# Folders below results/ and figures/, by rule. Features are data.
FOLDERS = {
    "data": "results/data",
    "train": "results/runs",
    "probe": "results/probes",
    "measure": "results/measures",
    "claims": "results/claims",
}
# Files of rules that are named after themselves: like figures, by their logs.
WITHOUT_SETTINGS = {"all_claims": ALL_CLAIMS, "explorer": "results/explorer.html"}
FINISHED = re.compile(r"^ *([\d.]+) s  finished$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Record:
    """What one job took, or a job of a kind on average.

    settings: their hash, or its start in a table, where None stands for several. work, name: as in
    `regimes.tools.dry_run.Job`. seconds: of CPU, or of the wall where only a log tells. wall: of
    the wall. size: of its files in bytes, if known, as the scale.
    """

    rule: str
    name: str
    settings: str | None
    work: float | None
    seconds: float
    wall: float
    size: int | None
    scale: str | None = None
    jobs: int = 1


def records(directory: Path, wanted: Collection[tuple[str, str]] | None = None) -> Iterator[Record]:
    """Records of the jobs whose files lie below a directory in which the workflow ran.

    wanted: rules and names of interest (`features` as `data`); None: all. Files that nothing tells
    a time of, or that are damaged, are left out.
    """
    for rule, folder in FOLDERS.items():
        root = directory / folder
        for path in sorted(root.rglob("*.nc")):
            below = path.relative_to(root)
            name = str(below.parent) if rule in ("train", "probe") else below.stem
            if wanted is None or (rule, name) in wanted:
                record = _of_file(rule, name, path, directory)
                if record:
                    yield record
    for rule, file in WITHOUT_SETTINGS.items():
        if wanted is None or (rule, rule) in wanted:
            log = directory / "results/logs" / Path(file).with_suffix(".log").name
            yield from _of_logged(rule, rule, log, [directory / file])
    for rule, folder, suffixes in (
        ("figure", "figures", (".pdf", ".png")),
        ("table", "tables", (".csv",)),
    ):
        for log in sorted((directory / "results/logs" / folder).rglob("*.log")):
            name = str(log.relative_to(directory / "results/logs" / folder).with_suffix(""))
            if wanted is not None and (rule, name) not in wanted:
                continue
            files = [directory / "figures" / f"{name}{suffix}" for suffix in suffixes]
            yield from _of_logged(rule, name, log, files)


def _of_logged(rule: str, name: str, log: Path, files: list[Path]) -> Iterator[Record]:
    """The record of a job by its log, if it has finished and its files are there."""
    seconds = _of_log(log)
    if seconds is not None and all(file.is_file() for file in files):
        size = sum(file.stat().st_size for file in files)
        yield Record(rule, name, None, None, seconds, seconds, size)


def _of_file(rule: str, name: str, path: Path, directory: Path) -> Record | None:
    try:
        with netCDF4.Dataset(path) as file:
            attributes = {key: file.getncattr(key) for key in file.ncattrs()}
        config = json.loads(attributes["config"])
    except (OSError, KeyError, ValueError):
        return None
    log = directory / "results/logs" / path.relative_to(directory / "results").with_suffix(".log")
    seconds, wall = attributes.get("cpu_seconds"), attributes.get("wall_seconds")
    if seconds is None or wall is None:
        seconds = wall = _of_log(log)
    if seconds is None:
        return None
    settings = _settings(rule, name, config)
    scale = config.get("scale")
    digest, size = config_hash(settings), path.stat().st_size
    return Record(rule, name, digest, work(settings), float(seconds), float(wall), size, scale)


def _settings(rule: str, name: str, config: dict[str, Any]) -> Any:
    if rule == "data":
        return config.get("datasets", {}).get(name)
    if rule in ("train", "probe"):
        return {key: value for key, value in config.items() if key != "datasets"}
    return config


def _of_log(log: Path) -> float | None:
    """Seconds of a job that finished, from the last line of its log."""
    try:
        found = FINISHED.findall(log.read_text(encoding="utf-8"))
    except OSError:
        return None
    return float(found[-1]) if found else None


def read_table(path: Path = TIMES) -> list[Record]:
    """The shipped records, averages over jobs that did the same work; none without the file."""
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
                jobs=int(row["jobs"]),
            )
            for row in rows
        ]
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path} is no table of times: {error!r}") from None


def rows(found: Iterable[Record], machine: str) -> list[dict[str, str]]:
    """Rows of a table of times: averages over jobs of a rule and name that did the same work."""
    groups: dict[tuple, list[Record]] = {}
    for one in found:
        groups.setdefault((one.rule, one.name, one.scale or "", one.work), []).append(one)
    made = []
    for (rule, name, scale, amount), group in groups.items():
        settings = {one.settings for one in group}
        values = (
            rule,
            name,
            scale,
            (settings.pop() or "")[:HASH_LENGTH] if len(settings) == 1 else "",
            "" if amount is None else f"{amount:.6g}",
            str(len(group)),
            f"{sum(one.seconds for one in group) / len(group):.1f}",
            f"{sum(one.size or 0 for one in group) / len(group) / 1e6:.3f}",
            machine,
        )
        made.append(dict(zip(COLUMNS, values, strict=True)))
    return made
