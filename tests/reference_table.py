"""Measure the solver against the references and write docs/accuracy.md.

`python tests/reference_table.py [PAGE]`, some minutes on one core; PAGE: another file to write to.
The references are those of tests/data/flow_references.csv, which tests/flow_references.py makes.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

# Read by torch when it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

from flow_references import (
    CHEBYSHEV_TOLERANCES,
    DETERMINED_WITHIN,
    DOP853_TOLERANCES,
    FIRST_FRACTION,
    FIRST_FRACTION_WIDEST,
    KINKED,
    MARGINS,
    MOST_SPREAD,
    PERTURBATION,
    RELATIVE_LOSS,
    SMOOTH,
    SMOOTH_AMBIGUITY,
    WIDE,
    WIDEST,
    Problem,
    Reference,
    read,
)
from reference_runs import BOUNDS, EXCEPTIONS, Run, by_width, regime, solve

TOLERANCES = (0.03, 0.01, 0.003)
NAMES = {
    "relu": "ReLU",
    "leaky_relu": "Leaky ReLU",
    "tanh": "tanh",
    "gelu": "GELU",
    "softplus": "Softplus",
}
PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
HEAD = f"""# Accuracy of the solver

Errors of the relative distances RD_w and RD_a, of the first-layer and of the output weights from
their start, at the end of training (R = {RELATIVE_LOSS:g} R(0)) on the four-point problem, against
independent references, for five activations, three regimes and widths from 60 to 20,000. γ′ and γ
are the exponents of the normalised parameterisation (κ′ = m^-γ′, κ = m^-γ). The default `tolerance`
of the solver is 0.03.

Made by `python tests/reference_table.py` from
[`tests/data/flow_references.csv`](../tests/data/flow_references.csv);
[a test](../tests/engines/gradient_flow/test_flow_references.py) holds the solver to the bounds
of the first table.

## Summary

The largest errors over all determined runs, in %. A run is *determined* when its reference is
known, and the flow itself is unique, to {100 * DETERMINED_WITHIN:g} % (below).
"""
METHODS = f"""## How the references were made

[`tests/flow_references.py`](../tests/flow_references.py) integrates the equations of the model, and
shares no code with the solver. Each run is made at two accuracies; the *spread* is the largest
relative difference between their RD_w, RD_a and RD_theta. The time of R = {RELATIVE_LOSS:g} R(0) is
found within the last step.

- Smooth activations: DOP853 (SciPy; Runge-Kutta, order 8) with relative tolerances
  {DOP853_TOLERANCES[0]:g} and {DOP853_TOLERANCES[1]:g}. Where that takes too many evaluations, and
  from m = {WIDE:,} on: the Runge-Kutta-Chebyshev method of Sommeijer, Shampine and Verwer (1998),
  whose explicit steps are stable over much longer times, with {CHEBYSHEV_TOLERANCES[0]:g} and
  {CHEBYSHEV_TOLERANCES[1]:g} (and {CHEBYSHEV_TOLERANCES[2]:g} where these differ by more than
  {100 * MOST_SPREAD:g} %). The more accurate run counts.
- ReLU and leaky ReLU: explicit Euler, with steps that are a fixed fraction of the fastest time of
  the flow, and extrapolated from a fraction and its half: {FIRST_FRACTION:g} or less at m up to
  1000, {FIRST_FRACTION_WIDEST:g} or less at {WIDEST:,}. That makes tens of thousands of steps.
"""
KERNEL = """## Kernels

The tangent kernel at the end of a step is not looked at when a step is accepted. Measured at
m = 200 and the default tolerance, in steps over seven settings in all regimes, it is off by at most
1.6 % with GELU and 0.8 % with softplus. With ReLU and leaky ReLU it is off by 11 % in the median,
and by 10 % at a tolerance of 0.003: a neuron that slides along a kink has a pre-activation of 0,
where its slope is 0 or 1 by rounding, while the flow goes on as if it were in between. What moves
the outputs is the kernel of the way, for which the mean slopes are known. With tanh, whose
saturated neurons do the same, it is 0.1 % in the median, but above 13 % in a tenth of the steps.
"""
OPEN = f"""## What the flow leaves open

Gradient flow of a ReLU network is not unique where a neuron comes to w = 0, and in the condensed
regime neurons slide along a kink right into it. Such a neuron may stay, or leave with any of the
groups of points that pull it; which, small steps of any method decide by what they do within one
step of the kink. Flows of smooth activations are unique, but with very large weights a smooth
activation is all but kinked, too, and a flow can amplify any error, that of the reference included.

Whether this matters for a run is asked of the reference alone. The *ambiguity* is the largest
relative change of RD_w, RD_a or RD_theta when the initial weights are perturbed by
{PERTURBATION:g} and, for kinked activations, when the kinks are moved to either side by
{" or ".join(f"{margin:g}" for margin in MARGINS if margin > 0)} of Euler's step at the fraction
1, of which the whole way takes a thousand or more. The runs of these tables have an ambiguity or a
spread above {100 * DETERMINED_WITHIN:g} %, or, with a smooth activation, an ambiguity above
{100 * SMOOTH_AMBIGUITY:g} %, which is a hundred times the perturbation. There the solver and the
reference may find different solutions of the same equations, and no tolerance brings them together.
"""


def measure(rows: Sequence[Reference]) -> Iterator[dict[float, Run]]:
    """Runs of the solver by tolerance, for each reference."""
    for activation in NAMES:
        for one_width in by_width(row for row in rows if row.activation == activation):
            by_tolerance = []
            for tolerance in TOLERANCES:
                began = time.monotonic()
                by_tolerance.append(solve(one_width, tolerance))
                took = time.monotonic() - began
                print(
                    f"{activation}, m = {one_width[0].width}, {tolerance:g}: {took:.1f} s",
                    flush=True,
                )
            for runs in zip(*by_tolerance, strict=True):
                yield dict(zip(TOLERANCES, runs, strict=True))


def summary(every: Sequence[dict[float, Run]]) -> Iterator[str]:
    """Largest errors over determined runs by activation and tolerance, and the bounds."""
    columns = ["activation", "determined runs"]
    columns += [f"RD_{layer}, {tolerance:g}" for tolerance in TOLERANCES for layer in "wa"]
    yield from _header(columns)
    for activation, name in NAMES.items():
        chosen = [runs for runs in every if _reference(runs).activation == activation]
        determined = [runs for runs in chosen if _reference(runs).determined]
        yield _line([name, f"{len(determined)} of {len(chosen)}", *_worst(determined, TOLERANCES)])
    bounds = [BOUNDS.get(tolerance, {}).get(layer) for tolerance in TOLERANCES for layer in "wa"]
    yield _line(["*bound*", "", *(f"{100 * bound:g}" if bound else "" for bound in bounds)])
    yield ""
    yield "The bounds are kept by all determined runs but these:\n"
    for problem, reason in EXCEPTIONS.items():
        yield f"- {_name(problem)}: {reason}."
    yield ""


def table(every: Sequence[dict[float, Run]], ambiguous: bool) -> Iterator[str]:
    """One line for each setting: the worst seed's errors, and the steps of all seeds."""
    columns = ["regime", "γ′", "γ", "seeds", "RD_w", "RD_a"]
    columns += ["spread, %", "ambiguity, %"] if ambiguous else []
    columns += [f"{layer}, {tolerance:g}" for tolerance in TOLERANCES for layer in "wa"]
    columns += [f"steps, {tolerance:g}" for tolerance in TOLERANCES]
    yield from _header(columns)
    for setting, group in groupby(sorted(every, key=_setting), key=_setting):
        runs = list(group)
        rows = [_reference(one) for one in runs]
        cells = [regime(*setting), *(f"{value:g}" for value in setting)]
        cells.append(", ".join(str(row.seed) for row in rows))
        cells += [_span([row.relative_distance_w for row in rows], "{:.3g}".format)]
        cells += [_span([row.relative_distance_a for row in rows], "{:.3g}".format)]
        if ambiguous:
            cells.append(f"{100 * max(row.spread for row in rows):.2g}")
            cells.append(_span([100 * row.ambiguity for row in rows], "{:.2g}".format))
        cells += _worst(runs, TOLERANCES)
        for tolerance in TOLERANCES:
            steps = [one[tolerance].accepted + one[tolerance].rejected for one in runs]
            cells.append(_span(steps, str))
        yield _line(cells)
    yield ""


def tables(every: Sequence[dict[float, Run]], level: str, ambiguous: bool) -> Iterator[str]:
    """A table for each activation and width, with titles."""
    for activation, name in NAMES.items():
        chosen = [runs for runs in every if _reference(runs).activation == activation]
        for one_width in by_width(_reference(runs) for runs in chosen):
            width = one_width[0].width
            yield f"{level} {name}, m = {width:,}\n"
            yield from table(
                [runs for runs in chosen if _reference(runs).width == width], ambiguous
            )


def not_computed(rows: Sequence[Reference]) -> Iterator[str]:
    """The problems without a reference."""
    if not rows:
        return
    yield "## Without a reference\n"
    yield "Here the references, which are explicit methods, take too many evaluations:\n"
    for (activation, width), group in groupby(rows, key=lambda row: (row.activation, row.width)):
        settings: dict[tuple[float, float], list[int]] = {}
        for row in group:
            settings.setdefault((row.gamma_prime, row.gamma), []).append(row.seed)
        listed = "; ".join(
            f"γ′ = {prime:g}, γ = {gamma:g} (seed {', '.join(map(str, seeds))})"
            for (prime, gamma), seeds in settings.items()
        )
        yield f"- {NAMES[activation]}, m = {width:,}: {listed}"
    yield ""


def page() -> str:
    """The whole page in Markdown."""
    rows = read()
    every = list(measure([row for row in rows if row.computed]))
    determined = [runs for runs in every if _reference(runs).determined]
    left_open = [runs for runs in every if not _reference(runs).determined]
    parts = [HEAD, *summary(every), KERNEL, METHODS]
    parts.append("## Determined runs\n")
    parts.append(
        "Errors in % of the worst seed, by layer and tolerance; RD and steps (accepted and\n"
        "rejected): the range over the seeds.\n"
    )
    parts += tables(determined, "###", False)
    parts += [OPEN, *tables(left_open, "###", True)]
    parts += not_computed([row for row in rows if not row.computed])
    return "\n".join(parts).rstrip() + "\n"


def _name(problem: Problem) -> str:
    return (
        f"{NAMES[problem.activation]}, γ′ = {problem.gamma_prime:g}, γ = {problem.gamma:g}, "
        f"m = {problem.width:,}, seed {problem.seed}"
    )


def _reference(runs: dict[float, Run]) -> Reference:
    return runs[TOLERANCES[0]].reference


def _setting(runs: dict[float, Run]) -> tuple[float, float]:
    return _reference(runs).gamma_prime, _reference(runs).gamma


def _worst(every: Iterable[dict[float, Run]], tolerances: Sequence[float]) -> list[str]:
    """Largest errors of RD_w and RD_a in %, at each tolerance."""
    every = list(every)
    errors = [
        [abs(getattr(runs[tolerance], f"error_{layer}")) for runs in every]
        for tolerance in tolerances
        for layer in "wa"
    ]
    return [f"{100 * max(of_one):.2f}" if of_one else "" for of_one in errors]


def _span(values: Sequence[float], write: Callable[[float], str]) -> str:
    """A value, or the smallest and the largest of several."""
    low, high = write(min(values)), write(max(values))
    return low if low == high else f"{low} to {high}"


def _header(columns: Sequence[str]) -> Iterator[str]:
    yield _line(columns)
    yield _line(["---"] + ["---:"] * (len(columns) - 1))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    assert set(NAMES) == {*KINKED, *SMOOTH}
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(page())
