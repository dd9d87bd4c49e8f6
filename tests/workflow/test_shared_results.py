"""Workflows of several users that share their runs."""

import subprocess
import time
from pathlib import Path

import pytest
from harness import SMALL, Workflow

MEASURES = ("results/measures/phase_diagram.nc",)
# Seconds between the starts of two workflows, as far as one takes.
OFFSETS = [0.5 * number for number in range(20)]


def sharing(workflow: Workflow, shared: Path, directory: Path) -> Workflow:
    """A user of a shared folder, who has no results yet."""
    shared.mkdir(exist_ok=True)
    config = (*SMALL, f"shared_results={shared}")
    return Workflow(workflow.checkout, directory, MEASURES, config)


def wait_for_training(user: Workflow, process: subprocess.Popen[str]) -> None:
    """Wait until a job of the user trains."""
    deadline = time.monotonic() + 120
    while not user.files("results/logs/runs/*/*.log"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def test_runs_are_made_once(finished: Workflow, tmp_path: Path) -> None:
    first = sharing(finished, tmp_path / "shared", tmp_path / "first")
    second = sharing(finished, tmp_path / "shared", tmp_path / "second")
    made = first.run()
    assert made.code == 0, made.output
    assert made.jobs["train"] == len(first.files("results/runs/*/*.nc"))
    taken = second.run()
    assert taken.code == 0, taken.output
    assert "train" not in taken.jobs
    assert all(path.is_symlink() for path in second.files("results/runs/*/*.nc"))
    first.assert_same_results(second)
    assert first.run().nothing_to_do and second.run().nothing_to_do


def test_neither_a_job_that_starts_nor_one_that_fails_deletes_what_others_finished(
    finished: Workflow, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    first = sharing(finished, shared, tmp_path / "first")
    second = sharing(finished, shared, tmp_path / "second")
    # Both plan all runs; the first one makes them while a job of the second one runs, which ends
    # when its file is there; then its others start.
    late = second.start("--cores", "1")
    wait_for_training(second, late)
    made = first.run()
    assert made.code == 0, made.output
    kept = sorted(path.name for path in shared.glob("runs/*/*.nc"))
    late.communicate()
    names = [path.name for path in first.files("results/runs/*/*.nc")]
    assert kept == names == sorted(path.name for path in shared.glob("runs/*/*.nc"))

    # A job that fails with the file of another user under its shared name.
    third = sharing(finished, shared, tmp_path / "third")
    for path in shared.glob("runs/*/*.nc"):
        path.rename(path.with_suffix(".away"))
    failing = third.start("--cores", "1")
    wait_for_training(third, failing)
    for path in shared.glob("runs/*/*.away"):
        path.rename(path.with_suffix(".nc"))
    failing.terminate()
    failing.communicate()
    assert names == sorted(path.name for path in shared.glob("runs/*/*.nc"))
    third.run("--unlock")
    again = third.run()
    assert again.code == 0, again.output
    first.assert_same_results(third)


@pytest.mark.long
@pytest.mark.parametrize("offset", OFFSETS)
def test_two_workflows_at_once(finished: Workflow, tmp_path: Path, offset: float) -> None:
    users = [sharing(finished, tmp_path / "shared", tmp_path / name) for name in ("a", "b")]
    first = users[0].start("--cores", "1")
    time.sleep(offset)
    second = users[1].start("--cores", "1")
    for process in (first, second):
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    users[0].assert_same_results(users[1])
    shared = sorted(path.name for path in (tmp_path / "shared").glob("runs/*/*"))
    assert shared == [path.name for path in users[0].files("results/runs/*/*.nc")]
    assert users[0].run().nothing_to_do and users[1].run().nothing_to_do
