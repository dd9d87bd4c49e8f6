"""What theory says of the lab's experiments, stated before their first full run.

Their designs were tried at a few settings of two widths before, so that the thresholds of the
catapult and of the features are not blind.
"""

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, Measures, Sizes, at_least, at_most, claim
from regimes.papers.lab.paper import (
    DESCENT,
    FLOW,
    GROWTH_WIDTH,
    PARITY,
    PLANE_WIDTH,
    SHARPNESS,
)

FIGURE = "lab/flow_descent_sgd"
GROWTH_SIZES = Sizes(least={"width": GROWTH_WIDTH})
PLANE_SIZES = Sizes(least={"width": PLANE_WIDTH})
OURS = "a convention of ours"
SLOW, FAST = 0.1, 1.8
LINEAR, CONDENSED = 0.5, 1.5


@claim(
    "G1",
    says="at a tenth of the stability limit, descent has the boundary of gradient flow",
    statistic="largest distance between the zeros of S_w of both, over gamma'",
    wanted=at_most(0.1, "the resolution of the grid in gamma"),
    source="descent tends to the flow",
    needs=(FLOW, DESCENT),
    sizes=GROWTH_SIZES,
    figure=FIGURE,
)
def boundary_of_descent(measures: Measures) -> Finding:
    """Distance between the zeros of S_w under descent and under the flow."""
    of_flow = measures[FLOW]["boundary_gamma"]
    of_descent = measures[DESCENT]["boundary_gamma"].sel(learning_rate=SLOW)
    zeros = ", ".join(
        f"{float(one):.2f} and {float(other):.2f} at gamma' = {float(one['gamma_prime']):g}"
        for one, other in zip(of_flow, of_descent, strict=True)
    )
    return Finding(float(abs(of_descent - of_flow).max(skipna=False)), f"flow and descent: {zeros}")


@claim(
    "G2",
    says="beyond the stability limit the weights of the linear regime move by an amount that does "
    "not vanish with the width (the catapult)",
    statistic="smallest S_w at 1.8 of the limit, over gamma', at the smallest gamma",
    wanted=at_least(-0.1, OURS),
    known=True,
    source="Lewkowycz et al. (2020)",
    needs=(FLOW, DESCENT),
    sizes=GROWTH_SIZES,
    figure=FIGURE,
)
def catapult(measures: Measures) -> Finding:
    """S_w of the linear regime beyond the stability limit, beside that of gradient flow."""
    flow, descent = (measures[name]["slope_w"].isel(gamma=0) for name in (FLOW, DESCENT))
    fast = descent.sel(learning_rate=FAST)
    return Finding(
        float(fast.min(skipna=False)),
        f"{float(flow.min()):.2f} under gradient flow, gamma = {float(flow['gamma']):g}",
    )


@claim(
    "G3",
    says="on a sparse parity the condensed regime generalises from points from which the linear "
    "one does not",
    statistic="test loss at gamma = 1.5 over that at 0.5, gamma' = 0, medians over seeds",
    wanted=at_most(0.2, OURS),
    known=True,
    source="Barak et al. (2022)",
    needs=(PARITY,),
    sizes=PLANE_SIZES,
    figure="lab/lazy_or_rich",
)
def features_help(measures: Measures) -> Finding:
    """Ratio of the test losses of the two regimes."""
    plane = measures[PARITY]
    loss = plane["test_loss"].isel(width=-1).sel(gamma_prime=0).median("seed", skipna=False)
    rich, lazy = (float(loss.sel(gamma=gamma, method="nearest")) for gamma in (CONDENSED, LINEAR))
    return Finding(rich / lazy, f"{rich:.2g} and {lazy:.2g} of the loss of the mean")


@claim(
    "G4",
    says="in the linear regime the sharpness stays what it is at the start",
    statistic="largest change of the sharpness over its start, gamma = 0.5, the smallest rate",
    wanted=at_most(0.2, OURS),
    source="Jacot et al. (2018)",
    needs=(SHARPNESS,),
    sizes=PLANE_SIZES,
    figure="lab/edge_of_stability",
)
def sharpness_of_the_linear_regime(measures: Measures) -> Finding:
    """Largest relative change of the sharpness along a run of the linear regime."""
    runs = _sharpness(measures, LINEAR, "relative_sharpness").isel(learning_rate=0)
    change = abs(runs / runs.isel(step=0) - 1).max("step")
    return Finding(float(change.max(skipna=False)), f"over {change.sizes['seed']} seeds")


@claim(
    "G5",
    says="outside of it the sharpness rises until 2 over the learning rate, and no further",
    statistic="distance of the sharpness at the end from 2 over the rate, as a share of it, at "
    "gamma = 1, the rate nearest to half of the limit, median over seeds",
    wanted=at_most(0.2, OURS),
    source="Cohen et al. (2021)",
    needs=(SHARPNESS,),
    sizes=PLANE_SIZES,
    figure="lab/edge_of_stability",
)
def edge_of_stability(measures: Measures) -> Finding:
    """Where the sharpness ends, over 2 over the learning rate."""
    ends = _sharpness(measures, 1.0, "final_relative_sharpness")
    last = ends.sel(learning_rate=0.5, method="nearest")
    return Finding(
        float(abs(last - 1).median("seed", skipna=False)),
        f"ends at {', '.join(f'{float(one):.2f}' for one in np.atleast_1d(last.values))} of 2/rate",
    )


def _sharpness(measures: Measures, gamma: float, name: str) -> xr.DataArray:
    runs = measures[SHARPNESS]
    # Of a run that diverged nothing counts.
    return runs[name].where(runs["diverged"] == 0).sel(gamma=gamma, method="nearest")
