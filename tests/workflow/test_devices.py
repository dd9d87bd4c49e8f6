"""Where the device is decided: once, where Snakemake is started, for all jobs."""

import re

import pytest
from harness import Workflow, with_seeds

from regimes.plan.placement import Placement

EXPERIMENT = ("phase_diagram",)
HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}


def asked(output: str) -> list[str]:
    """GPUs that the training jobs ask for."""
    jobs = re.findall(r"^rule train\w*:\n(?: .*\n)+", output, flags=re.M)
    assert len(set(re.findall(r"results/runs/phase_diagram/[^ ,]+\.nc", "".join(jobs)))) == 3
    # Minutes of the profile, whatever the rule's name
    assert all("runtime=120" in job for job in jobs)
    return [re.search(r"\bgpu=(\d)", job).group(1) for job in jobs]


@pytest.mark.parametrize(
    ("device", "gpus"), [("cuda", ["1"]), ("auto", ["0"] * 3), ("cpu", ["0"] * 3)]
)
def test_gpus_are_asked_for_where_there_is_none(
    workflow: Workflow, device: str, gpus: list[str]
) -> None:
    # As on the login node of a cluster: `cuda` means the node of the job, `auto` looks here.
    config = (*with_seeds(), f"device={device}")
    result = workflow.run("--workflow-profile", "slurm", "-n", config=config, **HIDDEN)
    assert result.code == 0, result.output
    assert asked(result.output) == gpus


def test_engines_that_use_no_gpu_ask_for_none(fresh: Workflow) -> None:
    targets = ("results/measures/song2021_lazy.nc", "results/measures/song2021_lemma3.nc")
    config = (*fresh.config_arguments, "device=cuda")
    output = fresh.plan(targets=targets, config=config).output
    jobs = re.findall(r"^rule train:\n(?: .*\n)+", output, flags=re.M)
    assert jobs and all("gpu=0" in job for job in jobs)


@pytest.mark.parametrize(("decided", "gpus"), [("cuda", "1"), ("cpu", "0")])
def test_a_job_does_not_decide_again(workflow: Workflow, decided: str, gpus: str) -> None:
    # The process of a job on a node
    result = workflow.run(
        *("--mode", "remote", "--forcerun", "train", "-n"),
        config=(*with_seeds(), f"device={'cpu' if decided == 'cuda' else 'cuda'}"),
        REGIMES_PLACEMENT=Placement(decided, EXPERIMENT * int(gpus), (), 1).text,
    )
    assert result.code == 0, result.output
    assert set(re.findall(r"\bgpu=(\d)", result.output)) == {gpus}


def test_a_job_elsewhere_finds_those_that_share_its_process(fresh: Workflow) -> None:
    command = ("--mode", "remote", "-n", "--target-jobs", "train_phase_diagram_1:")
    result = fresh.run(
        *(*command, "--allowed-rules", "train_phase_diagram_1"),
        targets=(),
        REGIMES_PLACEMENT=Placement("cuda", EXPERIMENT, (), 1).text,
    )
    assert result.code == 0, result.output
    (job,) = re.findall(r"^rule train\w*:\n(?: .*\n)+", result.output, flags=re.M)
    assert len(set(re.findall(r"results/runs/phase_diagram/[^ ,]+\.nc", job))) == 6
