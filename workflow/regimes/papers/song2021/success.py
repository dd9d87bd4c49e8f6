"""Which runs of gradient descent converge, beside Theorems 2 and 3 of Song et al. (2021)."""

import numpy as np
import xarray as xr

from regimes.papers.song2021.convergence import convergence
from regimes.papers.song2021.lemma3 import smallest_of_power
from regimes.papers.song2021.order import with_linear
from regimes.papers.song2021.spectrum import of_points
from regimes.storage.layout import labelled


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `convergence`, `linear` and `smallest_width` of `order`, and of the points.

    These are, over n_features, n_train and seed:

    - input_ratio: sigma_max(X) over (n / d_0)^(1/2), and power_singular_value:
      sigma_min(X^(*2)), both of order 1 on a sphere with n of order d_0^2 (Section 5.3).

    runs: as made by `regimes.engines.gradient_descent.linearised`. data: those of the runs.
    """
    result = with_linear(convergence(runs))
    norm = of_points(runs, data, lambda inputs: float(np.linalg.norm(inputs, 2)))
    result["input_ratio"] = labelled(
        norm / np.sqrt(runs["n_train"] / runs["n_features"]), "sigma_max(X) over (n / d_0)^(1/2)"
    )
    result["power_singular_value"] = labelled(
        of_points(runs, data, lambda inputs: smallest_of_power(inputs, 2)), "sigma_min(X^(*2))"
    )
    return result
