"""Another workflow has this one as a module, with settings, rules and a folder of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from harness import SMALL, SMOKE, Result, Workflow, clean_environment

from regimes.config.load import load
from regimes.plan.placement import Placement
from regimes.plan.plan import Plan

FIGURE = "figures/phase_diagram.pdf"
TINY = {"axes": {"gamma": [0.5, 1.5], "gamma_prime": [0.0], "width": [20, 40], "seed": [0, 1]}}
MODULE = """
module regimes:
    snakefile: "{snakefile}"
    {more}

use rule * from regimes as regimes_*
"""


def alone(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings at smoke scale with one experiment alone, and the figures that are of it."""
    config = load().model_dump(mode="json")
    kept = {"phase_diagram", "scorecard"}
    return {
        "scale": "smoke",
        "experiments": dict.fromkeys(config["experiments"]) | {name: settings},
        "figures": {one: None for one in config["figures"] if one not in kept},
    }


def write(folder: Path, checkout: Path, more: str, before: str = "", after: str = "") -> None:
    """The Snakefile of a workflow that has the one of the checkout as a module."""
    folder.mkdir(exist_ok=True)
    module = MODULE.format(snakefile=checkout / "Snakefile", more=more)
    (folder / "Snakefile").write_text(before + module + after)


def call(folder: Path, *arguments: str, **environment: str) -> Result:
    """Snakemake in the folder of the other workflow."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=clean_environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Result(done.returncode, done.stdout)


RULES = """
use rule measure from regimes as regimes_measure with:
    priority: 7


rule summary:
    input:
        "below/results/measures/phase_diagram.nc",
    output:
        "summary.json",
    run:
        import json, xarray

        with xarray.open_dataset(input[0]) as measures:
            json.dump(sorted(measures.sizes), open(output[0], "w"))
"""


def test_a_workflow_with_rules_of_its_own_on_results_below_a_prefix(
    finished: Workflow, tmp_path: Path
) -> None:
    settings = alone("phase_diagram", TINY)
    folder = tmp_path / "outer"
    before = (
        'configfile: "settings.json"\n\n'
        "rule all:\n    input:\n"
        f'        "summary.json", "below/{FIGURE}", "below/results/explorer.html",\n'
        '        "below/results/claims.nc", "below/figures/scorecard.csv"\n'
    )
    more = 'config: config["regimes"]\n    prefix: "below"'
    write(folder, finished.checkout, more, before=before, after=RULES)
    (folder / "settings.json").write_text(json.dumps({"samples": [3], "regimes": settings}))
    result = call(folder, "--cores", "2")
    assert result.code == 0, result.output
    assert "gamma" in json.loads((folder / "summary.json").read_text())
    below = folder / "below"
    with xr.open_dataset(below / "results/measures/phase_diagram.nc") as measures:
        assert measures["width"].values.tolist() == [20, 40]
    # The same runs as without a module, and states of training too; nothing beside the folder.
    plan = Plan.from_config(load(overrides=settings))
    assert {str(path.relative_to(below)) for path in below.glob("results/runs/*/*.nc")} == {
        job.path for job in plan.jobs.values()
    }
    assert len(list(below.glob("results/states/phase_diagram/*.pt"))) == len(plan.jobs)
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {".snakemake", "below"}
    assert call(folder, "-n").nothing_to_do
    # A job in a process of its own, as on a cluster.
    job = ("--mode", "remote", "--target-jobs", "regimes_measure:experiment=phase_diagram")
    placed = {"REGIMES_PLACEMENT_below": Placement("cpu", (), (), 1).text}
    again = call(folder, *job, "--force", "--nolock", "--cores", "1", **placed)
    assert again.code == 0 and "rule regimes_measure" in again.output, again.output
    report = call(folder, "--report", "report.html")
    assert report.code == 0 and "scorecard" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("more", "prefix", "arguments", "direct"),
    [
        ("config: {}", "", (), ()),
        # The command line is the other workflow's.
        ("", "below", ("--config", "samples=3"), ()),
        (
            'config: {"scale": "smoke", "experiments": {"phase_diagram": {"axes": {"seed": [0]}}}}',
            "below",
            (),
            (*SMOKE, "experiments={phase_diagram: {axes: {seed: [0]}}}"),
        ),
        ("config: config", "", ("--config", *SMALL), SMALL),
    ],
    ids=["empty", "none", "changed", "command line"],
)
def test_it_plans_what_it_plans_by_itself(
    fresh: Workflow,
    tmp_path: Path,
    more: str,
    prefix: str,
    arguments: tuple[str, ...],
    direct: tuple[str, ...],
) -> None:
    more += f'\n    prefix: "{prefix}"' if prefix else ""
    write(tmp_path / "outer", fresh.checkout, more)
    result = call(tmp_path / "outer", str(Path(prefix) / FIGURE), "-n", *arguments)
    assert result.code == 0, result.output
    expected = fresh.plan(targets=(FIGURE,), config=direct).jobs
    assert result.jobs == {f"regimes_{rule}": number for rule, number in expected.items()}


def test_the_other_workflow_says_what_is_made_by_default(fresh: Workflow, tmp_path: Path) -> None:
    own = 'rule own:\n    output: "own.txt"\n    shell: "touch {output}"\n\n'
    write(tmp_path / "first", fresh.checkout, "config: {}", before=own)
    assert call(tmp_path / "first", "-n").jobs == {"own": 1}
    write(tmp_path / "last", fresh.checkout, 'config: {"scale": "smoke"}', after=f"\n\n{own}")
    assert call(tmp_path / "last", "-n").jobs["regimes_explorer"] == 1


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            'config: {"experiments": {"phase_diagram": {"axes": {"widht": [20]}}}}',
            "error: config of module regimes: unknown key experiments.phase_diagram.axes.widht; "
            "did you mean 'width'? ",
        ),
        ('config: {"scale": "huge"}', "error: config of module regimes: scale = 'huge'; allowed: "),
        (
            'replace_prefix: {"results/": "out/"}',
            "error: module regimes: replace_prefix is not known here; use prefix",
        ),
    ],
)
def test_wrong_settings_are_one_line(fresh: Workflow, tmp_path: Path, more: str, line: str) -> None:
    write(tmp_path / "outer", fresh.checkout, more)
    result = call(tmp_path / "outer", FIGURE, "-n")
    (error,) = [one for one in result.output.splitlines() if "rror" in one]
    assert result.code == 1 and error.startswith(line), result.output
    assert not (tmp_path / "outer/results").exists()
