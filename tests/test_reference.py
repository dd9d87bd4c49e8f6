"""The solver against explicit Euler with very many steps, in all three regimes.

docs/accuracy.md has more settings, and says what the others leave open.
"""

from functools import cache

import numpy as np
import pytest
import torch
from euler import DETERMINED_WITHIN, SETTINGS, Reference, errors, reference, regime, solve

from regimes.networks.two_layer import Weights

# Settings of the accuracy page by seed. What they must have in common to be here is a property of
# the reference alone: it is determined (spread and ambiguity below DETERMINED_WITHIN).
DETERMINED = {
    0: [
        (-0.5, 2.0),
        (0.0, 0.5),
        (0.0, 1.0),
        (0.0, 1.6),
        (0.0, 2.0),
        (0.5, 0.8),
        (0.5, 1.5),
        (0.5, 2.0),
        (1.0, 1.0),
        (1.0, 1.8),
        (1.0, 2.2),
    ],
}
EVERY = [setting for settings in DETERMINED.values() for setting in settings]
ALLOWED = {0.03: 0.015, 0.01: 0.005}


@cache
def solve_every(tolerance: float) -> tuple[Weights, list[Weights], np.ndarray]:
    """Initial and final weights of all runs, and the times that they took."""
    starts, ends, times = [], [], []
    for seed, settings in DETERMINED.items():
        initial, flow = solve(settings, seed, tolerance)
        assert flow.converged.all()
        starts.append(initial)
        ends += flow.weights
        times.append(flow.flow_time)
    start = Weights(torch.cat([one.a for one in starts]), torch.cat([one.w for one in starts]))
    return start, ends, np.concatenate(times)


@pytest.fixture(scope="module")
def euler() -> Reference:
    initial, _, flow_time = solve_every(min(ALLOWED))
    return reference(EVERY, initial, torch.tensor(flow_time))


def test_settings_cover_the_regimes() -> None:
    assert len(set(EVERY)) >= 10 and set(EVERY) <= set(SETTINGS)
    assert {regime(*setting) for setting in EVERY} == {"linear", "critical", "condensed"}


@pytest.mark.parametrize("run", range(len(EVERY)), ids=map(str, EVERY))
def test_the_reference_has_converged(euler: Reference, run: int) -> None:
    for layer, spread in euler.spread.items():
        assert spread[run] < DETERMINED_WITHIN, layer


@pytest.mark.parametrize("tolerance", ALLOWED)
@pytest.mark.parametrize("layer", ["w", "a", "theta"])
def test_distances_agree_with_explicit_euler(
    euler: Reference, layer: str, tolerance: float
) -> None:
    initial, final, _ = solve_every(tolerance)
    off = errors(initial, final, euler)[layer]
    too_far = {
        setting: f"{100 * float(value):+.2f} %"
        for setting, value in zip(EVERY, off, strict=True)
        if not abs(value) < ALLOWED[tolerance]
    }
    assert not too_far
