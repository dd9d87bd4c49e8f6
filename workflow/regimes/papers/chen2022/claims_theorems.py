"""Claims of Chen et al. (2022) that are theorems: C7 on the rate, C8 on Lemma 1."""

import math

import xarray as xr

from regimes.claims.core import Claim, Measured, Measures
from regimes.papers.chen2022.selection import ran
from regimes.papers.chen2022.sizes import EXPERIMENTS

# By how much a bound may be missed by rounding.
ROUNDING = 1e-9
FORMS = {"active_fraction_bound": "of the proof", "active_fraction_bound_printed": "as printed"}


def _rate(measures: Measures) -> Measured:
    """C7: the least decay of log loss over its lower bound, of all runs that have a bound."""
    least, details = [], []
    for name in EXPERIMENTS:
        runs = measures[name]
        total, diverged = int(ran(runs).sum()), int(runs["diverged"].sum())
        ratios = runs["least_decay_ratio"].where(runs["diverged"] == 0)
        known = int(ratios.notnull().sum())
        detail = f"{known} of {total} runs have a bound"
        if known:
            least.append(float(ratios.min()))
            detail += f", least {least[-1]:.3g}"
        details.append(f"{_short(name)}: {detail}" + (f", {diverged} diverged" if diverged else ""))
    worst = min(least, default=math.nan)
    return Measured(worst, worst >= 1 - ROUNDING, "; ".join(details))


def _short(name: str) -> str:
    return name.removeprefix("chen2022_").replace("_", " ")


def _active(measures: Measures) -> Measured:
    """C8: the least distance of the share of active neurons above either form of the bound, where
    it says anything: at steps after the start at which it is above 0.
    """
    least: dict[str, list[float]] = {form: [] for form in FORMS}
    counts, total = dict.fromkeys(FORMS, 0), 0
    for name in EXPERIMENTS:
        runs = measures[name]
        total += int(ran(runs).sum()) * int((runs["step"] > 0).sum())
        for form in FORMS:
            bound = _telling(runs, form)
            counts[form] += int(bound.notnull().sum())
            if bound.notnull().any():
                least[form].append(float((runs["active_fraction"] - bound).min()))
    values = {form: min(found, default=math.nan) for form, found in least.items()}
    worst = min(found for form in FORMS for found in least[form])
    shown = ", ".join(
        f"{value:.3g} at {counts[form]} recorded steps ({FORMS[form]})"
        for form, value in values.items()
    )
    return Measured(
        worst,
        worst >= -ROUNDING,
        f"least distance where the bound is above 0: {shown}, of {total}",
    )


def _telling(runs: xr.Dataset, form: str) -> xr.DataArray:
    """The bound after the start, where it is above 0. At the start it is eta~^0, whatever kappa."""
    bound = runs[form].where(runs["diverged"] == 0)
    return bound.where((bound["step"] > 0) & (bound > 0))


def _no_bound_on_decay(measures: Measures) -> str | None:
    """Why C7 has no run with a bound to compare; None if one has."""
    if not any(measures[name]["least_decay_ratio"].notnull().any() for name in EXPERIMENTS):
        return "G is singular in every run"
    return None


def _no_telling_bound(measures: Measures) -> str | None:
    """Why C8 has nothing to compare; None if it has."""
    for name in EXPERIMENTS:
        if any(_telling(measures[name], form).notnull().any() for form in FORMS):
            return None
    return "the bound is 0 after the start in every run, and says nothing"


CLAIMS = [
    Claim(
        id="C7",
        statement=(
            "on every run log loss decays at least at the rate of the theorems' proof, with its "
            "constants: least decay between two recorded steps over the bound (at least 1)"
        ),
        paper_value=1.0,
        tolerance=0.0,
        source="(37), (50), Theorems 1 and 2",
        needs=EXPERIMENTS,
        check=_rate,
        too_small=_no_bound_on_decay,
        figure="chen2022/theory",
    ),
    Claim(
        id="C8",
        statement=(
            "on every run the share of active neurons stays above Lemma 1's bound, as printed and "
            "with the constant of its proof: least distance (at least 0)"
        ),
        paper_value=0.0,
        tolerance=0.0,
        source="Lemma 1, (19)",
        needs=EXPERIMENTS,
        check=_active,
        too_small=_no_telling_bound,
        figure="chen2022/theory",
    ),
]
