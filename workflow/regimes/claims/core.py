"""Claims: statements of a paper, checked by computation against what was measured.

A paper declares each claim at the function that checks it, in `papers/<paper>/claims.py` or in a
module of its package `claims`; nothing else lists them.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType

import xarray as xr

from regimes import endings

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_RUN = "not run"

Measures = Mapping[str, xr.Dataset]


class TooSmallError(Exception):
    """The measures are below the size that a claim needs, which is then not run; says why."""


@dataclass(frozen=True)
class Finding:
    """Result of the function that checks a claim.

    value: the statistic. detail: where it is worst, and whatever else explains the verdict.
    also: whether the parts of the statement hold that the statistic does not cover.
    """

    value: float
    detail: str = ""
    also: bool = True


@dataclass(frozen=True)
class Wanted:
    """Which values of a statistic agree with the paper.

    text: in words, such as "at most 0.1". paper_value: the number that the statistic should have.
    tolerance: how far it may be from that.
    """

    text: str
    holds: Callable[[float], bool]
    paper_value: float
    tolerance: float


def at_most(
    limit: float, *, paper: float = 0.0, tolerance: float | None = None, rounding: float = 0.0
) -> Wanted:
    """Accept values up to a limit, or above it by `rounding`. paper: the paper's value."""
    allowed = limit - paper if tolerance is None else tolerance
    return Wanted(f"at most {limit:g}", lambda value: value <= limit + rounding, paper, allowed)


def below(limit: float, *, paper: float = 0.0) -> Wanted:
    """Accept values below a limit."""
    return Wanted(f"below {limit:g}", lambda value: value < limit, paper, limit - paper)


def at_least(
    limit: float,
    *,
    paper: float | None = None,
    tolerance: float | None = None,
    rounding: float = 0.0,
) -> Wanted:
    """Accept values from a limit on, or below it by `rounding`.

    paper: the paper's value, by default the limit.
    """
    paper = limit if paper is None else paper
    allowed = paper - limit if tolerance is None else tolerance
    return Wanted(f"at least {limit:g}", lambda value: value >= limit - rounding, paper, allowed)


def above(limit: float, *, paper: float | None = None, tolerance: float | None = None) -> Wanted:
    """Accept values above a limit. paper: the paper's value, by default the limit."""
    paper = limit if paper is None else paper
    allowed = paper - limit if tolerance is None else tolerance
    return Wanted(f"above {limit:g}", lambda value: value > limit, paper, allowed)


def exactly(paper: float) -> Wanted:
    """Accept the paper's value alone."""
    return Wanted(f"{paper:g}", lambda value: value == paper, paper, 0.0)


def within(tolerance: float, paper: float) -> Wanted:
    """Accept values that differ from the paper's by at most a tolerance."""
    return Wanted(
        f"{paper:g} +- {tolerance:g}",
        lambda value: abs(value - paper) <= tolerance,
        paper,
        tolerance,
    )


Check = Callable[[Measures], Finding]


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and how it is checked.

    id: short name, such as L1.
    says: the paper's statement, in words.
    statistic: the number that is compared with the paper, in words; "" if `says` tells it.
    wanted: which values of it agree with the paper.
    source: where the paper says so (section, equation, figure).
    needs: names of the experiments whose measures `check` reads.
    check: from these measures to what is found; raises TooSmallError below the size that it needs.
    figure: path below figures/ of the figure that shows it, without suffix.
    units: units of the statistic.
    """

    id: str
    says: str
    statistic: str
    wanted: Wanted
    source: str
    needs: tuple[str, ...]
    check: Check
    figure: str = ""
    units: str = "1"

    @property
    def statement(self) -> str:
        """What the paper says, and how it is checked."""
        return f"{self.says}: {self.statistic}" if self.statistic else self.says


def claim(
    id: str,
    *,
    says: str,
    wanted: Wanted,
    source: str,
    needs: tuple[str, ...],
    statistic: str = "",
    figure: str = "",
    units: str = "1",
) -> Callable[[Check], Check]:
    """Declare a claim at the function that checks it; arguments are those of `Claim`.

    A function may check several claims, which differ in `needs`. The plan reads `needs` from the
    text of the module, without running it: it is a tuple of texts, and of names of constants of
    the module or of the paper's `paper.py`.
    """

    def declared(check: Check) -> Check:
        found = Claim(id, says, statistic, wanted, source, needs, check, figure, units)
        check.__dict__["claims"] = (found, *getattr(check, "claims", ()))
        return check

    return declared


def declared_in(*modules: ModuleType) -> list[Claim]:
    """The claims that are declared in some modules, in the order of their ids (A2 before A10)."""
    found = [
        one
        for module in modules
        for function in vars(module).values()
        if getattr(function, "__module__", None) == module.__name__
        for one in getattr(function, "claims", ())
    ]
    return sorted(found, key=lambda one: _natural(one.id))


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part or -1), other) for part, other in re.findall(r"(\d+)|(\D+)", text)]


def evaluate(claims: Iterable[Claim], measures: Measures, scale: str) -> xr.Dataset:
    """The verdict on every claim.

    measures: measured datasets by experiment name.
    scale: name of the scale that the measures were made at, named in the details.
    Returns variables over the dimension `claim` (the ids): `value`, `paper_value`, `tolerance`,
    `verdict`, `statement`, `source`, `detail`, `runs`, `figure`, `claim_units`. `value` is NaN
    for a claim that was not run.
    """
    claims = list(claims)
    ids = [claim.id for claim in claims]
    if len(set(ids)) < len(ids):
        raise ValueError(f"two claims have the same id: {', '.join(ids)}")
    results = [_evaluate_one(claim, measures, scale) for claim in claims]
    columns: dict[str, tuple[list[float] | list[str], str]] = {
        "value": ([value for value, _, _ in results], "measured value of the statistic"),
        "paper_value": ([claim.wanted.paper_value for claim in claims], "the paper's value"),
        "tolerance": ([claim.wanted.tolerance for claim in claims], "largest difference allowed"),
        "verdict": ([verdict for _, verdict, _ in results], "whether the claim is reproduced"),
        "statement": ([claim.statement for claim in claims], "what the paper says"),
        "source": ([claim.source for claim in claims], "where the paper says it"),
        "detail": ([detail for _, _, detail in results], "what decided the verdict"),
        "runs": (
            [_runs(claim, measures) for claim in claims],
            "runs behind it, and how they ended",
        ),
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
        "| claim | statement | measured | paper | tolerance | verdict | detail | runs | source |",
        "| --- | --- | ---: | ---: | ---: | --- | --- | --- | --- |",
    ]
    for index, claim in enumerate(dataset["claim"].values):
        row = dataset.isel(claim=index)
        cells = [
            str(claim),
            str(row["statement"].item()),
            *(_number(row[name].item()) for name in ("value", "paper_value", "tolerance")),
            str(row["verdict"].item()),
            str(row["detail"].item()),
            str(row["runs"].item()),
            str(row["source"].item()),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _runs(claim: Claim, measures: Measures) -> str:
    """How the runs of the experiments that a claim needs ended, such as '6 runs: 6 converged'."""
    counts = {name: endings.of_measures(measures[name]) for name in claim.needs if name in measures}
    said = {name: endings.in_words(one) for name, one in counts.items() if one}
    if len(said) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{name}: {words}" for name, words in said.items())


def _evaluate_one(claim: Claim, measures: Measures, scale: str) -> tuple[float, str, str]:
    missing = [name for name in claim.needs if name not in measures]
    if missing:
        return math.nan, NOT_RUN, f"not measured: {', '.join(missing)}"
    needed = {name: measures[name] for name in claim.needs}
    try:
        found = claim.check(needed)
    except TooSmallError as reason:
        return math.nan, NOT_RUN, f"{reason} (scale {scale})"
    value, detail = float(found.value), found.detail
    if math.isnan(value):
        unknown = "the measured value is not a number"
        return value, NOT_REPRODUCED, f"{unknown}: {detail}" if detail else unknown
    holds = claim.wanted.holds(found.value) and found.also
    return value, REPRODUCED if holds else NOT_REPRODUCED, detail


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"
