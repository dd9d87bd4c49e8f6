"""Measure the solver against explicit Euler and write docs/accuracy.md.

`python tests/reference_table.py`, twenty minutes on one core.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from euler import (
    COARSE_STEPS,
    DETERMINED_WITHIN,
    MARGINS,
    PERTURBATION,
    RELATIVE_LOSS,
    SETTINGS,
    WIDTH,
    ambiguity,
    errors,
    reference,
    regime,
    solve,
)

SEEDS = (0, 1)
TOLERANCES = (0.03, 0.01)
PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
HEAD = f"""# Accuracy of the solver

Relative distances RD of the weights at the end of training on the four-point problem, at width
{WIDTH}, against an independent reference: explicit Euler with {COARSE_STEPS:,} and
{2 * COARSE_STEPS:,} steps over 1.3 times the solver's flow time, each stopped at the first check
(every 20 steps) with R < {RELATIVE_LOSS:g} R(0), extrapolated (twice the fine minus the coarse).
The solver runs at its default `tolerance`, {TOLERANCES[0]:g}, and at {TOLERANCES[1]:g}, to the
same loss.

Made by `python tests/reference_table.py`; [`tests/euler.py`](../tests/euler.py) is the reference,
and `tests/test_reference.py` repeats the comparison on the determined settings.

## What the flow leaves open

Gradient flow of a ReLU network is not unique where a neuron comes to w = 0, and in the condensed
regime neurons slide along a kink right into it. Such a neuron may stay, or leave with any of the
groups of points that pull it; which, small steps of any method decide by what they do within one
step of the kink. At m = {WIDTH} a single neuron is worth up to a few per cent.

Whether this matters for a setting is asked of the reference alone. The *ambiguity* is the largest
relative change of RD_w, RD_a or RD_theta in explicit Euler with {COARSE_STEPS:,} steps when the
initial weights are perturbed by {PERTURBATION:g}, or the kinks moved by
{", ".join(f"{margin:g}" for margin in MARGINS)} times a neuron's last step: next to nothing, where
the flow is unique. A setting is *determined* when its ambiguity and the *spread*, between the two
step sizes, are below {100 * DETERMINED_WITHIN:g} %. On the others the numbers below compare
different solutions of the same equations, and no tolerance brings them together.
"""


def rows() -> Iterator[tuple[bool, list[str], dict[float, float]]]:
    """For each setting and seed: determined or not, cells, and the largest error by tolerance."""
    settings = list(SETTINGS)
    for seed in SEEDS:
        solved = {tolerance: solve(settings, seed, tolerance) for tolerance in TOLERANCES}
        initial, finest = solved[min(TOLERANCES)]
        flow_time = torch.tensor(finest.flow_time)
        euler = reference(settings, initial, flow_time)
        left_open = ambiguity(settings, initial, flow_time)
        off = {
            tolerance: errors(initial, flow.weights, euler)
            for tolerance, (_, flow) in solved.items()
        }
        for run, setting in enumerate(settings):
            spread, ambiguous = _largest(euler.spread, run), _largest(left_open, run)
            cells = [
                regime(*setting),
                *(f"{value:g}" for value in (*setting, seed)),
                *(f"{float(euler.value[layer][run]):.4g}" for layer in ("w", "a", "theta")),
                f"{100 * spread:.2g}",
                f"{100 * ambiguous:.2g}",
            ]
            for by_layer in off.values():
                cells += [f"{100 * float(values[run]):+.2f}" for values in by_layer.values()]
            for _, flow in solved.values():
                cells.append(f"{flow.accepted_steps[run]} + {flow.rejected_steps[run]}")
            worst = {tolerance: _largest(by_layer, run) for tolerance, by_layer in off.items()}
            print(" | ".join(cells), flush=True)
            yield max(spread, ambiguous) < DETERMINED_WITHIN, cells, worst


def page() -> str:
    """The whole page in Markdown."""
    every = list(rows())
    columns = ["regime", "gamma'", "gamma", "seed", "RD_w", "RD_a", "RD_theta", "spread, %"]
    columns.append("ambiguity, %")
    columns += [f"{layer}, {tolerance:g}" for tolerance in TOLERANCES for layer in "waθ"]
    columns += [f"steps, {tolerance:g}" for tolerance in TOLERANCES]
    parts = [HEAD]
    for wanted, title in ((True, "Determined settings"), (False, "Settings that are left open")):
        chosen = [(cells, worst) for determined, cells, worst in every if determined == wanted]
        largest = ", ".join(
            f"{100 * max(worst[tolerance] for _, worst in chosen):.2f} % at {tolerance:g}"
            for tolerance in TOLERANCES
        )
        parts.append(f"## {title}\n")
        parts.append(
            f"{len(chosen)} of {len(every)} runs. Errors in %, by layer and tolerance; steps: "
            f"accepted + rejected. Largest error: {largest}.\n"
        )
        parts.append(_line(columns))
        parts.append(_line(["---"] + ["---:"] * (len(columns) - 1)))
        parts += [_line(cells) for cells, _ in chosen]
        parts.append("")
    return "\n".join(parts)


def _largest(by_layer: dict[str, torch.Tensor], run: int) -> float:
    return max(abs(float(values[run])) for values in by_layer.values())


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
