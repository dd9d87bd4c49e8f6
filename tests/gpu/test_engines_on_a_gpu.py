"""Jobs of every engine on a pretend GPU: the numbers of the CPU, and going on from states."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from agreement import largest_difference
from node_scaled_blocks import block as node_scaled_block
from node_scaled_blocks import made_up_data
from pretend_cuda import pretend_cuda
from resumed_jobs import ResumedJob
from small_jobs import KINDS
from small_jobs import flow as small_flow

from regimes.datasets import mnist, points, teacher_labels
from regimes.datasets.backbones import efficientnet_lite0
from regimes.datasets.backbones.extraction import extract
from regimes.engines.common import resume, runner
from regimes.engines.gradient_flow import exponential
from regimes.engines.registry import settings_classes
from regimes.probes import pruning, transfer


def flow(**changes: Any) -> ResumedJob:
    axes = {"gamma_prime": [0.0], "gamma": [0.6, 1.0, 1.6], "width": [30], "seed": [0, 1]}
    return replace(small_flow(axes=axes, **changes), caps=(12,))


def with_records() -> ResumedJob:
    """Networks that are measured and kept where the loss falls to levels, with test points."""
    record = {"kernel": "steps", "sharpness": "ends", "invariant": True}
    kind = flow(record=record, snapshots=[1, 0.1, 0], activation="leaky_relu")
    test = points.build({"inputs": [[0.1], [0.7]], "targets": [0.3, 0.2], "bias": True})
    test["split"][:] = 1
    return replace(kind, data=xr.concat([kind.data, test], "point"))


def search() -> ResumedJob:
    block = small_flow(engine="gradient_flow.boundary", axes={"gamma_prime": [0.0]}).block
    small = {"widths": [40, 160], "standard_error": 0.5, "min_seeds": 2, "max_seeds": 2}
    kept = {key: value for key, value in block.items() if key not in ("history_points", "solver")}
    return ResumedJob(kept | small, small_flow().data)


MORE = {
    "gradient_flow": flow,
    "gradient_flow, smooth": lambda: flow(activation="tanh"),
    "gradient_flow, measured": with_records,
    "gradient_flow.boundary": search,
}
# Of what takes long here, such as multisteps, one kind is enough.
LEFT_OUT = ("diverging", "linearised", "gradient_flow", "node_scaled, multisteps")
JOBS: dict[str, Callable[[], ResumedJob]] = {
    name: make for name, make in KINDS.items() if not name.endswith(LEFT_OUT)
} | MORE
RESUMED = JOBS.keys() - {"gradient_flow.boundary", "gradient_flow, smooth"}


def trained(job: ResumedJob, device: str, **more: Any) -> xr.Dataset:
    """The runs up to the raised limit, or without one."""
    if job.cap:
        return job.run(job.cap, device=device, **more)
    return runner.train(job.block, job.data, device).drop_attrs()


def assert_close(mine: xr.Dataset, other: xr.Dataset, rounding: float) -> None:
    """Equal but for rounding, relative to the largest numbers of each variable."""
    assert mine.variables.keys() == other.variables.keys()
    difference, name = largest_difference(mine, other)
    assert difference <= rounding, name


def test_every_engine_that_uses_a_gpu_is_looked_at() -> None:
    engines = {make().block["engine"] for make in JOBS.values()}
    assert engines == {name for name, one in settings_classes().items() if one.uses_gpu}


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_numbers_are_those_of_the_cpu(name: str) -> None:
    job = JOBS[name]()
    expected = trained(job, "cpu")
    with pretend_cuda() as gpu:
        found = trained(job, "cuda")
    single = job.block.get("precision") == "float32"
    assert_close(expected, found, 1e-5 if single else 1e-9)
    assert gpu.launches > 100 and gpu.peak > 1000


@pytest.mark.slow
def test_kernels_of_many_points_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exponential, "MANY_POINTS", 4)
    test_numbers_are_those_of_the_cpu("gradient_flow")


class KilledError(Exception):
    """Stands for the end of a job."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RESUMED))
def test_a_killed_job_and_a_raised_limit_go_on_with_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JOBS[name]()
    cap, checkpoint, offers = job.caps[0], tmp_path / "checkpoint", 0

    class Killing(resume.Checkpoint):
        """Writes the second state, and kills the job then."""

        def offer(self, make_state: Callable[[], dict[str, Any]]) -> None:
            nonlocal offers
            offers += 1
            if offers == 2:
                self.seconds = 0.0
                super().offer(make_state)
                raise KilledError

    with pretend_cuda():
        whole = job.run(job.cap, device="cuda")
        if not name.startswith("gradient_flow"):  # whose checkpoints are between batches
            with monkeypatch.context() as patch, pytest.raises(KilledError):
                patch.setattr(runner, "Checkpoint", Killing)
                job.run(cap, device="cuda", checkpoint=checkpoint)
            assert len(list(tmp_path.glob("checkpoint-*.pt"))) == 1
        lines: list[str] = []
        more = {"checkpoint": checkpoint, "progress": lines.append}
        job.run(cap, tmp_path, device="cuda", **more)
        assert any("from a checkpoint" in line for line in lines) is (offers == 2)
        runner.delete_checkpoint(checkpoint, "cuda")
        assert not list(tmp_path.glob("checkpoint-*"))
        lines.clear()
        continued = job.run(job.cap, tmp_path, device="cuda", progress=lines.append)
    assert lines[0] == f"going on from the states of a job up to {cap}"
    xr.testing.assert_identical(continued, whole)


@pytest.mark.parametrize("hidden_layers", [1, 2])
def test_probes_find_what_they_find_on_the_cpu(hidden_layers: int) -> None:
    block, data = node_scaled_block(), made_up_data(n_outputs=3)
    runs = runner.train(block, data, "cpu")
    settings = {
        "n_features": [4, 20],
        "hidden_layers": hidden_layers,
        "hidden_width": 6,
        "parameterisation": "standard",
        "learning_rate": 0.5,
        "max_steps": 20,
        "train_share": 0.5,
        "feature_scale": "none",
        "importance": "node_scale_and_weights",
    }
    kept = {"kept": [0.3, 1.0], "importance": "node_scale_and_weights"}
    for probe, chosen in ((transfer.probe, settings), (pruning.probe, kept)):
        expected = probe(runs, [data], chosen, block, "cpu")
        with pretend_cuda() as gpu:
            found = probe(runs, [data], chosen, block, "cuda")
        assert gpu.launches > 100
        assert_close(expected.drop_attrs(), found.drop_attrs(), 1e-12)


@pytest.mark.slow
def test_networks_that_make_data_find_what_they_find_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = mnist.build(
        {"first_train": 0, "n_train": 60, "n_test": 30, "targets": "label", "bias": False}
        | {"pixels": {"mean": 0.1307, "std": 0.3081}}
    )
    teacher = {"kind": "teacher_labels", "images": "pictures", "width": 20, "activation": "gelu"}
    teacher |= {"learning_rate": 0.1, "batch_size": 16, "max_epochs": 3, "seed": 3}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    torch.manual_seed(0)
    torch.save(efficientnet_lite0.EfficientNetLite0().state_dict(), tmp_path / "weights.pt")
    monkeypatch.setattr(efficientnet_lite0, "weights_path", lambda: tmp_path / "weights.pt")

    def made(device: str) -> tuple[xr.Dataset, np.ndarray]:
        labels = teacher_labels.build(teacher, images, device)
        return labels, extract(efficientnet_lite0.load(device), pixels, device)

    labels, features = made("cpu")
    with pretend_cuda() as gpu:
        labels_there, features_there = made("cuda")
    assert gpu.launches > 100
    xr.testing.assert_identical(labels, labels_there)
    np.testing.assert_allclose(features_there, features, rtol=1e-4, atol=1e-5 * features.max())
