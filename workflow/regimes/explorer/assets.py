"""The files of which the page consists, beside its data."""

import hashlib
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "page"
# Scripts, in the order in which the page runs them.
SCRIPTS = ("formulas.js", "common.js", "diagrams.js", "linked.js", "claims.js", "start.js")


def assets_hash() -> str:
    """sha256 of the names and contents of all files of the page."""
    digest = hashlib.sha256()
    for path in sorted(PAGE.iterdir()):
        if path.is_file():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
