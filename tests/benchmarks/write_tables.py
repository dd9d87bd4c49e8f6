"""Write the blocks of benchmarks in docs/benchmarks.md from results.json.

Run with `python tests/benchmarks/write_tables.py` after the benchmarks. With `--check` nothing is
written, and the exit code is 1 if a block is not what it would write.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gathered import (
    DIFFRAX,
    PACKAGE,
    PYTORCH,
    RESULTS,
    SCIPY,
    TORCHODE,
    duration,
    percent,
    tables,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
# Beginnings of the names of the comparisons in the summary.
SHOWN = (
    "luo2021: linear",
    "luo2021: critical",
    "luo2021: condensed",
    "razborov2022: a step, S = 1000",
    "chen2022",
    # Where multisteps gain least
    "caron2023: 5000 steps, simulated data, gamma = 0,",
    "caron2023: 5000 steps, concrete data, gamma = 0,",
    "song2021",
)
OTHERS = {
    PYTORCH: "plain PyTorch loop",
    SCIPY: "RK45 (scipy)",
    TORCHODE: "torchode",
    DIFFRAX: "diffrax",
}
EXTRAPOLATED = "extrapolated"
RATES = ("gflops_float64", "gflops_float32", "gigabytes_per_second")


def summary(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The core problem of each paper, and what all rows say together."""
    names = [name for start in SHOWN for name in results["comparisons"] if name.startswith(start)]
    groups = [results["comparisons"][name] for name in names]
    head = ["paper", "core problem", "this package", "of the limit", *OTHERS.values()]
    lines = [
        f"| {' | '.join(head)} |",
        f"| --- | --- | {' | '.join(['---:'] * (2 + len(OTHERS)))} |",
        *map(_line, groups),
        "",
        *(f"- {text}" for text in _sentences(results, groups)),
    ]
    return "\n".join(lines)


def _line(group: Mapping[str, Any]) -> str:
    methods = {row["role"]: row for row in group["methods"]}
    seconds = methods[PACKAGE]["seconds"]
    rate = f" ({1 / seconds:.0f} / s)" if group["problem"].startswith("a step") else ""
    cells = [
        f"[{group['paper']}]({group['paper']}.md)",
        group["problem"],
        duration(seconds) + rate,
        percent(methods[PACKAGE].get("share_of_limit")),
        *(_times(methods[role]) if role in methods else "" for role in OTHERS),
    ]
    return f"| {' | '.join(cells)} |"


def _times(row: Mapping[str, Any]) -> str:
    """How many times as long as the package, and how wrong, where the method is."""
    note = row["error"].partition(",")[0]
    if "cap" in row["error"]:
        note = "gave up"
    return f"{row['ratio']:.2g} x" + (f" ({note})" if note else "")


def _sentences(results: Mapping[str, Mapping[str, Any]], groups: list) -> list[str]:
    measured = [group["measured"] for group in groups]
    dates = sorted({one["date"] for one in measured})
    processors = ", ".join(sorted({one["processor"] for one in measured}))
    torch = ", ".join(sorted({one["torch"].partition("+")[0] for one in measured}))
    sentences = [
        "Processor time on one core, the fastest of several turns where a turn is short; `2 x` is "
        f"twice as long as this package takes. {processors}, torch {torch}, {', '.join(dates)}."
    ]
    rates = sorted({tuple(map(one.get, RATES)) for one in measured if RATES[0] in one})
    limits = [
        f"{double:g} Gflop/s in float64, {single:g} in float32, {copies:g} GB/s"
        for double, single, copies in rates
    ]
    if limits:
        sentences.append(f"The limit, of products and of copies: {'; '.join(limits)}.")
    powers = [
        f"{curve['work']}: ({curve['over']})^{curve['power_of_upper_half']:.1f}"
        for curve in results["growth"].values()
    ]
    sentences.append(f"Growth of the time at the upper sizes: {'; '.join(powers)}.")
    for job, values in results["overhead"].items():
        if EXTRAPOLATED in job:
            parts, whole = values["parts"], values["cpu_seconds"]

            def share(*words: str, parts: dict = parts, whole: float = whole) -> str:
                chosen = (parts[name] for name in parts if any(word in name for word in words))
                return f"{sum(chosen) / whole:.1%}"

            sentences.append(
                f"{job.capitalize()}: {whole:.0f} s of the processor, of which "
                f"{share('integration')} integration, {share('imports of')} imports of the jobs, "
                f"{share('Snakemake')} Snakemake."
            )
    return sentences


def replaced(text: str, mark: str, new: str) -> str:
    """The text with a block in place of the one between its marks; raises ValueError without."""
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = text.partition(start)
    _, found_too, after = rest.partition(end)
    if not (found and found_too):
        raise ValueError(f"no {start} ... {end} in the text")
    return f"{before}{start}\n{new}\n{end}{after}"


def main(arguments: list[str]) -> int:
    """Exit code of the script."""
    results = json.loads(RESULTS.read_text("utf-8"))
    text = PAGE.read_text("utf-8")
    wanted = replaced(text, "summary", summary(results))
    wanted = replaced(wanted, "benchmarks", tables(results).strip())
    if "--check" in arguments:
        return int(text != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
