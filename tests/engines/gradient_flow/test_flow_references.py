"""The solver against independent references in all regimes: tests/data/flow_references.csv.

The command tests/flow_references.py makes these. docs/accuracy.md has the errors by setting, and
those on settings whose flow is not unique.
"""

from functools import cache, partial

import pytest
from flow_references import (
    CORNERS,
    DETERMINED_WITHIN,
    KINKED,
    SMOOTH,
    Problem,
    SmoothFlow,
    by_chebyshev,
    by_scipy,
    read,
    reference,
)
from reference_runs import BOUNDS, Run, by_width, regime, solve
from scipy.integrate import LSODA

ACTIVATIONS = (*KINKED, *SMOOTH)
WIDEST_QUICK = 200
# Neurons of tanh leap off plateaus one by one, which takes minutes.
LONG = (pytest.mark.slow, pytest.mark.long)
QUICK = [pytest.param(name, marks=LONG if name == "tanh" else ()) for name in ACTIVATIONS]
REFERENCES = {row.problem: row for row in read()}
DETERMINED = [row for row in REFERENCES.values() if row.determined]
# A cheap row of each method
RECOMPUTED = (
    Problem("relu", 0.0, 1.6, 60, 0),
    Problem("tanh", 0.0, 1.0, 60, 0),
    Problem("gelu", 1.0, 0.4, 60, 1),
)


@cache
def runs(activation: str, tolerance: float, wide: bool) -> list[Run]:
    """The solver on all determined problems of an activation, up to WIDEST_QUICK or above."""
    rows = [
        row
        for row in DETERMINED
        if row.activation == activation and (row.width > WIDEST_QUICK) == wide
    ]
    assert rows
    return [run for one_width in by_width(rows) for run in solve(one_width, tolerance)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_references_cover_all_regimes(activation: str) -> None:
    settings = {(row.gamma_prime, row.gamma) for row in DETERMINED if row.activation == activation}
    assert {regime(*setting) for setting in settings} == {"linear", "critical", "condensed"}
    assert len(settings & set(CORNERS)) > len(CORNERS) / 2


@pytest.mark.slow
@pytest.mark.parametrize("problem", RECOMPUTED, ids=lambda problem: problem.activation)
def test_the_table_is_what_its_command_computes(problem: Problem) -> None:
    row, again = REFERENCES[problem], reference(problem)
    assert again.method == row.method
    for layer in ("w", "a", "theta"):
        name = f"relative_distance_{layer}"
        assert getattr(again, name) == pytest.approx(getattr(row, name), rel=1e-6), layer
    assert again.flow_time == pytest.approx(row.flow_time, rel=1e-4)
    assert again.determined and again.spread == pytest.approx(row.spread, rel=0.1, abs=1e-6)


@pytest.mark.parametrize("activation", SMOOTH)
def test_other_integrators_find_the_same_flow(activation: str) -> None:
    problem = Problem(activation, 0.0, 1.0, 60, 0)
    row, flow = REFERENCES[problem], SmoothFlow(problem)
    scale = flow.linear_scale()
    expected = row.relative_distance_w, row.relative_distance_a, row.relative_distance_theta
    for solve_flow, tolerance in ((partial(by_scipy, method=LSODA), 1e-8), (by_chebyshev, 1e-5)):
        found = solve_flow(flow, tolerance, scale, 10**6).distances
        assert found == pytest.approx(expected, rel=DETERMINED_WITHIN / 10), solve_flow


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", BOUNDS)
@pytest.mark.parametrize("activation", QUICK)
def test_distances_agree_with_the_references(activation: str, tolerance: float) -> None:
    bounds = BOUNDS[tolerance]
    too_far = [str(run) for run in runs(activation, tolerance, False) if not run.within(bounds)]
    assert not too_far, "\n".join(too_far)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("tolerance", BOUNDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_distances_of_wide_networks_agree_with_the_references(
    activation: str, tolerance: float
) -> None:
    bounds = BOUNDS[tolerance]
    too_far = [str(run) for run in runs(activation, tolerance, True) if not run.within(bounds)]
    assert not too_far, "\n".join(too_far)
