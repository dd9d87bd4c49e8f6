"""Measures of the theorems of Caron et al. (2023): means over initialisations and closed forms.

Theorem 5.1 on the weights, Theorem 5.2 on the tangent kernel, and (12) on its variance.
"""

import numpy as np
import xarray as xr

from regimes.activations.derivatives import ACTIVATIONS
from regimes.errors import DataError
from regimes.kernels.mean_tangent_gram import (
    kappa,
    limiting_variance_constant,
    mean_tangent_gram,
)
from regimes.papers.caron2023.closed_forms import mean_kernel_rate, mean_weight_rate
from regimes.parameterisations.node_scaling import zipf_sum_of_squares
from regimes.storage.layout import labelled

# Code of the training points in `split` of a data set.
TRAIN = 0
# Along eigenvectors of a covariance with less than this share of the largest eigenvalue nothing
# varies but for rounding.
LEAST_SHARE = 1e-9
MEASURED = {
    "weight_rate": "mean of dw_jk/dt at t = 0",
    "scaled_weight_rate": "mean of sum_j lambda_j dw_jk/dt at t = 0",
    "kernel_rate": "mean of dTheta_m(x_k, x_l)/dt at t = 0",
    "gram": "mean of Theta_m(x_k, x_l) at t = 0",
    "gram_deviation": "mean of |Theta_m(X; W_0) - Theta*(X)|_F^2",
}
SOURCES = {
    "weight_rate": "Theorem 5.1",
    "scaled_weight_rate": "Theorem 5.1",
    "kernel_rate": "Theorem 5.2 with 1/d^2",
    "gram": "Theta* of (9)",
    "gram_deviation": "C_0(X) sum_j lambda_mj^2, the exact form of (12) at width m",
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Compare the means over initialisations with their closed forms.

    runs: of one width, as made by `regimes.engines.at_initialisation.first_update`. data: their
    training points. For each name of MEASURED: the mean `name`, `name_standard_error`,
    `name_expected` and the distance of the two in standard errors, `name_z`; for those of which
    the covariance is known also the comparison of all components at once, `name_chi_square` with
    `name_degrees`, and `name_ratio`: the mean projected on the closed form, which makes 1 of the
    closed form, with `name_ratio_standard_error`; NaN where the closed form is 0. `node_rate` with
    its error is the mean rate of a node projected on that of a node of scale 1. `least_delta` is
    the smallest delta for which Proposition C.1 holds at the width of the runs, and
    `small_eigenvalues` the number of draws that are not as it says. Settings are in the order of
    falling gamma, then alpha.
    """
    if runs.sizes["width"] > 1:
        widths = ", ".join(map(str, runs["width"].values))
        raise DataError(f"axes.width: {widths}: the first update is measured at one width")
    runs = _ordered(runs.isel(width=0))
    activation = runs.attrs["activation"]
    chosen = data["split"].values == TRAIN
    inputs = data["inputs"].transpose("point", "feature").values[chosen].astype(np.float64)
    result = xr.Dataset(attrs={"activation": activation})
    result["kappa_n"] = labelled(
        xr.DataArray(kappa(inputs, activation)), "smallest eigenvalue kappa_n (10) of Theta*(X)"
    )
    constant = limiting_variance_constant(inputs, activation)
    result["variance_constant"] = labelled(xr.DataArray(constant), "C_0(X) of (12)")
    for name in ("gamma", "alpha", "sum_of_squared_scales", "node_index", "node_scale", "draws"):
        result[name] = labelled(runs[name].isel(seed=0, drop=True), runs[name].attrs["long_name"])
    limit = _limits(result)
    result["sum_of_squares_limit"] = labelled(
        limit, "(1 - gamma)^2 sum_j lambda~_j^2 of (12), the limit for wide networks"
    )
    result["gram_deviation_limit"] = labelled(
        constant * limit, "mean of |Theta_m(X; W_0) - Theta*(X)|_F^2 in the limit (12)"
    )
    for name, closed in _closed_forms(result, inputs, activation, constant).items():
        result.update(_compared(runs, name, closed))
    result.update(_of_nodes(runs, mean_weight_rate(inputs, np.ones(1), activation)[0]))
    result.update(_least_eigenvalues(runs, len(inputs), result["kappa_n"] * inputs.shape[1]))
    if "kernel_rate_mean" in runs:
        result.update(_as_printed(runs, inputs.shape[1], result["kernel_rate_expected"]))
    return result


def _ordered(runs: xr.Dataset) -> xr.Dataset:
    """Order the settings by their scales.

    Merging the jobs has ordered them by their names.
    """
    gamma, alpha = (runs[name].isel(seed=0).values for name in ("gamma", "alpha"))
    return runs.isel(node_scaling=np.lexsort((-alpha, -gamma)))


def _limits(result: xr.Dataset) -> xr.DataArray:
    limits = [
        0.0 if gamma == 1 else (1 - gamma) ** 2 * zipf_sum_of_squares(alpha)
        for gamma, alpha in zip(result["gamma"].values, result["alpha"].values, strict=True)
    ]
    return result["gamma"].copy(data=limits)


def _closed_forms(
    result: xr.Dataset, inputs: np.ndarray, activation: str, constant: float
) -> dict[str, xr.DataArray]:
    """Closed forms of the means by name, over node_scaling and the dimensions of the means."""
    # The closed forms of a single node of scale 1: each is multiplied by a function of the scales.
    one = np.ones(1)
    weight = xr.DataArray(mean_weight_rate(inputs, one, activation)[0], dims="feature")
    squares = result["sum_of_squared_scales"]
    closed = {
        "weight_rate": result["node_scale"] * weight,
        "scaled_weight_rate": squares * weight,
        "gram": xr.ones_like(squares) * _of_pairs(mean_tangent_gram(inputs, activation)),
        "gram_deviation": squares * constant,
    }
    if ACTIVATIONS[activation].curvature is not None:
        closed["kernel_rate"] = squares * _of_pairs(mean_kernel_rate(inputs, one, activation))
    return closed


def _of_pairs(matrix: np.ndarray) -> xr.DataArray:
    return xr.DataArray(matrix[np.triu_indices(len(matrix))], dims="pair")


def _of_nodes(runs: xr.Dataset, unit: np.ndarray) -> dict[str, xr.DataArray]:
    """Mean rates of single nodes, in those of one of scale 1: unit (feature,), NaN if it is 0."""
    square = np.sum(unit**2) or np.nan
    along = xr.DataArray(unit / square, dims="feature")
    covariance = runs["weight_rate_covariance"]
    same = xr.DataArray(np.arange(covariance.sizes["node"]), dims="node")
    variance = xr.dot(
        covariance.isel(node=same, other_node=same),
        along,
        along.rename(feature="other_feature"),
        dim=["feature", "other_feature"],
    )
    what = "mean rate of a node, in closed forms (Theorem 5.1) of a node of scale 1"
    rate = xr.dot(runs["weight_rate_mean"], along, dim="feature")
    return {
        "node_rate": labelled(rate, what),
        "node_rate_standard_error": labelled(np.sqrt(variance), f"standard error of the {what}"),
    }


def _least_eigenvalues(
    runs: xr.Dataset, n_points: int, scaled_kappa: xr.DataArray
) -> dict[str, xr.DataArray]:
    """Proposition C.1 at the width of the runs; scaled_kappa: kappa_n d."""
    delta = n_points * np.exp(-runs["width"] * scaled_kappa / (8 * n_points))
    failed = np.rint(runs["small_eigenvalue_mean"] * runs["draws"])
    return {
        "least_delta": labelled(delta, "smallest delta of Proposition C.1 at the width"),
        "small_eigenvalues": labelled(
            failed, "number of draws where the smallest eigenvalue is not above gamma kappa_n / 2"
        ),
    }


def _compared(runs: xr.Dataset, name: str, closed: xr.DataArray) -> dict[str, xr.DataArray]:
    """Compare one mean with its closed form; see `measure`."""
    what, source = MEASURED[name], SOURCES[name]
    mean, error = runs[f"{name}_mean"], runs[f"{name}_standard_error"]
    dims = [dim for dim in mean.dims if dim != "seed"]
    found = {
        name: labelled(mean, what),
        f"{name}_standard_error": labelled(error, f"standard error of the {what}"),
        f"{name}_expected": labelled(closed.transpose(*dims), f"{what}: {source}"),
        f"{name}_z": labelled(
            (mean - closed) / error, f"{what}: its distance from {source}, in standard errors"
        ),
    }
    if f"{name}_covariance" not in runs:
        return found
    dims.remove("node_scaling")
    chi_square, degrees = _chi_square(runs, name, dims, closed)
    ratio, ratio_error = _ratio(runs, name, dims, closed)
    return found | {
        f"{name}_chi_square": labelled(
            chi_square, f"{what}: chi-square of its distance from {source}"
        ),
        f"{name}_degrees": labelled(degrees, f"{what}: degrees of freedom of the chi-square"),
        f"{name}_ratio": labelled(
            ratio, f"{what}, projected on {source}, over the same of the latter"
        ),
        f"{name}_ratio_standard_error": labelled(
            ratio_error, f"{what}: standard error of its ratio"
        ),
    }


def _as_printed(runs: xr.Dataset, dimension: int, closed: xr.DataArray) -> dict[str, xr.DataArray]:
    """The mean change of the kernel beside Theorem 5.2 as it is printed, with 1/d^(3/2)."""
    printed = closed * np.sqrt(dimension)
    what, source = MEASURED["kernel_rate"], "Theorem 5.2 as printed, with 1/d^(3/2)"
    chi_square, degrees = _chi_square(runs, "kernel_rate", ["pair"], printed)
    ratio, error = _ratio(runs, "kernel_rate", ["pair"], printed)
    return {
        "kernel_rate_printed": labelled(printed, f"{what}: {source}"),
        "kernel_rate_printed_chi_square": labelled(
            chi_square, f"{what}: chi-square of its distance from {source}"
        ),
        "kernel_rate_printed_degrees": labelled(degrees, f"{what}: degrees of freedom"),
        "kernel_rate_printed_ratio": labelled(
            ratio, f"{what}, projected on {source}, over the same of the latter"
        ),
        "kernel_rate_printed_ratio_standard_error": labelled(
            error, f"{what}: standard error of its ratio to {source}"
        ),
    }


def _chi_square(
    runs: xr.Dataset, name: str, dims: list[str], closed: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Chi-square (node_scaling, seed) of the distance of all components; degrees of freedom."""

    def distance(difference: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
        difference = difference.ravel()
        covariance = covariance.reshape(difference.size, difference.size)
        # Components of very different sizes, such as nodes, count in their own errors.
        errors = np.sqrt(np.diag(covariance))
        errors[errors == 0] = 1
        difference, covariance = difference / errors, covariance / np.outer(errors, errors)
        values, vectors = np.linalg.eigh(covariance)
        varies = values > LEAST_SHARE * values[-1]
        along = (vectors.T @ difference)[varies]
        return float(np.sum(along**2 / values[varies])), float(varies.sum())

    return xr.apply_ufunc(
        distance,
        runs[f"{name}_mean"] - closed,
        runs[f"{name}_covariance"],
        input_core_dims=[dims, [*dims, *(f"other_{dim}" for dim in dims)]],
        output_core_dims=[[], []],
        vectorize=True,
    )


def _ratio(
    runs: xr.Dataset, name: str, dims: list[str], closed: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Projection (node_scaling, seed) of the mean on the closed form, and its standard error."""
    square = (closed**2).sum(dims)
    square = square.where(square > 0)
    others = {dim: f"other_{dim}" for dim in dims}
    other = closed.drop_vars(dims, errors="ignore").rename(others)
    variance = xr.dot(closed, runs[f"{name}_covariance"], other, dim=[*dims, *others.values()])
    return xr.dot(runs[f"{name}_mean"], closed, dim=dims) / square, np.sqrt(variance) / square
