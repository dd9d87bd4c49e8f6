"""The workflow on a real Slurm of one node, which the tests start and end."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, SMALL, Workflow, clean_environment

SCRIPTS = ROOT / "tests/slurm"
COMMANDS = ("sinfo", "srun", "slurmctld", "slurmd", "munged")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
MISSING = [command for command in COMMANDS if shutil.which(command, path=PATH) is None]
pytestmark = [
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"Slurm is not installed ({', '.join(MISSING)}): apt-get install slurm-wlm munge",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start Slurm"),
]

# The profile's times between looks at Slurm are for long jobs.
PROFILE = ("--workflow-profile", str(ROOT / "profiles/slurm"))
NETCDF = "results/**/*.nc"
SOON = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10")

# Rules with names of the project's, so that the profile says what they ask for.
FLAKY = """
rule train:
    output: "done.txt"
    resources: gpu=1, mem_mb=lambda wildcards, attempt: 4000 * attempt
    shell:
        "scontrol --oneliner show job $SLURM_JOB_ID >> asked.txt; "
        "test $(wc -l < asked.txt) -ge 2; touch {output}"
"""
LONG = """
rule train:
    output: "half.txt"
    shell:
        "echo half > {output}; echo $SLURM_JOB_ID > id.tmp; mv id.tmp id; sleep 300"
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which a running Slurm is found."""
    # A short path: that of a socket is limited.
    directory = tmp_path_factory.mktemp("slurm")
    try:
        subprocess.run([SCRIPTS / "start.sh", directory], check=True)
        yield {
            "SLURM_CONF": str(directory / "slurm.conf"),
            "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
        }
    finally:
        subprocess.run([SCRIPTS / "stop.sh", directory], check=True)


def start(
    snakefile: str, directory: Path, slurm: dict[str, str], *arguments: str
) -> subprocess.Popen:
    """Start Snakemake with a workflow of one rule and the project's profile."""
    (directory / "Snakefile").write_text(snakefile)
    command = [sys.executable, "-m", "snakemake", "--directory", directory, *PROFILE, *SOON]
    return subprocess.Popen(
        [*command, "--snakefile", directory / "Snakefile", *arguments],
        cwd="/",
        env=clean_environment() | slurm,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_results_are_those_of_a_local_run(
    finished: Workflow, fresh: Workflow, slurm: dict[str, str], tmp_path: Path
) -> None:
    # Runs are in a folder that users share; somebody else has made all but two.
    shared = tmp_path / "shared"
    shutil.copytree(finished.directory / "results/runs", shared / "runs")
    for path in sorted(shared.glob("runs/*/*.nc"))[:2]:
        path.unlink()
    config = (*SMALL, f"shared_results={shared}")
    result = fresh.run("--workflow-profile", "slurm", *SOON, config=config, **slurm)
    assert result.code == 0, result.output
    assert result.jobs == {"data": 1, "train": 2, "measure": 1, "claims": 1, "figure": 1}
    submitted = re.findall(r"Job \d+ has been submitted with SLURM jobid (\d+)", result.output)
    assert len(set(submitted)) == 6

    runs = finished.files("results/runs/*/*.nc")
    assert sorted(path.name for path in shared.glob("runs/*/*")) == [path.name for path in runs]
    finished.assert_same_results(fresh)
    # Another command without Slurm goes on from there.
    assert fresh.run(config=config).nothing_to_do


def test_failed_job_is_submitted_again_and_asks_for_more(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    process = start(FLAKY, tmp_path, slurm, "done.txt")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert (tmp_path / "done.txt").exists()
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    assert len(asked) == 2
    assert [re.search(r"TimeLimit=(\S+)", job).group(1) for job in asked] == [
        "02:00:00",
        "04:00:00",
    ]
    assert [re.search(r"mem=(\S+?),", job).group(1) for job in asked] == ["4000M", "8000M"]
    assert all("gpu:1" in job or "gpu=1" in job for job in asked), asked


def test_cancelled_job_is_reported_and_leaves_nothing(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    process = start(LONG, tmp_path, slurm, "--retries", "0", "half.txt")
    deadline = time.monotonic() + 120
    while not (tmp_path / "id").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    assert (tmp_path / "half.txt").read_text() == "half\n"
    number = (tmp_path / "id").read_text().strip()
    subprocess.run(["scancel", number], check=True, env=os.environ | slurm)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert re.search(rf"SLURM-job '{number}' failed, SLURM status is: 'CANCELLED", output), output
    assert not (tmp_path / "half.txt").exists()
