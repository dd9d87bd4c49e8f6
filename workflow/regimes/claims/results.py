"""The page docs/results.md: what one run of the workflow at the default scale came to.

`python -m regimes.claims.results DIRECTORY` writes it, and the tally of the README, from
`results/claims.nc` there and from what the files behind it say of themselves. Of a run that is not
complete, which has no such file, from the measures that are there: claims on others are not run.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from regimes.claims.core import (
    COLUMNS,
    KINDS,
    NOT_RUN,
    REPRODUCED,
    VERDICTS,
    evaluate,
    markdown_row,
    measured,
    number,
    tally,
)
from regimes.claims.discover import claims_of
from regimes.claims.document import DOCS, filled
from regimes.claims.files import ALL_CLAIMS
from regimes.claims.gathered import gather
from regimes.config.layers import DEFAULT_SCALE
from regimes.config.load import load
from regimes.config.models import Config
from regimes.errors import ConfigError, RegimesError
from regimes.plan.plan import Plan
from regimes.plan.stages import Figure, Stage
from regimes.storage import store
from regimes.storage.versions import CHECKOUT

PAGE, README = DOCS / "results.md", CHECKOUT / "README.md"
BEGIN, END = "<!-- results, as measured -->\n", "<!-- end of the results -->\n"
TALLY, TALLY_END = "<!-- tally -->\n", "<!-- /tally -->\n"
ALL, ALL_END = "<!-- tally of all -->\n", "<!-- /tally of all -->\n"
# Of claims' code, which the page names for a test to compare.
SHOWN = 16

# Global attributes of the files that were made, by path.
Made = Mapping[str, Mapping[str, Any]]


def codes(plan: Plan) -> dict[str, str]:
    """The start of the hash of the claims' code, by paper: what the page's verdicts belong to."""
    return {paper: stage.code[:SHOWN] for paper, stage in plan.claims.items()}


def named_codes(page: str) -> dict[str, str]:
    """What a page says of `codes`."""
    return dict(re.findall(rf"^\| `(\w+)` \| `([0-9a-f]{{{SHOWN}}})` \|$", page, flags=re.M))


def page(verdicts: xr.Dataset, config: Config, plan: Plan, made: Made, machine: str) -> str:
    """What stands between the marks, as Markdown.

    verdicts: those of all papers. plan: that of the config. made: attributes of the files of a run.
    machine: its name.
    """
    sections = (
        _run(plan, made, machine),
        _tally(verdicts),
        *(_claims(verdicts, paper, config.papers[paper].title) for paper in plan.claims),
        _costs(plan, made),
        _codes(plan),
    )
    return "\n".join(line for section in sections for line in ("", *section)) + "\n\n"


def readme(text: str, verdicts: xr.Dataset, plan: Plan, made: Made) -> str:
    """The README with its tally and the last column of its table of papers made anew.

    Raises ValueError for a README without the marks.
    """
    _, _, rest = text.partition(TALLY)
    table, _, _ = rest.partition(TALLY_END)
    rows = []
    for row in table.splitlines(keepends=True):
        paper = re.search(r"\(docs/(\w+)[.]md\)", row)
        if paper:
            said = _judged(verdicts["verdict"].values[verdicts["paper"].values == paper[1]])
            row = re.sub(r"[^|]*\|\n$", f" {said} |\n", row)
        rows.append(row)
    text = filled(text, TALLY, "".join(rows), TALLY_END)
    lines = [f"{_trained(plan, made)} training jobs", *tally(verdicts).split("; ")]
    return filled(text, ALL, "".join(f"- {line}\n" for line in lines), ALL_END)


def _judged(verdicts: np.ndarray) -> str:
    """Such as "11 of 15 judged, 54 in all"."""
    found = verdicts.tolist()
    judged = len(found) - found.count(NOT_RUN)
    return f"{found.count(REPRODUCED)} of {judged} judged, {len(found)} in all"


def _trained(plan: Plan, made: Made) -> str:
    jobs = [one.path for one in _of_all(plan) if one.rule == "train"]
    return f"{sum(path in made for path in jobs)} of {len(jobs)}"


def _run(plan: Plan, made: Made, machine: str) -> Iterator[str]:
    """When, where and with what."""
    trained = [made[one.path] for one in plan.jobs.values() if one.path in made]
    days = sorted(str(one["created"])[:10] for one in made.values() if "created" in one)
    files = [one for one in _of_all(plan) if one.path.endswith(".nc")]
    yield "| of the run | |"
    yield "| --- | --- |"
    yield f"| scale | `{DEFAULT_SCALE}` |"
    yield f"| made | {_span(days)} |"
    yield f"| commits of the training | {_listed(trained, 'git_commit')} |"
    yield f"| machine | {machine} |"
    yield f"| torch, device | {_listed(trained, 'torch_version')}, {_listed(trained, 'device')} |"
    yield f"| training jobs that were made | {_trained(plan, made)} |"
    yield f"| files that were made | {len(made)} of {len(files)} |"
    yield f"| processor time of all | {_minutes(made.values())} min |"
    yield f"| largest memory of a job | {_megabytes(made.values())} MB |"


def _span(days: list[str]) -> str:
    if not days:
        return "never"
    return days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def _listed(files: Iterable[Mapping[str, Any]], name: str) -> str:
    return ", ".join(sorted({f"`{one[name]}`" for one in files if name in one})) or "none"


def _tally(verdicts: xr.Dataset) -> Iterator[str]:
    """How many claims of which kind have which verdict."""
    yield "## Tally"
    yield ""
    yield f"| what it is | claims | {' | '.join(VERDICTS)} |"
    yield f"| --- | ---: |{' ---: |' * len(VERDICTS)}"
    kinds, found = verdicts["kind"].values, verdicts["verdict"].values
    for kind in (*KINDS, "all"):
        of_kind = [one for k, one in zip(kinds, found, strict=True) if kind in (k, "all")]
        counts = " | ".join(str(of_kind.count(verdict)) for verdict in VERDICTS)
        yield f"| {kind} | {len(of_kind)} | {counts} |"


def _claims(verdicts: xr.Dataset, paper: str, title: str) -> Iterator[str]:
    """A row for each claim of a paper."""
    yield f"## {title}"
    yield ""
    yield "| claim | verdict | measured | wanted | paper | what decided it | statement | figure |"
    yield "| --- | --- | ---: | --- | ---: | --- | --- | --- |"
    for index in (verdicts["paper"].values == paper).nonzero()[0]:
        row = {name: verdicts[name].values[index] for name in ("claim", *COLUMNS)}
        cells = (
            row["claim"],
            row["verdict"],
            measured(row),
            row["wanted"],
            number(row["paper_value"]),
            row["detail"],
            f"{row['statement']} ({row['kind']}, {row['reading']}; {row['source']})",
            f"`{row['figure']}`" if row["figure"] else "",
        )
        yield markdown_row(cells)


def _costs(plan: Plan, made: Made) -> Iterator[str]:
    """Time and memory of each figure with all that it needs."""
    yield "## What each figure took"
    yield ""
    yield (
        "Minutes of the processor and the largest memory of a job, all that a figure needs "
        "included, as the files say; what several figures share counts for each. Drawing takes "
        "seconds more."
    )
    yield ""
    yield "| figure | files made | processor: min | memory: MB |"
    yield "| --- | ---: | ---: | ---: |"
    for name, figure in plan.figures.items():
        if figure.on_request:
            continue
        behind = [stage.path for stage in _behind(figure) if not isinstance(stage, Figure)]
        there = [made[path] for path in behind if path in made]
        count = f"{len(there)} of {len(behind)}" if len(there) < len(behind) else f"{len(there)}"
        yield f"| `{name}` | {count} | {_minutes(there)} | {_megabytes(there)} |"


def _codes(plan: Plan) -> Iterator[str]:
    yield "## Code of the claims"
    yield ""
    yield "Of the verdicts above; with other code they are old, which a test says."
    yield ""
    yield "| paper | hash |"
    yield "| --- | --- |"
    yield from (f"| `{paper}` | `{code}` |" for paper, code in codes(plan).items())


def _of_all(plan: Plan) -> list[Stage]:
    """The stages of a whole run: not what is made on request alone."""
    found: dict[str, Stage] = {}
    for stage in plan.stages():
        if not (stage.on_request or stage.rule in ("data", "train", "probe")):
            found |= {one.path: one for one in _behind(stage)}
    return list(found.values())


def _behind(stage: Stage) -> list[Stage]:
    """The stages that a stage needs, itself included, each once."""
    found = {stage.path: stage}
    for others in stage.inputs.values():
        for other in others.values():
            found |= {one.path: one for one in _behind(other)}
    return list(found.values())


def _minutes(files: Iterable[Mapping[str, Any]]) -> str:
    return f"{sum(float(one.get('cpu_seconds', 0)) for one in files) / 60:.1f}"


def _megabytes(files: Iterable[Mapping[str, Any]]) -> str:
    sizes = (float(one.get("peak_memory", 0)) for one in files)
    return f"{max(sizes, default=0.0) / 1e6:.0f}"


def made_in(directory: Path, plan: Plan) -> dict[str, dict[str, Any]]:
    """Attributes of the files of a plan that a folder has, those of other settings left out."""
    found = {}
    for stage in _of_all(plan):
        path = directory / stage.path
        if stage.path.endswith(".nc") and path.is_file():
            attributes = store.read_attributes(path)
            if attributes.get("identity") == stage.hash:
                found[stage.path] = attributes
    return found


def verdicts_in(directory: Path, plan: Plan, made: Made) -> xr.Dataset:
    """The verdicts of a folder, for claims on measures that it does not have `not run`.

    made: as `made_in` gives it. Raises ConfigError when it has no measures.
    """
    if ALL_CLAIMS in made:
        return store.read(directory / ALL_CLAIMS)
    if not any(stage.path in made for stage in plan.measures.values()):
        raise ConfigError(
            f"{directory} has no results/measures of the present code and config at scale "
            f"{DEFAULT_SCALE}: name the folder in which snakemake made them"
        )
    found = {}
    for paper, stage in plan.claims.items():
        there = {n: one.path for n, one in stage.inputs["measures"].items() if one.path in made}
        measures = {name: store.read(directory / path) for name, path in there.items()}
        found[paper] = evaluate(claims_of(paper), measures, DEFAULT_SCALE)
    return gather(found)


def write(directory: Path, machine: str) -> None:
    """Write the page and the README's tally.

    Files that were made by other code, at another scale or with other settings than the checkout's
    do not count. Raises ConfigError when no measures are left, and StoreError for a damaged file.
    """
    config = load(CHECKOUT / "config.yaml", {"scale": DEFAULT_SCALE})
    plan = Plan.from_config(config)
    made = made_in(directory, plan)
    verdicts = verdicts_in(directory, plan, made)
    results = page(verdicts, config, plan, made, machine)
    texts = {
        PAGE: filled(PAGE.read_text(encoding="utf-8"), BEGIN, results, END),
        README: readme(README.read_text(encoding="utf-8"), verdicts, plan, made),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Write docs/results.md; 1 with one line if the folder has nothing to be written."""
    parser = argparse.ArgumentParser(description="Write docs/results.md from results.")
    parser.add_argument("directory", type=Path, help="where the workflow ran")
    parser.add_argument("--machine", required=True, help="what it ran on, in words")
    arguments = parser.parse_args()
    try:
        write(arguments.directory, arguments.machine)
    except RegimesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
