"""Claims of Luo et al. (2021) on condensation: Figures 6 and 7."""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
    within,
)
from regimes.claims.sampling import trend
from regimes.papers.luo2021.claims.points import EDGE, at_points, past_boundary
from regimes.papers.luo2021.paper import (
    CONDENSATION,
    CONDENSATION_MNIST,
    CONDENSATION_WIDTHS,
    FOUR_POINTS,
    MNIST,
)
from regimes.statistics import power_law_slope

# A share of the amplitude below this is rounding.
ROUNDING = 1e-14
SAME_LEVEL = 0.1
SIZES = Sizes(seeds=3, contains={"width": CONDENSATION_WIDTHS[FOUR_POINTS]})
SIZES_MNIST = Sizes(contains={"width": CONDENSATION_WIDTHS[MNIST]})
VANISHING = at_most(0.0, "the share is to vanish")
LEVEL = within(-SAME_LEVEL, SAME_LEVEL, "the step of Fig. 4's grid, in slope: a convention of ours")
NOT_WIDER = at_most(0.0, "peaks do not widen")
MORE = at_least(0.0, "of 785 features, most projections are near 0 at the start already")
OUTSIDE = "amplitude outside the ten heaviest of 360 bins, all neurons"
FARTHER = (
    f"deviate of the trend of the {OUTSIDE}, to fall with gamma = 1, 1.5, 2, 2.5 (mean log over "
    "gamma' <= 0), widths and seeds as blocks"
)


@claim(
    "L6a",
    says="in the condensed regime neurons condense more and more as the width grows",
    statistic=f"slope of log {OUTSIDE}, against log width, at each setting",
    wanted=VANISHING,
    source="section 4.2, Fig. 6, abstract",
    needs=(CONDENSATION,),
    sizes=SIZES,
    known=True,
    figure="luo2021/fig06_condensation",
)
def inside(measures: Measures) -> Finding:
    """Growth of what is outside of the heaviest bins, past the boundary."""
    neurons = measures[CONDENSATION]
    return at_points(_slopes(neurons), past_boundary(neurons) > EDGE, VANISHING)


@claim(
    "L6b",
    says="on the boundary the level of condensation hardly changes with the width",
    statistic="the same slope at each setting on the boundary",
    wanted=LEVEL,
    source="section 4.2, Fig. 6",
    needs=(CONDENSATION,),
    sizes=SIZES,
    known=True,
    figure="luo2021/fig06_condensation",
)
def on_boundary(measures: Measures) -> Finding:
    """Growth of what is outside of the heaviest bins, on the boundary."""
    neurons = measures[CONDENSATION]
    on = abs(past_boundary(neurons)) < EDGE
    return at_points(_slopes(neurons), on, LEVEL)


@claim(
    "L6c",
    says="in the condensed regime neurons tend to delta peaks at several orientations",
    statistic="angles that hold 95 % of the amplitude, at m = 1e6 less at m = 1e3, at each setting",
    wanted=NOT_WIDER,
    source="section 4.2, Fig. 6",
    needs=(CONDENSATION,),
    sizes=SIZES,
    figure="luo2021/fig06_condensation",
)
def peaks(measures: Measures) -> Finding:
    """Change of the number of angles that hold most of the amplitude."""
    neurons = measures[CONDENSATION]
    held = neurons["bins_holding"].sortby("width")
    region = past_boundary(neurons) > EDGE
    last = held.isel(width=-1, drop=True)
    counts = last.where(region)
    said = f"{float(counts.min()):g} to {float(counts.max()):g} angles at the largest width"
    return at_points(last - held.isel(width=0, drop=True), region, NOT_WIDER, said)


@claim(
    "L6d",
    says="condensation is stronger away from the boundary",
    statistic=FARTHER,
    wanted=at_least(0.0, "shown at 95 % where its lower limit is above 0"),
    source="section 4.2, Fig. 6",
    needs=(CONDENSATION,),
    sizes=SIZES,
    known=True,
    figure="luo2021/fig06_condensation",
)
@claim(
    "L23b",
    says="on MNIST condensation is clearer farther from the boundary",
    statistic=FARTHER.replace("360 bins", "360 bins of the projection"),
    wanted=at_least(0.0, "shown at 95 % where its lower limit is above 0"),
    source="section 4.2, Fig. 7",
    needs=(CONDENSATION_MNIST,),
    sizes=SIZES_MNIST,
    figure="luo2021/fig07_condensation_mnist",
)
def farther(measures: Measures) -> Finding:
    """Trend of condensation with the distance from the boundary, at gamma' <= 0."""
    (neurons,) = measures.values()
    logs = np.log(_outside(neurons))
    logs = logs.sel(gamma_prime=neurons["gamma_prime"] <= EDGE, gamma=neurons["gamma"] > 1 - EDGE)
    columns = -logs.mean("gamma_prime", skipna=False).sortby("gamma")
    if columns.sizes["gamma"] < 3:
        raise TooSmallError("needs three values of gamma from the boundary on")
    blocks = columns.stack(block=("seed", "width")).transpose("block", "gamma")
    means = np.exp(-columns.mean(("seed", "width"))).values
    return trend(blocks.values, f"shares by gamma: {', '.join(f'{one:.2g}' for one in means)}")


@claim(
    "L23a",
    says="on MNIST neurons condense in the condensed regime",
    statistic=(
        "amplitude in the ten heaviest of 360 bins of the projection, less that at the start, at "
        "each setting, mean over widths, of which each has draws of its own"
    ),
    wanted=MORE,
    source="section 4.2, Fig. 7",
    needs=(CONDENSATION_MNIST,),
    sizes=SIZES_MNIST,
    figure="luo2021/fig07_condensation_mnist",
)
def mnist(measures: Measures) -> Finding:
    """Growth of the heaviest bins' share from start to end."""
    neurons = measures[CONDENSATION_MNIST]
    start = neurons["initial_heaviest_bins_share_of_all"]
    gain = neurons["heaviest_bins_share_of_all"] - start
    said = f"share at the start {float(start.mean()):.3g}"
    region = past_boundary(neurons) > EDGE
    return at_points(gain, region, MORE, said, replicates=("width", "seed"))


def _outside(neurons: xr.Dataset) -> xr.DataArray:
    return (1 - neurons["heaviest_bins_share_of_all"]).clip(min=ROUNDING)


def _slopes(neurons: xr.Dataset) -> xr.DataArray:
    return power_law_slope(_outside(neurons))[0]
