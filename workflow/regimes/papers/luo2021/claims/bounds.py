"""Claims of Luo et al. (2021) that are bounds: L4 on exponents, L7 on the decay of the loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr

from regimes.claims.core import Finding, Measures, TooSmallError, at_least, at_most, claim
from regimes.papers.luo2021.claims.sizes import WIDTHS_NEEDED, need_widths
from regimes.papers.luo2021.paper import PHASE_DIAGRAM

# How far below the boundary the theorem's rate is looked for.
BOUNDARY_MARGIN = 0.1
# The grid's values are sums of floats; what lies on the edge of a region is outside of it.
EDGE = 1e-9


@dataclass(frozen=True)
class Bound:
    """A bound on a slope in a region of the plane.

    text: the inequality. region: its open region, from gamma and gamma' to whether a point lies
    in it. excess: from the measures to how far each slope is on the wrong side of the bound.
    """

    text: str
    region: Callable[[xr.DataArray, xr.DataArray], xr.DataArray]
    excess: Callable[[xr.Dataset], xr.DataArray]


BOUNDS = (
    Bound(
        "slope_w <= gamma - 1",
        region=lambda gamma, gamma_prime: gamma < 1 - EDGE,
        excess=lambda d: d["slope_w"] - (d["gamma"] - 1),
    ),
    Bound(
        "slope_w <= gamma - gamma' - 1",
        region=lambda gamma, gamma_prime: gamma_prime > gamma - 1 + EDGE,
        excess=lambda d: d["slope_w"] - (d["gamma"] - d["gamma_prime"] - 1),
    ),
    Bound(
        "slope_theta <= gamma - 1",
        region=lambda gamma, gamma_prime: (gamma < 1 - EDGE) | (gamma_prime > gamma - 1 + EDGE),
        excess=lambda d: d["slope_theta"] - (d["gamma"] - 1),
    ),
    Bound(
        "slope_w >= (gamma - 1 - max(gamma', 0)) / 2",
        region=lambda gamma, gamma_prime: (gamma > 1 + EDGE) & (gamma_prime < gamma - 1 - EDGE),
        excess=lambda d: (d["gamma"] - 1 - d["gamma_prime"].clip(min=0)) / 2 - d["slope_w"],
    ),
    Bound(
        "slope_a <= gamma + gamma' - 1",
        region=lambda gamma, gamma_prime: gamma_prime < 1 - gamma - EDGE,
        excess=lambda d: d["slope_a"] - (d["gamma"] + d["gamma_prime"] - 1),
    ),
)


@claim(
    "L4",
    says="exponents: " + ", ".join(bound.text for bound in BOUNDS) + ", each in its region",
    statistic="largest excess over the bound over the five regions of the plane",
    wanted=at_most(0.1),
    source="Theorem 6 (c), (d), proof of Theorem 8, Proposition 26 with Remark 28",
    needs=(PHASE_DIAGRAM,),
    figure="phase_diagram",
)
def exponents(measures: Measures) -> Finding:
    """Worst excess of a slope over the exponent that bounds it, over all points of five regions.

    How the paper is read; logarithms of m have no part in the exponents:

    - slope_w <= gamma - 1 for gamma < 1: Theorem 6 (d), first case of (40), whatever gamma'
      (Proposition 23 with (58): max(kappa', 1) p is at most of the order of 1 / (m kappa)).
    - slope_w <= gamma - gamma' - 1 for gamma' > gamma - 1: second case of (40). Its proof,
      Proposition 25 with 22, supposes gamma' > 0 (kappa' <= 1). With gamma' <= 0 the region has
      gamma < 1, and the bound follows from the first.
    - slope_theta <= gamma - 1 in the linear regime, gamma < 1 or gamma' > gamma - 1: Theorem 6
      (c), by Proposition 23 (c) and, for gamma >= 1 (so gamma' > 0), Proposition 25 (c).
    - slope_w >= (gamma - 1 - max(gamma', 0)) / 2 in the condensed regime, gamma > 1 and
      gamma' < gamma - 1: the last line of Theorem 8's proof, sqrt(min(1, kappa') / (kappa m)).
    - slope_a <= gamma + gamma' - 1 for gamma' < 1 - gamma: Proposition 26 (c), 1 / (m kappa
      kappa'). The proposition prints the region gamma' < gamma - 1, gamma' < 0, in parts of which
      the bound grows with m, though it is said to vanish; Remark 28 uses the proposition for
      gamma' < 1 - gamma, the mirror image of Proposition 25's region. With gamma' >= 0 this has
      gamma < 1, and the bound follows from (57), which gives gamma - 1.
    """
    diagram = measures[PHASE_DIAGRAM]
    for bound in BOUNDS:
        if not bound.region(diagram["gamma"], diagram["gamma_prime"]).any():
            raise TooSmallError(f"no point of the grid is in the region of {bound.text}")
    need_widths(diagram, WIDTHS_NEEDED[PHASE_DIAGRAM])
    values, details = [], []
    for bound in BOUNDS:
        value, detail = _worst_excess(diagram, bound)
        values.append(value)
        details.append(f"{bound.text}: {detail}")
    return Finding(math.nan if any(map(math.isnan, values)) else max(values), "; ".join(details))


def _worst_excess(diagram: xr.Dataset, bound: Bound) -> tuple[float, str]:
    """Largest excess over the region, and where it is; NaN if a slope is missing there."""
    inside = bound.region(diagram["gamma"], diagram["gamma_prime"])
    excess = bound.excess(diagram).where(inside)
    if (missing := inside & excess.isnull()).any():
        return math.nan, f"no slope at {_place(missing.astype(float))}"
    return float(excess.max()), f"excess {float(excess.max()):+.3f} at {_place(excess)}"


def _place(values: xr.DataArray) -> str:
    """The point of the plane at which values over gamma and gamma' are largest."""
    point = values.isel(values.argmax(("gamma_prime", "gamma")))
    return f"gamma = {float(point['gamma']):g}, gamma' = {float(point['gamma_prime']):g}"


@claim(
    "L7",
    says="R(t) <= exp(-2 m kappa^2 lambda t / n) R(0) in the linear regime",
    statistic=(
        "smallest ratio, at least 1, of the loss's mean rate of decay from 0 to t to the bound's, "
        f"over the widest networks with gamma <= boundary - {BOUNDARY_MARGIN:g} and t"
    ),
    wanted=at_least(1.0),
    source="Theorem 6 (b), (38)",
    needs=(PHASE_DIAGRAM,),
)
def decay(measures: Measures) -> Finding:
    """Smallest decay_rate_ratio of the widest networks of the linear regime, over all seeds."""
    ratios = _linear_decay_rate_ratios(measures[PHASE_DIAGRAM])
    if not ratios.size:
        raise TooSmallError(f"no run has gamma <= boundary - {BOUNDARY_MARGIN:g}")
    need_widths(measures[PHASE_DIAGRAM], WIDTHS_NEEDED[PHASE_DIAGRAM])
    holding = f"holds for {int((ratios >= 1).sum())} of {ratios.size} runs"
    if ratios.isnull().any():
        detail = f"{int(ratios.isnull().sum())} runs have no rate (diverged)"
        return Finding(math.nan, f"{detail}; {holding}")
    worst = ratios.isel(run=int(ratios.argmin("run")))
    detail = (
        f"smallest at gamma = {float(worst['gamma']):g}, gamma' = {float(worst['gamma_prime']):g}, "
        f"seed {int(worst['seed'])}; {holding}"
    )
    return Finding(float(worst), detail)


def _linear_decay_rate_ratios(diagram: xr.Dataset) -> xr.DataArray:
    """decay_rate_ratio over `run`: the widest networks with gamma <= boundary - 0.1."""
    widest = diagram.sel(width=diagram["width"].max())
    edge = diagram["theory_boundary_gamma"] - BOUNDARY_MARGIN + EDGE
    ratios = widest["decay_rate_ratio"]
    dims = ("gamma_prime", "gamma", "seed")
    linear = (ratios["gamma"] <= edge).broadcast_like(ratios).transpose(*dims).stack(run=dims)
    return ratios.transpose(*dims).stack(run=dims)[linear.values]
