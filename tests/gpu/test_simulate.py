"""`regimes.simulate` where there is a GPU."""

import pytest
from pretend_cuda import pretend_cuda

import regimes

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
