"""Interrupted runs and damaged files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import xarray as xr
from harness import SMALL, Workflow, clean_environment, with_seeds


def test_killed_run_finishes_with_the_same_bits(finished: Workflow, fresh: Workflow) -> None:
    process = fresh.start("--cores", "2")
    # Snakemake and its jobs are one process group: end all of it in the middle of the training.
    deadline = time.monotonic() + 120
    while not fresh.files("results/runs/*/*.nc"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not fresh.files("figures/*.pdf")

    assert fresh.run("--unlock").code == 0
    again = fresh.run()
    assert again.code == 0, again.output
    assert again.jobs["train"] < len(finished.files("results/runs/*/*.nc"))
    assert fresh.run().nothing_to_do

    paths = [path.relative_to(finished.directory) for path in finished.files("results/**/*.nc")]
    assert [path.relative_to(fresh.directory) for path in fresh.files("results/**/*.nc")] == paths
    finished.assert_same_results(fresh)


def test_a_raised_cap_of_gradient_flow_goes_on_with_the_same_bits(
    finished: Workflow, fresh: Workflow
) -> None:
    measures = ("results/measures/phase_diagram.nc",)
    low = (*SMALL, "experiments={phase_diagram: {solver: {max_steps: 40}}}")
    assert fresh.run(targets=measures, config=low).code == 0
    states = {path: path.stat().st_mtime_ns for path in fresh.files("results/states/*/*.pt")}
    assert states
    again = fresh.run(targets=measures)
    assert again.code == 0, again.output
    logs = []
    for path in finished.files("results/runs/*/*.nc"):
        name = path.relative_to(finished.directory)
        with xr.open_dataset(path) as whole, xr.open_dataset(fresh.directory / name) as continued:
            assert whole.equals(continued), name
        log = fresh.directory / "results/logs" / name.relative_to("results").with_suffix(".log")
        logs.append(log.read_text())
    going_on = ["going on from the states of a job up to 40" in log for log in logs]
    assert sum(going_on) == len(states)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def errors(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("error:")]


def test_truncated_run_is_named_and_rebuilt(workflow: Workflow) -> None:
    run = workflow.files("results/runs/phase_diagram/*.nc")[0]
    truncate(run)
    result = workflow.run()
    name = str(run.relative_to(workflow.directory))
    assert result.code == 1
    assert len(errors(result.output)) == 1
    assert name in errors(result.output)[0] and "regimes check --repair" in errors(result.output)[0]
    assert "Traceback" not in result.output
    assert name in (workflow.directory / "results/logs/measures/phase_diagram.log").read_text()

    run.unlink()
    rebuilt = workflow.run("--cores", "2", targets=(name, "results/measures/phase_diagram.nc"))
    assert rebuilt.code == 0, rebuilt.output
    assert rebuilt.jobs["train"] == 1
    assert workflow.run().code == 0


def test_truncated_measures_are_named(workflow: Workflow) -> None:
    truncate(workflow.directory / "results/measures/phase_diagram.nc")
    result = workflow.run()
    assert result.code == 1
    assert all("results/measures/phase_diagram.nc" in line for line in errors(result.output))
    assert "Traceback" not in result.output
    (workflow.directory / "results/measures/phase_diagram.nc").unlink()
    assert workflow.plan().jobs == {"measure": 1, "claims": 1, "figure": 1}


def test_wrong_data_file_stops_training(workflow: Workflow) -> None:
    path = workflow.directory / "results/data/four_point.nc"
    other = workflow.files("results/runs/phase_diagram/*.nc")[0]
    path.write_bytes(other.read_bytes())
    # The file is newer than its stamp, so that Snakemake takes it for finished.
    result = workflow.run("--cores", "1", config=with_seeds())
    assert result.code == 1
    assert "four_point.nc is another file than planned" in errors(result.output)[0]
    assert "Traceback" not in result.output


def test_empty_outputs_are_made_again(workflow: Workflow) -> None:
    for name in ("figures/phase_diagram.png", "results/claims/luo2021.md"):
        (workflow.directory / name).write_bytes(b"")
    assert workflow.plan().jobs == {"claims": 1, "figure": 1}
    again = workflow.run()
    assert again.code == 0, again.output
    assert all((workflow.directory / name).stat().st_size for name in workflow.targets)
    assert workflow.run().nothing_to_do


def test_damaged_stamp_is_written_anew(workflow: Workflow) -> None:
    stamp = workflow.directory / "results/code/measures-phase_diagram.txt"
    text = stamp.read_text()
    stamp.write_bytes(b"\xff\xfe\x00" * 20)
    result = workflow.run()
    assert result.code == 0, result.output
    assert stamp.read_text() == text


def test_folder_in_the_place_of_a_file_is_one_line(workflow: Workflow) -> None:
    figure = workflow.directory / "figures/phase_diagram.pdf"
    figure.unlink()
    figure.mkdir()
    result = workflow.run()
    assert result.code == 1
    (line,) = errors(result.output)
    assert "figures/phase_diagram.pdf is a folder where a file should be: move it away" in line
    assert "Traceback" not in result.output


def test_python_in_a_folder_with_a_space(finished: Workflow, tmp_path: Path) -> None:
    (tmp_path / "my projects").symlink_to(sys.prefix)
    copy = Workflow(finished.checkout, tmp_path / "my results")
    command = copy.command("--cores", "1", targets=("results/data/four_point.nc",))
    command[0] = str(tmp_path / "my projects/bin/python")
    result = subprocess.run(command, cwd="/", env=clean_environment(), capture_output=True)
    assert result.returncode == 0, result.stderr


def test_no_home_is_needed(finished: Workflow, tmp_path: Path) -> None:
    copy = Workflow(finished.checkout, tmp_path / "out", ("results/data/four_point.nc",))
    # Where not even root can make a folder.
    result = copy.run("--cores", "1", HOME="/proc/nowhere", XDG_CACHE_HOME="/proc/nowhere")
    assert result.code == 0, result.output


def test_missing_gpu_is_one_line(workflow: Workflow) -> None:
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    config = (*with_seeds(), "device=cuda")
    result = workflow.run("--cores", "1", config=config, **hidden)
    assert result.code == 1
    assert "device cuda: torch finds no GPU here" in errors(result.output)[0]
    assert "Traceback" not in result.output
