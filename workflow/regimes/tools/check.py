"""Verify all files of the workflow against the plan.

  regimes check               a table of what is whole, missing, stale, damaged or foreign
  regimes check --repair      remove what is damaged or foreign, so that it is made again

whole: its digest is right, and it is what the present config and code make. stale: whole, but made
with other settings or code; it is made again when it is needed. other: whole, of another config.
damaged: not as it was written. foreign: another file under this name. unreadable: it cannot be
read, for the reason that is given; it is never removed. Tables and pages, which carry no digest,
are whole if they are text and what they were made with is (a page alone: if it is as new as its
stamp). Only files whose names are the workflow's are looked at; what lies behind links is left
alone.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimes.errors import DamagedError, ForeignError, StoreError
from regimes.plan.plan import Plan
from regimes.plan.stages import Stage
from regimes.storage.sealed import CURE, read_sealed
from regimes.storage.store import read_attributes
from regimes.tools import metadata, settings
from regimes.tools.prune import delete

SUMMARY = "verify all files, and remove what is damaged or foreign"
STATES = ("whole", "missing", "stale", "other", "damaged", "foreign", "unreadable")
REMOVED = ("damaged", "foreign")
WRONG = (*REMOVED, "unreadable")
# The rules whose NetCDF files lie below a folder of results, by names as deep as the pattern.
FOLDERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "data": ("*.nc", ("data", "features")),
    "runs": ("*/*.nc", ("train",)),
    "probes": ("*/*/*.nc", ("probe",)),
    "measures": ("*.nc", ("measure",)),
    "claims": ("*.nc", ("claims",)),
}
SAVED = ("states/*/*.pt", "checkpoints/*.pt")


@dataclass(frozen=True)
class Checked:
    """A file and its state; what is wrong with it."""

    path: Path
    state: str
    reason: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, with which config, and whether to repair."""
    settings.add_arguments(parser)
    parser.add_argument("--repair", action="store_true", help="remove what is damaged or foreign")


def run(arguments: argparse.Namespace) -> int:
    """Print the table, and what is wrong; exit code 1 if anything is and stays."""
    overrides = settings.overrides(arguments.config, arguments.configfile)
    plan = settings.plan_of(overrides, arguments.directory)
    found = list(check(arguments.directory, plan))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        counts["/".join(one.path.parts[:-1][:2])][one.state] += 1
    print(f"{'':20}" + "".join(f"{state:>11}" for state in STATES))
    for folder, states in counts.items():
        print(f"{folder:20}" + "".join(f"{states[state] or '':>11}" for state in STATES))
    wrong = [one for one in found if one.state in WRONG]
    own = [
        one.path
        for one in wrong
        if one.state in REMOVED and not _is_linked(arguments.directory, one.path)
    ]
    for data in plan.data.values():
        if data.unreadable:
            print(f"{data.unreadable}: what was made of it is shown as stale or other")
    for one in wrong:
        note = "" if one.path in own else " (left alone)"
        print(f"{one.state}: {one.reason}{note}")
    if arguments.repair and own:
        delete(arguments.directory, own)
        print(f"removed {len(own)}; what is needed of them is made again by the next run")
        return int(len(own) < len(wrong))
    if own:
        print("nothing was removed: --repair does it")
    return int(bool(wrong))


def check(directory: Path, plan: Plan) -> Iterator[Checked]:
    """The state of each file of the plan, and of the workflow's other files in a directory."""
    planned: set[Path] = set()
    for stage in plan.stages():
        for output in stage.outputs:
            planned.add(Path(output))
            yield _checked(directory, Path(output), stage)
    for folder, (pattern, _) in FOLDERS.items():
        for path in _files(directory, f"results/{folder}", pattern):
            if path not in planned:
                yield _checked(directory, path, None)
    for saved in SAVED:
        folder, _, pattern = saved.partition("/")
        for path in _files(directory, f"results/{folder}", pattern):
            yield _judged(path, lambda path=path: _state_of_saved(directory / path))
    for stamp, text in plan.stamps.items():
        if (directory / stamp).exists():
            yield _judged(Path(stamp), lambda path=directory / stamp, text=text: _stamp(path, text))


def require_current(stages: Iterable[Stage], directory: Path = Path()) -> None:
    """Raise StoreError for a file of some stages that is there and not the planned one.

    Snakemake's report takes any file that is there for that of the present config.
    """
    for stage in stages:
        for output in stage.outputs:
            found = _checked(directory, Path(output), stage)
            if found.state not in ("whole", "missing"):
                reason = found.reason or "made with other settings (a scale, say) or code"
                raise StoreError(
                    f"{output} is {found.state}: {reason}; make the report with the config of the "
                    "figures, or the figures with that of the report first"
                )


def _files(directory: Path, folder: str, pattern: str) -> Iterator[Path]:
    """Files of a pattern below a folder, none of them behind a link; paths are relative."""
    for path in sorted((directory / folder).glob(pattern)):
        below = path.relative_to(directory)
        if not _is_linked(directory, below):
            yield below


def _is_linked(directory: Path, path: Path) -> bool:
    """Whether a folder on the way to a file is a link: the file may be somebody else's.

    A file that is a link itself, to a shared run, is one's own: what lies behind it stays.
    """
    return any((directory / part).is_symlink() for part in path.parents[:-1])


def _checked(directory: Path, path: Path, stage: Stage | None) -> Checked:
    if not (directory / path).exists():
        return Checked(path, "missing")
    check_content = _of_netcdf if path.suffix == ".nc" else _of_another
    return _judged(path, lambda: check_content(directory, path, stage))


def _judged(path: Path, state: Any) -> Checked:
    try:
        return Checked(path, state())
    except ForeignError as error:
        return Checked(path, "foreign", _reason(error))
    except DamagedError as error:
        return Checked(path, "damaged", _reason(error))
    except StoreError as error:
        return Checked(path, "unreadable", str(error))


def _reason(error: StoreError) -> str:
    """What an error says, without the cure, which is this command."""
    return str(error).removesuffix(f": {CURE}")


def _of_netcdf(directory: Path, path: Path, stage: Stage | None) -> str:
    attributes = read_attributes(directory / path)
    made_by, name = attributes.get("stage"), attributes.get("name")
    rules: tuple[str, ...] = ("all_claims",)
    wanted = ""
    if path != Path("results/claims.nc"):
        rules = FOLDERS[path.parts[1]][1]
        wanted = path.relative_to(Path(*path.parts[:2])).with_suffix("").as_posix()
    identity = str(attributes.get("identity"))
    by_hash = path.parts[1] in ("runs", "probes")
    if made_by not in rules or name != wanted or (by_hash and wanted[-16:] != identity[:16]):
        raise ForeignError(f"{path} says that it is {attributes.get('title')!r}")
    if stage is None:
        return "other"
    if identity == stage.hash:
        return "whole"
    if _is_done(directory, path, stage):
        raise ForeignError(f"{path} is of other settings or code, but newer than its stamp")
    return "stale"


def _is_done(directory: Path, path: Path, stage: Stage) -> bool:
    """Whether Snakemake takes a file for done: its stamp is the planned one, and not newer."""
    stamp = directory / str(stage.stamp)
    try:
        planned = stamp.read_bytes() == stage.stamp_text.encode()
        return planned and stamp.stat().st_mtime_ns <= (directory / path).stat().st_mtime_ns
    except OSError:
        return False


def _is_made(directory: Path, path: Path, stage: Stage) -> bool:
    """Whether a file that says nothing of itself is of the present config and code.

    Its stage makes its files together, and the main one says what it is of; without one the stamp
    tells, which a dry run of another config makes newer.
    """
    main = Path(stage.path)
    if path == main:
        return _is_done(directory, path, stage)
    return _checked(directory, main, stage).state == "whole"


def _of_another(directory: Path, path: Path, stage: Stage | None) -> str:
    """State of a figure, a table or a page, which no stage reads."""
    file = directory / path
    if path.suffix not in (".pdf", ".png"):
        try:
            empty = not read_sealed(file, strict=False).decode().strip()
        except UnicodeDecodeError:
            empty = True
        if empty:
            raise DamagedError(f"{path} is empty, or no text")
        return "whole" if stage is not None and _is_made(directory, path, stage) else "stale"
    read_sealed(file)
    found = metadata.read(file)
    if stage is not None and found.name != stage.name:
        raise ForeignError(f"{path} says that it is {found.name!r}")
    if stage is not None and found.attributes.get("identity") == stage.hash:
        return "whole"
    if stage is not None and _is_done(directory, path, stage):
        raise ForeignError(f"{path} is of other settings or code, but newer than its stamp")
    return "stale"


def _state_of_saved(path: Path) -> str:
    # Torch is loaded for these alone.
    from regimes.engines.common.resume import load

    load(path)
    return "other"


def _stamp(path: Path, text: str) -> str:
    try:
        return "whole" if read_sealed(path, strict=False).decode() == text else "stale"
    except UnicodeDecodeError:
        raise DamagedError(f"{path} is no text") from None
