"""Claims of Luo et al. (2021) that have experiments of their own: L3, L6 and L8."""

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, Measures, TooSmallError, at_least, at_most, below, claim
from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.paper import (
    CONDENSATION,
    CONDENSATION_MNIST,
    CONDENSATION_WIDTHS,
    CONSERVATION,
    FAMILIES,
    FOUR_POINTS,
    MNIST,
    WIDTHS,
)

# How far past the boundary the condensed regime is looked at, and what tells it from the boundary.
PAST_BOUNDARY = 0.4
LEAST_GROWTH = 0.1
WIDTHS_COMPARED = {
    CONDENSATION: CONDENSATION_WIDTHS[FOUR_POINTS],
    CONDENSATION_MNIST: CONDENSATION_WIDTHS[MNIST],
}
DRIFT_WIDTH = 1000
# The tolerance that the workflow's experiments use.
DEFAULT_TOLERANCE = 0.03
# Weights are stored in single precision.
ROUNDING = 1e-5
GRID_ROUNDING = 1e-9


@claim(
    "L3",
    says="slope_w depends on gamma and gamma' only",
    statistic=(
        "largest difference over gamma between beta1 = beta2 = 1, m^-1/2 and 1/m, each in its own "
        "time with its own random streams"
    ),
    wanted=at_most(0.03),
    source="section 3, Fig. 3 (d)",
    needs=FAMILIES,
    figure="luo2021/fig03_growth",
)
def families(measures: Measures) -> Finding:
    """Largest difference of slope_w between the families, over gamma and gamma'."""
    for name in FAMILIES:
        if not set(WIDTHS[FOUR_POINTS]) <= set(measures[name]["width"].values.tolist()):
            lacking = ", ".join(map(str, WIDTHS[FOUR_POINTS]))
            raise TooSmallError(f"widths of {name} lack some of {lacking}")
        for axis in ("gamma_prime", "gamma"):
            if not measures[name][axis].equals(measures[FAMILIES[0]][axis]):
                raise TooSmallError(f"{name} has other values of {axis} than {FAMILIES[0]}")
    slopes, errors = (
        xr.concat([measures[family][name] for family in FAMILIES], dim="family", join="exact")
        for name in ("slope_w", "slope_w_stderr")
    )
    difference = slopes.max("family", skipna=False) - slopes.min("family", skipna=False)
    value = float(difference.max(skipna=False))
    if np.isnan(value):
        return Finding(value, "a slope is missing")
    worst = difference.argmax(("gamma_prime", "gamma"))
    pairs = zip(slopes[worst].values, errors[worst].values, strict=True)
    shown = ", ".join(f"{slope:.4f} +- {error:.4f}" for slope, error in pairs)
    return Finding(
        value, f"worst at gamma = {float(difference['gamma'][worst['gamma']]):g}: {shown}"
    )


@claim(
    "L6",
    says="neurons condense as the width grows, inside the condensed regime and not on its boundary",
    statistic=(
        "least growth, inside, of the heaviest ten of 360 angular bins' share of "
        "the amplitude from m = 1e3 to 1e6 (at least 0.1; on the boundary a change below 0.1)"
    ),
    wanted=at_least(LEAST_GROWTH),
    source="section 4.2, Fig. 6",
    needs=(CONDENSATION,),
    figure="luo2021/fig06_condensation",
)
@claim(
    "L6-MNIST",
    says=(
        "the same on MNIST, with 360 bins of the projection of the neurons' directions on one "
        "direction, from m = 1e3 to 2.5e5"
    ),
    wanted=at_least(LEAST_GROWTH),
    source="section 4.2, Fig. 7",
    needs=(CONDENSATION_MNIST,),
    figure="luo2021/fig07_condensation_mnist",
)
def condensation(measures: Measures) -> Finding:
    """Smallest growth of the heaviest bins' share, from the smallest to the largest of the widths.

    It is taken over the settings at least PAST_BOUNDARY past the boundary, of means over the seeds.

    The largest change on the boundary must stay below LEAST_GROWTH too.
    """
    ((name, neurons),) = measures.items()
    widths = WIDTHS_COMPARED[name][0], WIDTHS_COMPARED[name][-1]
    found = neurons["width"].values.tolist()
    if not set(widths) <= set(found):
        raise TooSmallError(
            f"widths {', '.join(map(str, found))}, needs {widths[0]} and {widths[1]}"
        )
    past = neurons["gamma"] - boundary_gamma(neurons["gamma_prime"])
    if not (past >= PAST_BOUNDARY - GRID_ROUNDING).any() or not (abs(past) < GRID_ROUNDING).any():
        raise TooSmallError("needs settings on the boundary and past it")
    share = neurons["heaviest_bins_share"].mean("seed", skipna=False)
    first, last = (share.sel(width=width) for width in widths)
    growth = (last - first).stack(setting=("gamma_prime", "gamma"))
    past = growth["gamma"] - boundary_gamma(growth["gamma_prime"])
    inside = growth[(past >= PAST_BOUNDARY - GRID_ROUNDING).values]
    on_boundary = abs(growth[(abs(past) < GRID_ROUNDING).values])
    least, most = float(inside.min(skipna=False)), float(on_boundary.max(skipna=False))
    grown = int((inside >= LEAST_GROWTH).sum())
    weakest = (
        inside.isel(setting=int(inside.argmin("setting"))) if not np.isnan(least) else inside[0]
    )
    place = {name: float(weakest[name]) for name in ("gamma_prime", "gamma")}
    return Finding(
        least,
        f"inside: {grown} of {inside.size} settings grow by {LEAST_GROWTH:g} or more, the least "
        f"at gamma' = {place['gamma_prime']:g}, gamma = {place['gamma']:g}: "
        f"{float(first.sel(place)):.3f} to {float(last.sel(place)):.3f}; "
        f"on the boundary the largest change is {most:.3f}",
        also=most < LEAST_GROWTH,
    )


@claim(
    "L8",
    says=(
        "kappa' a_k^2 - |w_k|^2 / kappa' is conserved, whence |a_k(t)| <= |w_k(t)| / kappa' + "
        "|a_k(0)|"
    ),
    statistic="largest relative drift at the default tolerance, falling with it",
    wanted=below(0.05),
    source="Proposition 27, equations (75) and (77)",
    needs=(CONSERVATION,),
    figure="luo2021/fig02_typical_cases",
)
def conservation(measures: Measures) -> Finding:
    """Largest drift at the default tolerance.

    The mean drift must fall with the tolerance, and no output weight may exceed the bound of
    Proposition 27.
    """
    runs = measures[CONSERVATION]
    if (widest := max(runs["width"].values.tolist())) < DRIFT_WIDTH:
        raise TooSmallError(f"width {widest}, needs {DRIFT_WIDTH}")
    tolerances = runs["solver_tolerance"].values.tolist() if "solver_tolerance" in runs.dims else []
    if len(tolerances) < 2 or DEFAULT_TOLERANCE not in tolerances:
        raise TooSmallError(f"needs tolerances of the solver, {DEFAULT_TOLERANCE:g} among them")
    drift = runs["conservation_drift"]
    others = [dim for dim in drift.dims if dim != "solver_tolerance"]
    largest = drift.max(others, skipna=False).sortby("solver_tolerance")
    # The first snapshot has no drift.
    mean = drift.isel(snapshot=slice(1, None)).mean(others, skipna=False).sortby("solver_tolerance")
    ratio = float(runs["largest_output_weight_ratio"].max(skipna=False))
    falling = bool((mean.diff("solver_tolerance") > 0).all())
    shown = ", ".join(
        f"{float(mean.sel(solver_tolerance=tolerance)):.2g} (largest "
        f"{float(largest.sel(solver_tolerance=tolerance)):.2g}) at tolerance {tolerance:g}"
        for tolerance in mean["solver_tolerance"].values
    )
    return Finding(
        float(largest.sel(solver_tolerance=DEFAULT_TOLERANCE)),
        f"mean drift {shown}; largest |a(t)| over its bound {ratio:.6f}",
        also=falling and ratio <= 1 + ROUNDING,
    )
