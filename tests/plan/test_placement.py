"""Which jobs are on a GPU, and which of these share a process."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from regimes.config.load import load
from regimes.engines.registry import settings_classes
from regimes.errors import ConfigError
from regimes.plan.placement import MOST_TOGETHER, TOGETHER_SECONDS, Placement
from regimes.plan.plan import Plan
from regimes.tools.records import read_table, work

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
SMALL, LARGE, ON_CPU = "phase_diagram", "song2021_mnist", "song2021_lazy"
# Of many jobs, each of them small
MANY = "caron2023_concrete"


@cache
def laptop() -> Plan:
    return Plan.from_config(load(CONFIG, {}))


def decide(there: str = "cuda", cores: int = 8, gpus: int = 1, **said: Any) -> Placement:
    """The placement of a config, where `auto` finds some device."""
    config = load(CONFIG, said)
    looked: list[str] = []

    def resolve(device: str) -> str:
        looked.append(device)
        return there if device == "auto" else device

    found = Placement.decide(config, laptop(), resolve, cores, gpus)
    assert len(looked) <= 3, "the driver is asked once"
    return found


@pytest.mark.parametrize("cores", [2, 8])
def test_auto_leaves_to_the_cpu_what_is_small(cores: int) -> None:
    found = decide(cores=cores)
    assert SMALL not in found.trained and LARGE in found.trained
    assert found.device == "cuda" and not found.probed


def test_auto_is_the_cpu_without_a_gpu() -> None:
    assert decide("cpu") == Placement("cpu", (), (), 1)


def test_many_cores_need_no_gpu() -> None:
    assert MANY in decide().trained and MANY not in decide(cores=1000).trained


def test_cuda_takes_all_engines_that_can() -> None:
    found = decide("cpu", device="cuda")
    assert {SMALL, LARGE} < set(found.trained) and found.probed == found.trained
    assert ON_CPU not in found.trained


def test_an_experiment_may_say_its_own_device() -> None:
    own = {SMALL: {"device": "cuda"}, LARGE: {"device": "cpu"}}
    found = decide(experiments=own)
    assert found.probed == (SMALL,) and LARGE not in found.trained
    assert decide("cpu", device="cpu", experiments=own).trained == (SMALL,)
    # The GPU is looked for though the top level says cpu.
    assert decide(device="cpu", experiments={LARGE: {"device": "auto"}}).trained == (LARGE,)


def test_an_engine_of_the_cpu_alone_refuses_a_gpu_in_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        load(CONFIG, {"experiments": {ON_CPU: {"device": "cuda"}}})
    error = str(caught.value)
    assert f"experiments.{ON_CPU}.device = 'cuda'" in error and "allowed: auto, cpu" in error
    assert "\n" not in error
    with pytest.raises(ConfigError, match="allowed: auto, cpu, cuda"):
        load(CONFIG, {"experiments": {SMALL: {"device": "gpu"}}})


def test_estimates_are_of_the_order_of_measured_times() -> None:
    ratios = [
        job.seconds / row.seconds
        for row in read_table()
        if row.rule == "train" and row.scale == "laptop" and row.seconds >= 10
        for job in laptop().jobs_of(row.name)
        if job.seconds and row.work == pytest.approx(work(job.settings), rel=1e-3)
    ]
    assert len(ratios) > 300
    assert sum(1 / 3 <= one <= 3 for one in ratios) > 0.7 * len(ratios)
    estimated = {job.settings["engine"] for job in laptop().jobs.values() if job.seconds}
    assert estimated == {name for name, one in settings_classes().items() if one.uses_gpu}


def test_the_device_names_no_file() -> None:
    said = {"device": "cuda", "experiments": {SMALL: {"device": "cpu"}}}
    plans = [laptop(), Plan.from_config(load(CONFIG, said))]
    hashes = [{one.path: one.hash for one in plan.stages()} for plan in plans]
    assert hashes[0] == hashes[1]
    assert plans[0].stamps == plans[1].stamps


def test_what_jobs_elsewhere_are_told_is_the_placement() -> None:
    found = decide(device="cuda", gpus=3)
    assert Placement.from_text(found.text) == Placement(
        found.device, list(found.trained), list(found.probed), 3
    )


def test_jobs_of_an_experiment_share_processes(tmp_path: Path) -> None:
    plan = laptop()
    names = ("phase_diagram", "chen2022_scalings")
    groups = list(Placement("cuda", names, (), 1).together(plan, tmp_path))
    shared = [job for group in groups for job in group.jobs]
    assert shared == [job for name in names for job in plan.jobs_of(name)]
    assert [group.name for group in groups][:2] == [
        "train_phase_diagram_1",
        "train_phase_diagram_2",
    ]
    for group in groups:
        assert 1 < len(group.jobs) <= MOST_TOGETHER
        assert sum(job.gpu_seconds for job in group.jobs) < 1.01 * TOGETHER_SECONDS
    # Each of several GPUs has some.
    assert len(list(Placement("cuda", names[1:], (), 8).together(plan, tmp_path))) >= 8
    # What is there is no part, nor is a single one that is not.
    for job in groups[0].jobs[:-1]:
        path = tmp_path / job.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    later = list(Placement("cuda", names, (), 1).together(plan, tmp_path))
    assert later == groups[1:]
