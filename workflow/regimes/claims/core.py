"""Claims: statements of a paper, checked by computation against what was measured."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import xarray as xr

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_RUN = "not run"

Measures = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class Measured:
    """What a claim's function found: the statistic, whether it holds, and where it is worst."""

    value: float
    reproduced: bool
    detail: str = ""


def _large_enough(measures: Measures) -> str | None:
    return None


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and how it is checked.

    id: short name, such as L1.
    statement: what the paper says, in words.
    paper_value: the number that the statistic should have.
    tolerance: how far the statistic may be from it.
    source: where the paper says so (section, equation, figure).
    needs: names of the measures that `check` reads.
    check: from the measures (only those of `needs`) to what was found.
    too_small: from the same measures to a reason why they are below the size that the claim
        needs, or None; such a claim is not run.
    figure: path below figures/ of the figure that shows it, without suffix.
    units: units of value, paper_value and tolerance.
    """

    id: str
    statement: str
    paper_value: float
    tolerance: float
    source: str
    needs: tuple[str, ...]
    check: Callable[[Measures], Measured]
    too_small: Callable[[Measures], str | None] = _large_enough
    figure: str = ""
    units: str = "1"


def evaluate(claims: Iterable[Claim], measures: Measures, scale: str) -> xr.Dataset:
    """The verdict on every claim.

    measures: measured datasets by experiment name.
    scale: name of the scale that the measures were made at, named in the details.
    Returns variables over the dimension `claim` (the ids): `value`, `paper_value`, `tolerance`,
    `verdict`, `statement`, `source`, `detail`, `figure`, `claim_units`. `value` is NaN for a
    claim that was not run.
    """
    claims = list(claims)
    ids = [claim.id for claim in claims]
    if len(set(ids)) < len(ids):
        raise ValueError(f"two claims have the same id: {', '.join(ids)}")
    results = [_evaluate_one(claim, measures, scale) for claim in claims]
    columns: dict[str, tuple[list[float] | list[str], str]] = {
        "value": ([value for value, _, _ in results], "measured value of the statistic"),
        "paper_value": ([claim.paper_value for claim in claims], "the paper's value"),
        "tolerance": ([claim.tolerance for claim in claims], "largest difference allowed"),
        "verdict": ([verdict for _, verdict, _ in results], "whether the claim is reproduced"),
        "statement": ([claim.statement for claim in claims], "what the paper says"),
        "source": ([claim.source for claim in claims], "where the paper says it"),
        "detail": ([detail for _, _, detail in results], "what decided the verdict"),
        "figure": ([claim.figure for claim in claims], "figure that shows it, below figures/"),
        "claim_units": ([claim.units for claim in claims], "units of the three numbers"),
    }
    return xr.Dataset(
        {
            name: ("claim", values, {"long_name": long_name, "units": "1"})
            for name, (values, long_name) in columns.items()
        },
        coords={"claim": ("claim", ids, {"long_name": "id of the claim", "units": "1"})},
        attrs={"scale": scale},
    )


def to_table(dataset: xr.Dataset) -> str:
    """The verdicts as a Markdown table, one row per claim."""
    lines = [
        "| claim | statement | measured | paper | tolerance | verdict | detail | source |",
        "| --- | --- | ---: | ---: | ---: | --- | --- | --- |",
    ]
    for index, claim in enumerate(dataset["claim"].values):
        row = dataset.isel(claim=index)
        cells = [
            str(claim),
            str(row["statement"].item()),
            *(_number(row[name].item()) for name in ("value", "paper_value", "tolerance")),
            str(row["verdict"].item()),
            str(row["detail"].item()),
            str(row["source"].item()),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _evaluate_one(claim: Claim, measures: Measures, scale: str) -> tuple[float, str, str]:
    missing = [name for name in claim.needs if name not in measures]
    if missing:
        return math.nan, NOT_RUN, f"not measured: {', '.join(missing)}"
    needed = {name: measures[name] for name in claim.needs}
    reason = claim.too_small(needed)
    if reason:
        return math.nan, NOT_RUN, f"{reason} (scale {scale})"
    measured = claim.check(needed)
    if math.isnan(measured.value):
        detail = "the measured value is not a number"
        return (
            measured.value,
            NOT_REPRODUCED,
            f"{detail}: {measured.detail}" if measured.detail else detail,
        )
    verdict = REPRODUCED if measured.reproduced else NOT_REPRODUCED
    return float(measured.value), verdict, measured.detail


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"
