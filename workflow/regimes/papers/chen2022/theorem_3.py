"""Theorem 3 of Chen et al. (2022): partially trained ReLU networks of three layers."""

import numpy as np
import xarray as xr

from regimes.engines.function_space.active_region import ACTIVE_REGIONS
from regimes.kernels.gram import limiting_gram
from regimes.papers.chen2022 import curves
from regimes.papers.chen2022.bounds import middle_share, smallest_eigenvalue, theorem
from regimes.papers.chen2022.points import of_training_points, target_norm
from regimes.papers.chen2022.scalings import ACTIVATION, EMBEDDING
from regimes.storage.layout import labelled

# (80) and (83).
KAPPA_FACTOR = 8.0
RATE_FACTOR = 2 ** (-2 / 3)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `curves`, with those of `bounds.theorem` for the limit of G.

    Beside them is gram_ratio: lambda_min(G) over that of its limit, at least 1/2 by (74). K is half
    of the least share of the middle third of I where G_aa is from half of the least diagonal entry
    of the limit to twice the largest, (75). runs: of networks on EMBEDDING with ACTIVATION. data:
    those of the runs.
    """
    region = ACTIVE_REGIONS[ACTIVATION]

    def limit(inputs: np.ndarray) -> np.ndarray:
        return limiting_gram(inputs, EMBEDDING, ACTIVATION)

    def share(inputs: np.ndarray, _: np.ndarray) -> float:
        diagonal = np.diag(limit(inputs))
        # The share rises and then falls with the variance: its least is at an end.
        ends = np.array([diagonal.min() / 2, 2 * diagonal.max()])
        return float(middle_share(region, ends).min()) / 2

    def eigenvalue(place: int) -> xr.DataArray:
        return of_training_points(
            runs, data, lambda inputs, _: float(np.linalg.eigvalsh(limit(inputs))[place])
        )

    found = theorem(
        runs,
        active_share=of_training_points(runs, data, share),
        eigenvalues=(eigenvalue(0), eigenvalue(-1)),
        target_norm=of_training_points(runs, data, target_norm),
        kappa_factor=KAPPA_FACTOR,
        rate_factor=RATE_FACTOR,
    )
    found["gram_ratio"] = labelled(
        smallest_eigenvalue(runs) / eigenvalue(0), "lambda_min(G) over that of its limit"
    )
    return curves.measure(runs, data).merge(found)
