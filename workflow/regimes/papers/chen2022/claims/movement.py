"""Claims of Chen et al. (2022) on feature learning and the width, Section 2.2."""

import math

import numpy as np
import xarray as xr

from regimes.claims.core import TEST, THEOREM, Finding, Measures, Sizes, at_least, at_most, claim
from regimes.claims.sampling import deviates_of_means, largest_deviate
from regimes.papers.chen2022.claims.cells import whole
from regimes.papers.chen2022.claims.scalings import exponents_of
from regimes.papers.chen2022.paper import EXPERIMENTS, MOVEMENT

WIDTHS = (512, 2048, 8192, 32768)
SIZES = Sizes(seeds=5, contains={"width": WIDTHS})
CHANCE = largest_deviate(1)
ROUNDING = 1e-9


def _at_end(measures: Measures, name: str, model: str) -> xr.DataArray:
    runs = whole(measures[MOVEMENT], width=WIDTHS, model=model)
    return runs.isel(n_train=0)[name].isel(step=-1, drop=True).transpose("seed", "width")


@claim(
    "C21",
    says="with NTK scaling the features move by O(m^(-1/2))",
    statistic="exponent of the movement between the two widest, as a deviate from -1/2",
    wanted=at_most(CHANCE, "no more than chance, at 95 %; open as long as the exponent falls"),
    source="section 2.2",
    needs=(MOVEMENT,),
    kind=THEOREM,
    sizes=SIZES,
    known=True,
)
def lazy(measures: Measures) -> Finding:
    """The last local exponent, and whether it is still falling towards -1/2.

    The statement is about large m: where the exponent is above -1/2 and falls from pair to pair by
    more than chance, nothing is decided.
    """
    moved = _at_end(measures, "feature_movement", "ntk")
    local = (np.log(moved).diff("width") / np.log(moved["width"]).diff("width")).values
    deviate = float(deviates_of_means(local[:, -1] + 0.5)[0])
    shown = ", ".join(f"{one:.3f}" for one in local.mean(0))
    detail = f"local exponents {shown} over m = {', '.join(map(str, WIDTHS))}"
    falling = float(deviates_of_means(local[:, -1] - local[:, -2])[0]) < -CHANCE
    if deviate > CHANCE and falling:
        return Finding(deviate, f"{detail}, still falling", (-math.inf, deviate))
    return Finding(deviate, detail)


@claim(
    "C22",
    says="under our scaling the features move regardless of m",
    statistic="exponent of the movement in m, as a deviate from 0",
    wanted=at_least(-CHANCE, "no more than chance, at 95 %"),
    source="section 2.2, (15)",
    needs=(MOVEMENT,),
    kind=THEOREM,
    sizes=SIZES,
    known=True,
)
def regardless(measures: Measures) -> Finding:
    """The exponent of the movement, over seeds."""
    exponents = exponents_of(_at_end(measures, "feature_movement", "ours"))
    return Finding(float(deviates_of_means(exponents)[0]), f"exponent {exponents.mean():.4f}")


@claim(
    "C23",
    says="under our scaling the tangent kernel, too, moves regardless of m",
    statistic="exponent of its relative change in m, as a deviate from 0",
    wanted=at_least(-CHANCE, "no more than chance, at 95 %"),
    source="section 2.2",
    needs=(MOVEMENT,),
    sizes=SIZES,
)
def kernel(measures: Measures) -> Finding:
    """The exponent of the change of the kernel, over seeds."""
    ours, ntk = (_at_end(measures, "kernel_change", model) for model in ("ours", "ntk"))
    exponents, other = exponents_of(ours), exponents_of(ntk)
    return Finding(
        float(deviates_of_means(exponents)[0]),
        f"exponent {exponents.mean():.4f}, change {float(ours.isel(width=-1).mean()):.3g} at the "
        f"widest; with NTK scaling {other.mean():.3f} and {float(ntk.isel(width=-1).mean()):.3g}",
    )


@claim(
    "C24",
    says="the mean movement of the features is at least the change of f, |c_i| = 1, ReLU and tanh",
    statistic="least ratio at the recorded steps of all runs with f = (1/m) sum c_i act(h_i)",
    wanted=at_least(1.0 - ROUNDING, "1, but for rounding"),
    source="(15)",
    needs=EXPERIMENTS,
    kind=TEST,
    known=True,
)
def inequality(measures: Measures) -> Finding:
    """The least ratio of the two movements, averaged over the training points."""
    ratios = []
    for runs in measures.values():
        models = [name for name in runs["model"].values.tolist() if name != "ntk"]
        moved = runs.sel(model=models, step=runs["step"] > 0)
        change = moved["function_movement"]
        ratios.append(float((moved["feature_movement"] / change.where(change > 0)).min()))
    return Finding(min(ratios))
