"""Find the files of data sets: shipped, in a mirror, or downloaded; all are verified."""

import hashlib
import os
from pathlib import Path

from regimes.datasets.sources.registry import SOURCES, URLS
from regimes.datasets.sources.source import Source
from regimes.errors import DataError

RESOURCES = Path(__file__).resolve().parents[3] / "resources"
# Set from `data_mirror` of the config where that is given.
MIRROR_VARIABLE = "REGIMES_DATA"
CACHE_VARIABLE = "REGIMES_CACHE"
SECONDS_TO_ANSWER = 30
LONGEST_REASON = 160


def fetch(source: Source | str) -> Path:
    """The verified file of a source, given itself or by its name in the registry.

    Taken from workflow/resources, else from the mirror, else from the cache, into which it is
    downloaded if need be, with a progress bar.
    Raises DataError: no such source; a file with the wrong checksum; a file that is nowhere and
    cannot be downloaded.
    """
    source = _registered(source) if isinstance(source, str) else source
    return find(source) or _download(source)


def find(source: Source) -> Path | None:
    """The verified file of a source if it is shipped or in the mirror, else None.

    Raises DataError when a file is there but is not what it should be, or when there is no folder
    of the mirror's name.
    """
    shipped = RESOURCES / source.name
    if _is_file(shipped):
        return _verified(shipped, source, "restore it with git")
    mirror = _mirror()
    mirrored = mirror / source.name if mirror else None
    if mirrored and _is_file(mirrored):
        urls = URLS.get(source.name)
        return _verified(mirrored, source, f"replace it by {urls[0]}" if urls else "replace it")
    return None


def is_there(source: Source, mirror: str | None = None) -> bool:
    """True when a source's file is shipped or in the mirror; it is neither verified nor read.

    mirror: `data_mirror` of a config, in place of the environment's. For plans, which must not
    fail where only the jobs that read the file would.
    """
    folders = [RESOURCES]
    if mirror := mirror or os.environ.get(MIRROR_VARIABLE):
        folders.append(Path(os.path.expanduser(mirror)))
    try:
        return any(_is_file(folder / source.name) for folder in folders)
    except DataError:
        return False


def cache() -> Path:
    """The folder into which files are downloaded: REGIMES_CACHE, or the user's cache."""
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.path.expanduser(os.environ[CACHE_VARIABLE]))
    import pooch  # slow, and only needed where something is neither shipped nor in a mirror

    return Path(pooch.os_cache("regimes"))


def _mirror() -> Path | None:
    if not os.environ.get(MIRROR_VARIABLE):
        return None
    folder = Path(os.path.expanduser(os.environ[MIRROR_VARIABLE]))
    if not folder.is_dir():
        raise DataError(
            f"data_mirror (or {MIRROR_VARIABLE}) = {str(folder)!r} is not a folder: name the one "
            "that holds mnist/, cifar10/, ..., or leave it out to download files"
        )
    return folder


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a folder that may not be entered
        raise DataError(f"data file {path} cannot be read: {_reason(error)}") from None


def _verified(path: Path, source: Source, cure: str) -> Path:
    algorithm, _, expected = source.checksum.partition(":")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise DataError(f"data file {path} cannot be read: {_reason(error)}") from None
    if found != expected:
        raise DataError(
            f"data file {path} is damaged or another one: its {algorithm} is {found}, not "
            f"{expected}; {cure}"
        )
    return path


def _download(source: Source) -> Path:
    import pooch
    import requests

    # The errors below and the progress bar say what its messages would.
    pooch.get_logger().setLevel("ERROR")
    folder, _, name = source.name.rpartition("/")
    target = cache() / folder
    reasons = []
    for url in URLS.get(source.name, ()):
        try:
            # Written under another name, verified, then renamed. A file of an earlier download is
            # verified too.
            path = pooch.retrieve(
                url,
                known_hash=source.checksum,
                fname=name,
                path=target,
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=SECONDS_TO_ANSWER),
            )
        except (OSError, ValueError) as error:  # network and disk; wrong checksum
            # The text of the exception is long, and says no more.
            unreachable = type(error) is requests.exceptions.ConnectionError
            reasons.append(f"{url}: {'no connection' if unreachable else _reason(error)}")
        else:
            return Path(path)
    failed = (
        f"and the download failed ({'; '.join(reasons)})" if reasons else "nor to be downloaded"
    )
    mirror = _mirror()
    place = (
        f"put it at {mirror / source.name}"
        if mirror
        else f"put it at {source.name} below a folder that data_mirror in the config, or the "
        f"environment variable {MIRROR_VARIABLE}, names"
    )
    raise DataError(
        f"data file {source.name} ({source.size} bytes) is neither shipped nor in a mirror, "
        f"{failed}: {place}; its {source.checksum.replace(':', ' is ')}"
    )


def _registered(name: str) -> Source:
    try:
        return SOURCES[name]
    except KeyError:
        raise DataError(f"no data file {name!r}; there are: {', '.join(SOURCES)}") from None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."
