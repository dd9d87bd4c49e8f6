"""What the console says at the end: where the results lie, or which jobs failed and why."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from os.path import splitext
from pathlib import Path

from regimes.claims.files import ALL_CLAIMS

# Files of claims.
CLAIMS = re.compile(r"(.*/)?results/claims(/[^/]+)?[.]nc")
# Files of a folder that are named one by one, failed jobs that are, and lines of their logs.
MOST_FILES, MOST_JOBS, LAST_LINES = 3, 5, 8
# What more files of a folder are called.
NUMBERED = {
    "figures": "{} figures",
    "results/measures": "measures of {} experiments",
    "results/claims": "claims of {} papers",
    "results/data": "{} data sets",
}
# Of files that differ in their suffixes alone these are named.
MAIN = (".pdf", ".nc")
TRACEBACK = "Traceback (most recent call last):"


def made(files: Iterable[str], directory: Path, start: Path) -> str:
    """One line that says where the files lie that were asked for.

    files: paths below `directory`. start: the folder that the line's paths are seen from.
    """
    folders: dict[str, dict[str, str]] = defaultdict(dict)
    for file in sorted(map(str, files), key=lambda file: splitext(file)[1] not in MAIN):
        folder = next((one for one in NUMBERED if file.startswith(f"{one}/")), "")
        folders[folder].setdefault(splitext(file)[0], file)
    parts = []
    for folder in (*NUMBERED, ""):
        named = sorted(folders[folder].values())
        if len(named) > MOST_FILES:
            what = NUMBERED.get(folder, "{} other files").format(len(named))
            parts.append(f"{what} in {_seen(folder, directory, start)}/")
        else:
            parts += [_seen(file, directory, start) for file in named]
    return f"made: {', '.join(parts)}" if parts else "made: no files"


def verdicts(files: Iterable[str], directory: Path) -> Iterator[str]:
    """A line with the verdicts on the claims among some files, and how a report is made.

    files: paths below `directory`; those of all papers together stand for each paper's.
    """
    found = sorted({str(file) for file in files if CLAIMS.fullmatch(str(file))})
    whole = [ALL_CLAIMS] if ALL_CLAIMS in found else found
    if not whole:
        return
    # Slow, and only needed here.
    from regimes.claims.core import tally
    from regimes.storage import store

    for file in whole:
        yield f"claims: {tally(store.read(directory / file))} ({file})"
    if ALL_CLAIMS in found:
        yield "report: snakemake --report report.html puts all figures and their origins in one"


def failed(
    jobs: Collection[tuple[str, Sequence[str], Sequence[str]]], directory: Path, start: Path
) -> Iterator[str]:
    """Lines that name the jobs that failed, their logs, and the last of what these say.

    jobs: rule, output files and logs of each, below `directory`. start: the folder that the lines'
    paths are seen from.
    """
    number = f"{len(jobs)} job{'s' * (len(jobs) > 1)}"
    yield f"failed: {number}" if jobs else "failed: no job of its own, see above"
    for rule, outputs, logs in sorted(jobs)[:MOST_JOBS]:
        yield f"  {rule}: {', '.join(_seen(file, directory, start) for file in outputs)}"
        for log in logs:
            lines = last_lines(directory / log)
            yield f"  log: {_seen(log, directory, start)}{'' if lines else ', which is empty'}"
            yield from (f"    {line}" for line in lines)
    if len(jobs) > MOST_JOBS:
        yield f"  and {len(jobs) - MOST_JOBS} more"


def last_lines(log: Path) -> list[str]:
    """The last lines of a log, of a traceback the last alone; none if it cannot be read."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    if TRACEBACK in lines:
        lines = [*lines[: lines.index(TRACEBACK)], lines[-1]]
    return lines[-LAST_LINES:]


def _seen(file: str, directory: Path, start: Path) -> str:
    """A path below the directory, seen from `start` if the directory lies there."""
    path = directory / file
    return str(path.relative_to(start) if path.is_relative_to(start) else path)
