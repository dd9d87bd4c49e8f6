"""Places of runs in the plane of Luo et al. (2021), and how much their weights moved."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from regimes.statistics import power_law_slope

# Exponents below minus this belong to the linear regime, above this to the condensed one. A factor
# log m, which claim L1 allows, makes about as much of them.
CRITICAL = 0.1
# gamma' of networks whose first layer alone is trained: their output weights have no mobility.
FIRST_LAYER_ALONE = -np.inf


@dataclass(frozen=True)
class Marker:
    """Marker of a paper's runs: matplotlib's shape, label, area in points^2, order of drawing."""

    shape: str
    label: str
    area: float = 42
    zorder: float = 3


@dataclass(frozen=True)
class Placement:
    """Runs of one setting that differ in width and seed alone.

    gamma, gamma_prime: exponents of kappa = m^-gamma and kappa' = m^-gamma' (equation (10) of Luo
    et al.) in the normalised form of the network, FIRST_LAYER_ALONE where only that layer is
    trained.
    exponent: how the relative distance of the first layer's weights grows with the width m: the
    slope of its logarithm against log m if `widths` > 1, else log RD / log m, as if RD were
    m^exponent.
    runs: how many there are that did not diverge.
    effective_width: 1 / sum_j lambda_j^2 for scales lambda_j of the nodes that sum to 1; NaN for
    networks whose nodes are alike.
    weighted_exponent: the same exponent of the distance in which a node counts lambda_j; or NaN.
    """

    paper: str
    experiment: str
    setting: str
    gamma: float
    gamma_prime: float
    exponent: float
    widths: int
    runs: int
    effective_width: float = np.nan
    weighted_exponent: float = np.nan

    @property
    def regime(self) -> str:
        """The measured regime: linear, critical or condensed."""
        return measured_regime(self.exponent)


def measured_regime(exponent: float) -> str:
    """Regime of runs whose relative distance grows with the width to the power `exponent`."""
    if abs(exponent) <= CRITICAL:
        return "critical"
    return "linear" if exponent < 0 else "condensed"


def placements(
    distance: xr.DataArray, *, paper: str, experiment: str, label: str, **position: Any
) -> Iterator[Placement]:
    """A placement for each setting of runs whose weights moved.

    distance: relative distances over `width`, `seed` and the axes of the settings; NaN or 0 where
    there was no run or it diverged. label: how a setting is written, from the values of its axes by
    name. position: gamma and gamma_prime, each a number or an array over some of the settings'
    axes and `width` (the mean over the widths of a setting is taken).
    """
    settings = [str(name) for name in distance.dims if name not in ("width", "seed")]
    for index in np.ndindex(*(distance.sizes[name] for name in settings)):
        of_one = distance.isel(dict(zip(settings, index, strict=True)))
        values = {name: of_one[name].item() for name in settings}
        present = (np.isfinite(of_one) & (of_one > 0)).any("seed")
        if not present.any():
            continue
        of_one = of_one.isel(width=np.flatnonzero(present.values))
        chosen = {}
        for name, value in position.items():
            if isinstance(value, xr.DataArray):
                there = {axis: values[axis] for axis in settings if axis in value.dims}
                value = value.sel(there)
                if "width" in value.dims:
                    value = value.sel(width=of_one["width"])
            chosen[name] = float(np.mean(value))
        yield Placement(
            paper=paper,
            experiment=experiment,
            setting=label.format(**values),
            exponent=growth_exponent(of_one),
            widths=of_one.sizes["width"],
            runs=int((np.isfinite(of_one) & (of_one > 0)).sum()),
            **chosen,
        )


def growth_exponent(distance: xr.DataArray) -> float:
    """Mean over the seeds of the slope of log distance against log width.

    With a single width it is the mean of log distance / log width.

    distance: (width, seed).
    """
    if distance.sizes["width"] > 1:
        return float(power_law_slope(distance)[0].mean("seed"))
    logs = np.log(distance.where(distance > 0)) / np.log(distance["width"])
    return float(logs.mean())


def settings_of(measures: xr.Dataset, experiment: str) -> dict[str, Any]:
    """The settings of an experiment, from its measures' file."""
    return json.loads(measures.attrs["config"])["experiments"][experiment]
