"""Claims of Caron et al. (2023) on the start of training: Sections 3 and 5, Appendices A and C.

Means over random initialisations are compared with closed forms. All components (features, pairs
of points), settings and experiments of a claim make one chi-square, since of many components some
will always be far off; settings have random streams of their own, so that their chi-squares add
up. The statistic is the normal deviate |z| whose two-sided probability is that of the chi-square.
"""

import numpy as np
import xarray as xr
from scipy.special import zeta
from scipy.stats import binomtest, chi2, norm

from regimes.claims.core import (
    CORRECTED,
    ERRATUM,
    TEST,
    THEOREM,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
    within,
)
from regimes.claims.sampling import estimates, largest_deviate, worst
from regimes.papers.caron2023.means import pooled, relative
from regimes.papers.caron2023.node_settings import plain_label
from regimes.papers.caron2023.paper import (
    LARGEST_ERROR,
    NARROW,
    RELU,
    SOFTPLUS,
    TANH,
    WIDE,
)

FIGURE = "caron2023/theorems"
# Those of narrow networks, of most, and of wide ones.
WIDTHS = (100, 1000, 10_000)
CHANCE = at_most(largest_deviate(1), "chance exceeds it in 5 % of cases")
LEAST_PROBABILITY = np.finfo(np.float64).tiny


def deviate(chi_square: float, degrees: float) -> float:
    """|z| of a standard normal with the two-sided probability of at least this chi-square.

    About 38 where the probability is below the smallest number.
    """
    return float(norm.isf(max(chi2.sf(chi_square, degrees), LEAST_PROBABILITY) / 2))


def _compared(measures: Measures, name: str) -> tuple[float, list[str]]:
    """The statistic over some experiments, and how far each is from its closed form."""
    total, degrees, details = 0.0, 0.0, []
    for experiment, measured in measures.items():
        if f"{name}_degrees" in measured:
            total += float(measured[f"{name}_chi_square"].sum())
            degrees += float(measured[f"{name}_degrees"].sum())
        else:
            total += float((measured[f"{name}_z"] ** 2).sum())
            degrees += measured[f"{name}_z"].size
        details.append(f"{_short(experiment)}: {_shown(measured, name)}")
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
    says="the mean change of each weight by the first gradient update is that of Theorem 5.1",
    statistic="|z| of all features, shown nodes, settings and activations at once",
    wanted=CHANCE,
    source="Theorem 5.1",
    needs=(RELU, TANH, SOFTPLUS),
    kind=THEOREM,
    figure=FIGURE,
)
def weights(measures: Measures) -> Finding:
    """Theorem 5.1, of nodes 1, 10, 100 and 1000."""
    _need_precision(measures, "scaled_weight_rate")
    z, details = _compared(measures, "weight_rate")
    return Finding(z, "; ".join(details))


@claim(
    "A7a-sum",
    says="so is the mean change of the weights of all nodes, each times its scale",
    statistic="|z| of all features, settings and activations at once",
    wanted=CHANCE,
    source="Theorem 5.1",
    needs=(RELU, TANH, SOFTPLUS),
    kind=THEOREM,
    known=True,
    figure=FIGURE,
)
def weight_sums(measures: Measures) -> Finding:
    """Theorem 5.1, summed over the nodes, for which the errors are the smallest."""
    _need_precision(measures, "scaled_weight_rate")
    z, details = _compared(measures, "scaled_weight_rate")
    return Finding(z, "; ".join(details))


@claim(
    "A7b",
    says=(
        "the mean change of the tangent kernel by the first gradient update is that of Theorem "
        "5.2, with 1/d^2 where the text has 1/d^(3/2)"
    ),
    statistic="|z| of all pairs of points, settings and activations (of d = 4 and 9) at once",
    wanted=CHANCE,
    source="Theorem 5.2, corrected",
    needs=(TANH, SOFTPLUS),
    kind=THEOREM,
    reading=CORRECTED,
    known=True,
    figure=FIGURE,
)
def kernel(measures: Measures) -> Finding:
    """Theorem 5.2 with 1/d^2."""
    _need_precision(measures, "kernel_rate")
    z, details = _compared(measures, "kernel_rate")
    return Finding(z, "; ".join(details))


@claim(
    "A7b-printed",
    says="that change is as printed, with 1/d^(3/2)",
    statistic="|z| of all pairs of points, settings and activations (of d = 4 and 9) at once",
    wanted=CHANCE,
    source="Theorem 5.2, Appendix H",
    needs=(TANH, SOFTPLUS),
    kind=ERRATUM,
    known=True,
    figure=FIGURE,
)
def kernel_as_printed(measures: Measures) -> Finding:
    """Theorem 5.2 as printed, which is d^(1/2) times what is measured."""
    _need_precision(measures, "kernel_rate")
    z, details = _compared(measures, "kernel_rate_printed")
    return Finding(z, "; ".join(details))


@claim(
    "A7c",
    says=(
        "the mean squared distance of the tangent Gram matrix from its mean is, at the width of "
        "the runs, C_0(X) sum_j lambda_mj^2: the form that (12) is the limit of"
    ),
    statistic="|z| of all settings and activations at once",
    wanted=CHANCE,
    source="(12)",
    needs=(RELU, TANH, SOFTPLUS),
    kind=THEOREM,
    known=True,
    figure=FIGURE,
)
def variance(measures: Measures) -> Finding:
    """The exact form of equation (12) at the width of the runs."""
    _need_precision(measures, "gram_deviation")
    z, details = _compared(measures, "gram_deviation")
    return Finding(z, "; ".join(details))


@claim(
    "A7d",
    says="of wide networks that distance is C_0(X) (1 - gamma)^2 sum_j lambda~_j^2",
    statistic="ratio to that at m = 10 000, of the settings with gamma < 1; the worst",
    wanted=within(
        0.95, 1.05, "a convention of ours: the exact form of this width is 0 to 3.3 % above"
    ),
    source="(12)",
    needs=(WIDE,),
    sizes=Sizes(least={"width": WIDTHS[-1]}),
    kind=THEOREM,
)
def variance_limit(measures: Measures) -> Finding:
    """Equation (12), the limit."""
    _need_precision(measures, "gram_deviation")
    (measured,) = measures.values()
    measured = measured.isel(node_scaling=(measured["gamma"] < 1).values)
    limit = measured["gram_deviation_limit"]
    ratio, error = pooled(
        measured["gram_deviation"] / limit, measured["gram_deviation_standard_error"] / limit
    )
    detail = f"{_settings(measured)}: {_numbers(ratio, error)}"
    return estimates(ratio.values, error.values, within(0.95, 1.05), detail)


@claim(
    "A7e",
    says="with gamma < 1 the mean first change of node 1 stays away from 0 as m grows",
    statistic="ratio to its limit, with (1 - gamma) lambda~_1, at m = 10 000; the worst",
    wanted=within(
        0.9, 1.1, "a convention of ours: the exact form of this width is 0 to 1.6 % above"
    ),
    source="after Theorem 5.1",
    needs=(WIDE,),
    sizes=Sizes(least={"width": WIDTHS[-1]}),
    kind=THEOREM,
)
def first_node(measures: Measures) -> Finding:
    """The rate of node 1 of wide networks over its limit."""
    (measured,) = measures.values()
    measured = measured.isel(node_scaling=(measured["gamma"] < 1).values, node=0)
    # lambda~_1 is 1 / zeta(1 / alpha).
    pairs = zip(measured["gamma"].values, measured["alpha"].values, strict=True)
    limits = measured["gamma"].copy(data=[(1 - g) / zeta(1 / alpha) for g, alpha in pairs])
    ratio, error = pooled(
        measured["node_rate"] / limits, measured["node_rate_standard_error"] / limits
    )
    detail = f"{_settings(measured)}: {_numbers(ratio, error)}"
    return estimates(ratio.values, error.values, within(0.9, 1.1), detail)


@claim(
    "A7e-lazy",
    says="with gamma = 1 the mean first change of node 1 vanishes as m grows",
    statistic="its rate over that of a node of scale 1, at m = 10 000",
    wanted=at_most(0.01, "a convention of ours: 1/m is far below"),
    source="after Theorem 5.1",
    needs=(WIDE,),
    sizes=Sizes(least={"width": WIDTHS[-1]}),
    kind=THEOREM,
)
def first_node_alike(measures: Measures) -> Finding:
    """The rate of node 1 of wide networks whose nodes are all alike."""
    (measured,) = measures.values()
    measured = measured.isel(node_scaling=(measured["gamma"] == 1).values, node=0)
    rate, error = pooled(measured["node_rate"], measured["node_rate_standard_error"])
    return estimates(rate.values, error.values, at_most(0.01))


@claim(
    "A11",
    says="the mean of the NTG at the start is Theta*, whatever the scales and the width",
    statistic="|z| of all pairs of points, settings, widths and activations at once",
    wanted=CHANCE,
    source="(9)",
    needs=(NARROW, RELU, WIDE, TANH, SOFTPLUS),
    kind=THEOREM,
)
def mean_gram(measures: Measures) -> Finding:
    """The mean tangent Gram matrix."""
    _need_precision(measures, "gram")
    z, details = _compared(measures, "gram")
    return Finding(z, "; ".join(details))


GRAM = "slope of the logarithm of its mean squared distance from Theta* over that of m"
BETWEEN = "half way between 0 and -1, the slope of 1/m"


@claim(
    "A12-lazy",
    says="with gamma = 1 the NTG at the start becomes constant as m grows",
    statistic=GRAM,
    wanted=at_most(-0.5, BETWEEN),
    source="Proposition 3.3",
    needs=(NARROW, RELU, WIDE),
    kind=THEOREM,
)
def constant_gram(measures: Measures) -> Finding:
    """The variance of the Gram matrix at gamma = 1 over the width."""
    return _slope_of_variance(measures, True)


@claim(
    "A12",
    says="with gamma < 1 the NTG at the start stays random as m grows",
    statistic=f"least {GRAM}",
    wanted=at_least(-0.5, BETWEEN),
    source="Proposition 3.3",
    needs=(NARROW, RELU, WIDE),
    kind=THEOREM,
)
def random_gram(measures: Measures) -> Finding:
    """The variance of the Gram matrix at gamma < 1 over the width."""
    return _slope_of_variance(measures, False)


def _slope_of_variance(measures: Measures, symmetric: bool) -> Finding:
    _need_precision(measures, "gram_deviation")
    ordered = _by_width(measures)
    x = np.log([float(one["width"]) for one in ordered])
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    parts = [pooled(one["gram_deviation"], one["gram_deviation_standard_error"]) for one in ordered]
    logs = np.array([np.log(mean.values) for mean, _ in parts])
    errors = np.array([(error / mean).values for mean, error in parts])
    chosen = (ordered[0]["gamma"].values == 1) == symmetric
    slopes, spread = weights @ logs, np.sqrt(weights**2 @ errors**2)
    shown = ", ".join(f"{slope:.3f}" for slope in slopes)
    wanted = at_most(-0.5) if symmetric else at_least(-0.5)
    detail = f"{_settings(ordered[0])}: {shown}"
    return estimates(slopes[chosen], spread[chosen], wanted, detail)


@claim(
    "A13",
    says=(
        "at the start the smallest eigenvalue of the part gamma / m of the NTG is above gamma "
        "kappa_n / 2 with probability 1 - delta, m >= 8 n ln(n / delta) / (kappa_n d)"
    ),
    statistic="largest share of draws where it is not, over the delta of the width",
    wanted=at_most(1.0, "the probability that the proposition allows"),
    source="Proposition C.1, section 4.2 (i)",
    needs=(RELU, TANH, SOFTPLUS),
    kind=THEOREM,
)
def eigenvalues_at_start(measures: Measures) -> Finding:
    """Share of draws, of settings with gamma > 0, over the smallest delta that the width allows."""
    failed, draws, deltas, details = [], [], [], []
    for name, measured in measures.items():
        delta = float(measured["least_delta"])
        if not delta < 1:
            raise TooSmallError(f"{name}: the width is too small for any delta below 1")
        chosen = measured.isel(node_scaling=(measured["gamma"] > 0).values)
        failed.append(float(chosen["small_eigenvalues"].sum()))
        draws.append(float((chosen["draws"] * xr.ones_like(chosen["small_eigenvalues"])).sum()))
        deltas.append(delta)
        details.append(f"{_short(name)}: {failed[-1]:.0f} of {draws[-1]:.0f}, delta {delta:.2g}")

    def limits(level: float) -> tuple[np.ndarray, np.ndarray]:
        found = [
            binomtest(int(k), int(n)).proportion_ci(2 * level - 1)
            for k, n in zip(failed, draws, strict=True)
        ]
        return (
            np.array([one.low for one in found]) / deltas,
            np.array([one.high for one in found]) / deltas,
        )

    ratio = np.array(failed) / np.array(draws) / np.array(deltas)
    return worst(ratio, limits, at_most(1.0), "; ".join(details))


@claim(
    "A14",
    says="sum_j lambda_mj^2 goes to (1 - gamma)^2 sum_j lambda~_j^2 as m grows",
    statistic="largest distance from it at m = 10 000 over that at m = 100",
    wanted=at_most(0.1, "a convention of ours: the slowest tail falls as m^(-0.43)"),
    source="Appendix A.2",
    needs=(NARROW, RELU, WIDE),
    kind=TEST,
)
def sums_of_squares(measures: Measures) -> Finding:
    """Sums of squared scales, which have no sampling error."""
    ordered = _by_width(measures)
    distances = [
        abs(one["sum_of_squared_scales"] - one["sum_of_squares_limit"]).values for one in ordered
    ]
    shown = "; ".join(", ".join(f"{value:.2g}" for value in one) for one in distances)
    ratio = float(np.max(distances[-1] / distances[0]))
    return Finding(ratio, f"{_settings(ordered[0])}: {shown}")


def _by_width(measures: Measures) -> list[xr.Dataset]:
    """Measures by rising width; raises TooSmallError for others than those of WIDTHS."""
    ordered = sorted(measures.values(), key=lambda one: float(one["width"]))
    if (found := tuple(int(one["width"]) for one in ordered)) != WIDTHS:
        raise TooSmallError(f"widths {found}, needs {WIDTHS}")
    return ordered


def _settings(measured: xr.Dataset) -> str:
    pairs = zip(measured["gamma"].values, measured["alpha"].values, strict=True)
    return ", ".join(plain_label(float(gamma), float(alpha)) for gamma, alpha in pairs)


def _short(experiment: str) -> str:
    return experiment.rpartition("_")[2]


def _need_precision(measures: Measures, name: str) -> None:
    """Raise TooSmallError where the means are of so few draws that they would decide nothing."""
    errors = [float(relative(measured, name)[1].max()) for measured in measures.values()]
    if not (worst := float(np.nanmax(errors))) <= LARGEST_ERROR:
        raise TooSmallError(
            f"standard errors are up to {worst:.2g} of the closed form, more than {LARGEST_ERROR:g}"
        )
