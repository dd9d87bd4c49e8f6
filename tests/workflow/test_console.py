"""What is printed where nobody asks for more: a screen for a dry run, and where results lie."""

import json
from dataclasses import replace

import pytest
from harness import SMALL, Workflow

from regimes.jobs.cores import available_cores
from regimes.plan.absent import NO_PACKAGE


def plain(workflow: Workflow) -> Workflow:
    """The same, with what the profile says of the output."""
    return replace(workflow, options=())


def test_a_dry_run_of_everything_fits_a_screen(fresh: Workflow) -> None:
    result = plain(fresh).plan(targets=(), config=())
    lines = result.output.splitlines()
    assert len(lines) <= 50 and max(map(len, lines)) < 200, result.output
    assert result.jobs["train"] > 100
    # Why, by rule.
    assert "output files have to be generated:" in result.output


def test_what_is_left_out_is_told_to_those_who_miss_it(fresh: Workflow) -> None:
    absent = json.dumps({"cifar10_features": f"backbone efficientnet_lite0 {NO_PACKAGE}"})
    for targets, told in (((), True), (("caron2023",), True), (("figures/atlas.pdf",), False)):
        result = plain(fresh).run("-n", targets=targets, config=(), REGIMES_ABSENT=absent)
        assert result.code == 0, result.output
        assert ("left out: caron2023/fig04_cifar10" in result.output) == told


def test_a_changed_setting_is_told_by_rule(workflow: Workflow) -> None:
    change = "experiments={phase_diagram: {axes: {seed: [0, 1, 2]}}}"
    result = plain(workflow).plan(targets=("figures/phase_diagram.pdf",), config=(*SMALL, change))
    # The stamp of the measures.
    assert "updated input files:\n        measure\n" in result.output, result.output


def test_the_end_says_where_results_lie(workflow: Workflow) -> None:
    (workflow.directory / "figures/phase_diagram.pdf").unlink()
    result = plain(workflow).run("--cores", "1", targets=("figures/phase_diagram.pdf",))
    assert result.code == 0, result.output
    # Seen from where Snakemake was called, the root.
    figure = workflow.directory.relative_to("/") / "figures/phase_diagram.pdf"
    assert f"\nmade: {figure}\n" in result.output
    # Of each job that it is done, not its files.
    assert "Finished jobid" in result.output and "wildcards:" not in result.output


def test_a_failed_job_is_named_with_its_log(fresh: Workflow) -> None:
    table = fresh.directory.parent / "own.csv"
    table.write_text("a,y\n1,2\nx,3\n")
    config = (*SMALL, f"datasets={{mine: {{kind: file, path: {table}, target: y}}}}")
    result = plain(fresh).run("--cores", "1", targets=("results/data/mine.nc",), config=config)
    assert result.code == 1
    folder = fresh.directory.relative_to("/") / "results"
    assert (
        f"failed: 1 job\n  data: {folder}/data/mine.nc\n  log: {folder}/logs/data/mine.log\n"
    ) in result.output
    assert f"\n    error: {table}: column 'a' is no finite number at row 2: x\n" in result.output


@pytest.mark.parametrize("asked", [None, 1])
def test_no_more_training_at_once_than_there_are_cores(
    workflow: Workflow, asked: int | None
) -> None:
    """Whatever --cores says, unless fewer are asked for."""
    (workflow.directory / "figures/phase_diagram.pdf").unlink()
    more = () if asked is None else ("--resources", f"training={asked}", "gpu=1")
    result = plain(workflow).run("--cores", "64", *more)
    assert result.code == 0, result.output
    expected = asked or available_cores()
    assert f'training=Resource("training", {expected})' in result.output
