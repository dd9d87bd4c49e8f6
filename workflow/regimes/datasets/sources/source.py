"""A file of a data set: what it is, and how a reader gets hold of it."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A file, known by its checksum.

    name: its path below workflow/resources, in a mirror and in the cache. checksum: "sha256:...",
    or "md5:..." where no other is published. size: bytes. What stands here is part of the hash of
    the data made from the file; where the file can be had is not, and is in `registry`.
    """

    name: str
    checksum: str
    size: int
    licence: str

    def find(self) -> Path | None:
        """The file, verified, if it is shipped or in the mirror (see `retrieval.find`)."""
        return _retrieval().find(self)

    def fetch(self) -> Path:
        """The file, verified, if need be downloaded (see `retrieval.fetch`)."""
        return _retrieval().fetch(self)


def _retrieval():
    # Loaded by name: the checksum says what the file holds, so how it was found must not change
    # the hash of the data.
    return import_module("regimes.datasets.sources.retrieval")
