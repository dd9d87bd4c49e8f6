"""The workflow on a real Slurm of two nodes, which the tests start and end."""

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
# A job for each model of a GPU; each says what Slurm gave it.
MODELS = """
rule all:
    input: "a100.txt", "h200.txt"
rule train:
    output: "{model}.txt"
    resources: gpu=1, gpu_model=lambda wildcards: wildcards.model, cpus_per_gpu=2
    shell: "scontrol --oneliner show job $SLURM_JOB_ID > {output}"
"""
SHARES = """
rule all:
    input: "1.txt", "2.txt", "3.txt"
rule train:
    output: "{number}.txt"
    resources: gpu=1
    shell: "echo $SLURM_ARRAY_JOB_ID > {output}"
"""
TOO_LARGE = """
rule train:
    output: "done.txt"
    log: "log.txt"
    resources: attempt=lambda wildcards, attempt: attempt
    script: "too_large.py"
"""
TOO_LARGE_SCRIPT = f"""
import sys

sys.path.insert(0, {str(ROOT / "workflow")!r})

from regimes.jobs.job_log import job
from regimes.jobs.memory_errors import TooLargeError

with job(snakemake.log[0], snakemake.resources):
    with open("attempts.txt", "a") as file:
        file.write(str(snakemake.resources.attempt))
    raise TooLargeError("lower experiments.mine: axes.width = 9", on_gpu=True)
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


def test_jobs_run_on_the_nodes_that_have_the_model_of_gpu_that_they_ask_for(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    process = start(MODELS, tmp_path, slurm)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    for node, model in (("node1", "a100"), ("node2", "h200")):
        given = (tmp_path / f"{model}.txt").read_text()
        assert f" NodeList={node} " in given and f"gres:gpu:{model}:1" in given, given
        assert " NumCPUs=2 " in given, given


def test_an_array_of_jobs_that_take_shares_of_gpus(slurm: dict[str, str], tmp_path: Path) -> None:
    asked = ("--set-resources", "train:gpu=0", "train:gres='shard:1'")
    process = start(SHARES, tmp_path, slurm, *asked, "--slurm-array-jobs", "train")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    (array,) = {(tmp_path / f"{number}.txt").read_text().strip() for number in (1, 2, 3)}
    command = ["scontrol", "--oneliner", "show", "job", array]
    tasks = subprocess.run(command, env=os.environ | slurm, capture_output=True, text=True).stdout
    assert tasks.count(" NodeList=node2 ") == tasks.count("gres:shard:1") == 3, tasks


def test_a_job_that_would_lack_memory_again_is_not_repeated(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "too_large.py").write_text(TOO_LARGE_SCRIPT)
    process = start(TOO_LARGE, tmp_path, slurm, "--retries", "1", "done.txt")
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert len(re.findall(r"SLURM-job '\d+' failed", output)) == 2, output
    assert (tmp_path / "attempts.txt").read_text() == "1"
    last = (tmp_path / "log.txt").read_text().splitlines()[-1]
    assert last == "error: lower experiments.mine: axes.width = 9"
