"""Claims of Luo et al. (2021) on where slopes vanish and on which side they have which sign."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from regimes.claims.core import (
    CORRECTED,
    ERRATUM,
    Finding,
    Measures,
    Sizes,
    at_least,
    at_most,
    claim,
    within,
)
from regimes.papers.luo2021.boundaries import boundary_gamma, boundary_gamma_a, boundary_gamma_theta
from regimes.papers.luo2021.claims.points import (
    EDGE,
    LOG_M,
    at_points,
    past_boundary,
    slopes,
)
from regimes.papers.luo2021.paper import (
    FOUR_POINTS,
    MNIST,
    PHASE_DIAGRAM,
    PHASE_DIAGRAM_MNIST,
    WIDTHS,
)
from regimes.statistics import upward_zero

# Between a slope of 1 below the boundary (Theorem 6) and 1/2 above it (Theorem 8), interpolation on
# a grid of step h finds the zero too high by (3/2 - sqrt 2) 2 h at most.
KINK = 2 * (1.5 - 2**0.5)
STEP, STEP_MNIST = 0.1, 0.2
# The same as LOG_M, over the widths of Figure 5.
LOG_M_MNIST = 0.107
# How far from the edges a region is looked at: log m over the widths.
MARGIN = 0.12
# A slope of 1 in gamma tells no points apart that are half a step of the grid apart.
HALF_STEP = STEP / 2
CRITICAL = within(
    -HALF_STEP,
    LOG_M,
    "from the slope half a step of the grid below to a factor log m, as (40) has it",
)

SIZES = Sizes(seeds=3, contains={"width": WIDTHS[FOUR_POINTS]})
SIZES_MNIST = Sizes(seeds=3, contains={"width": WIDTHS[MNIST]})
WINDOW = within(
    -LOG_M,
    KINK * STEP,
    "log m in (39) and (40) lowers a zero by up to 0.116 over these widths, interpolation on a "
    "grid of step 0.1 raises it by up to 0.017",
)
WINDOW_MNIST = within(
    -LOG_M_MNIST,
    KINK * STEP_MNIST,
    "as for L1, with 0.107 over these widths and 0.034 on a grid of step 0.2",
)
WINDOWS = {PHASE_DIAGRAM: WINDOW, PHASE_DIAGRAM_MNIST: WINDOW_MNIST}
ZERO = "zero of the slope less that of the theory, of each gamma'"
BOTH_SIGNS = "slope times the sign of the theory, at each point outside the window of the zeros"
NEGATIVE = at_most(0.0, "as m grows the relative distance is to vanish")
POSITIVE = at_least(0.0, "the sign is to be the theory's")


@claim(
    "L1",
    says=(
        "slope_w vanishes close to the boundary gamma = 1 for gamma' <= 0 and gamma = 1 + gamma' "
        "for gamma' > 0"
    ),
    statistic=ZERO,
    wanted=WINDOW,
    source="Fig. 4, section 4.1.2",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="phase_diagram",
)
@claim(
    "L2",
    says="the same boundary on MNIST",
    statistic=ZERO,
    wanted=WINDOW_MNIST,
    source="Fig. 5, section 4.1.2",
    needs=(PHASE_DIAGRAM_MNIST,),
    sizes=SIZES_MNIST,
    known=True,
    figure="luo2021/fig05_phase_diagram_mnist",
)
def boundary(measures: Measures) -> Finding:
    """Distance of slope_w's zeros from the theory's."""
    ((name, diagram),) = measures.items()
    return _zeros(diagram, name, ("w", boundary_gamma))


@claim(
    "L5a",
    says="slope_theta vanishes at gamma = 1, whatever gamma'",
    statistic=ZERO,
    wanted=WINDOW,
    source="Appendix D, Fig. 10 (a)",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def boundary_theta(measures: Measures) -> Finding:
    """Distance of slope_theta's zeros from the theory's."""
    return _zeros(measures[PHASE_DIAGRAM], PHASE_DIAGRAM, ("theta", boundary_gamma_theta))


@claim(
    "L5b",
    says=(
        "slope_a vanishes at gamma = 1 for gamma' >= 0 and at gamma + gamma' = 1 for gamma' <= 0"
    ),
    statistic=ZERO,
    wanted=WINDOW,
    source="Appendix D, Fig. 10 (b)",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def boundary_a(measures: Measures) -> Finding:
    """Distance of slope_a's zeros from the theory's."""
    return _zeros(measures[PHASE_DIAGRAM], PHASE_DIAGRAM, ("a", boundary_gamma_a))


@claim(
    "L5c",
    says="the caption of Fig. 10 prints S_w for what vanishes on the lines of its panel (b)",
    statistic="zero of slope_w less the lines of panel (b), of each gamma'",
    wanted=WINDOW,
    source="Fig. 10, caption",
    needs=(PHASE_DIAGRAM,),
    kind=ERRATUM,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def boundary_caption(measures: Measures) -> Finding:
    """Distance of slope_w's zeros from where those of slope_a should be."""
    return _zeros(measures[PHASE_DIAGRAM], PHASE_DIAGRAM, ("w", boundary_gamma_a))


def _zeros(diagram: xr.Dataset, name: str, layer: tuple) -> Finding:
    of, theory = layer
    by_seed = slopes(diagram, of)
    off = upward_zero(by_seed) - theory(diagram["gamma_prime"])
    # A zero below the grid is not seen: the slope is positive at its first point.
    return at_points(off, xr.ones_like(diagram["gamma_prime"], dtype=bool), WINDOWS[name])


@claim(
    "L1-signs",
    says=(
        "slope_w is negative below the boundary, the linear regime, and positive above it, the "
        "condensed one"
    ),
    statistic=BOTH_SIGNS,
    wanted=POSITIVE,
    source="Fig. 4, section 4.1.2, Theorems 1* and 2*",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="phase_diagram",
)
@claim(
    "L2-signs",
    says="the same signs on MNIST",
    statistic=BOTH_SIGNS,
    wanted=POSITIVE,
    source="Fig. 5, section 4.1.2",
    needs=(PHASE_DIAGRAM_MNIST,),
    sizes=SIZES_MNIST,
    known=True,
    figure="luo2021/fig05_phase_diagram_mnist",
)
def signs(measures: Measures) -> Finding:
    """Slopes with the sign that the regime gives them."""
    ((name, diagram),) = measures.items()
    past, window = past_boundary(diagram), WINDOWS[name]
    outside = (past < window.low - EDGE) | (past > window.high + EDGE)
    return at_points(slopes(diagram) * np.sign(past), outside, POSITIVE)


@claim(
    "L9",
    says="the schemes of LeCun and He, (1/2, 1/2), and NTK, (1/2, 0), lie in the linear regime",
    statistic="slope_w at these two points",
    wanted=NEGATIVE,
    source="Table 1, Fig. 1, Remark 2",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="luo2021/table01_initializations",
)
def schemes(measures: Measures) -> Finding:
    """Slopes where the initialisations of Table 1 are, but for the critical ones."""
    return _at(measures[PHASE_DIAGRAM], {0.5: 0.5, 0.0: 0.5})


@claim(
    "L10",
    says="on the line gamma = gamma' > 1/6 of E et al. networks train linearly",
    statistic="slope_w at the points of the grid on the line",
    wanted=NEGATIVE,
    source="section 2, Fig. 1 (dashed)",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="phase_diagram",
)
def diagonal(measures: Measures) -> Finding:
    """Slopes on the diagonal of the plane."""
    return _at(measures[PHASE_DIAGRAM], {0.5: 0.5, 1.0: 1.0})


def _at(diagram: xr.Dataset, points: Mapping[float, float]) -> Finding:
    """Slopes at points, gamma by gamma'."""
    wanted = [
        (abs(diagram["gamma_prime"] - gamma_prime) < EDGE) & (abs(diagram["gamma"] - gamma) < EDGE)
        for gamma_prime, gamma in points.items()
    ]
    return at_points(slopes(diagram), xr.concat(wanted, "one").any("one"), NEGATIVE)


@claim(
    "L16",
    says="on the boundary the relative distance neither vanishes nor diverges, Xavier and "
    "mean-field scaling, (1, 0), included",
    statistic="slope_w at each point of the grid on the boundary",
    wanted=CRITICAL,
    source="sections 4.1 and 4.1.2, Remark 3",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="phase_diagram",
)
def critical(measures: Measures) -> Finding:
    """Slopes on the boundary."""
    diagram = measures[PHASE_DIAGRAM]
    on = abs(past_boundary(diagram)) < EDGE
    return at_points(slopes(diagram), on, CRITICAL)


@claim(
    "L17a",
    says="between gamma = 1 and gamma = 1 + gamma' the output weights alone move (gamma' >= 0)",
    statistic="-slope_w and slope_a at each point more than 0.12 from the edges",
    wanted=POSITIVE,
    source="Appendix D, last sentence, which prints gamma' <= 0; Remark 7",
    needs=(PHASE_DIAGRAM,),
    reading=CORRECTED,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def wedge(measures: Measures) -> Finding:
    """Signs of both slopes where only the output weights should move."""
    diagram = measures[PHASE_DIAGRAM]
    both = _both(diagram, w=-1, a=1)
    return at_points(both, _wedge(diagram, diagram["gamma_prime"]), POSITIVE)


@claim(
    "L17b",
    says="between gamma = 1 and gamma = 1 - gamma' the first layer alone moves (gamma' <= 0)",
    statistic="slope_w and -slope_a at each point more than 0.12 from the edges",
    wanted=POSITIVE,
    source="Fig. 10, Remark 28",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def mirrored_wedge(measures: Measures) -> Finding:
    """Signs of both slopes where only the first layer should move."""
    diagram = measures[PHASE_DIAGRAM]
    both = _both(diagram, w=1, a=-1)
    return at_points(both, _wedge(diagram, -diagram["gamma_prime"]), POSITIVE)


@claim(
    "L17c",
    says="as printed: between gamma = 1 and gamma = 1 + gamma' for gamma' <= 0 the output weights "
    "move",
    statistic="slope_a at each point more than 0.12 from the edges",
    wanted=POSITIVE,
    source="Appendix D, last sentence",
    needs=(PHASE_DIAGRAM,),
    kind=ERRATUM,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def printed_wedge(measures: Measures) -> Finding:
    """Slopes of the output weights in the area that the text names."""
    diagram = measures[PHASE_DIAGRAM]
    gamma, low = diagram["gamma"], 1 + diagram["gamma_prime"]
    inside = (gamma > low + MARGIN) & (gamma < 1 - MARGIN)
    return at_points(slopes(diagram, "a"), inside, POSITIVE)


def _both(diagram: xr.Dataset, **signs: int) -> xr.DataArray:
    """Slopes of the layers, times their signs, along `layer`."""
    return xr.concat([sign * slopes(diagram, layer) for layer, sign in signs.items()], "layer")


def _wedge(diagram: xr.Dataset, size: xr.DataArray) -> xr.DataArray:
    """1 < gamma < 1 + size, away from the edges."""
    return (diagram["gamma"] > 1 + MARGIN) & (diagram["gamma"] < 1 + size - MARGIN)


@claim(
    "L20",
    says="as printed: for gamma' < gamma - 1, gamma' < 0 the output weights' relative movement "
    "vanishes",
    statistic="slope_a at each point of this region",
    wanted=NEGATIVE,
    source="Proposition 26 (c), region and '<< 1'",
    needs=(PHASE_DIAGRAM,),
    kind=ERRATUM,
    sizes=SIZES,
    known=True,
)
def printed_region(measures: Measures) -> Finding:
    """Slopes of the output weights in the region that Proposition 26 prints."""
    diagram = measures[PHASE_DIAGRAM]
    gamma, gamma_prime = diagram["gamma"], diagram["gamma_prime"]
    inside = (gamma_prime < gamma - 1 - EDGE) & (gamma_prime < -EDGE)
    return at_points(slopes(diagram, "a"), inside, NEGATIVE)


@claim(
    "L20-corrected",
    says="for gamma' < 1 - gamma, gamma' < 0 the output weights' relative movement vanishes",
    statistic="slope_a at each point of this region more than 0.12 from its edge",
    wanted=NEGATIVE,
    source="Proposition 26 (c), with the region of Remark 28",
    needs=(PHASE_DIAGRAM,),
    reading=CORRECTED,
    sizes=SIZES,
    known=True,
)
def corrected_region(measures: Measures) -> Finding:
    """Slopes of the output weights in the region for which Remark 28 uses Proposition 26."""
    diagram = measures[PHASE_DIAGRAM]
    gamma, gamma_prime = diagram["gamma"], diagram["gamma_prime"]
    inside = (gamma_prime < 1 - gamma - MARGIN) & (gamma_prime < -EDGE)
    return at_points(slopes(diagram, "a"), inside, NEGATIVE)
