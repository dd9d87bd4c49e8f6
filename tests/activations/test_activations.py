"""ReLU, and the share of a step that a pre-activation spends on its active side."""

import sys

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from regimes.activations import relu

EPSILON = sys.float_info.epsilon
# Distances from the kink are kept above this, so that products with them do not underflow.
SMALLEST_DISTANCE = sys.float_info.min**0.5

numbers = st.one_of(
    st.just(0.0),
    st.floats(-1e3, 1e3),
    # Over many decades: sliding and crossing meet very unequal distances and speeds.
    st.builds(
        lambda sign, exponent: sign * 10.0**exponent, st.sampled_from([-1, 1]), st.floats(-12, 3)
    ),
)


def share_of(z: float, drift: float, kick: float) -> float:
    """The share for a single pre-activation."""
    start = torch.tensor([z], dtype=torch.float64)
    slope = relu.slope(start)
    kicks = torch.tensor([kick], dtype=torch.float64)
    return float(relu.active_share(start, slope, drift + slope * kicks, kicks))


def rounding(z: float, drift: float, kick: float) -> float:
    """How far z1 may be off: a dozen roundings of each number in the quadratic, and their sums.

    The share itself may be off by more, where the way only just reaches the kink, but then
    without effect on z1.
    """
    return 64 * EPSILON * (abs(z) + abs(drift) + abs(kick)) + 4 * SMALLEST_DISTANCE


def test_value_and_slope() -> None:
    z = torch.tensor([-2.0, -0.0, 0.0, 3.0])
    slope = relu.slope(z)
    assert slope.tolist() == [0, 0, 0, 1]
    assert relu.value(z, slope).tolist() == [0, 0, 0, 3]


@given(numbers, numbers, numbers)
@example(1.0, -1.0, 0.0)
@example(-1.0, 1.0, -1.0)
@example(0.0, 1.0, -2.0)
def test_the_share_is_a_share(z: float, drift: float, kick: float) -> None:
    assert 0 <= share_of(z, drift, kick) <= 1


@given(numbers, numbers, numbers)
@example(1.0, -1.0, 0.0)
@example(-1.0, 2.0, -2.0)
@example(1e-9, -1.0, 1.0)
@example(0.0, 1.0, -2.0)
@example(0.0, -1.0, 3.0)
def test_the_share_is_that_of_its_own_way(z: float, drift: float, kick: float) -> None:
    share = share_of(z, drift, kick)
    end = z + drift + share * kick
    gone = share * (end - z)
    # z1 enters twice, with factors of at most 1
    assert gone == pytest.approx(max(end, 0) - max(z, 0), rel=0, abs=2 * rounding(z, drift, kick))


@given(numbers, numbers, numbers)
def test_without_a_crossing_the_share_is_the_slope(z: float, drift: float, kick: float) -> None:
    slope = float(z > 0)
    end = z + drift + slope * kick
    # Clear of the kink by more than rounding can undo
    assume(z * end > 0 and abs(end) > rounding(z, drift, kick))
    assert share_of(z, drift, kick) == slope


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-12, 1e-6), st.booleans())
def test_a_neuron_pushed_from_both_sides_slides(
    push_up: float, push_down: float, distance: float, starts_active: bool
) -> None:
    # Inactive it is pushed up, active it is pushed down.
    drift, kick = push_up, -push_up - push_down
    z = distance if starts_active else -distance
    share = share_of(z, drift, kick)
    end = z + drift + share * kick
    # From the quadratic: the way beyond the kink is at most the distance from it, times the ratio
    # of the pushes.
    ratio = push_down / push_up if starts_active else push_up / push_down
    assert abs(end) <= distance * ratio + rounding(z, drift, kick)
    # so that the share is Filippov's but for about the same
    filippov = push_up / (push_up + push_down)
    assert share == pytest.approx(filippov, abs=distance * (1 + ratio) / abs(kick) + 1e-12)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_on_the_kink_sliding_is_exact(push_up: float, push_down: float) -> None:
    drift, kick = push_up, -push_up - push_down
    assert share_of(0.0, drift, kick) == pytest.approx(push_up / -kick, rel=16 * EPSILON)


@pytest.mark.parametrize(
    ("drift", "kick", "share"),
    [
        (1.0, 0.0, 1.0),  # pushed up on both sides
        (1.0, 5.0, 1.0),
        (-1.0, 0.0, 0.0),  # pushed down on both sides
        (-1.0, -5.0, 0.0),
        (-1.0, 3.0, 0.0),  # pushed away on both sides: it stays on the side of act'(0) = 0
        (0.0, 0.0, 0.0),  # at rest
    ],
)
def test_on_the_kink_it_leaves_to_the_side_it_is_pushed_to(
    drift: float, kick: float, share: float
) -> None:
    assert share_of(0.0, drift, kick) == pytest.approx(share, abs=4 * EPSILON)


def test_without_a_kick_the_way_is_straight() -> None:
    # From -1 to 3, and from 3 to -1: three quarters of the way are above the kink.
    assert share_of(-1.0, 4.0, 0.0) == pytest.approx(0.75, rel=4 * EPSILON)
    assert share_of(3.0, -4.0, 0.0) == pytest.approx(0.75, rel=4 * EPSILON)


def test_float32_works_to_its_own_rounding() -> None:
    start = torch.tensor([-1.0, 2.0, 0.0])
    slope = relu.slope(start)
    drift, kick = torch.tensor([3.0, -3.0, 1.0]), torch.tensor([-1.0, 0.5, -4.0])
    share = relu.active_share(start, slope, drift + slope * kick, kick)
    end = start + drift + share * kick
    torch.testing.assert_close(
        share * (end - start), end.clamp(min=0) - start.clamp(min=0), rtol=0, atol=64 * 6e-8 * 5
    )
