"""The memory of batches on a GPU, which are cut so that they fit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_jobs
import torch
from class_points import class_points
from pretend_cuda import pretend_cuda
from resumed_jobs import ResumedJob

from regimes.datasets import unit_sphere
from regimes.datasets.backbones.extraction import extract
from regimes.engines.common import runner
from regimes.engines.common.device_memory import BATCH_SHARE
from regimes.engines.common.engine import NO_SESSION
from regimes.engines.gradient_descent import engine
from regimes.engines.gradient_flow import motion, network
from regimes.errors import DeviceError
from regimes.jobs import job_log
from regimes.jobs.memory_errors import TooLargeError
from regimes.storage.layout import assemble


def flow(n_points: int, n_features: int, width: int, runs: int, **changes: Any) -> ResumedJob:
    """Gradient flow on normal points for as many steps as it takes to capture some."""
    random = np.random.default_rng(0)
    data = assemble(
        random.standard_normal((n_points, n_features)) * n_features**-0.5,
        random.standard_normal(n_points),
        np.zeros(n_points, dtype=int),
        licence="none",
        citation="made up",
        preprocessing="none",
    )
    gammas = np.linspace(0.6, 1.6, runs).tolist()
    axes = {"gamma_prime": [0.0], "gamma": gammas, "width": [width], "seed": [0]}
    block = small_jobs.flow(axes=axes, solver={"max_steps": 3}, **changes).block
    return ResumedJob(block, data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "n_points", "n_features", "width", "share"),
    [
        # A share of a network, or several, are one tile.
        ("relu", 4, 2, 10_000, 0.4),
        ("relu", 45, 45, 500, 0.4),
        ("relu", 45, 45, 500, 2.0),
        ("relu", 200, 3, 300, 2.0),
        ("tanh", 4, 2, 2000, 0.4),
        ("tanh", 12, 24, 200, 2.0),
        ("gelu", 100, 5, 300, 2.0),
    ],
)
def test_a_batch_of_gradient_flow_takes_what_it_is_cut_for(
    activation: str,
    n_points: int,
    n_features: int,
    width: int,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(motion, "COLUMN_NUMBERS", 1 << 14)
    job = flow(n_points, n_features, width, 6, activation=activation)
    with pretend_cuda() as gpu:
        runs = runner.runs_of(job.block, job.data, "cuda")
        of_neuron = 8 * network.motion(runs.activation, runs.inputs).worked_on
        monkeypatch.setattr(motion, "GPU_TILE_BYTES", int(share * width * of_neuron))
        of_run = runs.bytes_of_run(width)
        gpu.memory = int(10 * of_run)
        batches = runs.batches()
        assert [len(batch.settings) for batch in batches] == [2, 2, 2]
        before = gpu.live
        runs.train(batches[0], NO_SESSION)
    assert 0.2 * 2 * of_run < gpu.peak - before < 1.5 * 2 * of_run


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_tiles_change_nothing(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = flow(4, 2, 30, 3, activation=activation)
    with pretend_cuda():
        whole = runner.train(job.block, job.data, "cuda")
        monkeypatch.setattr(motion, "GPU_TILE_BYTES", 20 * 8 * 60)
        tiled = runner.train(job.block, job.data, "cuda")
    for name in ("final_loss", "final_relative_distance_w", "train_loss"):
        assert not tiled[name].equals(whole[name]), "tiles sum in another order"
        np.testing.assert_allclose(tiled[name], whole[name], rtol=1e-9)


def descent(n_points: int, n_features: int, activation: str) -> ResumedJob:
    """Gradient descent of twelve networks, for as many steps as it takes to capture some."""
    settings = {"draws": 12, "n_points": n_points, "n_features": n_features, "seed": 5}
    axes = {"width": [100], "n_train": [n_points], "rate_ratio": [0.1], "seed": list(range(12))}
    stopping = {"residual_norm": 1e-9, "abort_on_increase": False, "max_steps": 100}
    job = small_jobs.full_batch(
        activation=activation,
        axes=axes,
        stopping=stopping,
        learning_rate=1e-4,
        record={"points_per_decade": 1},
    )
    return replace(job, data=unit_sphere.build(settings))


def minibatches(make: Callable[..., ResumedJob], n_features: int, **axes: list) -> ResumedJob:
    """Minibatch descent of twelve networks for an epoch."""
    job = make(epochs=1, record={"every": 1})
    job.block["axes"] = job.block["axes"] | axes | {"width": [200], "seed": list(range(12))}
    return replace(job, data=class_points(n_train=64, n_features=n_features))


BATCHES = {
    "gradient_descent, many points": lambda: descent(100, 20, "relu"),
    "gradient_descent, many features": lambda: descent(20, 100, "gelu"),
    "sgd": lambda: minibatches(small_jobs.stochastic, 300, gamma=[1.0]),
    "sgd.node_scaled": lambda: minibatches(small_jobs.minibatches, 300),
    "sgd.teacher_student": lambda: minibatches(
        small_jobs.students, 300, omega_2=[1.0], loss=["mean_square"]
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BATCHES)
def test_batches_fit_a_share_of_the_memory(name: str) -> None:
    job = BATCHES[name]()
    with pretend_cuda() as gpu:
        runs = runner.runs_of(job.block, job.data, "cuda")
        (whole,) = runs.batches()
        gpu.reset()
        before = gpu.live
        runs.train(whole, NO_SESSION)
        peak = gpu.peak - before
        # A GPU that has room for some of them in the share that batches may take
        gpu.memory = int(peak / BATCH_SHARE / 2.5)
        runs = runner.runs_of(job.block, job.data, "cuda")
        first, *others = runs.batches()
        assert len(others) in (1, 2, 3) and len(first.settings) < 12
        gpu.reset()
        before = gpu.live
        runs.train(first, NO_SESSION)
        assert 0.3 * BATCH_SHARE * gpu.memory < gpu.peak - before < 1.5 * BATCH_SHARE * gpu.memory


def test_a_gpu_that_is_too_small_ends_a_job_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = small_jobs.full_batch()
    with (
        pretend_cuda(memory=20_000, name="Small GPU"),
        pytest.raises(SystemExit),
        job_log.job(tmp_path / "log") as progress,
    ):
        runner.train(job.block, job.data, "cuda", progress)
    said = capsys.readouterr().err
    assert said.startswith("error: the memory of the GPU (Small GPU, 2e-05 GB) does not suffice")
    assert said.count("\n") == 1 and "`device: cpu`" in said and "Traceback" not in said
    assert "lower experiments.spheres: axes.width = 30 or axes.n_train = 12" in said


@pytest.mark.parametrize(("reserved", "repeated"), [(20_000, False), (10_000, True)])
def test_only_a_gpu_that_others_fill_may_be_tried_again(
    reserved: int, repeated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small_jobs.full_batch()
    with pretend_cuda(memory=20_000), pytest.raises(DeviceError) as caught:
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: reserved)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (0, 20_000))
        runner.train(job.block, job.data, "cuda")
    assert isinstance(caught.value, TooLargeError) is not repeated
    assert ("other programs hold 1e-05 GB" in str(caught.value)) is repeated


def test_a_cpu_that_is_too_small_names_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    job = small_jobs.full_batch()

    def refused(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")

    monkeypatch.setattr(engine.Runs, "train", refused)
    with pytest.raises(TooLargeError, match=r"axes.width = 30 or axes.n_train = 12") as caught:
        runner.train(job.block, job.data, "cpu")
    assert not caught.value.on_gpu


def test_states_are_of_one_card(tmp_path: Path) -> None:
    job = small_jobs.node_scaled()
    cards = [{"name": "A"}, {"name": "B"}, {"name": "B", "memory": 2**30}]
    for number, card in enumerate(cards, start=1):
        lines: list[str] = []
        with pretend_cuda(**card):
            job.run(job.caps[0], tmp_path, device="cuda", progress=lines.append)
            assert len(list(tmp_path.glob("states-*.pt"))) == number
            assert not any("going on" in line for line in lines)
            job.run(job.cap, tmp_path, device="cuda", progress=lines.append)
        assert any("going on from the states" in line for line in lines)


def test_images_are_as_many_as_fit() -> None:
    seen: list[int] = []

    def features(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return images.float().mean((1, 2))

    images = np.zeros((300, 3, 2, 2), dtype=np.uint8)
    for gigabytes in (80, 4):
        with pretend_cuda(memory=gigabytes * 2**30):
            extract(features, images, "cuda")
    assert seen == [256, 44, *[64] * 4, 44]
