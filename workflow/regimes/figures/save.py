"""Save a figure as PDF and PNG with its provenance."""

import logging
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from regimes.atomic import replacing


def save(
    figure: Figure,
    pdf: str | Path,
    png: str | Path,
    *,
    title: str,
    config_hash: str,
    code_hash: str,
) -> None:
    """Write a figure as PDF and PNG, each complete or not at all.

    Both carry the hashes of the settings and of the code that made them in their metadata (PDF:
    Keywords; PNG: text chunks `config_hash`, `code_hash`) and no dates, so that equal figures are
    equal files.
    """
    keywords = f"config_hash={config_hash} code_hash={code_hash}"
    _save(figure, Path(pdf), {"Title": title, "Keywords": keywords, "CreationDate": None})
    _save(
        figure,
        Path(png),
        {"Title": title, "config_hash": config_hash, "code_hash": code_hash},
    )


def _save(figure: Figure, path: Path, metadata: dict[str, Any]) -> None:
    # It warns of the missing dates, which are left out on purpose.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
