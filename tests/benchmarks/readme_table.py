"""Write the blocks of benchmarks in the README and docs/benchmarks.md from results.json.

Run with `python tests/benchmarks/readme_table.py` after the benchmarks. With `--check` nothing is
written, and the exit code is 1 if a block is not what it would write.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gathered import PACKAGE, PYTORCH, RESULTS, SCIPY, TORCHODE, duration, tables

ROOT = Path(__file__).parents[2]
START, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
# Beginnings of the names of the comparisons that are shown; the others are in docs/benchmarks.md.
SHOWN = (
    "luo2021",
    "razborov2022: a step, S = 1000",
    "chen2022",
    # Where leaps gain least
    "caron2023: 5000 steps, simulated data, gamma = 0,",
    "caron2023: 5000 steps, concrete data, gamma = 0,",
    "song2021",
)
OTHERS = {PYTORCH: "plain PyTorch loop", SCIPY: "RK45 (scipy)", TORCHODE: "torchode"}
EXTRAPOLATED = "extrapolated"


def block(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The lines between the marks."""
    names = [name for start in SHOWN for name in results["comparisons"] if name.startswith(start)]
    groups = [results["comparisons"][name] for name in names]
    head = ["paper", "core problem", "this package", *OTHERS.values()]
    lines = [
        f"| {' | '.join(head)} |",
        f"| --- | --- | {' | '.join(['---:'] * (1 + len(OTHERS)))} |",
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
        f"[{group['paper']}](docs/{group['paper']}.md)",
        group["problem"],
        duration(seconds) + rate,
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


def replaced(text: str, new: str) -> str:
    """The text with the block in place of the one between the marks; raises ValueError without."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"no {START} ... {END} in the text")
    return f"{before}{START}\n{new}\n{END}{after}"


def everything(results: Mapping[str, Mapping[str, Any]]) -> str:
    """All rows."""
    return tables(results).strip()


PAGES = {ROOT / "README.md": block, ROOT / "docs" / "benchmarks.md": everything}


def main(arguments: list[str]) -> int:
    """Exit code of the script."""
    results = json.loads(RESULTS.read_text("utf-8"))
    changed = False
    for path, make in PAGES.items():
        text = path.read_text("utf-8")
        wanted = replaced(text, make(results))
        changed |= text != wanted
        if "--check" not in arguments:
            path.write_text(wanted, encoding="utf-8")
    return int(changed and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
