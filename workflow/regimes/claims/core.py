"""Claims: statements of a paper, checked by computation against what was measured.

A paper declares each claim at the function that checks it, in `papers/<paper>/claims.py` or in a
module of its package `claims`; nothing else lists them.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from regimes import endings

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
# The sampling error straddles the threshold, or no run can meet the hypothesis of a theorem.
UNDECIDED = "undecided"
# Below the sizes that the statement needs.
NOT_RUN = "not run"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_RUN)

# What a claim is. Bounds of a theorem whose hypothesis no run meets hold or fail; the theorem is
# neither reproduced nor refuted by them. A test of the code is what a proof shows for any network:
# where it fails, the code is wrong.
FINDING = "finding"
THEOREM = "theorem within its hypothesis"
BOUND = "bound outside its hypothesis"
ERRATUM = "erratum"
TEST = "test of the code"
KINDS = (FINDING, THEOREM, BOUND, ERRATUM, TEST)

# What is read: the text as printed, what the authors' code does, or the text with a slip mended.
TEXT = "text"
CODE = "authors' code"
CORRECTED = "corrected"
READINGS = (TEXT, CODE, CORRECTED)

Measures = Mapping[str, xr.Dataset]


class TooSmallError(Exception):
    """The measures are below the size that a claim needs, which is then not run; says why."""


@dataclass(frozen=True)
class Finding:
    """Result of the function that checks a claim.

    value: the statistic. detail: where it is worst, and whatever else explains the verdict.
    limits: between which the statistic lies but for sampling error, as the functions of
    `regimes.claims.sampling` give them; None: it has no such error, or is itself a deviate, which
    is compared with a quantile.
    """

    value: float
    detail: str = ""
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Wanted:
    """Which values of a statistic agree with the paper: those from `low` to `high`.

    reason: why there, such as the paper's number or the sampling error; "" if it goes without
    saying.
    """

    low: float
    high: float
    reason: str = ""

    @property
    def text(self) -> str:
        """In words, such as "at most 0.1"."""
        if math.isinf(self.low):
            return f"at most {self.high:.4g}"
        if math.isinf(self.high):
            return f"at least {self.low:.4g}"
        return f"{self.low:.4g}" if self.low == self.high else f"{self.low:.4g} to {self.high:.4g}"

    def verdict(self, finding: Finding) -> str:
        """Whether the statistic is inside, outside, or too uncertain to tell.

        A value that is not a number is outside: what should have been measured is not there.
        """
        lower, upper = finding.limits or (finding.value, finding.value)
        if math.isnan(finding.value) or upper < self.low or lower > self.high:
            return NOT_REPRODUCED
        return REPRODUCED if self.low <= lower and upper <= self.high else UNDECIDED


def at_most(limit: float, reason: str = "") -> Wanted:
    """Accept values up to a limit."""
    return Wanted(-math.inf, limit, reason)


def at_least(limit: float, reason: str = "") -> Wanted:
    """Accept values from a limit on."""
    return Wanted(limit, math.inf, reason)


def within(low: float, high: float, reason: str = "") -> Wanted:
    """Accept values between two limits."""
    return Wanted(low, high, reason)


# By identity, so that claims that have some can be keys.
@dataclass(frozen=True, eq=False)
class Sizes:
    """The least sizes at which a claim has a verdict, of each experiment that it needs.

    seeds: number of them. contains: values that an axis must have, such as the paper's widths.
    least: what the largest value of a quantity must reach. A quantity is a coordinate or variable
    of the measures, an attribute of theirs, or a setting of the experiment or of its data set, such
    as `n_train`.
    """

    seeds: int = 1
    contains: Mapping[str, tuple[Any, ...]] | None = None
    least: Mapping[str, float] | None = None

    @property
    def text(self) -> str:
        """In words, such as "seeds >= 5, width = 1000, 4000"."""
        said = [f"seeds >= {self.seeds}"] if self.seeds > 1 else []
        said += [
            f"{name} = {', '.join(map(_short, values))}"
            for name, values in (self.contains or {}).items()
        ]
        said += [f"{name} >= {_short(value)}" for name, value in (self.least or {}).items()]
        return "; ".join(said)

    def check(self, measures: Measures) -> None:
        """Raise TooSmallError for measures that are smaller."""
        for name, dataset in measures.items():
            if self.seeds > 1 and (count := dataset.sizes.get("seed", 1)) < self.seeds:
                raise TooSmallError(f"{name}: {count} seeds, needs {self.seeds}")
            for axis, values in (self.contains or {}).items():
                found = np.atleast_1d(_quantity(dataset, name, axis)).tolist()
                if lacking := [value for value in values if value not in found]:
                    raise TooSmallError(f"{name} lacks {axis} = {', '.join(map(_short, lacking))}")
            for quantity, least in (self.least or {}).items():
                largest = np.max(_quantity(dataset, name, quantity))
                if not largest >= least:
                    # In words, not as a key, which would be taken for a formula.
                    said = quantity.replace("_", " ")
                    raise TooSmallError(f"{name}: {said} {_short(largest)}, needs {_short(least)}")


def _quantity(dataset: xr.Dataset, experiment: str, name: str) -> Any:
    """Values of a quantity, for which `Sizes` says where it is looked for."""
    if name in dataset.variables:
        return dataset[name].values
    if name in dataset.attrs:
        return dataset.attrs[name]
    config = json.loads(dataset.attrs.get("config", "{}"))
    settings = config.get("experiments", {}).get(experiment, {})
    for place in (settings, config.get("datasets", {}).get(settings.get("dataset"), {})):
        if name in place:
            return place[name]
    raise ValueError(f"{experiment} has no {name}")


def _short(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:.12g}"


Check = Callable[[Measures], Finding]


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and how it is checked.

    id: short name, such as L1.
    says: the paper's statement, in our words.
    statistic: the number that is compared with it, in words; "" if `says` tells it.
    wanted: which values of it agree with the paper, and why these.
    source: the place in the paper that says so (section, equation, figure).
    needs: names of the experiments whose measures `check` reads.
    check: from these measures to what is found; raises TooSmallError below the size that it needs.
    kind: one of KINDS. reading: one of READINGS.
    sizes: below which it has no verdict.
    known: whether results were known when the statistic or its threshold was chosen.
    paper_value: the number that the paper gives for the statistic, if it does.
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
    kind: str = FINDING
    reading: str = TEXT
    sizes: Sizes = Sizes()
    known: bool = False
    paper_value: float = math.nan
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
    kind: str = FINDING,
    reading: str = TEXT,
    sizes: Sizes = Sizes(),
    known: bool = False,
    paper_value: float = math.nan,
    figure: str = "",
    units: str = "1",
) -> Callable[[Check], Check]:
    """Declare a claim at the function that checks it; arguments are those of `Claim`.

    A function may check several claims, which differ in `needs`. The plan reads `needs` from the
    text of the module, without running it: it is a tuple of texts, and of names of constants of
    the module or of the paper's `paper.py`. Raises ValueError for an unknown kind or reading.
    """
    if kind not in KINDS or reading not in READINGS:
        raise ValueError(f"claim {id}: kind {kind!r} or reading {reading!r} is none of those known")

    def declared(check: Check) -> Check:
        found = Claim(
            id,
            says,
            statistic,
            wanted,
            source,
            needs,
            check,
            kind,
            reading,
            sizes,
            known,
            paper_value,
            figure,
            units,
        )
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
    Returns the variables COLUMNS over the dimension `claim` (the ids). `value` and its limits are
    NaN for a claim that was not run.
    """
    claims = list(claims)
    ids = [claim.id for claim in claims]
    if len(set(ids)) < len(ids):
        raise ValueError(f"two claims have the same id: {', '.join(ids)}")
    rows = [_evaluate_one(claim, measures, scale) for claim in claims]
    return xr.Dataset(
        {
            name: ("claim", [row[name] for row in rows], {"long_name": long_name, "units": "1"})
            for name, long_name in COLUMNS.items()
        },
        coords={"claim": ("claim", ids, {"long_name": "id of the claim", "units": "1"})},
        attrs={"scale": scale},
    )


# What is told of each claim.
COLUMNS = {
    "statement": "what the paper says, and the statistic that is compared with it",
    "source": "where the paper says it",
    "kind": "what the claim is",
    "reading": "what is read: the text, the authors' code, or the text with a slip mended",
    "value": "measured value of the statistic",
    "lower": "lower limit of the statistic, of its sampling error",
    "upper": "upper limit of the statistic, of its sampling error",
    "low": "least value that agrees with the paper",
    "high": "largest value that agrees with the paper",
    "wanted": "which values agree with the paper",
    "reason": "why these",
    "paper_value": "the number that the paper gives",
    "claim_units": "units of these numbers",
    "verdict": "reproduced, not reproduced, undecided or not run",
    "detail": "what decided the verdict",
    "sizes": "sizes below which there is no verdict",
    "known": "whether results were known when the statistic was chosen",
    "runs": "runs behind it, and how they ended",
    "figure": "figure that shows it, below figures/",
}


def to_table(dataset: xr.Dataset) -> str:
    """The verdicts as a Markdown table, one row per claim."""
    lines = [
        "| claim | statement | measured | wanted | paper | verdict | kind | reading | detail "
        "| runs | source |",
        "| --- | --- | ---: | --- | ---: | --- | --- | --- | --- | --- | --- |",
    ]
    for index in range(dataset.sizes["claim"]):
        row = {name: dataset[name].values[index] for name in ("claim", *COLUMNS)}
        shown = ("verdict", "kind", "reading", "detail", "runs", "source")
        cells = [
            *(row[name] for name in ("claim", "statement")),
            measured(row),
            row["wanted"],
            number(row["paper_value"]),
            *(row[name] for name in shown),
        ]
        lines.append(markdown_row(cells))
    return "\n".join(lines) + "\n"


def markdown_row(cells: Iterable[object]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def measured(row: Mapping[str, Any]) -> str:
    """A claim's value with its limits, such as "1.1 (0.9 to 1.3)". row: its COLUMNS."""
    said = limits(row)
    return number(row["value"]) + (f" ({said})" if said else "")


def limits(row: Mapping[str, Any]) -> str:
    """The limits of a claim's value, such as "0.9 to 1.3"; "" if it has none. row: its COLUMNS."""
    lower, upper = float(row["lower"]), float(row["upper"])
    return f"{number(lower)} to {number(upper)}" if lower < upper else ""


def number(value: float) -> str:
    """A number with four digits, "" if it is none."""
    return "" if math.isnan(value) else f"{value:.4g}"


def tally(verdicts: xr.Dataset) -> str:
    """How many claims have which verdict, tests of the code and errata apart.

    Such as "12 findings and theorems: 9 reproduced, 3 not run; 2 errata: 2 not reproduced".
    """
    groups = {
        "findings and theorems": (FINDING, THEOREM),
        "bounds outside their hypotheses": (BOUND,),
        "errata, as printed": (ERRATUM,),
        "tests of the code": (TEST,),
    }
    said = []
    for title, kinds in groups.items():
        of_group = verdicts["verdict"].values[np.isin(verdicts["kind"].values, kinds)].tolist()
        if of_group:
            counts = [f"{of_group.count(one)} {one}" for one in VERDICTS if one in of_group]
            said.append(f"{len(of_group)} {title}: {', '.join(counts)}")
    return "; ".join(said)


def _runs(claim: Claim, measures: Measures) -> str:
    """How the runs of the experiments that a claim needs ended, such as '6 runs: 6 converged'."""
    counts = {name: endings.of_measures(measures[name]) for name in claim.needs if name in measures}
    said = {name: endings.in_words(one) for name, one in counts.items() if one}
    if len(said) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{name}: {words}" for name, words in said.items())


def _evaluate_one(claim: Claim, measures: Measures, scale: str) -> dict[str, Any]:
    found, verdict, detail = _verdict(claim, measures, scale)
    lower, upper = found.limits or (found.value, found.value)
    return {
        "statement": claim.statement,
        "source": claim.source,
        "kind": claim.kind,
        "reading": claim.reading,
        "value": float(found.value),
        "lower": float(lower),
        "upper": float(upper),
        "low": claim.wanted.low,
        "high": claim.wanted.high,
        "wanted": claim.wanted.text,
        "reason": claim.wanted.reason,
        "paper_value": float(claim.paper_value),
        "claim_units": claim.units,
        "verdict": verdict,
        "detail": detail,
        "sizes": claim.sizes.text,
        "known": "yes" if claim.known else "no",
        "runs": _runs(claim, measures),
        "figure": claim.figure,
    }


def _verdict(claim: Claim, measures: Measures, scale: str) -> tuple[Finding, str, str]:
    """What was found, the verdict, and what explains it."""
    missing = [name for name in claim.needs if name not in measures]
    if missing:
        return Finding(math.nan), NOT_RUN, f"not measured: {', '.join(missing)}"
    needed = {name: measures[name] for name in claim.needs}
    try:
        claim.sizes.check(needed)
        found = claim.check(needed)
    except TooSmallError as reason:
        return Finding(math.nan), NOT_RUN, f"{reason} (scale {scale})"
    verdict, detail = claim.wanted.verdict(found), found.detail
    if math.isnan(found.value):
        unknown = "the measured value is not a number"
        detail = f"{unknown}: {detail}" if detail else unknown
    if claim.kind == BOUND and verdict != UNDECIDED:
        holds = "holds" if verdict == REPRODUCED else "fails"
        return found, UNDECIDED, f"the bound {holds}, outside the theorem's hypothesis; {detail}"
    return found, verdict, detail
