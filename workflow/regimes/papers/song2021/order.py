"""How wide a network must be for gradient descent to converge linearly (Song et al., 2021)."""

import numpy as np
import xarray as xr

from regimes.papers.song2021.convergence import convergence
from regimes.storage.layout import labelled

# R^2 of ln h_i over the second half of a run's steps.
LEAST_R_SQUARED = 0.95


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Find the smallest width at which gradient descent converges linearly, by n and d_0.

    A run is `linear` (1) when gradient descent at the learning rate of the theory

    - reached the wanted share of the initial loss (attribute `relative_loss`) within its steps;
    - was at every step under (14) with sigma_min of the Jacobian's adjoint at the start, the
      largest mu of Definition 1; that of Lemma 3 is 0 for d_1 < n, and (14) then says nothing;
    - had a logarithm of its loss that was a line over the second half of the steps, R^2 at least
      LEAST_R_SQUARED.

    runs: as made by `regimes.engines.gradient_descent.linearised`, with omega_1 given. data is not
    needed. Beside `convergence.convergence` there are

    - linear (.., width, seed), and smallest_width (.., seed): the smallest width of the grid from
      which on all are linear, NaN if the widest is not;
    - theory_width: n^(3/2) / d_0, (21) without its constant;
    - fit: constant and exponents (term: constant, n_train, n_features) of the least squares of
      ln smallest_width, mean over seeds of the logarithm, on ln n and ln d_0; fit_cells is the
      number of sizes that it is over: those with a smallest width for all seeds.
    """
    result = with_linear(convergence(runs))
    width = result["smallest_width"]
    n_train, n_features = result["n_train"], result["n_features"]
    result["theory_width"] = labelled(
        n_train**1.5 / n_features, "n^(3/2) / d_0, the width (21) without its constant"
    )
    terms, cells = _fit(width)
    result["smallest_width"].attrs["comment"] = "a run that diverged or was capped is not linear"
    result["fit"] = labelled(terms, "exponents of the smallest width, and log of its constant")
    result["fit_cells"] = labelled(xr.DataArray(cells), "number of sizes behind the exponents")
    result["term"] = result["term"].assign_attrs(long_name="term of the fit", units="1")
    return result


def with_linear(result: xr.Dataset) -> xr.Dataset:
    """The measures of `convergence.convergence` with `linear` and `smallest_width`."""
    linear = (
        (result["converged"] == 1)
        & (result["isometry_decay_ratio"] >= 1)
        & (result["r_squared"] >= LEAST_R_SQUARED)
    )
    result["linear"] = labelled(
        linear.astype(np.float64), "1 if gradient descent reached the global minimum linearly"
    )
    # From the widest down: true as long as all of them were.
    kept = linear.sortby("width", ascending=False).astype(int).cumprod("width")
    enough = kept.sortby("width") == 1
    result["smallest_width"] = labelled(
        enough["width"].where(enough).min("width"),
        "smallest width from which on gradient descent converged linearly",
    )
    return result


def _fit(width: xr.DataArray) -> tuple[xr.DataArray, int]:
    names = ("constant", "n_train", "n_features")
    logs = np.log(width).mean("seed", skipna=False)
    known = logs.stack(size=("n_train", "n_features")).dropna("size")
    columns = [np.ones(known.sizes["size"])]
    columns += [np.log(known[name].values.astype(np.float64)) for name in names[1:]]
    matrix = np.stack(columns, axis=1)
    terms = np.full(len(names), np.nan)
    if np.linalg.matrix_rank(matrix) == len(names):
        terms = np.linalg.lstsq(matrix, known.values, rcond=None)[0]
    return xr.DataArray(terms, {"term": list(names)}, "term"), len(matrix)
