"""Printed forms of Chen et al. (2022) that are wrong, beside corrected: Lemmas 2 and 3, (52)."""

import numpy as np

from regimes.claims.core import (
    CORRECTED,
    ERRATUM,
    TEST,
    THEOREM,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_most,
    claim,
    within,
)
from regimes.claims.sampling import shares
from regimes.papers.chen2022.decay import above_rounding
from regimes.papers.chen2022.paper import LEMMA_1_TANH, STARTS
from regimes.statistics import ran

# Lemma 2's constant, which the text leaves open: with it the lemma holds at the least n.
LEMMA_2_CONSTANT = 4.0
LEMMA_2 = "m = 4 c^2 {}ln(n/delta) G_max / |y|^2 neurons are enough for L_0 <= |y|^2"
DELTA = 0.1
AT_MOST_DELTA = at_most(DELTA, "the lemma's probability delta, 0.1 here")
STARTS_SIZES = Sizes(seeds=200, contains={"n_train": (10, 50, 250)})
LEMMA_3 = "ln(n/delta) / (2 K^2) neurons are enough for a share K in the middle third of I"
CHANCE = "largest chance of fewer, in closed form for one point with G = 1"


@claim(
    "C32",
    says=f"{LEMMA_2.format('')} at any n; as printed",
    statistic="largest share of starts with L_0 > |y|^2, n = 10, 50, 250",
    wanted=AT_MOST_DELTA,
    source="Lemma 2, (64) to (66)",
    needs=(STARTS,),
    kind=ERRATUM,
    sizes=STARTS_SIZES,
    known=True,
)
def lemma_2_printed(measures: Measures) -> Finding:
    """At the widths that the printed condition asks for."""
    return _lemma_2(measures, factor_n=False)


@claim(
    "C33",
    says=f"{LEMMA_2.format('n ')}; with the factor n of (64), |y|/n^(1/2) for each point",
    statistic="largest share of starts with L_0 > |y|^2, n = 10, 50, 250",
    wanted=AT_MOST_DELTA,
    source="Lemma 2, (64) to (66)",
    needs=(STARTS,),
    kind=THEOREM,
    reading=CORRECTED,
    sizes=STARTS_SIZES,
    known=True,
)
def lemma_2_corrected(measures: Measures) -> Finding:
    """At n times these widths."""
    return _lemma_2(measures, factor_n=True)


def _lemma_2(measures: Measures, factor_n: bool) -> Finding:
    """Shares at the least width of each n that the condition allows."""
    runs = measures[STARTS]
    made = ran(runs).any("seed")
    failed, trials, details = [], [], []
    for n in runs["n_train"].values.tolist():
        enough = runs["lemma_2_constant"].sel(n_train=n) / (n if factor_n else 1)
        widths = runs["width"][((enough >= LEMMA_2_CONSTANT) & made.sel(n_train=n)).values]
        if not widths.size:
            raise TooSmallError(f"no width is enough at n = {n}")
        width = int(widths.min())
        ratio = runs["initial_loss_ratio"].sel(n_train=n, width=width)
        failed.append(int((~(ratio <= 1)).sum()))
        trials.append(ratio.size)
        details.append(f"{failed[-1] / ratio.size:.3g} at n = {n}, m = {width}")
        details[-1] += f" (mean L_0/|y|^2 {float(ratio.mean()):.2f})"
    return shares(failed, trials, AT_MOST_DELTA, ", ".join(details))


def _lemma_3(measures: Measures, form: str, regions: list[str]) -> Finding:
    runs = measures[STARTS].sel(form=form, region=regions)
    details = [
        f"I = {one}: K {float(runs['least_share'].sel(region=one)):.2g}, true share "
        f"{float(runs['middle_share'].sel(region=one)):.2g}"
        for one in regions
    ]
    return Finding(float(runs["failing_share"].max()), "; ".join(details))


@claim(
    "C34",
    says=f"{LEMMA_3}, K with max(abs(I)) / G_min^2 in its exponent, for any I: I = (5, 6)",
    statistic=CHANCE,
    wanted=AT_MOST_DELTA,
    source="Lemma 3, (71)",
    needs=(STARTS,),
    kind=ERRATUM,
    known=True,
)
def lemma_3_printed(measures: Measures) -> Finding:
    """Far from 0, as printed."""
    return _lemma_3(measures, "printed", ["(5, 6)"])


@claim(
    "C35",
    says=f"{LEMMA_3}, K with max(I^2) / (2 G_min) in its exponent; I = (5, 6), (-1, 1) and (0, 1)",
    statistic=CHANCE,
    wanted=AT_MOST_DELTA,
    source="Lemma 3, (71)",
    needs=(STARTS,),
    kind=THEOREM,
    reading=CORRECTED,
    known=True,
)
def lemma_3_corrected(measures: Measures) -> Finding:
    """In all regions, with the exponent of the normal law."""
    return _lemma_3(measures, "corrected", ["(5, 6)", "(-1, 1)", "(0, 1)"])


@claim(
    "C36",
    says=f"{LEMMA_3}, as printed for the I in use, (-1, 1) and (0, 1), with G = 1",
    statistic=CHANCE,
    wanted=AT_MOST_DELTA,
    source="Lemma 3",
    needs=(STARTS,),
    kind=THEOREM,
    known=True,
)
def lemma_3_in_use(measures: Measures) -> Finding:
    """In the regions in use, as printed."""
    return _lemma_3(measures, "printed", ["(-1, 1)", "(0, 1)"])


SLOPES = "integral of L^(-1/2) dL over the change of {}, farthest from 1 of all runs"


@claim(
    "C37",
    says="L' L^(-1/2) >= d/dt (2 L)^(1/2), the last step of (52), where L' < 0",
    statistic=SLOPES.format("(2 L)^(1/2)"),
    wanted=at_most(1.0, "the inequality of negative numbers"),
    source="(52)",
    needs=(LEMMA_1_TANH,),
    kind=ERRATUM,
    known=True,
)
def slope_printed(measures: Measures) -> Finding:
    """With (2 L)^(1/2): the ratio is 2^(1/2)."""
    return Finding(_slope_ratio(measures, 2**0.5), "a factor 2^(1/2) in kappa, and in c^ of (58)")


@claim(
    "C38",
    says="L' L^(-1/2) = d/dt 2 L^(1/2), with which (52) goes on",
    statistic=SLOPES.format("2 L^(1/2)"),
    wanted=within(0.999, 1.001, "1 but for the error of quadrature"),
    source="(52)",
    needs=(LEMMA_1_TANH,),
    kind=TEST,
    reading=CORRECTED,
    known=True,
)
def slope_corrected(measures: Measures) -> Finding:
    """With 2 L^(1/2)."""
    return Finding(_slope_ratio(measures, 2.0))


def _slope_ratio(measures: Measures, factor: float) -> float:
    """By the trapezoidal rule, over pieces in which the loss falls by less than a twentieth."""
    root = np.sqrt(above_rounding(measures[LEMMA_1_TANH]["train_loss"]))
    loss = root**2
    ends = [loss.isel(step=slice(*one)).values for one in ((None, -1), (1, None))]
    roots = [root.isel(step=slice(*one)).values for one in ((None, -1), (1, None))]
    small = (ends[1] > 0.95 * ends[0]) & (ends[1] < ends[0])
    if not small.any():
        raise TooSmallError("no piece in which the loss falls by less than a twentieth")
    integral = (ends[1] - ends[0]) * (1 / roots[0] + 1 / roots[1]) / 2
    ratios = (integral / (factor * (roots[1] - roots[0])))[small]
    return float(ratios[np.argmax(np.abs(ratios - 1))])
