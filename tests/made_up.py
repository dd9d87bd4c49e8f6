"""Made-up runs of the phase diagram, whose slopes and boundary are known."""

import numpy as np
import xarray as xr

from regimes.papers.luo2021.phase_diagram import KEPT
from regimes.papers.luo2021.theory import boundary_gamma

WIDTHS = [1000, 5000, 10_000, 20_000, 40_000]
GAMMA = np.round(np.arange(0.5, 2.01, 0.25), 10)
GAMMA_PRIME = [-0.5, 0.0, 0.5]


def made_up_runs(
    offset: float = 0.0, seeds: int = 2, noise: float = 0.0, widths: list[int] = WIDTHS
) -> xr.Dataset:
    """Runs whose RD_w grows as m^(0.4 (gamma - boundary - offset)), with noise by seed."""
    axes = {
        "gamma_prime": GAMMA_PRIME,
        "gamma": GAMMA,
        "width": widths,
        "seed": list(range(seeds)),
    }
    coordinates = xr.Dataset(coords=axes)
    exponent = 0.4 * (
        coordinates["gamma"] - boundary_gamma(coordinates["gamma_prime"]) - offset
    ) + noise * (coordinates["seed"] - (seeds - 1) / 2)
    distance = 0.1 * coordinates["width"].astype(float) ** exponent
    runs = xr.Dataset({name: xr.ones_like(distance) for name in KEPT})
    runs["relative_distance_w"] = distance
    runs["relative_distance_a"] = 2 * distance**2
    runs["relative_distance_theta"] = distance**0.5
    runs["not_kept"] = distance
    for name in runs.variables:
        runs[name].attrs = {"long_name": str(name), "units": "1"}
    # In another order than the measures have
    return runs.transpose("seed", "width", "gamma", "gamma_prime")
