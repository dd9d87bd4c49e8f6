"""Claims of Luo et al. (2021) on Figure 2: what networks learn, and where their neurons are."""

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, Measures, Sizes, Wanted, at_least, at_most, claim
from regimes.claims.sampling import mean_of, paired_order
from regimes.papers.luo2021.paper import TYPICAL_CASES, TYPICAL_CASES_OTHER_POINTS, TYPICAL_WIDTH

SIZES = Sizes(seeds=5, contains={"gamma": (0.5, 1.0, 1.75)}, least={"width": TYPICAL_WIDTH})
FIRST = "four points of ours, which the paper does not print"
SOURCE = "section 3.1, Fig. 2, top"
FIGURE = "luo2021/fig02_typical_cases"
NEARER = "mean over seeds of log of the distance to the one over that to the other"
ORDER = at_least(0.0, "the order that the text names")
LESS_THAN_CHANCE = at_most(0.0, "95 % quantile of two independent starts")
MORE_THAN_CHANCE = at_least(0.0, "95 % quantile of two independent starts")
JAGGED = "gamma = 0.5 learns a relatively jagged function"
CUBIC = "gamma = 1 learns a smooth function like a cubic spline"
LINEAR = "gamma = 1.75 learns a linear spline"
VARIATION = (
    "mean over seeds of log of its slope's total variation over that at gamma = 1 and at 1.75"
)


@claim(
    "L11a",
    says=f"{JAGGED} ({FIRST})",
    statistic=VARIATION,
    wanted=ORDER,
    source=SOURCE,
    needs=(TYPICAL_CASES,),
    sizes=SIZES,
    known=True,
    figure=FIGURE,
)
@claim(
    "L11a-other",
    says=f"{JAGGED} (four others)",
    statistic=VARIATION,
    wanted=ORDER,
    source=SOURCE,
    needs=(TYPICAL_CASES_OTHER_POINTS,),
    sizes=SIZES,
)
def jagged(measures: Measures) -> Finding:
    """Total variation of the slope at gamma = 0.5 against those at the others."""
    variation = _end(measures)["slope_variation"].transpose("seed", "gamma")
    others = variation.sel(gamma=[1.0, 1.75]).values
    most = variation.sel(gamma=[0.5, 0.5]).values
    means = ", ".join(f"{value:.3g}" for value in variation.mean("seed").values)
    return paired_order(others, most, f"variations by gamma: {means}")


@claim(
    "L11b",
    says=f"{CUBIC} ({FIRST})",
    statistic=NEARER,
    wanted=ORDER,
    source=SOURCE,
    needs=(TYPICAL_CASES,),
    sizes=SIZES,
    known=True,
    figure=FIGURE,
)
@claim(
    "L11b-other",
    says=f"{CUBIC} (four others)",
    statistic=NEARER,
    wanted=ORDER,
    source=SOURCE,
    needs=(TYPICAL_CASES_OTHER_POINTS,),
    sizes=SIZES,
)
def cubic(measures: Measures) -> Finding:
    """Distance to the linear spline over that to the cubic one at gamma = 1."""
    return _nearer(measures, 1.0, to="cubic", than="linear")


@claim(
    "L11c",
    says=f"{LINEAR} ({FIRST})",
    statistic=NEARER,
    wanted=ORDER,
    source=SOURCE,
    needs=(TYPICAL_CASES,),
    sizes=SIZES,
    known=True,
    figure=FIGURE,
)
@claim(
    "L11c-other",
    says=f"{LINEAR} (four others)",
    statistic=NEARER,
    wanted=ORDER,
    source=SOURCE,
    needs=(TYPICAL_CASES_OTHER_POINTS,),
    sizes=SIZES,
)
def linear(measures: Measures) -> Finding:
    """Distance to the cubic spline over that to the linear one at gamma = 1.75."""
    return _nearer(measures, 1.75, to="linear", than="cubic")


def _nearer(measures: Measures, gamma: float, *, to: str, than: str) -> Finding:
    case = _end(measures).sel(gamma=gamma)
    near, far = (case[f"distance_to_{name}_spline"] for name in (to, than))
    said = f"distances {float(near.mean()):.3g} to the {to}, {float(far.mean()):.3g} to the {than}"
    return paired_order(near.values, far.values, f"{said} spline")


def _end(measures: Measures) -> xr.Dataset:
    (cases,) = measures.values()
    return cases.squeeze(("gamma_prime", "width"), drop=True).isel(snapshot=-1)


@claim(
    "L12a",
    says="at gamma = 0.5 the scatter of neurons is very close to the initial one",
    statistic=(
        "mean over seeds of log of the total-variation distance of the amplitude's shares in 360 "
        "angles from the start, over what two starts differ by"
    ),
    wanted=LESS_THAN_CHANCE,
    source="section 3.1, Fig. 2 (d)",
    needs=(TYPICAL_CASES,),
    sizes=SIZES,
    figure=FIGURE,
)
def scatter_stays(measures: Measures) -> Finding:
    """Movement of the scatter at gamma = 0.5."""
    return _moved(measures, 0.5, LESS_THAN_CHANCE)


@claim(
    "L12b",
    says="at gamma = 1.75 it strongly deviates from the initial one",
    statistic="the same",
    wanted=MORE_THAN_CHANCE,
    source="section 3.1, Fig. 2 (f)",
    needs=(TYPICAL_CASES,),
    sizes=SIZES,
    figure=FIGURE,
)
def scatter_moves(measures: Measures) -> Finding:
    """Movement of the scatter at gamma = 1.75."""
    return _moved(measures, 1.75, MORE_THAN_CHANCE)


def _moved(measures: Measures, gamma: float, wanted: Wanted) -> Finding:
    case = _end(measures).sel(gamma=gamma)
    distance, between = case["scatter_distance"], float(case["scatter_distance_of_starts"])
    said = f"distance {float(distance.mean()):.3g}, of two starts {between:.3g}"
    return mean_of(np.log(distance.values / between), wanted, said)
