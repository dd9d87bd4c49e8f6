"""Claims of Chen et al. (2022) on Section 3: Lemma 1, Theorems 1 and 3, and what they are made of.

Where c^ is large, as the theorems ask, it is |y| that is small: see `bounds`.
"""

import math

import numpy as np
import xarray as xr

from regimes.claims.core import (
    CORRECTED,
    TEST,
    THEOREM,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
)
from regimes.claims.sampling import deviates_of_means, largest_deviate, shares
from regimes.papers.chen2022.claims.cells import whole
from regimes.papers.chen2022.decay import above_rounding
from regimes.papers.chen2022.paper import (
    EXPERIMENTS,
    LEAKY_RELU,
    LEMMA_1,
    THEOREM_1,
    THEOREM_1_DRAWN_SIGNS,
    THEOREM_3,
)
from regimes.statistics import ran

# A bound may be missed by this much, by rounding.
ROUNDING = 1e-9
BUT_FOR_ROUNDING = "the inequality, but for rounding"
# delta of the theorems; in their experiments starts meet Lemma 3's condition on m with it.
DELTA = 0.1


@claim(
    "C7",
    says="log loss decays at least at the rate of the theorems' proof with the measured eta^t",
    statistic="least decay between two recorded steps over the bound, over all runs",
    wanted=at_least(1.0 - ROUNDING, BUT_FOR_ROUNDING),
    source="(37), (50)",
    needs=EXPERIMENTS,
    kind=TEST,
    known=True,
    figure="chen2022/theory",
)
def rate(measures: Measures) -> Finding:
    """The least decay of log loss over its lower bound, of all runs that have a bound."""
    if not any(measures[name]["least_decay_ratio"].notnull().any() for name in EXPERIMENTS):
        raise TooSmallError("G is singular in every run")
    least, details = [], []
    for name in EXPERIMENTS:
        runs = measures[name]
        total, diverged = int(ran(runs).sum()), int(runs["diverged"].sum())
        ratios = runs["least_decay_ratio"].where(runs["diverged"] == 0)
        known = int(ratios.notnull().sum())
        detail = f"{known} of {total} runs have a bound"
        if known:
            least.append(float(ratios.min()))
            detail += f", least {least[-1]:.3g}"
        details.append(f"{_short(name)}: {detail}" + (f", {diverged} diverged" if diverged else ""))
    return Finding(min(least, default=math.nan), "; ".join(details))


def _short(name: str) -> str:
    return name.removeprefix("chen2022_").replace("_", " ")


@claim(
    "C25",
    says="the loss never rises",
    statistic="largest rise between two recorded steps over the loss at the start, over all runs",
    wanted=at_most(1e-12, "the rounding of double precision"),
    source="(14)",
    needs=(*EXPERIMENTS, *LEMMA_1),
    kind=TEST,
)
def falling(measures: Measures) -> Finding:
    """The largest rise, and where."""
    rises = {}
    for name, runs in measures.items():
        loss = runs["train_loss"]
        rises[name] = float((loss.diff("step") / loss.isel(step=0, drop=True)).max())
    worst = max(rises, key=lambda name: rises[name])
    return Finding(rises[worst], f"in {_short(worst)}")


@claim(
    "C26",
    says=(
        "with slopes of at least K everywhere (leaky ReLU, K = 0.01) and n <= d, L_t <= L_0 "
        "exp(-2 c^2 lambda_min K^2 t)"
    ),
    statistic="least fall of ln L from the start over that of the bound, m = 10, 100, 1000",
    wanted=at_least(1.0, "the bound"),
    source="(16)",
    needs=(LEAKY_RELU,),
    kind=THEOREM,
    sizes=Sizes(seeds=5, contains={"width": (10, 100, 1000)}),
)
def bounded_slopes(measures: Measures) -> Finding:
    """The least ratio over all runs and recorded steps above rounding."""
    # Imports torch, which nothing else here needs.
    from regimes.activations.leaky_relu import NEGATIVE_SLOPE

    runs = measures[LEAKY_RELU]
    loss = above_rounding(runs["train_loss"])
    later = loss.isel(step=slice(1, None))
    fallen = np.log(loss.isel(step=0, drop=True) / later)
    time = later["step"].astype(np.float64) * runs["learning_rate"] / runs["n_train"]
    ratio = fallen / (2 * runs["gram_min_eigenvalue"] * NEGATIVE_SLOPE**2 * time)
    ratio = ratio.where(runs["diverged"] == 0, -np.inf)
    return Finding(
        float(ratio.min()), f"{int(ran(runs).sum())} runs; the largest {float(ratio.max()):.3g}"
    )


@claim(
    "C8",
    says="the share of active neurons stays above Lemma 1's bound, kappa as printed",
    statistic="least distance at recorded steps after the start at which the bound is above 0",
    wanted=at_least(-ROUNDING, BUT_FOR_ROUNDING),
    source="Lemma 1, (19)",
    needs=LEMMA_1,
    kind=THEOREM,
    sizes=Sizes(seeds=5, contains={"width": (512, 2048, 8192)}),
)
def active_as_printed(measures: Measures) -> Finding:
    """With kappa as printed."""
    return _active(measures, "active_fraction_bound_printed")


@claim(
    "C27",
    says="the share of active neurons stays above Lemma 1's bound, kappa as its proof has it",
    statistic="least distance at recorded steps after the start at which the bound is above 0",
    wanted=at_least(-ROUNDING, BUT_FOR_ROUNDING),
    source="Lemma 1, (19), (51), (52)",
    needs=LEMMA_1,
    kind=THEOREM,
    reading=CORRECTED,
    sizes=Sizes(seeds=5, contains={"width": (512, 2048, 8192)}),
)
def active_by_the_proof(measures: Measures) -> Finding:
    """With kappa of the proof."""
    return _active(measures, "active_fraction_bound")


def _active(measures: Measures, form: str) -> Finding:
    """The least distance of the share of active neurons above a form of the bound.

    At the start the bound is eta~^0, whatever kappa.
    """
    least, details = [], []
    for name, runs in measures.items():
        bound = runs[form].where(runs["diverged"] == 0)
        telling = bound.where((bound["step"] > 0) & (bound > 0))
        count = int(telling.notnull().sum())
        if not count:
            raise TooSmallError(f"the bound is 0 after the start in every run of {_short(name)}")
        least.append(float((runs["active_fraction"] - telling).min()))
        end = telling.isel(step=-1).notnull()
        details.append(
            f"{_short(name)}: {least[-1]:.3g}, above 0 at {count} recorded steps, to the end in "
            f"{int(end.sum())} of {end.size} runs; bound up to {float(telling.max()):.3g}"
        )
    return Finding(min(least), "; ".join(details))


CONCLUSION = "L_t <= L_0 exp(-r c^2 lambda_min t) with the r of the proof, at all recorded steps"
VIOLATIONS = "share of starts that violate it"
AT_MOST_DELTA = at_most(DELTA, "the theorem's probability delta, 0.1 here")


@claim(
    "C28",
    says=(
        f"n <= d, c from (58): {CONCLUSION}; pairs of neurons, so that f = 0 at the start and "
        "Lemma 2 is not needed"
    ),
    statistic=VIOLATIONS,
    wanted=AT_MOST_DELTA,
    source="Theorem 1, (58) to (61)",
    needs=(THEOREM_1,),
    kind=THEOREM,
    sizes=Sizes(seeds=100, contains={"n_train": (5, 10, 20)}),
)
@claim(
    "C29",
    says=f"n = 2 <= d, c from (58) and m for Lemma 2: {CONCLUSION}; signs drawn, as in the text",
    statistic=VIOLATIONS,
    wanted=AT_MOST_DELTA,
    source="Theorem 1, (58) to (61)",
    needs=(THEOREM_1_DRAWN_SIGNS,),
    kind=THEOREM,
    sizes=Sizes(seeds=30, least={"width": 1048576.0}),
)
@claim(
    "C31",
    says=(
        f"three layers, n = 8 > d = 5, c from (80): {CONCLUSION}, lambda_min of the limit of G; "
        "pairs of neurons"
    ),
    statistic=VIOLATIONS,
    wanted=AT_MOST_DELTA,
    source="Theorem 3, (80), (83)",
    needs=(THEOREM_3,),
    kind=THEOREM,
    sizes=Sizes(seeds=40),
)
def theorem(measures: Measures) -> Finding:
    """Share of violations among the starts that meet the hypothesis, at each width and n."""
    (runs,) = measures.values()
    runs = runs.isel(model=0)
    inside = ran(runs) & (runs["weight_ratio"] >= 1)
    if "gram_ratio" in runs:
        # D is to be so large that (74) fails in a share of delta of the draws.
        inside = inside & (runs["gram_ratio"].mean("seed") >= 0.5)
    trials = inside.sum("seed")
    if (trials == 0).any():
        raise TooSmallError("no start meets the hypothesis at some width and n")
    # Also violated by a run that diverged.
    violated = (inside & ~(runs["theorem_ratio"] >= 1)).sum("seed")
    least = float(runs["theorem_ratio"].where(inside).min())
    above = float((runs["initial_loss_ratio"] > 1).where(inside).mean())
    detail = (
        f"{int(trials.sum())} of {int(ran(runs).sum())} starts meet (58) or (80); ln L falls at "
        f"least {least:.3g} times as fast; L_0 > |y|^2 in {above:.1%}"
    )
    if "gram_ratio" in runs:
        detail += f"; lambda_min(G) from {float(runs['gram_ratio'].min()):.2f} of its limit on"
    return shares(violated.values.ravel(), trials.values.ravel(), AT_MOST_DELTA, detail)


@claim(
    "C30",
    says="r does not depend on m, n or lambda_min",
    statistic=(
        "least decay of ln L over c^2 lambda_min t, its exponents in m, n and 1/lambda_min: the "
        "least deviate from 0"
    ),
    wanted=at_least(-largest_deviate(3), "no more than chance, at 95 %"),
    source="Theorem 1",
    needs=(THEOREM_1,),
    kind=THEOREM,
    sizes=Sizes(seeds=100, contains={"n_train": (5, 10, 20)}),
)
def constant(measures: Measures) -> Finding:
    """Least squares of ln r on ln m, ln n and ln lambda_min for each seed, each with its data."""
    runs = whole(measures[THEOREM_1].isel(model=0))
    slope = runs["theorem_ratio"] * runs["theorem_rate"] / runs["gram_min_eigenvalue"]
    logs = np.log(slope * runs["n_train"] / runs["learning_rate"])
    axes = xr.broadcast(
        logs,
        np.log(runs["width"].astype(float)),
        np.log(runs["n_train"].astype(float)),
        np.log(runs["gram_min_eigenvalue"]),
    )
    logs, *columns = (one.transpose("seed", "width", "n_train").values for one in axes)
    exponents = []
    for seed in range(len(logs)):
        rows = [np.ones(logs[seed].size), *(column[seed].ravel() for column in columns)]
        exponents.append(np.linalg.lstsq(np.transpose(rows), logs[seed].ravel(), rcond=None)[0])
    found = np.array(exponents)[:, 1:] * [1, 1, -1]
    means = found.mean(0)
    detail = (
        f"exponents {means[0]:.3f} in m, {means[1]:.3f} in n, {means[2]:.3f} in 1/lambda_min; r "
        f"from {float(np.exp(logs.min())):.3g} to {float(np.exp(logs.max())):.3g}"
    )
    return Finding(float(deviates_of_means(found).min()), detail)
