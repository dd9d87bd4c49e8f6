"""Claims of Chen et al. (2022) that are bounds: C7 on the rate, C8 on Lemma 1."""

import math

import xarray as xr

from regimes.claims.core import Finding, Measures, TooSmallError, at_least, claim
from regimes.papers.chen2022.paper import EXPERIMENTS
from regimes.statistics import ran

# A bound may be missed by this much, by rounding.
ROUNDING = 1e-9
FORMS = {"active_fraction_bound": "of the proof", "active_fraction_bound_printed": "as printed"}


@claim(
    "C7",
    says=(
        "on every run log loss decays at least at the rate of the theorems' proof, with its "
        "constants"
    ),
    statistic="least decay between two recorded steps over the bound (at least 1)",
    wanted=at_least(1.0, rounding=ROUNDING),
    source="(37), (50), Theorems 1 and 2",
    needs=EXPERIMENTS,
    figure="chen2022/theory",
)
def rate(measures: Measures) -> Finding:
    """The least decay of log loss over its lower bound, of all runs that have a bound."""
    if not any(measures[name]["least_decay_ratio"].notnull().any() for name in EXPERIMENTS):
        raise TooSmallError("G is singular in every run")
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
    return Finding(min(least, default=math.nan), "; ".join(details))


def _short(name: str) -> str:
    return name.removeprefix("chen2022_").replace("_", " ")


@claim(
    "C8",
    says=(
        "on every run the share of active neurons stays above Lemma 1's bound, as printed and "
        "with the constant of its proof"
    ),
    statistic="least distance (at least 0)",
    wanted=at_least(0.0, rounding=ROUNDING),
    source="Lemma 1, (19)",
    needs=EXPERIMENTS,
    figure="chen2022/theory",
)
def active(measures: Measures) -> Finding:
    """The least distance of the share of active neurons above either form of the bound.

    It is taken where the bound says anything: at steps after the start at which it is above 0.
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
    if not any(least.values()):
        raise TooSmallError("the bound is 0 after the start in every run, and says nothing")
    values = {form: min(found, default=math.nan) for form, found in least.items()}
    shown = ", ".join(
        f"{value:.3g} at {counts[form]} recorded steps ({FORMS[form]})"
        for form, value in values.items()
    )
    return Finding(
        min(found for form in FORMS for found in least[form]),
        f"least distance where the bound is above 0: {shown}, of {total}",
    )


def _telling(runs: xr.Dataset, form: str) -> xr.DataArray:
    """The bound at the steps after the start at which it is above 0.

    At the start it is eta~^0, whatever kappa.
    """
    bound = runs[form].where(runs["diverged"] == 0)
    return bound.where((bound["step"] > 0) & (bound > 0))
