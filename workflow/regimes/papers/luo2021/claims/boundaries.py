"""Claims of Luo et al. (2021) on where the slopes vanish: L1, L2 and L5."""

import math

import xarray as xr

from regimes.claims.core import Finding, Measures, at_most, claim
from regimes.papers.luo2021.claims.sizes import WIDTHS_NEEDED, need_widths
from regimes.papers.luo2021.paper import PHASE_DIAGRAM, PHASE_DIAGRAM_MNIST


@claim(
    "L1",
    says=(
        "slope_w vanishes on the boundary gamma = 1 for gamma' <= 0 and gamma = 1 + gamma' for "
        "gamma' > 0"
    ),
    statistic="largest |boundary_gamma - theory| over gamma'",
    wanted=at_most(0.1),
    source="section 4.1, Fig. 4, Theorems 6 and 8",
    needs=(PHASE_DIAGRAM,),
    figure="phase_diagram",
)
@claim(
    "L2",
    says="the same boundary on MNIST",
    statistic="largest |boundary_gamma - theory| over gamma'",
    wanted=at_most(0.15),
    source="section 4.1.2, Fig. 5",
    needs=(PHASE_DIAGRAM_MNIST,),
    figure="luo2021/fig05_phase_diagram_mnist",
)
def boundary(measures: Measures) -> Finding:
    """Largest distance of the measured boundary from the theory's, over all gamma'."""
    ((name, diagram),) = measures.items()
    need_widths(diagram, WIDTHS_NEEDED[name])
    return Finding(*_worst_distance(diagram, "slope_w", "boundary_gamma"))


@claim(
    "L5",
    says=(
        "slope_theta vanishes at gamma = 1 for all gamma'; slope_a at gamma = 1 for "
        "gamma' >= 0 and gamma = 1 - gamma' for gamma' <= 0"
    ),
    statistic="largest |zero - theory| over both and gamma'",
    wanted=at_most(0.15),
    source="Appendix D, Fig. 10",
    needs=(PHASE_DIAGRAM,),
    figure="luo2021/fig10_all_parameters",
)
def other_boundaries(measures: Measures) -> Finding:
    """The larger of the distances for all weights and for the output weights.

    One zero that is missing, of either slope at any gamma', is enough to fail.
    """
    diagram = measures[PHASE_DIAGRAM]
    need_widths(diagram, WIDTHS_NEEDED[PHASE_DIAGRAM])
    values, details = [], []
    for slope, zeros in (
        ("slope_theta", "boundary_gamma_theta"),
        ("slope_a", "boundary_gamma_a"),
    ):
        value, detail = _worst_distance(diagram, slope, zeros)
        values.append(value)
        details.append(f"{slope}: {detail}")
    return Finding(math.nan if any(map(math.isnan, values)) else max(values), "; ".join(details))


def _worst_distance(diagram: xr.Dataset, slope: str, zeros: str) -> tuple[float, str]:
    """Largest distance over gamma' of a slope's zero from the theory's, and where it is.

    slope, zeros: names of the slope and its zeros. NaN if the slope has no zero at some gamma'.
    """
    off = abs(diagram[zeros] - diagram[f"theory_{zeros}"])
    if off.isnull().any():
        missing = off["gamma_prime"].values[off.isnull().values]
        return math.nan, f"no zero of {slope} at gamma' = " + ", ".join(map(str, missing))
    worst = diagram.isel(gamma_prime=int(off.argmax("gamma_prime")))
    detail = (
        f"worst at gamma' = {float(worst['gamma_prime']):g}: measured "
        f"{float(worst[zeros]):.3f} +- {float(worst[f'{zeros}_stderr']):.3f}, "
        f"theory {float(worst[f'theory_{zeros}']):g}"
    )
    return float(off.max()), detail
