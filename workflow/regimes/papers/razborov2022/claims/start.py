"""Claims of Razborov (2022) on random points and networks at the start: nothing is trained."""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    CORRECTED,
    ERRATUM,
    TEST,
    Finding,
    Measures,
    Sizes,
    Wanted,
    at_least,
    at_most,
    claim,
    within,
)
from regimes.claims.sampling import deviates, largest_deviate, mean_of
from regimes.papers.razborov2022.paper import START

# Below it points are no more nearly orthogonal.
LEAST_FEATURES = 25
# Where products of points are so large that the terms of the series tell.
FEW_FEATURES = 3
SIZES = Sizes(
    seeds=10, contains={"n_features": (25, 50, 100, 200, 400), "width": (256, 1024, 4096)}
)
SERIES_SIZES = Sizes(seeds=10, contains={"n_features": (FEW_FEATURES,), "width": (4096,)})
KEEPS = at_least(0.0, "of order S: it does not fall")
PRINTED_ORDER = within(0.5, 0.5, "as printed; as a bound it says nothing, products being at most 1")
PROVEN_ORDER = at_most(-0.5, "the exponent that the proof gives, beside one factor log(n S)")
EXACT = at_most(1e-9, "rounding")
# Six combinations of m and S at n = 3, and all 36, of three kernels.
SERIES, ALL_KERNELS = 6, 72
CHANCE = "what chance exceeds in 5 % of cases"


@claim(
    "R39",
    says="lambda_min(G_0) is of order S",
    statistic="smallest exponent in S, over n and m, of lambda_min(G_0) / S",
    wanted=KEEPS,
    source="(29)",
    needs=(START,),
    kind=TEST,
    sizes=SIZES,
)
def second_layer(measures: Measures) -> Finding:
    """Exponents in S for each n and m, seed by seed."""
    return _in_width(measures[START], "smallest_eigenvalue_second")


@claim(
    "R40",
    says="lambda_min(H_0) is of order S: (30) for all neurons",
    statistic="smallest exponent in S, over n and m, of lambda_min(H_0) / S",
    wanted=KEEPS,
    source="section 1.2, (30)",
    needs=(START,),
    kind=TEST,
    sizes=SIZES,
)
def first_layer(measures: Measures) -> Finding:
    """Exponents in S for each n and m, seed by seed."""
    return _in_width(measures[START], "smallest_eigenvalue_first")


def _in_width(runs: xr.Dataset, name: str) -> Finding:
    runs = runs.sel(n_features=runs["n_features"] >= LEAST_FEATURES)
    share = (runs[name] / runs["width"]).transpose("width", "seed", ...)
    logs = np.log(share.values)
    slopes = np.polyfit(np.log(share["width"].values), logs.reshape(len(logs), -1), 1)[0]
    widest = share.isel(width=-1)
    return mean_of(
        slopes.reshape(logs.shape[1], -1),
        KEEPS,
        f"from {float(widest.min()):.3f} to {float(widest.max()):.3f} of S at S = "
        f"{int(share['width'].max())}",
    )


@claim(
    "R41",
    says="points and weights are quasirandom: (20) for all points, (22), (23), (26), (27) and (28)",
    statistic="largest of the quantities over its order times log(n S)",
    wanted=at_most(1.0, "the orders with constants 1 and one logarithm: a convention of ours"),
    source="section 3.1, Appendix B",
    needs=(START,),
    kind=TEST,
    sizes=SIZES,
)
def quasirandom(measures: Measures) -> Finding:
    """Each quantity over its order, largest over all sizes and seeds."""
    runs = measures[START]
    n, m, width = runs["n_features"], runs["n_train"], runs["width"]
    log = np.log(n * width)
    ratios = {
        "(20)": runs["input_norm"] / (1 + (m / n) ** 0.5) / log,
        "(22)": n**0.5 / runs["smallest_row_norm"] / log,
        "(23)": runs["largest_weight"] / log,
        "(26)": runs["largest_pre_activation"] / log,
        "(27)": runs["largest_output"] / width**0.5 / log,
        "(28)": runs["largest_crowding"] / log,
    }
    # Of 3 features a row may well be short.
    ratios["(22)"] = ratios["(22)"].sel(n_features=n >= LEAST_FEATURES)
    largest = {name: float(one.max(skipna=False)) for name, one in ratios.items()}
    said = ", ".join(f"{name} {value:.2f}" for name, value in largest.items())
    return Finding(float(np.max(list(largest.values()))), said)


@claim(
    "R42",
    says="H_0 / S and G_0 / S have the means f_w and f_z of the product of two points",
    statistic="largest deviate of means over pairs of points, of 72 of both kernels and all sizes",
    wanted=at_most(largest_deviate(ALL_KERNELS), CHANCE),
    source="Appendix C",
    needs=(START,),
    kind=TEST,
    sizes=SERIES_SIZES,
)
def closed_kernels(measures: Measures) -> Finding:
    """Deviates of both kernels from their closed forms."""
    runs = measures[START]
    return _unbiased(runs, "first_kernel_deviation", "second_kernel_deviation")


@claim(
    "R43",
    says="f_z has the series 1/(2 pi) + x/4 + x^2/(48 pi) + ...: as printed",
    statistic="largest deviate of the mean of G_0 / S over pairs of points from it, n = 3",
    wanted=at_most(largest_deviate(SERIES), CHANCE),
    source="Appendix C",
    needs=(START,),
    kind=ERRATUM,
    sizes=SERIES_SIZES,
)
def printed_series(measures: Measures) -> Finding:
    """Deviates of the second kernel from the printed series."""
    return _unbiased(measures[START].sel(n_features=[FEW_FEATURES]), "printed_kernel_deviation")


@claim(
    "R44",
    says="the coefficient of x^(2r) in f_z is (2r-3)!! / ((2r)!! (2r-1) 2 pi), 1/(4 pi) for r = 1",
    statistic="largest deviate of the mean of G_0 / S over pairs of points from it, n = 3",
    wanted=at_most(largest_deviate(SERIES), CHANCE),
    source="Appendix C",
    needs=(START,),
    kind=TEST,
    reading=CORRECTED,
    sizes=SERIES_SIZES,
)
def mended_series(measures: Measures) -> Finding:
    """Deviates of the second kernel from the series mended."""
    return _unbiased(measures[START].sel(n_features=[FEW_FEATURES]), "mended_kernel_deviation")


def _unbiased(runs: xr.Dataset, *names: str) -> Finding:
    """Largest deviate from 0 of means over seeds."""
    sizes, means = [], []
    for name in names:
        values = runs[name].transpose("seed", ...)
        count = values.sizes["seed"]
        errors = values.std("seed", ddof=1) / count**0.5
        sizes.append(deviates(values.mean("seed").values, errors.values, count - 1).ravel())
        means.append(values.mean("seed").isel(width=-1).values.ravel())
    found, widest = np.concatenate(sizes), np.concatenate(means)
    return Finding(
        float(found.max()),
        f"largest mean deviation at S = {int(runs['width'].max())}: "
        f"{widest[abs(widest).argmax()]:+.2g}",
    )


@claim(
    "R45",
    says="the largest product of two points is of order n^(1/2): as printed",
    statistic="its exponent in n",
    wanted=PRINTED_ORDER,
    source="(19)",
    needs=(START,),
    kind=ERRATUM,
    sizes=SIZES,
)
def printed_products(measures: Measures) -> Finding:
    """Exponent of the largest product in n."""
    return _in_features(measures[START], PRINTED_ORDER, logs=False)


@claim(
    "R46",
    says="the largest product of two points is of order n^(-1/2)",
    statistic="its exponent in n, beside one factor log(n S)",
    wanted=PROVEN_ORDER,
    source="(19), Appendix B",
    needs=(START,),
    kind=TEST,
    reading=CORRECTED,
    sizes=SIZES,
)
def proven_products(measures: Measures) -> Finding:
    """Exponent of the largest product in n."""
    return _in_features(measures[START], PROVEN_ORDER, logs=True)


def _in_features(runs: xr.Dataset, wanted: Wanted, *, logs: bool) -> Finding:
    """Exponents in n, of each number of points; the networks do not matter."""
    runs = runs.sel(n_features=runs["n_features"] >= LEAST_FEATURES).isel(width=0)
    values = runs["largest_product"]
    if logs:
        values = values / np.log(runs["n_features"] * runs["width"])
    found = np.log(values.transpose("n_features", "seed", "n_train").values)
    places = np.log(runs["n_features"].values)
    slopes = np.polyfit(places, found.reshape(len(found), -1), 1)[0].reshape(found.shape[1:])
    largest = runs["largest_product"].max(["seed", "n_train"]).values
    return mean_of(
        slopes, wanted, f"largest {largest[0]:.2f} at n = 25, {largest[-1]:.2f} at n = 400"
    )


@claim(
    "R47",
    says="LeCun's start at one rate is eta_z / eta_w = S / m: as printed",
    statistic="largest |log| of the ratio of a step over that",
    wanted=EXACT,
    source="section 1.3",
    needs=(START,),
    kind=ERRATUM,
    sizes=SERIES_SIZES,
)
def printed_lecun(measures: Measures) -> Finding:
    """The ratio of the rates in W and z over S / m."""
    return _ratio_over(measures[START], "n_train")


@claim(
    "R49",
    says="LeCun's start at one rate is eta_z / eta_w = S / n",
    statistic="largest |log| of the ratio of a step over that",
    wanted=EXACT,
    source="section 1.3",
    needs=(START,),
    kind=TEST,
    reading=CORRECTED,
    sizes=SERIES_SIZES,
)
def mended_lecun(measures: Measures) -> Finding:
    """The ratio of the rates in W and z over S / n."""
    return _ratio_over(measures[START], "n_features")


def _ratio_over(runs: xr.Dataset, name: str) -> Finding:
    ratio = runs["lecun_rate_ratio"] * runs[name] / runs["width"]
    return Finding(
        float(abs(np.log(ratio)).max(skipna=False)),
        f"over it from {float(ratio.min()):.3g} to {float(ratio.max()):.3g}",
    )
