"""Statistics of claims decide rightly, and wrongly as often as they say."""

from collections import Counter

import numpy as np
import pytest

from regimes.claims.core import NOT_REPRODUCED, REPRODUCED, UNDECIDED, Finding, at_least, within
from regimes.claims.sampling import (
    deviates,
    estimates,
    jackknifed,
    largest_deviate,
    mean_of,
    paired_order,
    shares,
    trend,
)

POSITIVE = at_least(0.0)


def verdicts(make, repetitions: int = 400) -> Counter:
    stream = np.random.default_rng(1)
    return Counter(POSITIVE.verdict(make(stream)) for _ in range(repetitions))


@pytest.mark.parametrize("comparisons", [1, 4])
def test_wrong_verdicts_are_as_rare_as_stated(comparisons: int) -> None:
    # Of a mean that is on the threshold, either verdict would be one of chance.
    on_edge = verdicts(lambda draw: mean_of(draw.standard_normal((5, comparisons)), POSITIVE))
    # 5 %, and three standard errors of 400 draws.
    assert on_edge[REPRODUCED] <= 33 and on_edge[NOT_REPRODUCED] <= 33
    # One of several on the threshold, the others far within.
    shift = np.array([0.0] + [20.0] * (comparisons - 1))
    one = verdicts(lambda draw: mean_of(shift + draw.standard_normal((5, comparisons)), POSITIVE))
    assert one[REPRODUCED] <= 33 and one[NOT_REPRODUCED] <= 33


def test_clear_cases_are_decided() -> None:
    assert (
        verdicts(lambda draw: mean_of(4 + draw.standard_normal((5, 3)), POSITIVE))[REPRODUCED] > 380
    )
    low = np.array([9.0, -4.0, 9.0])
    found = verdicts(lambda draw: mean_of(low + draw.standard_normal((5, 3)), POSITIVE))
    assert found[NOT_REPRODUCED] > 380


def test_one_seed_decides_nothing_and_missing_values_are_no_success() -> None:
    assert POSITIVE.verdict(mean_of([[3.0, 4.0]], POSITIVE)) == UNDECIDED
    assert POSITIVE.verdict(mean_of([[3.0, np.nan], [4.0, 5.0]], POSITIVE)) == NOT_REPRODUCED


def test_windows_have_two_sides() -> None:
    window = within(-1.0, 1.0)
    for values, verdict in (
        ([0.0, 0.5], REPRODUCED),
        ([0.0, 0.95], UNDECIDED),
        ([-1.05, 0.0], UNDECIDED),
        ([0.0, 3.0], NOT_REPRODUCED),
        ([-3.0, 0.95], NOT_REPRODUCED),
    ):
        found = estimates(values, [0.1, 0.1], window, "here")
        assert window.verdict(found) == verdict and found.value in values
        assert found.detail == "here"


def test_shares_have_exact_limits() -> None:
    found = shares([10], [10], at_least(0.7))
    # 0 failures of 10: the share is below 0.741 with probability 5 % at most.
    assert found.limits == (pytest.approx(0.05**0.1), 1.0)
    assert at_least(0.7).verdict(found) == REPRODUCED
    assert at_least(0.7).verdict(shares([10, 1], 10, at_least(0.7))) == NOT_REPRODUCED
    assert at_least(0.7).verdict(shares([10, 6], 10, at_least(0.7))) == UNDECIDED


def test_trends_are_pages() -> None:
    rising = np.arange(5.0)[:, None] + np.arange(3.0)
    assert POSITIVE.verdict(trend(rising)) == REPRODUCED
    assert POSITIVE.verdict(trend(-rising)) == NOT_REPRODUCED
    found = verdicts(lambda draw: trend(draw.standard_normal((5, 3))), 200)
    assert found[REPRODUCED] <= 20 and found[NOT_REPRODUCED] <= 20
    assert np.isnan(trend([[1.0, np.nan]]).value)


def test_jackknife_and_pairs() -> None:
    draw = np.random.default_rng(0)
    found = jackknifed(3 + draw.standard_normal(40), np.mean, POSITIVE)
    width = (found.limits[1] - found.limits[0]) / 2
    assert width == pytest.approx(1.645 / 40**0.5, rel=0.25)
    # What seeds share does not count.
    shared = np.exp(5 * draw.standard_normal(5))
    order = paired_order(shared, shared * np.exp(0.1 + 0.01 * draw.standard_normal(5)))
    assert POSITIVE.verdict(order) == REPRODUCED


def test_the_largest_of_many_deviates() -> None:
    assert largest_deviate(1) == pytest.approx(1.96, abs=0.01)
    largest = abs(np.random.default_rng(0).standard_normal((2000, 33))).max(axis=1)
    assert np.mean(largest > largest_deviate(33)) == pytest.approx(0.05, abs=0.015)


def test_a_finding_without_limits_is_sharp() -> None:
    assert POSITIVE.verdict(Finding(0.0)) == REPRODUCED
    assert POSITIVE.verdict(Finding(-1e-9)) == NOT_REPRODUCED


def test_deviates_of_few_samples_are_as_rare_as_normal_ones() -> None:
    draws = np.random.default_rng(0).standard_normal((20_000, 4))
    errors = draws.std(axis=1, ddof=1) / 2
    sizes = deviates(draws.mean(axis=1), errors, 3)
    assert np.mean(sizes > largest_deviate(1)) == pytest.approx(0.025 * 2, abs=0.005)
    assert deviates([-3.0, 0.0], [1.0, 1.0]) == pytest.approx([3.0, 0.0])
    # However far, it is a number.
    assert np.isfinite(deviates(1e9, 1.0))
