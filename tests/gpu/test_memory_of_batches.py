"""The memory of batches on a GPU, which are cut so that they fit."""

from typing import Any

import numpy as np
import pytest
import small_jobs
from pretend_cuda import pretend_cuda
from resumed_jobs import ResumedJob

from regimes.engines.common import runner
from regimes.engines.common.engine import NO_SESSION
from regimes.engines.gradient_flow import engine, motion, network
from regimes.storage.layout import assemble


def flow(n_points: int, n_features: int, width: int, runs: int, **changes: Any) -> ResumedJob:
    """Gradient flow for a step on normal points."""
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
    block = small_jobs.flow(axes=axes, solver={"max_steps": 1}, **changes).block
    return ResumedJob(block, data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "n_points", "n_features", "width", "share"),
    [
        # A share of a network, or several, are one tile.
        ("relu", 4, 2, 10_000, 0.4),
        ("relu", 45, 45, 500, 0.4),
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
        monkeypatch.setattr(engine, "BATCH_BYTES", 2.5 * of_run)
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
