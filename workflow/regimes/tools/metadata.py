"""The metadata of a file of the workflow: what made it, from which settings."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from regimes.errors import StoreError
from regimes.storage.store import read_attributes

# Titles of files by the rules that make them; the first that fits counts.
TITLES = {
    "all_claims": re.compile(r"Claims of (?P<name>all papers)"),
    "data": re.compile(r"Data set (?P<name>.+)"),
    "train": re.compile(r"Runs of experiment (?P<name>[^,]+), job (?P<job>.+)"),
    "probe": re.compile(r"Probe (?P<probe>\S+) of experiment (?P<name>[^,]+), job (?P<job>.+)"),
    "measure": re.compile(r"Measures of experiment (?P<name>.+)"),
    "claims": re.compile(r"Claims of (?P<name>.+)"),
}


@dataclass(frozen=True)
class Metadata:
    """What made a file.

    rule: of the workflow. name: experiment, data set, paper or figure. names: further ones, by
    what they are (`job`, `probe`). config: settings, {} where only their hash is kept.
    attributes: the rest, as it is in the file.
    """

    rule: str
    name: str
    names: dict[str, str]
    config: dict[str, Any]
    attributes: dict[str, Any]

    @property
    def scale(self) -> str | None:
        """The scale that the file says; None if it says none, as of runs, which scales share."""
        return self.attributes.get("scale") or self.config.get("scale")


def read(path: Path) -> Metadata:
    """What a NetCDF, PDF or PNG file of the workflow says of itself.

    Raises StoreError for other files, and those without such metadata.
    """
    if not path.is_file():
        raise StoreError(f"{path} does not exist")
    readers = {".nc": _of_netcdf, ".pdf": _of_pdf, ".png": _of_png}
    if path.suffix not in readers:
        raise StoreError(f"{path} carries no metadata; {', '.join(readers)} files do")
    return readers[path.suffix](path)


def _of_netcdf(path: Path) -> Metadata:
    attributes = read_attributes(path)
    for rule, pattern in TITLES.items():
        found = pattern.fullmatch(str(attributes.get("title", "")))
        if found:
            names = found.groupdict()
            config = json.loads(attributes.pop("config", "{}"))
            return Metadata(rule, names.pop("name"), names, config, attributes)
    raise StoreError(f"{path} is no file of this workflow: it has not the title of one")


def _of_pdf(path: Path) -> Metadata:
    content = path.read_bytes()
    found = {
        key: re.search(rb"/" + key + rb" \(((?:[^()\\]|\\.)*)\)", content)
        for key in (b"Title", b"Keywords")
    }
    texts = {key: match.group(1).decode("latin-1") if match else "" for key, match in found.items()}
    pairs = dict(re.findall(r"(\w+)=(\S*)", texts[b"Keywords"]))
    return _of_figure(path, texts[b"Title"], pairs)


def _of_png(path: Path) -> Metadata:
    try:
        with Image.open(path) as image:
            texts = dict(getattr(image, "text", {}))
    except OSError:
        raise StoreError(f"{path} is no PNG file, or corrupt") from None
    return _of_figure(path, texts.get("Title", ""), texts)


def _of_figure(path: Path, title: str, attributes: dict[str, str]) -> Metadata:
    if not title or "config_hash" not in attributes:
        raise StoreError(f"{path} is no figure of this workflow: it carries no hash of its config")
    return Metadata("figure", title, {}, {}, dict(attributes))
