"""The claims of all papers as rows of one table."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from regimes.explorer.values import plain

COLUMNS = {
    "statement": "statement",
    "kind": "kind",
    "reading": "reading",
    "value": "value",
    "lower": "lower",
    "upper": "upper",
    "wanted": "wanted",
    "reason": "reason",
    "paper_value": "paper_value",
    "units": "claim_units",
    "verdict": "verdict",
    "detail": "detail",
    "source": "source",
    "figure": "figure",
}


def rows(claims: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """One row for each claim, from verdicts as made by `claims.core.evaluate`, by paper."""
    found = []
    for paper, verdicts in claims.items():
        columns = {name: plain(verdicts[there]) for name, there in COLUMNS.items()}
        columns["claim"] = plain(verdicts["claim"])
        found += [
            {"paper": paper} | dict(zip(columns, row, strict=True))
            for row in zip(*columns.values(), strict=True)
        ]
    return found
