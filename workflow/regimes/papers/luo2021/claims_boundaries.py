"""Claims of Luo et al. (2021) on where the slopes vanish: L1 and L5."""

import math

import xarray as xr

from regimes.claims.core import Claim, Measured, Measures
from regimes.papers.luo2021.paper_size import LEAST_WIDTHS_MNIST, below_paper_widths

BOUNDARY_TOLERANCE = 0.1
BOUNDARY_TOLERANCE_MNIST = 0.15
# Of all weights and of the output weights
OTHER_BOUNDARIES_TOLERANCE = 0.15


def _worst_distance(diagram: xr.Dataset, slope: str, boundary: str) -> tuple[float, str]:
    """Largest distance over gamma' of a slope's zero from the theory's, and where it is.

    slope, boundary: names of the slope and its zeros. NaN if the slope has no zero at some gamma'.
    """
    off = abs(diagram[boundary] - diagram[f"theory_{boundary}"])
    if off.isnull().any():
        missing = off["gamma_prime"].values[off.isnull().values]
        return math.nan, f"no zero of {slope} at gamma' = " + ", ".join(map(str, missing))
    worst = diagram.isel(gamma_prime=int(off.argmax("gamma_prime")))
    detail = (
        f"worst at gamma' = {float(worst['gamma_prime']):g}: measured "
        f"{float(worst[boundary]):.3f} +- {float(worst[f'{boundary}_stderr']):.3f}, "
        f"theory {float(worst[f'theory_{boundary}']):g}"
    )
    return float(off.max()), detail


def _boundary(measures: Measures) -> Measured:
    """Largest distance of the measured boundary from the theory's, over all gamma'."""
    value, detail = _worst_distance(measures["phase_diagram"], "slope_w", "boundary_gamma")
    return Measured(value, value <= BOUNDARY_TOLERANCE, detail)


def _boundary_mnist(measures: Measures) -> Measured:
    """The same on MNIST."""
    value, detail = _worst_distance(measures["phase_diagram_mnist"], "slope_w", "boundary_gamma")
    return Measured(value, value <= BOUNDARY_TOLERANCE_MNIST, detail)


def _other_boundaries(measures: Measures) -> Measured:
    """The same for all weights and for the output weights: the larger of the two distances.

    One zero that is missing, of either slope at any gamma', is enough to fail.
    """
    values, details = [], []
    for slope, boundary in (
        ("slope_theta", "boundary_gamma_theta"),
        ("slope_a", "boundary_gamma_a"),
    ):
        value, detail = _worst_distance(measures["phase_diagram"], slope, boundary)
        values.append(value)
        details.append(f"{slope}: {detail}")
    value = math.nan if any(map(math.isnan, values)) else max(values)
    return Measured(value, value <= OTHER_BOUNDARIES_TOLERANCE, "; ".join(details))


def _too_small_mnist(measures: Measures) -> str | None:
    return below_paper_widths(measures["phase_diagram_mnist"], LEAST_WIDTHS_MNIST)


def _too_small(measures: Measures) -> str | None:
    return below_paper_widths(measures["phase_diagram"])


CLAIMS = [
    Claim(
        id="L1",
        statement=(
            "slope_w vanishes on the boundary gamma = 1 for gamma' <= 0 and gamma = 1 + gamma' for "
            "gamma' > 0: largest |boundary_gamma - theory| over gamma'"
        ),
        paper_value=0.0,
        tolerance=BOUNDARY_TOLERANCE,
        source="section 4.1, Fig. 4, Theorems 6 and 8",
        needs=("phase_diagram",),
        check=_boundary,
        too_small=_too_small,
        figure="phase_diagram",
    ),
    Claim(
        id="L2",
        statement="the same boundary on MNIST: largest |boundary_gamma - theory| over gamma'",
        paper_value=0.0,
        tolerance=BOUNDARY_TOLERANCE_MNIST,
        source="section 4.1.2, Fig. 5",
        needs=("phase_diagram_mnist",),
        check=_boundary_mnist,
        too_small=_too_small_mnist,
        figure="luo2021/fig05_phase_diagram_mnist",
    ),
    Claim(
        id="L5",
        statement=(
            "slope_theta vanishes at gamma = 1 for all gamma'; slope_a at gamma = 1 for "
            "gamma' >= 0 and gamma = 1 - gamma' for gamma' <= 0: largest |zero - theory| over both "
            "and gamma'"
        ),
        paper_value=0.0,
        tolerance=OTHER_BOUNDARIES_TOLERANCE,
        source="Appendix D, Fig. 10",
        needs=("phase_diagram",),
        check=_other_boundaries,
        too_small=_too_small,
        figure="luo2021/fig10_all_parameters",
    ),
]
