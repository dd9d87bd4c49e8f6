"""Claims of Luo et al. (2021) on runs over time: linearisation, movement, conservation."""

import xarray as xr

from regimes.claims.core import (
    TEST,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
    within,
)
from regimes.papers.luo2021.claims.points import EDGE, at_points, past_boundary
from regimes.papers.luo2021.paper import ALONG_THE_FLOW, CONSERVATION, FOUR_POINTS, WIDTHS
from regimes.statistics import power_law_slope

MARGIN = 0.12
SIZES = Sizes(seeds=3, contains={"width": WIDTHS[FOUR_POINTS]})
# A tenth of the step of Figure 4's grid.
SAME_SLOPE = 0.01
# Weights are stored in single precision.
ROUNDING = 1e-5
VANISHING = at_most(0.0, "it is to vanish with the width")
STAYING = at_least(0.0, "it is not to vanish with the width")
SAME = within(-SAME_SLOPE, SAME_SLOPE, "a tenth of the step of Fig. 4's grid: a convention of ours")
ERROR_SLOPE = (
    "slope of log sup_t of its difference from the linearised network, root mean square between "
    "the points, against log width, at each setting"
)


@claim(
    "L13a",
    says="in the linear regime the function follows its linearisation at all times",
    statistic=ERROR_SLOPE,
    wanted=VANISHING,
    source="(15), section 4.1, Remark 7",
    needs=(ALONG_THE_FLOW,),
    sizes=SIZES,
)
def linear(measures: Measures) -> Finding:
    """Growth of the linearisation's error in the linear regime."""
    runs = measures[ALONG_THE_FLOW]
    inside = past_boundary(runs) <= -MARGIN + EDGE
    return at_points(_error_slopes(measures), inside, VANISHING)


@claim(
    "L13b",
    says="in the condensed regime it does not",
    statistic=ERROR_SLOPE,
    wanted=STAYING,
    source="section 4.1",
    needs=(ALONG_THE_FLOW,),
    sizes=SIZES,
)
def nonlinear(measures: Measures) -> Finding:
    """Growth of the linearisation's error in the condensed regime."""
    inside = past_boundary(measures[ALONG_THE_FLOW]) >= MARGIN - EDGE
    return at_points(_error_slopes(measures), inside, STAYING)


def _error_slopes(measures: Measures) -> xr.DataArray:
    error = measures[ALONG_THE_FLOW]["linearisation_error"]
    return power_law_slope(error.max("snapshot", skipna=False))[0]


@claim(
    "L14",
    says="the relative distance at the end stands for its supremum over time",
    statistic="slope_w of the largest distance at the snapshots less slope_w of that at the end",
    wanted=SAME,
    source="section 4.1.2",
    needs=(ALONG_THE_FLOW,),
    sizes=SIZES,
)
def supremum(measures: Measures) -> Finding:
    """How much slopes change when the largest distance takes the place of the last."""
    runs = measures[ALONG_THE_FLOW]
    distance = runs["relative_distance_w"]
    largest, last = distance.max("snapshot", skipna=False), distance.isel(snapshot=-1)
    change = power_law_slope(largest)[0] - power_law_slope(last)[0]
    excess = float((largest / last).max())
    everywhere = xr.ones_like(past_boundary(runs), dtype=bool)
    return at_points(change, everywhere, SAME, f"largest ratio {excess:.6g}")


@claim(
    "L8a",
    says="kappa'^2 a_k^2 - |w_k|^2 is conserved along the flow",
    statistic="largest relative drift at the finest tolerance of the solver",
    wanted=at_most(ROUNDING, "weights are stored in single precision"),
    source="Proposition 27, (77)",
    needs=(CONSERVATION,),
    kind=TEST,
    sizes=Sizes(least={"width": 1000}),
    known=True,
    figure="luo2021/fig02_typical_cases",
)
def drift(measures: Measures) -> Finding:
    """Largest drift of the conserved quantity."""
    runs = _tolerances(measures)
    by_tolerance = runs["conservation_drift"].max(
        [name for name in runs["conservation_drift"].dims if name != "solver_tolerance"],
        skipna=False,
    )
    said = ", ".join(f"{float(one):.2g} at {one['solver_tolerance']:g}" for one in by_tolerance)
    return Finding(float(by_tolerance[0]), said)


@claim(
    "L8b",
    says="|a_k(t)| <= |w_k(t)| / kappa' + |a_k(0)| for each neuron",
    statistic="largest ratio of the sides at the finest tolerance of the solver",
    wanted=at_most(1 + ROUNDING, "weights are stored in single precision"),
    source="Proposition 27, (75)",
    needs=(CONSERVATION,),
    kind=TEST,
    sizes=Sizes(least={"width": 1000}),
    known=True,
    figure="luo2021/fig02_typical_cases",
)
def output_weights(measures: Measures) -> Finding:
    """Largest output weight over its bound."""
    ratio = _tolerances(measures)["largest_output_weight_ratio"]
    by_tolerance = ratio.max([d for d in ratio.dims if d != "solver_tolerance"], skipna=False)
    said = ", ".join(f"{float(one):.7g} at {one['solver_tolerance']:g}" for one in by_tolerance)
    return Finding(float(by_tolerance[0]), said)


def _tolerances(measures: Measures) -> xr.Dataset:
    """The runs, with those of the finest tolerance first."""
    runs = measures[CONSERVATION]
    if "solver_tolerance" not in runs.dims:
        raise TooSmallError("needs tolerances of the solver")
    return runs.sortby("solver_tolerance")
