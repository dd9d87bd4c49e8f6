"""Delete what no config refers to: runs, their states, probes, data, stamps, checkpoints.

  regimes prune                                   list them, with their sizes
  regimes prune --keep-scale paper --keep-scale smoke

Kept is what config.yaml, with --config and --configfile, refers to, and what it does at the scales
and with the config files that are named to be kept. Without --yes nothing is deleted. What belongs
to experiments or data sets that none of these names, as those of a config file that was not named,
is left alone unless --unknown is given; so are checkpoints, which do not say whose they are. Files
whose names are not the workflow's (of data sets and stamps also: whose content is not) are listed
and left alone, as are links and what lies behind them, which may be others' too. Measures, claims,
figures and logs are never touched.
"""

import argparse
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from regimes.config.layers import SCALES, Layer
from regimes.errors import StoreError
from regimes.plan.plan import Plan
from regimes.plan.state_names import EARLIER_NAME, NAME
from regimes.storage.store import read_attributes
from regimes.storage.versions import package_versions
from regimes.tools import settings

SUMMARY = "list or delete the runs that no config refers to any more"
RUN = re.compile(r".+-[0-9a-f]{16}\.nc")
STATE = re.compile(f"{NAME.pattern}|{EARLIER_NAME.pattern}")
# The folders that may be pruned: how many names a path of theirs has, and the workflow's own names.
FOLDERS = {
    "runs": (2, RUN),
    "probes": (3, RUN),
    "data": (1, re.compile(r".+\.nc")),
    "code": (1, re.compile(r"(data|measures|claims|figures)-.+\.txt")),
    "checkpoints": (1, STATE),
    "states": (2, STATE),
}
STAMP_TEXT = re.compile(r"code [0-9a-f]{64}\nsettings [0-9a-f]{64}\n")
# A temporary file; a job that was orphaned may still write one.
LEFTOVER = re.compile(r"\..+\.[0-9a-f]+\.tmp")
HOURS_OF_LEFTOVERS = 24


@dataclass(frozen=True)
class Found:
    """Files in the folders below `results` that may be pruned; paths are relative.

    used: a config refers to them. unused: the workflow made them, for experiments of the configs as
    they no longer are. unknown: it made them for something that no config names. foreign: the
    workflow did not make them.
    """

    used: tuple[Path, ...]
    unused: tuple[Path, ...]
    unknown: tuple[Path, ...]
    foreign: tuple[Path, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to keep, and whether to delete."""
    settings.add_arguments(parser)
    parser.add_argument(
        "--keep-scale", action="append", default=[], choices=SCALES, help="keep its files too"
    )
    parser.add_argument(
        "--keep-configfile",
        action="append",
        default=[],
        metavar="FILE",
        help="keep what config.yaml with this file refers to, at its scale and at all kept ones",
    )
    parser.add_argument(
        "--unknown", action="store_true", help="those of what no config names, and checkpoints, too"
    )
    parser.add_argument("--yes", action="store_true", help="delete, after the list")


def run(arguments: argparse.Namespace) -> int:
    """List the files that no config refers to, and delete them with --yes."""
    if not (arguments.directory / "results").is_dir():
        raise StoreError(f"{arguments.directory} has no folder results")
    if package_versions("torch")["torch"] == "not installed":
        raise StoreError("torch is not installed here, whose version is in the names of runs")
    base = settings.overrides(arguments.config, arguments.configfile)
    layers = [base, *(settings.overrides([], [file]) for file in arguments.keep_configfile)]
    overrides = [
        [*layer, *([Layer("--keep-scale", {"scale": scale})] if scale else [])]
        for layer in layers
        for scale in (None, *arguments.keep_scale)
    ]
    plans = [plan for one in overrides for plan in settings.plans_of(one, arguments.directory)]
    for plan in plans:
        # What belongs to a file that cannot be read has names that only its content tells.
        plan.require_files(plan.data.values())
    found = find(arguments.directory, plans)
    unused = (*found.unused, *(found.unknown if arguments.unknown else ()))
    total = 0
    for path in unused:
        size = _size(arguments.directory / path)
        total += size
        print(f"{size / 1e6:10.2f} MB  {path}")
    for path in found.foreign:
        print(f"   not the workflow's own, left alone: {path}")
    print(f"{total / 1e6:10.2f} MB in {len(unused)} files that no config refers to")
    if len(unused) < len(found.unused) + len(found.unknown):
        print(
            f"{len(found.unknown)} files more are of experiments or data sets that no config "
            "names, or checkpoints, and left alone: --unknown lists them"
        )
    if _has_runs(found.unused) and not _has_runs(found.used):
        print(
            "warning: no config refers to any of the runs here: were they made by other code, with "
            "another torch, or with options that are missing?"
        )
    if arguments.yes:
        delete(arguments.directory, unused)
        print("deleted")
    elif unused:
        print("nothing was deleted: --yes does it")
    return 0


def find(directory: Path, plans: Iterable[Plan]) -> Found:
    """The files in the folders that may be pruned, told apart by what some plans refer to."""
    plans = list(plans)
    needed = {path for plan in plans for path in referred(plan)}
    experiments = {name for plan in plans for name in plan.measures}
    used: list[Path] = []
    unused: list[Path] = []
    unknown: list[Path] = []
    foreign: list[Path] = []
    for path, own in _candidates(directory):
        state = NAME.fullmatch(path.name)
        known = path.with_name(state["shared"]) if own and state else path
        if str(known) in needed:
            used.append(path)
        elif not own:
            foreign.append(path)
        elif LEFTOVER.fullmatch(path.name):
            unused.append(path)
        else:
            (unused if path.parts[2] in experiments else unknown).append(path)
    return Found(tuple(used), tuple(unused), tuple(unknown), tuple(foreign))


def referred(plan: Plan) -> set[str]:
    """Paths of the runs, probes, data and stamps of a plan, and of its checkpoints and states.

    The latter two without the part of their names that says the build of torch and the device.
    """
    paths = {stage.path for stages in (plan.data, plan.probes) for stage in stages.values()}
    for job in plan.jobs.values():
        paths |= {job.path, job.checkpoint} | ({job.end_states} if job.end_states else set())
    return paths | set(plan.stamps)


def delete(directory: Path, paths: Iterable[Path]) -> None:
    """Delete files, and folders of runs and probes that are empty then.

    Raises StoreError, and deletes nothing, while Snakemake runs there, or has been killed.
    """
    if any((directory / ".snakemake/locks").glob("*")):
        raise StoreError(
            f"{directory} is locked: Snakemake runs there, or was killed (then: snakemake "
            "--unlock); nothing was deleted"
        )
    for path in paths:
        (directory / path).unlink(missing_ok=True)
        for folder in path.parents:
            if len(folder.parts) < 3:
                break
            try:
                (directory / folder).rmdir()
            except OSError:  # not empty, or gone
                break


def _candidates(directory: Path) -> Iterator[tuple[Path, bool]]:
    """Files in the folders that may be pruned, and whether they are the workflow's own.

    A folder that is a link, such as one of runs that several users share, is a file of others.
    """
    results = Path("results")
    if (directory / results).is_symlink():
        yield results, False
        return
    for folder, (depth, pattern) in FOLDERS.items():
        root = directory / results / folder
        if root.is_symlink():
            yield results / folder, False
            continue
        for path in sorted(_files(root)):
            below = path.relative_to(root)
            own = len(below.parts) == depth and not path.is_symlink()
            if own and LEFTOVER.fullmatch(path.name):
                if not _is_old(path):
                    continue  # perhaps of a job that runs
            elif own:
                own = pattern.fullmatch(path.name) is not None and _has_own_content(folder, path)
            yield results / folder / below, own


def _files(root: Path) -> Iterator[Path]:
    """Files and links below a folder; whatever lies behind a link may belong to somebody else."""
    # Not Path.rglob, which stumbles over folders that vanish meanwhile.
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in [*names, *links])


def _has_own_content(folder: str, path: Path) -> bool:
    """Whether a data set or a stamp has the content that the workflow writes.

    The names of other files say enough.
    """
    try:
        if folder == "data":
            attributes = read_attributes(path)
            made_by, name = attributes.get("stage"), attributes.get("name")
            return made_by in ("data", "features") and name == path.stem
        if folder == "code":
            return STAMP_TEXT.match(path.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError, StoreError):
        return False
    return True


def _has_runs(paths: Iterable[Path]) -> bool:
    return any(path.parts[1] == "runs" and RUN.fullmatch(path.name) for path in paths)


def _is_old(leftover: Path) -> bool:
    """Whether no job can be writing a temporary file any more."""
    try:
        return time.time() - leftover.stat().st_mtime > 3600 * HOURS_OF_LEFTOVERS
    except OSError:  # it has vanished: its job has ended
        return False


def _size(path: Path) -> int:
    """Size of a file in bytes, 0 if it has vanished: jobs that run delete theirs."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
