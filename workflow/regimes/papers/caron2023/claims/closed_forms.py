"""Claims A7 of Caron et al. (2023), in three parts: Theorems 5.1 and 5.2 and equation (12).

Each compares means over random initialisations with a closed form, and was fixed before the runs
of full size. All components (features, pairs of points), settings and experiments of a part make
one chi-square, since of many components some will always be more than three standard errors off;
settings have random streams of their own, so that their chi-squares add up. The statistic is the
normal deviate |z| whose two-sided probability is that of the chi-square, which three standard
errors bound: a true statement fails with a probability of 0.27 %.
"""

import numpy as np
import xarray as xr
from scipy.stats import chi2, norm

from regimes.claims.core import Finding, Measures, TooSmallError, at_most, claim
from regimes.papers.caron2023.means import pooled, relative
from regimes.papers.caron2023.paper import LARGEST_ERROR, RELU, TANH

FIGURE = "caron2023/theorems"
LARGEST_DEVIATE = 3.0
LEAST_PROBABILITY = np.finfo(np.float64).tiny


def deviate(chi_square: float, degrees: float) -> float:
    """|z| of a standard normal with the two-sided probability of at least this chi-square.

    About 38 where the probability is below the smallest number.
    """
    return float(norm.isf(max(chi2.sf(chi_square, degrees), LEAST_PROBABILITY) / 2))


def _compared(
    measures: Measures, name: str, chi_square: str = "chi_square"
) -> tuple[float, list[str]]:
    """The statistic over some experiments, and how far each is from its closed form."""
    total, degrees, details = 0.0, 0.0, []
    for experiment, measured in measures.items():
        if f"{name}_degrees" in measured:
            total += float(measured[f"{name}_{chi_square}"].sum())
            degrees += float(measured[f"{name}_degrees"].sum())
        else:
            total += float((measured[f"{name}_z"] ** 2).sum())
            degrees += measured[f"{name}_z"].size
        details.append(f"{experiment.rpartition('_')[2]}: {_shown(measured, name)}")
    z = deviate(total, degrees)
    details.append(f"chi-square {total:.1f} on {degrees:.0f} degrees of freedom")
    return z, details


def _shown(measured: xr.Dataset, name: str) -> str:
    ratio, error = relative(measured, name)
    if ratio.isnull().all():
        return "closed form 0"
    return "measured over closed form " + _numbers(ratio, error)


def _numbers(ratio: xr.DataArray, error: xr.DataArray) -> str:
    pairs = zip(ratio.values, error.values, strict=True)
    return ", ".join(f"{value:.4f} +- {spread:.4f}" for value, spread in pairs)


@claim(
    "A7a",
    says="the mean change of the weights by the first gradient update is that of Theorem 5.1",
    statistic="|z| of all features, settings and activations at once (at most 3)",
    wanted=at_most(LARGEST_DEVIATE),
    source="Theorem 5.1",
    needs=(RELU, TANH),
    figure=FIGURE,
)
def weights(measures: Measures) -> Finding:
    """Theorem 5.1."""
    _need_precision(measures, "scaled_weight_rate")
    z, details = _compared(measures, "scaled_weight_rate")
    return Finding(z, "; ".join(details))


@claim(
    "A7b",
    says=(
        "the mean change of the tangent kernel by the first gradient update is that of Theorem "
        "5.2, with 1/d^2 where the text has 1/d^(3/2)"
    ),
    statistic="|z| of all pairs of points and settings at once (at most 3)",
    wanted=at_most(LARGEST_DEVIATE),
    source="Theorem 5.2, corrected",
    needs=(TANH,),
    figure=FIGURE,
)
def kernel(measures: Measures) -> Finding:
    """Theorem 5.2 with 1/d^2; in the detail, how far the form with 1/d^(3/2) is off."""
    _need_precision(measures, "kernel_rate")
    z, details = _compared(measures, "kernel_rate")
    (measured,) = measures.values()
    printed = float(measured["kernel_rate_printed_chi_square"].sum())
    off = deviate(printed, float(measured["kernel_rate_degrees"].sum()))
    ratio, error = pooled(
        measured["kernel_rate_printed_ratio"],
        measured["kernel_rate_printed_ratio_standard_error"],
    )
    details.append(
        f"erratum: with the printed 1/d^(3/2) measured over closed form {_numbers(ratio, error)}, "
        f"|z| {off:.3g}"
    )
    return Finding(z, "; ".join(details))


@claim(
    "A7c",
    says=(
        "the variance of the tangent Gram matrix at the start is that of (12), taken at the width "
        "of the runs, C_0(X) sum_j lambda_mj^2"
    ),
    statistic="|z| of all settings and activations at once (at most 3)",
    wanted=at_most(LARGEST_DEVIATE),
    source="(12)",
    needs=(RELU, TANH),
    figure=FIGURE,
)
def variance(measures: Measures) -> Finding:
    """Equation (12) at the width of the runs."""
    _need_precision(measures, "gram_deviation")
    z, details = _compared(measures, "gram_deviation")
    measured = measures[RELU]
    limit = measured["sum_of_squares_limit"] / measured["sum_of_squared_scales"]
    details.append(
        "limit (12) over closed form at this width "
        + ", ".join(f"{value:.3f}" for value in limit.values)
    )
    return Finding(z, "; ".join(details))


def _need_precision(measures: Measures, name: str) -> None:
    """Raise TooSmallError where the means are of so few draws that they would decide nothing."""
    errors = [float(relative(measured, name)[1].max()) for measured in measures.values()]
    if not (worst := float(np.nanmax(errors))) <= LARGEST_ERROR:
        raise TooSmallError(
            f"standard errors are up to {worst:.2g} of the closed form, more than {LARGEST_ERROR:g}"
        )
