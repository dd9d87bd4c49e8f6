"""Claims of Chen et al. (2022) that are theorems: C7 on the rate, C8 on Lemma 1."""

import math
from collections.abc import Callable

import numpy as np

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
    """C8: the least distance of the share of active neurons above either form of the bound."""
    least: dict[str, list[float]] = {form: [] for form in FORMS}
    counts, above_zero, total = 0, 0, 0
    for name in EXPERIMENTS:
        runs = measures[name][["active_fraction", *FORMS]]
        runs = runs.where(measures[name]["diverged"] == 0)
        for form in FORMS:
            distance = runs["active_fraction"] - runs[form]
            if distance.notnull().any():
                least[form].append(float(distance.min()))
        bound = runs["active_fraction_bound"]
        counts += int(bound.notnull().any("step").sum())
        # At the start the bound is eta~^0 whatever its constant.
        later = bound.where(bound["step"] > 0)
        above_zero += int((later > 0).sum())
        total += int(later.notnull().sum())
    values = {form: min(found, default=math.nan) for form, found in least.items()}
    worst = float(np.min(list(values.values())))
    shown = ", ".join(f"{value:.3g} ({FORMS[form]})" for form, value in values.items())
    return Measured(
        worst,
        worst >= -ROUNDING,
        f"least distance with the constant: {shown}; {counts} runs with G not singular; after the "
        f"start the bound is above 0 at {above_zero} of {total} recorded steps",
    )


def _without_bound(variable: str) -> Callable[[Measures], str | None]:
    """Why no run has a bound to compare; None if one has."""

    def too_small(measures: Measures) -> str | None:
        if not any(measures[name][variable].notnull().any() for name in EXPERIMENTS):
            return "G is singular in every run"
        return None

    return too_small


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
        too_small=_without_bound("least_decay_ratio"),
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
        too_small=_without_bound("active_fraction_bound"),
        figure="chen2022/theory",
    ),
]
