"""Claims of Luo et al. (2021) on Figure 3: power laws, and families of the same kappa, kappa'."""

import itertools

import numpy as np
import xarray as xr
from scipy import stats

from regimes.claims.core import Finding, Measures, Sizes, TooSmallError, at_most, claim, within
from regimes.claims.sampling import largest_deviate
from regimes.papers.luo2021.claims.points import EDGE, at_points
from regimes.papers.luo2021.paper import FAMILIES, FOUR_POINTS, WIDTHS
from regimes.statistics import power_law_slope

# Of Figure 3 (d): eleven gammas, three pairs of families.
COMPARISONS = 33
# What log m makes of slopes between successive widths: 0.130, 0.113, 0.105, 0.098.
SPREAD = 0.033
NO_SPREAD = within(-SPREAD, SPREAD, "what a factor log m, as in (40), causes over these widths")
PANELS = (0.5, 1.0, 1.75)
SIZES = Sizes(seeds=3, contains={"width": WIDTHS[FOUR_POINTS]})


@claim(
    "L3",
    says="at gamma' = 0, slope_w depends on gamma alone and not on beta1 and beta2",
    statistic=(
        "largest deviate of a difference of two of beta1 = beta2 = 1, m^-1/2 and 1/m, each in its "
        "own time with its own random streams"
    ),
    wanted=at_most(
        largest_deviate(COMPARISONS),
        "what the largest of 33 comparisons exceeds by chance in 5 % of cases",
    ),
    source="section 4.1.2, Fig. 3 (d)",
    needs=FAMILIES,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig03_growth",
)
def families(measures: Measures) -> Finding:
    """Largest difference of slope_w between two families, over its standard error (Welch)."""
    for name in FAMILIES:
        for axis in ("gamma_prime", "gamma"):
            if not measures[name][axis].equals(measures[FAMILIES[0]][axis]):
                raise TooSmallError(f"{name} has other values of {axis} than {FAMILIES[0]}")
    slopes = [measures[name]["slope_w_by_seed"] for name in FAMILIES]
    points = [
        one.transpose("seed", "gamma_prime", "gamma").values.reshape(one.sizes["seed"], -1)
        for one in slopes
    ]
    if any(np.isnan(one).any() for one in points):
        return Finding(np.nan, "a slope is missing")
    deviates, differences = [], []
    for one, other in itertools.combinations(points, 2):
        p_value = stats.ttest_ind(one, other, equal_var=False).pvalue
        deviates.append(stats.norm.isf(p_value / 2))
        differences.append(abs(one.mean(0) - other.mean(0)))
    found = np.array(deviates)
    gammas = np.tile(slopes[0]["gamma"].values, slopes[0].sizes["gamma_prime"])
    place = gammas[found.argmax() % gammas.size]
    return Finding(
        float(found.max()),
        f"{found.size} comparisons, at gamma = {place:g}; largest difference "
        f"{np.max(differences):.4f}",
    )


@claim(
    "L15",
    says="the relative distance grows with the width about as a power law",
    statistic=(
        "differences of slope_w between pairs of successive widths, at gamma = 0.5, 1 and 1.75"
    ),
    wanted=NO_SPREAD,
    source="section 4.1.2, Fig. 3 (a-c); gamma = 1 is not printed",
    needs=("growth_unit",),
    sizes=SIZES,
    figure="luo2021/fig03_growth",
)
def power_law(measures: Measures) -> Finding:
    """Differences of the slopes between successive widths."""
    growth = measures["growth_unit"]
    distance = growth["relative_distance_w"].sel(width=list(WIDTHS[FOUR_POINTS]))
    successive = [
        power_law_slope(distance.isel(width=slice(first, first + 2)))[0]
        for first in range(distance.sizes["width"] - 1)
    ]
    differences = xr.concat(
        [one - other for one, other in itertools.combinations(successive, 2)], "pair"
    )
    shown = [(abs(growth["gamma"] - gamma) < EDGE) for gamma in PANELS]
    if not all(one.any() for one in shown):
        raise TooSmallError(f"needs gamma = {', '.join(map(str, PANELS))}")
    inside = xr.concat(shown, "one").any("one") & (abs(growth["gamma_prime"]) < EDGE)
    return at_points(differences, inside, NO_SPREAD)
