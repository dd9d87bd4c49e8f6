"""Theorem 1 of Chen et al. (2022): networks of tanh on their inputs, within its hypothesis."""

import xarray as xr

from regimes.engines.function_space.active_region import ACTIVE_REGIONS
from regimes.papers.chen2022 import curves
from regimes.papers.chen2022.bounds import middle_share, smallest_eigenvalue, theorem
from regimes.papers.chen2022.points import of_training_points, target_norm, variances

ACTIVATION = "tanh"
# (58) is kappa |y| / c^ <= K^(3/2) / 2 once the slip of (52) is mended.
KAPPA_FACTOR = 2.0
# (61).
RATE_FACTOR = 2 ** (1 / 3)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `curves`, with those of `bounds.theorem`.

    K is half of the least share of the middle third of I, (70), on the diagonal of G. runs: of
    networks on the inputs themselves, with ACTIVATION. data: those of the runs.
    """
    region = ACTIVE_REGIONS[ACTIVATION]
    found = theorem(
        runs,
        active_share=of_training_points(
            runs, data, lambda inputs, _: float(middle_share(region, variances(inputs)).min()) / 2
        ),
        eigenvalues=(smallest_eigenvalue(runs), runs["gram_largest_eigenvalue"]),
        target_norm=of_training_points(runs, data, target_norm),
        kappa_factor=KAPPA_FACTOR,
        rate_factor=RATE_FACTOR,
    )
    return curves.measure(runs, data).merge(found)
