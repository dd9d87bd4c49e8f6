"""Claims on Theorems 1.1 and 2.3 of Razborov (2022), at sizes that they allow.

The theorems are about sequences of sizes, with constants and powers of log(n S) that they leave
open. Here n = 20 and m / (n S^(1/4)) = 1/4 while m / S falls, with constants 1; where a bound hides
logarithms, one factor log(n S) is allowed.
"""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    TEST,
    THEOREM,
    Finding,
    Measures,
    Sizes,
    Wanted,
    at_least,
    at_most,
    claim,
)
from regimes.claims.sampling import mean_of
from regimes.papers.razborov2022.claims.endings import ALL, share_converged
from regimes.papers.razborov2022.paper import (
    ALLOWED,
    ALLOWED_HALF_RATE,
    ALLOWED_LABELS,
    ALLOWED_RATES,
)

WIDTHS = (128, 512, 2048)
SIZES = Sizes(seeds=5, contains={"width": WIDTHS, "rate_ratio": (0.001, 1000.0)})
LABELS_SIZES = Sizes(seeds=10, contains={"width": WIDTHS})
CONDITIONS = {
    16: "m << n S^(1/4), ratio << S / m",
    17: "m << n S^(1/4), ratio >> m^2 / (n S)",
    18: "ratio >> 1 + m / n",
}
ROOT = at_most(0.5, "the exponent of m in the bound, beside one factor log(n S)")
HALVES = at_most(-0.5, "the exponent of the ratio in the bound")
KEEPS = at_least(0.0, "it does not fall with S, but for one factor log(n S)")
LINEAR = at_least(0.75, "1 in the limit of small rates; above 3/4 is a convention of ours")


@claim(
    "R29",
    says="descent converges where (16), (17) or (18) holds, and m << S",
    statistic="share of the runs that converge, of the condition with the smallest",
    wanted=ALL,
    source="Theorems 1.1 and 2.3",
    needs=(ALLOWED,),
    kind=THEOREM,
    sizes=SIZES,
)
def theorem(measures: Measures) -> Finding:
    """Share of the runs for each condition, with constants and logarithms at 1."""
    runs = measures[ALLOWED]
    parts = [
        runs[["converged", "aborted", "diverged"]].where(runs[f"condition_{number}"] == 1)
        for number in CONDITIONS
    ]
    return share_converged(*parts, detail="; ".join(map("({})".format, CONDITIONS)))


@claim(
    "R30",
    says="descent converges at any ratio of rates where m << min(S, n^(1/3) S^(2/3), n S^(1/4))",
    statistic="share of the runs that converge, of the ratio with the smallest",
    wanted=ALL,
    source="section 1.3",
    needs=(ALLOWED,),
    kind=THEOREM,
    sizes=SIZES,
)
def any_ratio(measures: Measures) -> Finding:
    """Share of the runs for each ratio, from 1e-3 to 1e3."""
    runs = measures[ALLOWED]
    ratios = runs["rate_ratio"].values
    parts = [runs.sel(rate_ratio=ratio) for ratio in ratios]
    listed = ", ".join(f"{ratio:g}" for ratio in ratios)
    return share_converged(*parts, detail=f"ratios {listed}")


@claim(
    "R31",
    says="descent of the first layer converges at rates below (15), with constants 1",
    statistic="share of the runs that converge",
    wanted=ALL,
    source="Theorem 2.3, (15), (16)",
    needs=(ALLOWED_RATES,),
    kind=THEOREM,
    sizes=Sizes(seeds=10, contains={"width": WIDTHS[:2]}),
)
@claim(
    "R32",
    says="it holds of labels that an adversary chooses: low spectrum, high spectrum, local",
    statistic="share of the runs that converge, of the labels with the smallest",
    wanted=ALL,
    source="Theorem 2.3, Remark 3",
    needs=ALLOWED_LABELS,
    kind=THEOREM,
    sizes=LABELS_SIZES,
)
def first_layer(measures: Measures) -> Finding:
    """Share of the runs that converge, of each experiment."""
    names = ", ".join(name.removeprefix("razborov2022_theorem_") for name in measures)
    return share_converged(*measures.values(), detail=names)


@claim(
    "R33",
    says="sup |W_t - W_0| is of order m^(1/2)",
    statistic="largest exponent in m, over ratios, beside one factor log(n S)",
    wanted=ROOT,
    source="(32)",
    needs=(ALLOWED,),
    kind=THEOREM,
    known=True,
    sizes=SIZES,
)
def weights_against_points(measures: Measures) -> Finding:
    """Exponents along the sizes, seed by seed."""
    runs = measures[ALLOWED]
    return _along_sizes(runs["largest_weight_distance"] / _log(runs), runs["n_train"], ROOT)


@claim(
    "R34",
    says="sup |W_t - W_0| falls as the root of eta_z / eta_w where the second layer leads",
    statistic="largest exponent in the ratio, over sizes, for ratios from 1 on",
    wanted=HALVES,
    source="(34)",
    needs=(ALLOWED,),
    kind=THEOREM,
    sizes=SIZES,
)
def weights_against_ratio(measures: Measures) -> Finding:
    """Exponents of the ratio, seed by seed, for each size."""
    runs = measures[ALLOWED]
    runs = runs.sel(rate_ratio=runs["rate_ratio"] >= 1)
    slopes = np.stack(
        [
            _slopes(one["largest_weight_distance"], np.log(one["rate_ratio"].values), "rate_ratio")
            for one in _sizes(runs)
        ],
        axis=1,
    )
    return mean_of(slopes, HALVES, _listed(slopes, [f"S = {width}" for width in WIDTHS]))


@claim(
    "R35",
    says="sup |z_t - z_0| is of order m^(1/2) at any ratio",
    statistic="largest exponent in m, over ratios, beside one factor log(n S)",
    wanted=ROOT,
    source="(33), (35)",
    needs=(ALLOWED,),
    kind=THEOREM,
    known=True,
    sizes=SIZES,
)
def outputs_against_points(measures: Measures) -> Finding:
    """Exponents along the sizes, seed by seed."""
    runs = measures[ALLOWED]
    return _along_sizes(runs["largest_output_weight_distance"] / _log(runs), runs["n_train"], ROOT)


@claim(
    "R36",
    says="|e_t| falls exponentially at a rate of order S times the larger layer's rate",
    statistic="smallest exponent in S, over ratios, of the rate over that, beside one log(n S)",
    wanted=KEEPS,
    source="(45), (47)",
    needs=(ALLOWED,),
    kind=THEOREM,
    known=True,
    sizes=SIZES,
)
def decay(measures: Measures) -> Finding:
    """Exponents along the sizes of the decay of log |e_t| in the second half of the runs."""
    runs = measures[ALLOWED]
    larger = np.maximum(1, runs["rate_ratio"]) * runs["step_size"] * runs["width"]
    return _along_sizes(runs["decay_rate"] / larger * _log(runs), runs["width"], KEEPS)


@claim(
    "R37",
    says="lambda_min(H_t) stays of order S along runs",
    statistic="exponent in S of min_t lambda_min(H_t) / S, beside one factor log(n S)",
    wanted=KEEPS,
    source="(36)",
    needs=(ALLOWED_RATES,),
    kind=THEOREM,
    sizes=Sizes(seeds=10, contains={"width": WIDTHS[:2]}),
)
def eigenvalue_along_runs(measures: Measures) -> Finding:
    """Exponent between the sizes of the least eigenvalue of any recorded step or the end."""
    runs = measures[ALLOWED_RATES]
    least = np.minimum(runs["smallest_eigenvalue_history"].min("step"), runs["smallest_eigenvalue"])
    values = [
        (one * _log(runs).sel(width=width) / width).max("n_train").values
        for width in WIDTHS[:2]
        for one in [least.sel(width=width)]
    ]
    slopes = np.diff(np.log(values), axis=0)[0] / np.diff(np.log(WIDTHS[:2]))
    kappa = float(runs["kappa_h"].min())
    return mean_of(slopes, KEEPS, f"least kappa_H {kappa:.3f}")


@claim(
    "R38",
    says="eta_z |w|^2 - eta_w z^2 of a neuron moves less in proportion for smaller rates",
    statistic="exponent in the rate, mean over ratios, of its relative change",
    wanted=LINEAR,
    source="(76), Appendix F",
    needs=(ALLOWED, ALLOWED_HALF_RATE),
    kind=TEST,
    sizes=Sizes(seeds=5, contains={"width": WIDTHS[:1], "rate_ratio": (0.001, 1000.0)}),
    known=True,
)
def invariant(measures: Measures) -> Finding:
    """Exponent between the rate and half of it, for the smallest networks."""
    full, half = (
        measures[name]["invariant_drift"].sel(width=WIDTHS[0]).max("n_train")
        for name in (ALLOWED, ALLOWED_HALF_RATE)
    )
    # Starts of the two are others, of the same points.
    slopes = np.log2(full / half).mean("rate_ratio").values
    return mean_of(slopes, LINEAR, f"largest relative change {float(full.max()):.2g}")


def _log(runs: xr.Dataset) -> xr.DataArray:
    return np.log(runs["n_features"] * runs["width"])


def _sizes(runs: xr.Dataset) -> list[xr.Dataset]:
    """The runs of each width, of the number of points that has any."""
    found = []
    for width in WIDTHS:
        one = runs.sel(width=width)
        others = [dim for dim in one["converged"].dims if dim != "n_train"]
        there = one["converged"].notnull().any(others)
        found.append(one.isel(n_train=int(np.flatnonzero(there.values)[0])))
    return found


def _slopes(values: xr.DataArray, places: np.ndarray, dim: str) -> np.ndarray:
    """Slopes (seeds, ...) of the log of values against places along a dimension."""
    logs = np.log(values.transpose(dim, "seed", ...).values)
    return np.polyfit(places, logs.reshape(len(logs), -1), 1)[0].reshape(logs.shape[1:])


def _along_sizes(values: xr.DataArray, against: xr.DataArray, wanted: Wanted) -> Finding:
    """Exponents along the widths, seed by seed and ratio by ratio, to be as wanted each."""
    ones = _sizes(xr.Dataset({"values": values, "converged": values}))
    parts = [one["values"] for one in ones]
    stacked = xr.concat(parts, "size", coords="minimal", compat="override")
    places = np.log([float(one[against.name]) for one in ones])
    slopes = _slopes(stacked, places, "size")
    ratios = values["rate_ratio"].values
    return mean_of(slopes, wanted, _listed(slopes, [f"ratio {one:g}" for one in ratios]))


def _listed(slopes: np.ndarray, names: list[str]) -> str:
    means = slopes.mean(axis=0)
    said = ", ".join(f"{mean:+.2f} for {name}" for mean, name in zip(means, names, strict=True))
    return f"mean exponents: {said}"
