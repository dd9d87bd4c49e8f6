"""Claims of Song et al. (2021) on Sections 3 to 5: Lemmas 1 to 3, Theorems 2 and 3, widths."""

import numpy as np
import xarray as xr
from scipy import stats

from regimes.claims.core import (
    BOUND,
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
from regimes.claims.sampling import deviates_of_means, largest_deviate, mean_of, shares
from regimes.papers.song2021.paper import LAZY, LEMMA3, LOCAL, ORDER, WIDTH_8, WIDTH_12, WIDTH_16
from regimes.papers.song2021.sizes import few_draws, of_lemma3, with_rate

# Rounding of singular values that are equal in exact arithmetic.
ROUNDING = 1e-9
# (9) with the constant of the proof of Theorem 2: there the length of the way is at most
# 12 2^(1/2) nu h_0^(1/2) / (mu^2 alpha_f^(1/2)), to be at most rho / 2 = mu / (4 beta).
LOCALITY = 1 / 4608
LENGTH = 6 * 2**0.5
LEAST_RUNS = 30
# Share of starts for which the grid of widths may be too coarse at the smallest n.
MOST_AT_THE_FLOOR = 0.1
STARTS = Sizes(seeds=20)
CHANCE = largest_deviate(1)


@claim(
    "S4",
    says=(
        "mu <= sigma_min, sigma_max <= nu and beta-smoothness of Lemma 3, on all draws and pairs "
        "tried with GELU, d_2 = 1 and omega_1 = 1"
    ),
    statistic="the largest of what is bounded over its bound",
    wanted=at_most(1.0 + ROUNDING, "1, but for rounding"),
    source="Lemma 3",
    needs=(LEMMA3,),
    kind=TEST,
    known=True,
    figure="song2021/lemma3",
)
def lemma3(measures: Measures) -> Finding:
    """The largest ratio to its bound of a quantity that Lemma 3 bounds."""
    if reason := few_draws(measures):
        raise TooSmallError(reason)
    measured = measures[LEMMA3]
    drawn = of_lemma3(measured)
    worst = {
        name: float(measured[f"{name}_ratio"].where(drawn).max()) for name in ("mu", "nu", "beta")
    }
    detail = (
        f"{int(drawn.sum())} draws; largest mu / sigma_min {worst['mu']:.4f}, sigma_max / nu "
        f"{worst['nu']:.4f}, change / (beta distance) {worst['beta']:.4f}"
    )
    return Finding(float(np.max(list(worst.values()))), detail)


@claim(
    "S19",
    says="in the ball of radius mu / (2 beta) singular values stay in [mu / 2, 3 nu / 2]",
    statistic="largest of what is bounded over its bound, at recorded steps of descent in the ball",
    wanted=at_most(1.0 + ROUNDING, "1, but for rounding"),
    source="Lemma 1, (5), (6)",
    needs=(LOCAL, LAZY),
    kind=TEST,
)
def isometry_in_the_ball(measures: Measures) -> Finding:
    """The largest ratio over all runs with mu > 0."""
    ratios = np.concatenate([one["isometry_ratio"].values.ravel() for one in measures.values()])
    known = ratios[np.isfinite(ratios)]
    if not known.size:
        raise TooSmallError("no run was in its ball at a recorded step")
    return Finding(float(known.max()), f"{known.size} runs")


@claim(
    "S20",
    says="in the ball the way is no longer than O(nu h_0^(1/2) / (mu^2 alpha_f^(1/2)))",
    statistic="largest length of the way of descent over that, over runs that stay in the ball",
    wanted=at_most(LENGTH, "6 2^(1/2), the constant of the proof, for flow"),
    source="Lemma 2",
    needs=(LOCAL, LAZY),
    kind=THEOREM,
)
def length(measures: Measures) -> Finding:
    """The largest ratio over runs that stay in their ball."""
    ratios = np.concatenate(
        [
            one["length_ratio"].where(one["farthest_ratio"] <= 1).values.ravel()
            for one in measures.values()
        ]
    )
    known = ratios[np.isfinite(ratios)]
    if known.size < LEAST_RUNS:
        raise TooSmallError(f"{known.size} runs stay in the ball, fewer than {LEAST_RUNS}")
    return Finding(float(known.max()), f"{known.size} runs stay in the ball")


def _local(measures: Measures) -> xr.Dataset:
    runs = measures[LOCAL]
    inside = (runs["locality"] <= LOCALITY) & with_rate(runs)
    if (count := int(inside.sum())) < LEAST_RUNS:
        raise TooSmallError(f"(9) holds in {count} runs, fewer than {LEAST_RUNS}")
    # A run that diverged has no ratios: it obeys no bound.
    return runs.assign(inside=inside)


@claim(
    "S5",
    says=(
        "where (9) holds with the constant 1/4608 of its proof, gradient descent at the learning "
        "rate 1 / (beta |grad f| + 9 beta_f nu^2 / 4) stays under (14), C = 1/4"
    ),
    statistic="the slowest decay of the loss over that of (14), in any run and step",
    wanted=at_least(1.0, "the bound"),
    source="Theorem 2, (9), (14)",
    needs=(LOCAL,),
    kind=THEOREM,
    known=True,
)
def rate(measures: Measures) -> Finding:
    """The slowest decay of runs within the theorem."""
    runs = _local(measures)
    ratio = runs["decay_ratio"].where(runs["diverged"] == 0, -np.inf).where(runs["inside"])
    done = int(((runs["converged"] == 1) & runs["inside"]).sum())
    detail = f"{int(runs['inside'].sum())} runs, of which {done} reached 1 % of h_0"
    return Finding(float(ratio.min()), detail)


@claim(
    "S21",
    says="and stays in the ball",
    statistic="largest distance from the start at recorded steps over mu / (2 beta)",
    wanted=at_most(1.0, "the ball"),
    source="Theorem 2, appendix C",
    needs=(LOCAL,),
    kind=THEOREM,
)
def in_the_ball(measures: Measures) -> Finding:
    """The largest distance of runs within the theorem."""
    runs = _local(measures)
    ratio = runs["farthest_ratio"].where(runs["diverged"] == 0, np.inf).where(runs["inside"])
    return Finding(float(ratio.max()), f"{int(runs['inside'].sum())} runs")


@claim(
    "S22",
    says="beyond (9), too, gradient descent stays under (14), C = 1/4",
    statistic="the slowest decay of the loss over that of (14), in any run and step",
    wanted=at_least(1.0, "the bound"),
    source="Theorem 2, (14)",
    needs=(LAZY, ORDER),
    kind=BOUND,
    known=True,
    figure="song2021/order",
)
def rate_beyond(measures: Measures) -> Finding:
    """The slowest decay of runs with mu > 0 that are not within the theorem."""
    ratios, details = [], []
    for name, measured in measures.items():
        runs = with_rate(measured) & (measured["locality"] > LOCALITY)
        # A run that diverged has no ratio: it does not stay under (14).
        ratio = measured["decay_ratio"].where(measured["diverged"] == 0, -np.inf).where(runs)
        far = measured["locality"].where(runs)
        ratios.append(float(ratio.min()))
        details.append(
            f"{name.rpartition('_')[2]}: {ratios[-1]:.3g} in {int(runs.sum())} runs; h_0 up to "
            f"{float(far.max()):.2g} times (9) with constant 1 (median {float(far.median()):.2g}); "
            f"sigma_max(V) up to {float(measured['chi_ratio'].where(runs).max()):.3g} of its bound"
        )
    return Finding(float(np.min(ratios)), "; ".join(details))


def _successes(measures: Measures) -> tuple[np.ndarray, list[float], int]:
    """Successes (sizes, multiples), the multiples of n^(3/2)/d_0 of all sizes, and the starts."""
    counts: list[dict[float, int]] = []
    for runs in measures.values():
        one = runs.isel(n_features=0, n_train=0)
        theory = float(one["n_train"]) ** 1.5 / float(one["n_features"])
        found = one["linear"].sum("seed")
        counts.append(
            {float(width) / theory: int(found.sel(width=width)) for width in one["width"]}
        )
    multiples = sorted(set(counts[0]).intersection(*counts[1:]))
    table = [[of_size[one] for one in multiples] for of_size in counts]
    return np.array(table), multiples, runs.sizes["seed"]


@claim(
    "S23",
    says=(
        "along n = d_0^2 / 4 a width of c n^(3/2) / d_0 with one c is enough for linear "
        "convergence to a global minimum"
    ),
    statistic=(
        "share of successes at n = 36 and 64 less that at n = 16, where c makes it at least 95 %, "
        "as a deviate"
    ),
    wanted=at_least(-largest_deviate(2), "no more than chance, at 95 %, of two comparisons"),
    source="Theorem 3, (20), (21)",
    needs=(WIDTH_8, WIDTH_12, WIDTH_16),
    kind=THEOREM,
    sizes=STARTS,
)
def enough(measures: Measures) -> Finding:
    """Fisher's exact test of the larger sizes against the smallest, at its least sufficient c."""
    counts, multiples, starts = _successes(measures)
    sufficient = np.flatnonzero(counts[0] >= 0.95 * starts)
    if not sufficient.size:
        raise TooSmallError("no width of the grid is enough at the smallest n")
    chosen = int(sufficient[0])
    deviates = []
    for count in counts[1:, chosen]:
        table = [[count, starts - count], [counts[0, chosen], starts - counts[0, chosen]]]
        fewer = stats.fisher_exact(table, alternative="less").pvalue
        deviates.append(float(stats.norm.ppf(min(fewer, 1 - 1e-15))))
    shown = "; ".join(
        f"c = {c:g}: {', '.join(f'{int(k)}' for k in column)} of {starts}"
        for c, column in zip(multiples, counts.T, strict=True)
    )
    return Finding(
        min(deviates), f"c = {multiples[chosen]:g}; successes at n = 16, 36, 64: {shown}"
    )


def _least_widths(measures: Measures) -> tuple[np.ndarray, np.ndarray]:
    """Exponents in n of the smallest sufficient width, (seeds,), and its means (sizes,)."""
    logs = np.array(
        [
            np.log(one["smallest_width"].isel(n_features=0, n_train=0).values)
            for one in measures.values()
        ]
    )
    n_train = np.log([float(one["n_train"].item()) for one in measures.values()])
    n_train = n_train - n_train.mean()
    return n_train @ logs / (n_train @ n_train), np.exp(logs.mean(1))


@claim(
    "S24",
    says="along n = d_0^2 / 4 the width that is enough grows no faster than n^(3/2) / d_0, as n",
    statistic="exponent in n of the smallest sufficient width of the grid",
    wanted=at_most(1.0, "1, of (21); a smaller one is fine, since it is enough"),
    source="(21), sections 1.1 and 7",
    needs=(WIDTH_8, WIDTH_12, WIDTH_16),
    sizes=STARTS,
)
@claim(
    "S25",
    says="without the bound on sigma_max(V) no faster than n^(5/3) / d_0, as n^(7/6)",
    statistic="exponent in n of the smallest sufficient width of the grid",
    wanted=at_most(7 / 6, "7/6"),
    source="appendix E.7, end",
    needs=(WIDTH_8, WIDTH_12, WIDTH_16),
    sizes=STARTS,
)
def order(measures: Measures) -> Finding:
    """Least squares over the sizes, for each start."""
    smallest = measures[WIDTH_8]["smallest_width"]
    floor = float((smallest == measures[WIDTH_8]["width"].min()).mean())
    if floor > MOST_AT_THE_FLOOR:
        raise TooSmallError(f"at n = 16 the narrowest width of the grid is enough in {floor:.0%}")
    exponents, means = _least_widths(measures)
    chi = max(float(one["chi_ratio"].max()) for one in measures.values())
    detail = (
        f"widths {', '.join(f'{one:.3g}' for one in means)} at n = 16, 36, 64; V is not projected, "
        f"sigma_max(V) up to {chi:.3g} of its bound"
    )
    # Both wanted limits are above; the farther one decides the same way.
    return mean_of(exponents, at_most(1.0), detail)


@claim(
    "S26",
    says="on the sphere, n = d_0^2 / 4, sigma_max(X) is of order (n / d_0)^(1/2)",
    statistic="exponent in n of their ratio",
    wanted=within(
        -0.25, 0.25, "0; a convention of ours: half of the order 1/2 of sigma_max(X) in d_0"
    ),
    source="section 5.3, appendix E.7",
    needs=(WIDTH_8, WIDTH_12, WIDTH_16),
    sizes=STARTS,
)
def input_norms(measures: Measures) -> Finding:
    """Exponent of sigma_max(X) over its order, over draws."""
    return _exponent_of_points(measures, "input_ratio")


@claim(
    "S27",
    says="and sigma_min(X^(*2)) is of order 1",
    statistic="exponent in n",
    wanted=within(-0.25, 0.25, "0; a convention of ours, as for sigma_max(X)"),
    source="section 5.3, appendix E.7",
    needs=(WIDTH_8, WIDTH_12, WIDTH_16),
    sizes=STARTS,
)
def power_norms(measures: Measures) -> Finding:
    """Exponent of the smallest singular value of the Khatri-Rao square, over draws."""
    return _exponent_of_points(measures, "power_singular_value")


def _exponent_of_points(measures: Measures, name: str) -> Finding:
    logs = np.array([np.log(one[name].values.ravel()) for one in measures.values()])
    n_train = np.log([float(one["n_train"].item()) for one in measures.values()])
    n_train = n_train - n_train.mean()
    shown = ", ".join(f"{one:.3g}" for one in np.exp(logs.mean(1)))
    exponents = n_train @ logs / (n_train @ n_train)
    return mean_of(exponents, within(-0.25, 0.25), f"means {shown} at n = 16, 36, 64")


@claim(
    "S28",
    says=(
        "with high probability sigma_min(act(W_0 X)) is at least (c_t^2 d_1 / (2 t!))^(1/2) "
        "sigma_min(X^(*t)), omega_1 = 1"
    ),
    statistic="share of draws below it at d_1 = 6400 >= 32 n",
    wanted=at_most(0.1, "a convention of ours for high probability, delta_1 = 1/2"),
    source="section 5.3, (58), (67)",
    needs=(LEMMA3,),
    sizes=Sizes(seeds=5, contains={"width": (6400,)}),
    known=True,
    figure="song2021/lemma3",
)
def least_hidden(measures: Measures) -> Finding:
    """Share of draws at each width, and that at the widest."""
    runs = measures[LEMMA3]
    below = runs["mu"] < np.sqrt(0.5) * runs["mu_bound"]
    trials = int(below.isel(width=0).size)
    by_width = below.sum(["n_features", "n_train", "seed"]) / trials
    shown = ", ".join(f"{float(one):.2g} at {int(one['width'])}" for one in by_width)
    widest = int(below.sel(width=6400).sum())
    return shares(widest, trials, at_most(0.1), f"{trials} draws a width: {shown}")


def _exponents(values: xr.DataArray) -> np.ndarray:
    """Exponents of values in d_0, n and d_1, (seeds, 3), by least squares of each seed."""
    names = ("n_features", "n_train", "width")
    logs = np.log(values.transpose("seed", *names))
    columns = [np.log(logs[name].astype(float)).broadcast_like(logs) for name in names]
    found = []
    for seed in range(logs.sizes["seed"]):
        rows = [np.ones(logs[seed].size), *(one[seed].values.ravel() for one in columns)]
        known = np.isfinite(logs[seed].values.ravel())
        matrix = np.transpose(rows)[known]
        found.append(np.linalg.lstsq(matrix, logs[seed].values.ravel()[known], rcond=None)[0][1:])
    return np.array(found)


@claim(
    "S29",
    says="with (19) h_0 is of order sigma_max(X)^2 at the most, whatever d_0, n and d_1",
    statistic="largest exponent of h_0 / sigma_max(X)^2 in d_0, n and d_1, as a deviate from 0",
    wanted=at_most(largest_deviate(3), "no more than chance, at 95 %, of three comparisons"),
    source="appendix E.5, (75)",
    needs=(LEMMA3,),
    sizes=Sizes(seeds=5),
)
def first_loss(measures: Measures) -> Finding:
    """Exponents of the loss at the start, over seeds."""
    runs = measures[LEMMA3]
    exponents = _exponents(runs["initial_loss"] / runs["input_norm"] ** 2)
    means = ", ".join(f"{one:.3f}" for one in exponents.mean(0))
    deviates = deviates_of_means(exponents)
    return Finding(float(deviates.max()), f"exponents in d_0, n, d_1: {means}")


@claim(
    "S30",
    says="sigma_max(V) stays O(act'_max / act''_max) along gradient descent",
    statistic="exponent in d_1 of the largest sigma_max(V) of a run, as a deviate from 0",
    wanted=at_most(CHANCE, "no more than chance, at 95 %"),
    source="Assumption 2",
    needs=(WIDTH_8, WIDTH_12, WIDTH_16),
    sizes=STARTS,
)
def output_norms(measures: Measures) -> Finding:
    """Exponent over the widths of the three sizes, each start for itself."""
    slopes = []
    for one in measures.values():
        norms = one["largest_output_norm"].isel(n_features=0, n_train=0)
        logs, width = np.log(norms.transpose("width", "seed").values), np.log(norms["width"].values)
        width = width - width.mean()
        slopes.append(width @ logs / (width @ width))
    found = np.mean(slopes, axis=0)
    largest = max(float(one["largest_output_norm"].max()) for one in measures.values())
    return Finding(
        float(deviates_of_means(found)[0]),
        f"exponent {found.mean():.3f}; largest sigma_max(V) {largest:.3g}, act'/act'' of GELU 1.41",
    )
