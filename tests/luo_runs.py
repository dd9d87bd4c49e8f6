"""Made-up runs of the phase diagram, whose slopes, boundaries and decay are known."""

import numpy as np
import xarray as xr

from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.phase_diagram import KEPT, measure

WIDTHS = [1000, 5000, 10_000, 20_000, 40_000]
GAMMA = np.round(np.arange(0.5, 2.01, 0.25), 10)
GAMMA_PRIME = [-0.5, 0.0, 0.5]
# Of the limiting Gram matrices of the made-up data: both are 1/2 on the diagonal; off it that of
# the output weights is 1 / (2 pi), that of the first layer 0.
SMALLEST_EIGENVALUE_A = 0.5 - 1 / (2 * np.pi)
SMALLEST_EIGENVALUE_W = 0.5


def made_up_data() -> xr.Dataset:
    """Two points, orthogonal and of length 1."""
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), np.eye(2)),
            "targets": ("point", [1.0, -1.0]),
            "split": ("point", [0, 0]),
        }
    )


def made_up_runs(
    offset: float = 0.0,
    seeds: int = 2,
    noise: float = 0.0,
    widths: list[int] = WIDTHS,
    decay_rate_ratio: float = 2.0,
) -> xr.Dataset:
    """Runs whose RD_w grows as m^(0.4 (gamma - boundary - offset)), with noise by seed.

    On `made_up_data` their losses fall from 1.5 at `decay_rate_ratio` times the rate of the
    theory.
    """
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
    runs["final_relative_distance_w"] = distance
    runs["final_relative_distance_a"] = 2 * distance**2
    runs["final_relative_distance_theta"] = distance**0.5
    runs["not_kept"] = distance
    for ending in ("stationary", "capped", "diverged"):
        runs[ending] = xr.zeros_like(distance)
    runs["initial_loss"] = xr.full_like(distance, 1.5)
    exponent = xr.DataArray(np.geomspace(1e-4, 10, 11), dims="checkpoint")
    rate = coordinates["width"] ** (1 - 2 * coordinates["gamma"]) * SMALLEST_EIGENVALUE_A
    runs.coords["time"] = xr.ones_like(distance) * exponent / rate
    runs["train_loss"] = xr.ones_like(distance) * 1.5 * np.exp(-decay_rate_ratio * exponent)
    for name in runs.variables:
        runs[name].attrs = {"long_name": str(name), "units": "1"}
    # In another order than the measures have
    return runs.transpose("checkpoint", "seed", "width", "gamma", "gamma_prime")


def measured(runs: xr.Dataset) -> xr.Dataset:
    """The measures of made-up runs."""
    return measure(runs, made_up_data())
