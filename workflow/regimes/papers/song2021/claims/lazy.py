"""Claims of Song et al. (2021) on lazy training, Section 6 and Appendix F.

The text linearises h, which is unbounded below then; here Phi is linearised, and the gap is
|Phi - Phi~| / |Phi|.
"""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    THEOREM,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
)
from regimes.claims.sampling import deviates_of_means, largest_deviate, mean_of
from regimes.papers.song2021.paper import LAZY, LAZY_WIDE

# Where the ratio omega_2 / omega_1 is small, and where it is large.
SMALL, LARGE = (0.001, 0.00316, 0.01, 0.0316), (3.16, 10.0, 31.6)
SIZES = Sizes(seeds=5, contains={"scale_ratio": (*SMALL, *LARGE)})
FIGURE = "song2021/lazy_training"
GAP = "the largest |Phi - Phi~| / |Phi| of a run"


def _exponents(values: xr.DataArray, ratios: tuple[float, ...]) -> np.ndarray:
    """Exponents in omega_2 / omega_1 over some ratios, (seeds,)."""
    logs = np.log(values.sel(scale_ratio=list(ratios)).transpose("scale_ratio", "seed").values)
    places = np.log(ratios) - np.mean(np.log(ratios))
    return np.asarray(places @ logs / (places @ places))


@claim(
    "S3",
    says="the bound (82) goes to 0 with omega_2 / omega_1",
    statistic="its exponent over ratios from 0.001 to 0.03, with chi_max from (84)",
    wanted=at_least(0.0, "its sign"),
    source="section 6, (82) to (85), appendix F.2",
    needs=(LAZY,),
    sizes=SIZES,
    known=True,
    figure=FIGURE,
)
def vanishing(measures: Measures) -> Finding:
    """Exponent of the bound at the lower end; 1 where GELU acts as ReLU, r_2 = 1."""
    exponents = _exponents(measures[LAZY]["lazy_bound"], SMALL)
    return mean_of(exponents, at_least(0.0), "1 is predicted with r_2 = 1")


@claim(
    "S16",
    says="the bound (82) goes to infinity with omega_2 / omega_1",
    statistic="its exponent over ratios from 3 to 32, with chi_max from (84)",
    wanted=at_least(0.0, "its sign"),
    source="section 6, (82), (84), appendix F.1",
    needs=(LAZY,),
    sizes=SIZES,
    known=True,
    figure=FIGURE,
)
def growing(measures: Measures) -> Finding:
    """Exponent of the bound at the upper end, and that with sigma_max(V_0)."""
    start = _exponents(measures[LAZY]["lazy_bound_start"], LARGE).mean()
    exponents = _exponents(measures[LAZY]["lazy_bound"], LARGE)
    detail = f"{start:.3f} with sigma_max(V_0) in place of (84), on which the statement hangs"
    return mean_of(exponents, at_least(0.0), detail)


@claim(
    "S17",
    says="where omega_2 / omega_1 goes to 0 lazy training is bound to happen",
    statistic=f"exponent of {GAP} over ratios from 0.001 to 0.03 less that of the bound (82)",
    wanted=at_least(0.0, "the bound's own"),
    source="section 6, appendix F.2",
    needs=(LAZY,),
    sizes=SIZES,
    known=True,
    figure=FIGURE,
)
def bound_to_happen(measures: Measures) -> Finding:
    """Exponent of the gap against that of the bound, paired over seeds."""
    runs = measures[LAZY]
    gap, bound = (_exponents(runs[name], SMALL) for name in ("largest_gap", "lazy_bound"))
    beyond = _exponents(runs["largest_gap"], LARGE).mean()
    detail = (
        f"gap {gap.mean():.3f}, bound {bound.mean():.3f}; over ratios from 3 to 32, of which the "
        f"text says nothing, the gap has {beyond:.3f}"
    )
    return mean_of(gap - bound, at_least(0.0), detail)


@claim(
    "S18",
    says="the gap is at most of the order of (82), whatever the width",
    statistic=(
        f"exponent in d_1 of {GAP} over (82), d_1 = 200 and 800, as the largest deviate from 0 "
        "over ratios up to 1"
    ),
    wanted=at_most(largest_deviate(4), "no more than chance, at 95 %, of four comparisons"),
    source="(82)",
    needs=(LAZY, LAZY_WIDE),
    kind=THEOREM,
    sizes=Sizes(seeds=5, contains={"scale_ratio": (0.001, 0.01, 0.1, 1.0)}),
)
def scaling(measures: Measures) -> Finding:
    """Differences of ln (gap / bound) between the widths; starts are not the same."""
    narrow, wide = measures[LAZY], measures[LAZY_WIDE]
    ratios = list(wide["scale_ratio"].values)
    if not set(ratios) <= set(narrow["scale_ratio"].values):
        raise TooSmallError("the two widths have no ratios in common")
    logs = [
        np.log(one["largest_gap"] / one["lazy_bound"]).sel(scale_ratio=ratios)
        for one in (narrow, wide)
    ]
    decades = np.log(wide.attrs["width"] / narrow.attrs["width"])
    exponents = (
        logs[1].transpose("seed", "scale_ratio").values
        - logs[0].transpose("seed", "scale_ratio").values
    ) / decades
    means = ", ".join(f"{one:.3f}" for one in exponents.mean(0))
    largest = max(float(np.exp(one).max()) for one in logs)
    detail = f"exponents {means} at the ratios {', '.join(f'{one:g}' for one in ratios)}"
    return Finding(
        float(deviates_of_means(exponents).max()), f"{detail}; gap / bound up to {largest:.2g}"
    )
