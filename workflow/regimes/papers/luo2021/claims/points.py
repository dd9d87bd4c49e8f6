"""Statements about points of the plane of gamma and gamma', each with the seeds' sampling error."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, TooSmallError, Wanted
from regimes.claims.sampling import mean_of
from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.statistics import power_law_slope

# What a factor log m adds to a slope over the widths of Figure 4, as (39) and (40) allow.
LOG_M = 0.116
# The grid's values are sums of floats; what lies on the edge of a region is outside of it.
EDGE = 1e-9


def slopes(measures: xr.Dataset, layer: str = "w") -> xr.DataArray:
    """Slopes of log relative distance against log width, of each seed: equation (19)."""
    return power_law_slope(measures[f"relative_distance_{layer}"])[0]


def past_boundary(values: xr.DataArray | xr.Dataset) -> xr.DataArray:
    """By how much gamma is past the boundary between the linear and the condensed regime."""
    return values["gamma"] - boundary_gamma(values["gamma_prime"])


def at_points(
    values: xr.DataArray,
    region: xr.DataArray,
    wanted: Wanted,
    detail: str = "",
    replicates: Iterable[str] = ("seed",),
) -> Finding:
    """The mean over the replicates at each point of a region, each to be as wanted.

    values: over the replicates and any other dimensions. region: which of the points of gamma and
    gamma' are meant. Raises TooSmallError if the grid has none of them.
    """
    values = values.stack(replicate=list(replicates))
    others = [name for name in values.dims if name != "replicate"]
    inside = region.broadcast_like(values.isel(replicate=0, drop=True)).stack(point=others)
    samples = values.stack(point=others).transpose("replicate", "point")
    samples = samples.isel(point=inside.transpose("point").values)
    if not samples.sizes["point"]:
        raise TooSmallError("no point of the grid is in the region")
    means = samples.mean("replicate", skipna=False)
    if missing := int(means.isnull().sum()):
        place = _place(means.isel(point=int(means.isnull().argmax("point"))))
        return Finding(np.nan, f"{missing} of {means.size} points have no value, first {place}")
    off = np.maximum(wanted.low - means.values, means.values - wanted.high)
    worst = means.isel(point=int(off.argmax()))
    said = f"{means.size} points, farthest {float(worst):.4g} at {_place(worst)}"
    return mean_of(samples.values, wanted, "; ".join(filter(None, [said, detail])))


def _place(point: xr.DataArray) -> str:
    # The index itself is a coordinate too, a tuple of the others.
    return ", ".join(
        f"{name} = {point[name].item():g}"
        for name in point.coords
        if point[name].dtype.kind in "if"
    ).replace("gamma_prime", "gamma'")
