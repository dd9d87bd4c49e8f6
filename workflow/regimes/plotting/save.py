"""Save a figure as PDF and PNG with its provenance."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from regimes.storage.sealed import sealed


def save(
    figure: Figure,
    pdf: str | Path,
    png: str | Path,
    *,
    title: str,
    config_hash: str,
    identity: str,
    code_hash: str,
    source: str,
    scale: str,
    measures: Sequence[str],
) -> None:
    """Write a figure as PDF and PNG with a digest at its end, each complete or not at all.

    source: module that drew it. measures: names of the experiments whose measures it shows. Both
    files carry these, the scale and the hashes of the settings and of the code that made them in
    their metadata (PDF: Keywords; PNG: text chunks) and no dates or commits, so that equal figures
    are equal files.
    """
    made_by = {
        "config_hash": config_hash,
        "code_hash": code_hash,
        "identity": identity,
        "source": source,
        "scale": scale,
        "measures": ",".join(measures),
    }
    keywords = " ".join(f"{name}={value}" for name, value in made_by.items())
    _save(figure, Path(pdf), {"Title": title, "Keywords": keywords, "CreationDate": None})
    _save(figure, Path(png), {"Title": title} | made_by)


def _save(figure: Figure, path: Path, metadata: dict[str, Any]) -> None:
    # It warns of the missing dates, which are left out on purpose.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with sealed(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
