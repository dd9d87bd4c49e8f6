"""Delete what no config refers to: runs, their states, probes, data, stamps, checkpoints.

  regimes prune                                   list them, with their sizes
  regimes prune --keep-scale paper --keep-scale smoke --yes

Kept is what config.yaml, with --config and --configfile, refers to, and what it does at the scales
and with the config files that are named to be kept. Without --yes nothing is deleted. Files
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

from regimes.config.layers import SCALES, merge
from regimes.engines.common.limits import CAPS, without_cap
from regimes.errors import StoreError
from regimes.plan import state_names
from regimes.plan.plan import Plan
from regimes.plan.state_names import shared_part
from regimes.storage.versions import package_versions
from regimes.tools import metadata, settings

SUMMARY = "list or delete the runs that no config refers to any more"
NOT_INSTALLED = "not installed"
# A job that was orphaned may still write one.
HOURS_OF_LEFTOVERS = 24
RUN = re.compile(r"[^/]+-[0-9a-f]{16}\.nc")
STAMP = re.compile(r"(data|measures|claims|figures)-.+\.txt")
STAMP_TEXT = re.compile(r"code [0-9a-f]{64}\nsettings [0-9a-f]{64}\n")
LEFTOVER = re.compile(r"\..+\.\d+\.tmp")


@dataclass(frozen=True)
class Found:
    """Files below a directory's results.

    used: those that a config refers to; unused: the workflow's own that none does; foreign: not its
    own. Paths are relative.
    """

    used: tuple[Path, ...]
    unused: tuple[Path, ...]
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
    parser.add_argument("--yes", action="store_true", help="delete, after the list")


def run(arguments: argparse.Namespace) -> int:
    """List what is unused, and delete it if told so."""
    if not (arguments.directory / "results").is_dir():
        raise StoreError(f"{arguments.directory} has no folder results")
    if package_versions("torch")["torch"] == NOT_INSTALLED:
        raise StoreError("torch is not installed here, whose version is in the names of runs")
    base = settings.overrides(arguments.config, arguments.configfile)
    layers = [base, *(settings.overrides([], [file]) for file in arguments.keep_configfile)]
    overrides = [
        merge(layer, {"scale": scale} if scale else {})
        for layer in layers
        for scale in (None, *arguments.keep_scale)
    ]
    plans = [plan for one in overrides for plan in settings.plans_of(one, arguments.directory)]
    found = find(arguments.directory, plans)
    total = 0
    for path in found.unused:
        size = _size(arguments.directory / path)
        total += size
        print(f"{size / 1e6:10.2f} MB  {path}")
    for path in found.foreign:
        print(f"   not the workflow's own, left alone: {path}")
    print(f"{total / 1e6:10.2f} MB in {len(found.unused)} files that no config refers to")
    if any(map(_of_run, found.unused)) and not any(map(_of_run, found.used)):
        print(
            "warning: no config refers to any of the runs here: were they made by other code, with "
            "another torch, or with options that are missing?"
        )
    if arguments.yes:
        delete(arguments.directory, found.unused)
        print("deleted")
    elif found.unused:
        print("nothing was deleted: --yes does it")
    return 0


def find(directory: Path, plans: Iterable[Plan]) -> Found:
    """Which files below results/ are unused by all plans, and which are not the workflow's own."""
    needed: set[str] = set()
    for plan in plans:
        needed |= referred(plan)
    used, unused, foreign = [], [], []
    for path, own in _candidates(directory):
        name = state_names.NAME.fullmatch(path.name)
        known = path.with_name(name["shared"]) if own and name else path
        if str(known) in needed:
            used.append(path)
        else:
            (unused if own else foreign).append(path)
    return Found(tuple(used), tuple(unused), tuple(foreign))


def referred(plan: Plan) -> set[str]:
    """Runs, probes, data and stamps of a plan; checkpoints and states without their own part."""
    paths = {block.path for block in plan.all_blocks()} | set(plan.probes) | set(plan.stamps)
    paths |= {data.path for data in plan.data.values()}
    for block in plan.all_blocks():
        known = (plan.data[block.dataset].hash, block.code, block.torch)
        paths.add(f"results/checkpoints/{shared_part(block.settings, *known)}")
        if block.settings["engine"] in CAPS:
            shared = shared_part(without_cap(block.settings), *known)
            paths.add(f"results/states/{block.experiment}/{shared}")
    return paths


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
    for folder, depth, is_own in (
        ("runs", 2, _is_run),
        ("probes", 3, _is_run),
        ("data", 1, _is_data),
        ("code", 1, _is_stamp),
        ("checkpoints", 1, _is_checkpoint),
        ("states", 2, _is_checkpoint),
    ):
        root = directory / results / folder
        if root.is_symlink():
            yield results / folder, False
            continue
        for path in sorted(_files(root)):
            below = path.relative_to(root)
            right_place = len(below.parts) == depth and not path.is_symlink()
            own = right_place and (_is_leftover(path) or is_own(path))
            if right_place and LEFTOVER.fullmatch(path.name) and not own:
                continue  # perhaps of a job that runs
            yield results / folder / below, own


def _files(root: Path) -> Iterator[Path]:
    """Files and links below a folder; whatever lies behind a link may belong to somebody else."""
    # Not Path.rglob, which stumbles over folders that vanish meanwhile.
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in [*names, *links])


def _of_run(path: Path) -> bool:
    return path.parts[1] == "runs" and _is_run(path)


def _size(path: Path) -> int:
    """Size of a file in bytes, 0 if it has vanished: jobs that run delete theirs."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_run(path: Path) -> bool:
    return RUN.fullmatch(path.name) is not None


def _is_data(path: Path) -> bool:
    if path.suffix != ".nc":
        return False
    try:
        attributes = metadata.attributes_of(path)
    except StoreError:
        return False
    return attributes.get("title") == f"Data set {path.stem}" and "data_hash" in attributes


def _is_stamp(path: Path) -> bool:
    try:
        return STAMP.fullmatch(path.name) is not None and (
            STAMP_TEXT.match(path.read_text(encoding="utf-8")) is not None
        )
    except (OSError, UnicodeDecodeError):
        return False


def _is_checkpoint(path: Path) -> bool:
    patterns = (state_names.NAME, state_names.EARLIER_NAME)
    return any(pattern.fullmatch(path.name) for pattern in patterns)


def _is_leftover(path: Path) -> bool:
    """Whether a file is a temporary one that no job can be writing any more."""
    if LEFTOVER.fullmatch(path.name) is None:
        return False
    try:
        return time.time() - path.stat().st_mtime > 3600 * HOURS_OF_LEFTOVERS
    except OSError:  # it has vanished: its job has ended
        return False
