"""Statistics of claims with their sampling errors: what `Finding.limits` are made of.

A statement about several comparisons is reproduced if each of them holds at 95 %, for which no
correction is needed, and not reproduced if one of them fails at 95 % for all together (Bonferroni).
So a true statement is called not reproduced, and a false one reproduced, in at most 5 % of cases.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from regimes.claims.core import Finding, Wanted

CONFIDENCE = 0.95


def mean_of(samples: Any, wanted: Wanted, detail: str = "") -> Finding:
    """The mean over seeds of a statistic, or of several of which each is to be as wanted.

    samples: (seeds,) or (seeds, comparisons), independent over seeds. The limits are Student's. A
    seed that has no value makes its mean none; of one seed the error is unknown, so that nothing is
    decided.
    """
    samples = np.asarray(samples, dtype=float)
    samples = samples.reshape(len(samples), -1)
    count = len(samples)
    error = np.full(samples.shape[1], np.inf)
    if count > 1:
        error = samples.std(axis=0, ddof=1) / count**0.5
    return estimates(samples.mean(axis=0), error, wanted, detail, degrees_of_freedom=count - 1)


def estimates(
    values: Any, errors: Any, wanted: Wanted, detail: str = "", *, degrees_of_freedom: Any = np.inf
) -> Finding:
    """Estimates, each of which is to be as wanted, as the one that is worst.

    values, errors: (comparisons,), the errors being standard ones. degrees_of_freedom: of the
    errors; infinite for known ones.
    """
    values, errors = np.ravel(values).astype(float), np.ravel(errors).astype(float)
    freedom = np.maximum(degrees_of_freedom, 1)

    def limits(level: float) -> tuple[np.ndarray, np.ndarray]:
        width = stats.t.ppf(level, freedom) * errors
        return values - width, values + width

    return worst(values, limits, wanted, detail)


def shares(successes: Any, trials: Any, wanted: Wanted, detail: str = "") -> Finding:
    """Shares of successes, each of which is to be as wanted, as the one that is worst.

    successes, trials: (comparisons,). The limits are those of Clopper and Pearson.
    """
    successes, trials = np.ravel(successes), np.broadcast_to(np.ravel(trials), np.size(successes))

    def limits(level: float) -> tuple[np.ndarray, np.ndarray]:
        found = [
            stats.binomtest(int(k), int(n)).proportion_ci(2 * level - 1)
            for k, n in zip(successes, trials, strict=True)
        ]
        return np.array([one.low for one in found]), np.array([one.high for one in found])

    return worst(successes / trials, limits, wanted, detail)


def jackknifed(
    samples: Any, statistic: Callable[[np.ndarray], Any], wanted: Wanted, detail: str = ""
) -> Finding:
    """A statistic of samples over seeds, with limits from leaving out each seed in turn.

    samples: (seeds, ...). statistic: of an array like it with any number of seeds; one number, or
    several of which each is to be as wanted. The limits are Student's, which for five seeds are
    wide enough where those of the bootstrap are too narrow.
    """
    samples = np.asarray(samples, dtype=float)
    count = len(samples)
    values = np.ravel(statistic(samples)).astype(float)
    error = np.full(values.shape, np.inf)
    if count > 1:
        left_out = [np.ravel(statistic(np.delete(samples, seed, 0))) for seed in range(count)]
        error = np.std(left_out, axis=0) * (count - 1) ** 0.5
    return estimates(values, error, wanted, detail, degrees_of_freedom=count - 1)


def deviates_of_means(samples: Any) -> np.ndarray:
    """How far means over seeds are from 0, as normal deviates (comparisons,); NaN for one seed.

    samples: (seeds,) or (seeds, comparisons). To be compared with `largest_deviate`.
    """
    samples = np.asarray(samples, dtype=float)
    samples = samples.reshape(len(samples), -1)
    count = len(samples)
    if count < 2:
        return np.full(samples.shape[1], np.nan)
    means = samples.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = deviates(means, samples.std(axis=0, ddof=1) / count**0.5, count - 1)
    return np.asarray(np.sign(means) * sizes)


def trend(blocks: Any, detail: str = "") -> Finding:
    """How surely values rise in the order of their columns: the deviate of Page's test.

    blocks: (blocks, columns), such as seeds and settings. To be at least 0: its limits are those
    of a deviate of standard error 1, so that the trend is shown at 95 % where the lower one is
    above 0.
    """
    blocks = np.asarray(blocks, dtype=float)
    if np.isnan(blocks).any():
        return Finding(np.nan, detail)
    p_value = stats.page_trend_test(blocks).pvalue
    # Exact p-values of 1 have no deviate.
    deviate = float(stats.norm.isf(np.clip(p_value, 1e-300, 1 - 1e-15)))
    width = float(stats.norm.ppf(CONFIDENCE))
    return Finding(deviate, detail, (deviate - width, deviate + width))


def deviates(differences: Any, errors: Any, degrees_of_freedom: Any = np.inf) -> np.ndarray:
    """Sizes of normal deviates that are as improbable as differences over their standard errors.

    degrees_of_freedom: of the errors; infinite for known ones. To be compared with
    `largest_deviate`.
    """
    sizes = np.abs(np.asarray(differences, dtype=float)) / np.asarray(errors, dtype=float)
    tails = stats.t.logsf(sizes, degrees_of_freedom)
    # The tail of a normal deviate beyond 37 is no number any more.
    return stats.norm.isf(np.exp(np.maximum(tails, -700)))


def largest_deviate(comparisons: int) -> float:
    """What the largest of so many independent deviates exceeds in 5 % of all cases, in size."""
    return float(stats.norm.isf((1 - CONFIDENCE) / (2 * comparisons)))


def worst(
    values: Any,
    limits: Callable[[float], tuple[np.ndarray, np.ndarray]],
    wanted: Wanted,
    detail: str = "",
) -> Finding:
    """The finding of several comparisons: of all, the one that decides.

    values: (comparisons,). limits: their lower and upper ones at a one-sided level. Where each is
    within what is wanted by its own limits, all hold; where one is outside by the limits of all
    together, not all do; else it is undecided.
    """
    values = np.ravel(values).astype(float)
    if np.isnan(values).any():
        return Finding(np.nan, detail)
    lower, upper = limits(CONFIDENCE)
    wider = limits(1 - (1 - CONFIDENCE) / values.size)
    # Of infinite limits the differences that are no numbers do not count.
    with np.errstate(invalid="ignore"):
        outside = np.fmax(wanted.low - upper, lower - wanted.high)
        beyond = np.fmax(wanted.low - wider[1], wider[0] - wanted.high)
        sticks_out = np.fmax(wanted.low - lower, upper - wanted.high)
    if (beyond > 0).any():
        index, chosen = int(np.argmax(beyond)), wider
    elif (sticks_out <= 0).all():
        index, chosen = int(np.argmax(sticks_out)), (lower, upper)
    else:
        index, chosen = int(np.argmax(np.where(sticks_out > 0, outside, -np.inf))), wider
    return Finding(float(values[index]), detail, (float(chosen[0][index]), float(chosen[1][index])))


def paired_order(
    smaller: Sequence[Any] | Any, larger: Sequence[Any] | Any, detail: str = ""
) -> Finding:
    """Mean over seeds of log(larger / smaller), to be at least 0: the two share their seeds.

    smaller, larger: (seeds,) or (seeds, comparisons), positive.
    """
    ratio = np.log(np.asarray(larger, dtype=float)) - np.log(np.asarray(smaller, dtype=float))
    return mean_of(ratio, Wanted(0.0, np.inf), detail)
