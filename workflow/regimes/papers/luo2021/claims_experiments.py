"""Claims of Luo et al. (2021) that have experiments of their own, beside the phase diagram."""

import numpy as np
import xarray as xr

from regimes.claims.core import Claim, Measured, Measures
from regimes.papers.luo2021.paper_size import PAPER_WIDTHS
from regimes.papers.luo2021.theory import boundary_gamma

FAMILIES = ("growth_unit", "growth_inverse_root", "growth_inverse")
FAMILY_TOLERANCE = 0.03
CONDENSATION_WIDTHS = (1000, 1_000_000)
CONDENSATION_WIDTHS_MNIST = (1000, 250_000)
# How far past the boundary the condensed regime is looked at, and what tells it from the boundary.
PAST_BOUNDARY = 0.4
LEAST_GROWTH = 0.1
DRIFT_TOLERANCE = 0.05
DRIFT_WIDTH = 1000
# The tolerance that the workflow's experiments use.
DEFAULT_TOLERANCE = 0.03
# Weights are stored in single precision.
ROUNDING = 1e-5
GRID_ROUNDING = 1e-9


def _families(measures: Measures) -> Measured:
    """L3: largest difference of slope_w between the families, over gamma and gamma'."""
    slopes, errors = (
        xr.concat([measures[family][name] for family in FAMILIES], dim="family", join="exact")
        for name in ("slope_w", "slope_w_stderr")
    )
    difference = slopes.max("family", skipna=False) - slopes.min("family", skipna=False)
    value = float(difference.max(skipna=False))
    if np.isnan(value):
        return Measured(value, False, "a slope is missing")
    worst = difference.argmax(("gamma_prime", "gamma"))
    pairs = zip(slopes[worst].values, errors[worst].values, strict=True)
    shown = ", ".join(f"{slope:.4f} +- {error:.4f}" for slope, error in pairs)
    place = f"worst at gamma = {float(difference['gamma'][worst['gamma']]):g}"
    return Measured(value, value <= FAMILY_TOLERANCE, f"{place}: {shown}")


def _families_too_small(measures: Measures) -> str | None:
    for name in FAMILIES:
        if not set(PAPER_WIDTHS) <= set(measures[name]["width"].values.tolist()):
            return f"widths of {name} lack some of {', '.join(map(str, PAPER_WIDTHS))}"
        for axis in ("gamma_prime", "gamma"):
            if not measures[name][axis].equals(measures[FAMILIES[0]][axis]):
                return f"{name} has other values of {axis} than {FAMILIES[0]}"
    return None


def _condensation(condensation: xr.Dataset, widths: tuple[int, int]) -> Measured:
    """L6: growth of the heaviest bins' share from the smallest to the largest of the widths.

    Means over seeds. Value: the smallest growth over the settings at least PAST_BOUNDARY past the
    boundary; the largest change on it must stay below LEAST_GROWTH too.
    """
    share = condensation["heaviest_bins_share"].mean("seed", skipna=False)
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
    detail = (
        f"inside: {grown} of {inside.size} settings grow by {LEAST_GROWTH:g} or more, the least "
        f"at gamma' = {place['gamma_prime']:g}, gamma = {place['gamma']:g}: "
        f"{float(first.sel(place)):.3f} to {float(last.sel(place)):.3f}; "
        f"on the boundary the largest change is {most:.3f}"
    )
    return Measured(least, least >= LEAST_GROWTH and most < LEAST_GROWTH, detail)


def _condensation_too_small(condensation: xr.Dataset, needed: tuple[int, int]) -> str | None:
    widths = condensation["width"].values.tolist()
    if not set(needed) <= set(widths):
        return f"widths {', '.join(map(str, widths))}, needs {needed[0]} and {needed[1]}"
    past = condensation["gamma"] - boundary_gamma(condensation["gamma_prime"])
    if not (past >= PAST_BOUNDARY - GRID_ROUNDING).any() or not (abs(past) < GRID_ROUNDING).any():
        return "needs settings on the boundary and past it"
    return None


def _conservation(measures: Measures) -> Measured:
    """L8: largest drift at the default tolerance; it must fall with the tolerance in the mean, and
    no output weight may exceed Proposition 27's bound.
    """
    runs = measures["conservation"]
    drift = runs["conservation_drift"]
    others = [dim for dim in drift.dims if dim != "solver_tolerance"]
    largest = drift.max(others, skipna=False).sortby("solver_tolerance")
    # The first snapshot has no drift.
    mean = drift.isel(snapshot=slice(1, None)).mean(others, skipna=False).sortby("solver_tolerance")
    value = float(largest.sel(solver_tolerance=DEFAULT_TOLERANCE))
    ratio = float(runs["largest_output_weight_ratio"].max(skipna=False))
    falling = bool((mean.diff("solver_tolerance") > 0).all())
    shown = ", ".join(
        f"{float(mean.sel(solver_tolerance=tolerance)):.2g} (largest "
        f"{float(largest.sel(solver_tolerance=tolerance)):.2g}) at tolerance {tolerance:g}"
        for tolerance in mean["solver_tolerance"].values
    )
    return Measured(
        value,
        value < DRIFT_TOLERANCE and falling and ratio <= 1 + ROUNDING,
        f"mean drift {shown}; largest |a(t)| over its bound {ratio:.6f}",
    )


def _conservation_too_small(measures: Measures) -> str | None:
    runs = measures["conservation"]
    if max(runs["width"].values.tolist()) < DRIFT_WIDTH:
        return f"width {max(runs['width'].values.tolist())}, needs {DRIFT_WIDTH}"
    tolerances = runs["solver_tolerance"].values.tolist() if "solver_tolerance" in runs.dims else []
    if len(tolerances) < 2 or DEFAULT_TOLERANCE not in tolerances:
        return f"needs tolerances of the solver, {DEFAULT_TOLERANCE:g} among them"
    return None


CLAIMS = [
    Claim(
        id="L3",
        statement=(
            "slope_w depends on gamma and gamma' only: largest difference over gamma between "
            "beta1 = beta2 = 1, m^-1/2 and 1/m, each in its own time with its own random streams"
        ),
        paper_value=0.0,
        tolerance=FAMILY_TOLERANCE,
        source="section 3, Fig. 3 (d)",
        needs=FAMILIES,
        check=_families,
        too_small=_families_too_small,
        figure="luo2021/fig03_growth",
    ),
    Claim(
        id="L6",
        statement=(
            "neurons condense as the width grows, inside the condensed regime and not on its "
            "boundary: least growth, inside, of the heaviest ten of 360 angular bins' share of "
            "the amplitude from m = 1e3 to 1e6 (at least 0.1; on the boundary a change below 0.1)"
        ),
        paper_value=LEAST_GROWTH,
        tolerance=0.0,
        source="section 4.2, Fig. 6",
        needs=("condensation",),
        check=lambda measures: _condensation(measures["condensation"], CONDENSATION_WIDTHS),
        too_small=lambda measures: _condensation_too_small(
            measures["condensation"], CONDENSATION_WIDTHS
        ),
        figure="luo2021/fig06_condensation",
    ),
    Claim(
        id="L6-MNIST",
        statement=(
            "the same on MNIST, with 360 bins of the projection of the neurons' directions on one "
            "direction, from m = 1e3 to 2.5e5"
        ),
        paper_value=LEAST_GROWTH,
        tolerance=0.0,
        source="section 4.2, Fig. 7",
        needs=("condensation_mnist",),
        check=lambda measures: _condensation(
            measures["condensation_mnist"], CONDENSATION_WIDTHS_MNIST
        ),
        too_small=lambda measures: _condensation_too_small(
            measures["condensation_mnist"], CONDENSATION_WIDTHS_MNIST
        ),
        figure="luo2021/fig07_condensation_mnist",
    ),
    Claim(
        id="L8",
        statement=(
            "kappa' a_k^2 - |w_k|^2 / kappa' is conserved, whence |a_k(t)| <= |w_k(t)| / kappa' + "
            "|a_k(0)|: largest relative drift at the default tolerance, falling with it"
        ),
        paper_value=0.0,
        tolerance=DRIFT_TOLERANCE,
        source="Proposition 27, equations (75) and (77)",
        needs=("conservation",),
        check=_conservation,
        too_small=_conservation_too_small,
        figure="luo2021/fig02_typical_cases",
    ),
]
