"""`regimes.simulate` where there is a GPU."""

import numpy as np
import pytest
import torch
from pretend_cuda import pretend_cuda

import regimes
from regimes.jobs.gpus import device_of_job

LAZY = {"scale_ratio": 1.0, "width": 16, "max_steps": 20}
DIAGRAM = {"gamma": 1.0, "gamma_prime": 0.0, "width": 20, "solver": {"max_steps": 3}}


@pytest.mark.parametrize(
    ("experiment", "changes", "device"),
    [("song2021_lazy", LAZY, "cpu"), ("phase_diagram", DIAGRAM, "cuda")],
)
@pytest.mark.filterwarnings("ignore:.*limit")
def test_results_say_where_they_were_computed(experiment: str, changes: dict, device: str) -> None:
    with pretend_cuda() as gpu:
        run = regimes.simulate(experiment, device="cuda", progress=False, **changes)
    assert run.attrs["device"] == device
    assert (gpu.launches > 0) is (device == "cuda")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*limit")
@pytest.mark.parametrize("experiment", ["phase_diagram", "lab_descent"])
def test_products_of_float32_are_exact(experiment: str, tf32: None) -> None:
    more = {"seed": 0, "width": 50, "gamma": 1.0, "gamma_prime": 0.0}
    if experiment == "phase_diagram":
        more["solver"] = {"precision": "float32", "max_steps": 5}
    else:
        more |= {"precision": "float32", "learning_rate": 0.1, "stopping": {"max_steps": 20}}
    expected = regimes.simulate(experiment, device="cpu", progress=False, **more)
    with pretend_cuda():
        found = regimes.simulate(experiment, device="cuda", progress=False, **more)
    np.testing.assert_allclose(found["train_loss"], expected["train_loss"], rtol=2e-5)


def test_products_of_a_job_are_exact(tf32: None) -> None:
    with pretend_cuda(), device_of_job(1, print) as device:
        third = torch.full((1, 1), 1 / 3, device=device)
        assert float(third @ third) == float(third.cpu() @ third.cpu())
