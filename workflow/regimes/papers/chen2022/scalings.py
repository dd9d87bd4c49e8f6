"""Experiment 3 of Chen et al. (2022): its curves, and the limit of its Gram matrix."""

import xarray as xr

from regimes.kernels.gram import limiting_gram
from regimes.kernels.limiting_kernels import smallest_eigenvalue
from regimes.papers.chen2022 import curves
from regimes.papers.chen2022.points import of_training_points
from regimes.storage.layout import labelled

# The embedding and the activation of the experiment (Section 4.3, Appendix I.3).
EMBEDDING, ACTIVATION = "random_features", "relu"


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `curves`, and the smallest eigenvalue of the limiting Gram matrix.

    Beside the variables of `curves.measure`, this is:

    - limiting_gram_min_eigenvalue, over n_train and seed: lambda_min of the limit (23) of the Gram
      matrix for D to infinity, in closed form, of one layer of random ReLU features.

    data: those of the runs, with a `draw` for each seed or one for all.
    """
    result = curves.measure(runs, data)
    limit = of_training_points(
        runs,
        data,
        lambda inputs, _: smallest_eigenvalue(limiting_gram(inputs, EMBEDDING, ACTIVATION)),
    )
    result["limiting_gram_min_eigenvalue"] = labelled(
        limit, "smallest eigenvalue of the Gram matrix (23) for infinitely many features"
    )
    return result
