"""Claims of Razborov (2022), Section 4, on labels other than random ones."""

import numpy as np
import xarray as xr
from scipy import stats

from regimes.claims.core import (
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
)
from regimes.claims.sampling import CONFIDENCE, deviates, largest_deviate
from regimes.papers.razborov2022.claims.endings import ALL, share_converged
from regimes.papers.razborov2022.paper import (
    LABELS,
    LABELS_WIDTH,
    LOCAL,
    LOCAL_LOWER_RATE,
    LOCAL_RUNS,
    LOCAL_SUCCESSES,
    QUANTITIES,
    RANDOM,
    TRACKED,
)
from regimes.plotting.wording import pluralise

FEW, MANY = LOCAL_RUNS
RUNS = 10
LABELS_SIZES = Sizes(seeds=RUNS, contains={"width": (LABELS_WIDTH,), "n_train": (100, 500, 1000)})
LOCAL_SIZES = Sizes(contains={"width": (LABELS_WIDTH,), "n_train": (FEW, MANY)})
# Of two kinds of labels at three sizes.
COMPARISONS = len(LABELS) * 3 * len(QUANTITIES)
SAME = at_least(
    1 - CONFIDENCE, "p of Fisher's exact test that both shares are the same, below in 5 % of cases"
)


@claim(
    "R20",
    says="low and high spectrum labels: no significant discrepancy from random ones",
    statistic=f"largest deviate between means of T, kappa_H, |D| and |W_T - W_0|, of {COMPARISONS}",
    wanted=at_most(
        largest_deviate(COMPARISONS),
        "what chance exceeds in 5 % of cases, did labels not matter: the sentence to the letter",
    ),
    source="section 4",
    needs=TRACKED,
    sizes=LABELS_SIZES,
    known=True,
    figure="razborov2022/labels",
)
def discrepancy(measures: Measures) -> Finding:
    """Largest deviate of Welch's test between the labels, at any size and of any quantity."""
    points, found, said = measures[RANDOM]["n_train"].values, [], []
    for name in LABELS:
        kind = name.removeprefix("razborov2022_").replace("_", " ")
        for quantity in QUANTITIES:
            ours, other = (
                measures[one][quantity].sel(width=LABELS_WIDTH).transpose("n_train", "seed").values
                for one in (name, RANDOM)
            )
            test = stats.ttest_ind(ours, other, axis=1, equal_var=False)
            found.append(deviates(test.statistic, 1.0, test.df))
            said += [
                f"{quantity} at m = {m}, {kind} {one:.4g}, random {another:.4g}"
                for m, one, another in zip(points, ours.mean(1), other.mean(1), strict=True)
            ]
    sizes = np.concatenate(found)
    beyond = int((sizes > largest_deviate(COMPARISONS)).sum())
    return Finding(
        float(np.max(sizes)),
        f"{beyond} of {sizes.size} differ; farthest: {said[int(np.argmax(sizes))]}",
    )


@claim(
    "R21",
    says="with low and high spectrum labels all runs converge",
    statistic="share that does",
    wanted=ALL,
    source="section 4",
    needs=LABELS,
    sizes=LABELS_SIZES,
    known=True,
    figure="razborov2022/labels",
)
def labels_success(measures: Measures) -> Finding:
    """Share of the runs with these labels that converge."""
    return share_converged(*measures.values(), detail="low spectrum; high spectrum")


@claim(
    "R22",
    says="with local labels 19 of 20 runs converge at m = 1000",
    statistic="p that our share is another",
    wanted=SAME,
    source="section 4",
    needs=(LOCAL,),
    sizes=LOCAL_SIZES,
    known=True,
    figure="razborov2022/labels",
)
def local_few(measures: Measures) -> Finding:
    """Fisher's test against the paper's share at m = 1000."""
    return _like_the_papers(_local(measures[LOCAL], FEW), FEW)


@claim(
    "R23",
    says="with local labels 0 of 10 runs converge at m = 2000 and a tenth of the rate",
    statistic="p that our share is another",
    wanted=SAME,
    source="section 4",
    needs=(LOCAL,),
    sizes=LOCAL_SIZES,
    known=True,
    figure="razborov2022/labels",
)
def local_many(measures: Measures) -> Finding:
    """Fisher's test against the paper's share at m = 2000."""
    return _like_the_papers(_local(measures[LOCAL], MANY), MANY)


@claim(
    "R24",
    says="with local labels m = 1000 and m = 2000 differ",
    statistic="share that converges at m = 1000 less that at m = 2000",
    wanted=at_least(0.0, "above 0"),
    source="section 4",
    needs=(LOCAL,),
    sizes=LOCAL_SIZES,
    known=True,
    figure="razborov2022/labels",
)
def transition(measures: Measures) -> Finding:
    """Difference of the shares, within limits that are those of both, each at 95 %."""
    tests = []
    for m in (FEW, MANY):
        won = _local(measures[LOCAL], m)["converged"]
        tests.append(stats.binomtest(int(won.sum()), won.size))
    limits = [one.proportion_ci(2 * CONFIDENCE - 1) for one in tests]
    few, many = (one.statistic for one in tests)
    return Finding(
        few - many,
        f"{few:.0%} and {many:.0%}",
        (limits[0].low - limits[1].high, limits[0].high - limits[1].low),
    )


@claim(
    "R25",
    says="with local labels runs at m = 2000 fail since |e| grew",
    statistic="share of those that fail",
    wanted=at_least(1.0, "the text: in 10 out of 10 attempts"),
    source="section 4",
    needs=(LOCAL,),
    sizes=LOCAL_SIZES,
    known=True,
    figure="razborov2022/labels",
)
def aborts(measures: Measures) -> Finding:
    """Share of the failures at m = 2000 that were aborted."""
    runs = _local(measures[LOCAL], MANY)
    failed = int((runs["converged"] == 0).sum())
    if not failed:
        return Finding(np.nan, "no run failed")
    aborted = int((runs["aborted"] == 1).sum())
    norms = runs["residual_norm"] / runs["initial_residual_norm"]
    return Finding(
        aborted / failed,
        f"{aborted} of {pluralise(failed, 'failure')}, after {int(runs['stopping_time'].min())} to "
        f"{int(runs['stopping_time'].max())} steps, |e| at {float(norms.mean()):.0%} of its start",
    )


@claim(
    "R26",
    says="with local labels a still lower rate, 1e-5, does not help at m = 2000",
    statistic="p that the share is not the paper's 0 of 10 at 1e-4",
    wanted=SAME,
    source="section 4",
    needs=(LOCAL_LOWER_RATE,),
    sizes=Sizes(seeds=RUNS, contains={"width": (LABELS_WIDTH,), "n_train": (MANY,)}),
)
def lower_rate(measures: Measures) -> Finding:
    """Fisher's test against the paper's share; runs at the cap may be either."""
    runs = measures[LOCAL_LOWER_RATE].sel(width=LABELS_WIDTH, n_train=MANY)
    return _like_the_papers(runs.dropna("seed", subset=["converged"]), MANY)


def _local(runs: xr.Dataset, m: int) -> xr.Dataset:
    found = runs.sel(width=LABELS_WIDTH, n_train=m).dropna("seed", subset=["converged"])
    if found.sizes["seed"] < LOCAL_RUNS[m]:
        raise TooSmallError(
            f"{pluralise(found.sizes['seed'], 'run')} at m = {m}, needs {LOCAL_RUNS[m]}"
        )
    return found


def _like_the_papers(runs: xr.Dataset, m: int) -> Finding:
    """The p of Fisher's test of our share and the paper's; with limits where runs hit the cap."""
    total, theirs = runs.sizes["seed"], LOCAL_SUCCESSES[m]
    won = int((runs["converged"] == 1).sum())
    failed = int(((runs["aborted"] == 1) | (runs["diverged"] == 1)).sum())

    def p_value(successes: int) -> float:
        table = [[successes, total - successes], [theirs, LOCAL_RUNS[m] - theirs]]
        return float(stats.fisher_exact(table).pvalue)

    limits = sorted((p_value(won), p_value(total - failed)))
    capped = total - failed - won
    return Finding(
        p_value(won),
        f"{won} of {pluralise(total, 'run')} converged"
        + (f", {capped} stopped at the cap" if capped else "")
        + f", the paper's {theirs} of {LOCAL_RUNS[m]}",
        (limits[0], limits[1]),
    )
