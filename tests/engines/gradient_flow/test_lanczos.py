"""Kernels of many points: what residuals see of them, and flows that use it."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from flow_blocks import SOLVER, block_of

from regimes.datasets import points
from regimes.engines.common.resume import load
from regimes.engines.common.runner import train
from regimes.engines.gradient_flow import exponential, lanczos

NOISE = 1e-13


def kernel_of(n: int, rank: int, decay: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A kernel (n, n) with eigenvalues k^-decay up to its rank, and residuals (n,)."""
    random = torch.Generator().manual_seed(rank)
    vectors = torch.linalg.qr(torch.randn(n, n, generator=random, dtype=torch.float64))[0]
    eigenvalues = torch.arange(1, n + 1, dtype=torch.float64) ** -decay
    eigenvalues[rank:] = 0
    kernel = (vectors * eigenvalues) @ vectors.T
    return (kernel + kernel.T) / 2, torch.randn(n, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("times", [0.0, 1.0, 1e2, 1e4])
@pytest.mark.parametrize(("rank", "decay"), [(400, 2.0), (400, 1.0), (12, 1.0)])
def test_residuals_decay_as_with_all_eigenvectors(rank: int, decay: float, times: float) -> None:
    kernel, residuals = kernel_of(400, rank, decay)
    found = lanczos.decomposed(kernel, residuals, times, NOISE)
    if found is None:  # half of the eigenvalues are told apart within the time
        assert times * 50**-decay > 1
        return
    eigenvalues, vectors = found
    assert vectors.shape == (400, len(eigenvalues)) and len(eigenvalues) <= 50
    exact_values, exact_vectors = torch.linalg.eigh(kernel)
    exact_values = torch.where(exact_values > 1e-13, exact_values, 0.0)
    for time in (0.01 * times, 0.5 * times, times, 0.1):
        decayed = vectors @ (torch.exp(-time * eigenvalues) * (vectors.T @ residuals))
        exact = exact_vectors @ (torch.exp(-time * exact_values) * (exact_vectors.T @ residuals))
        assert float((decayed - exact).norm()) < 1e-9 * float(residuals.norm())


def test_what_the_kernel_cannot_change_is_found() -> None:
    kernel, residuals = kernel_of(400, 12, 1.0)
    eigenvalues, vectors = lanczos.decomposed(kernel, residuals, 1e12, NOISE)
    left = torch.where(eigenvalues > 0, 0.0, vectors.T @ residuals)
    exact_values, exact_vectors = torch.linalg.eigh(kernel)
    rest = torch.where(exact_values > 1e-13, 0.0, exact_vectors.T @ residuals)
    assert float(left.norm()) == pytest.approx(float(rest.norm()), rel=1e-10)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_residuals_without_a_direction(value: float) -> None:
    kernel, residuals = kernel_of(400, 400, 1.0)
    eigenvalues, vectors = lanczos.decomposed(kernel, residuals * 0 + value, 1.0, NOISE)
    assert not eigenvalues.any() and not vectors.any()


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let few points count as many; collects the sizes of the spaces."""
    sizes: list[int] = []
    decomposed = lanczos.decomposed

    def counted(*arguments: Any) -> Any:
        found = decomposed(*arguments)
        sizes.append(0 if found is None else len(found[0]))
        return found

    monkeypatch.setattr(lanczos, "decomposed", counted)
    monkeypatch.setattr(lanczos, "LARGEST_SHARE", 0.6)
    monkeypatch.setattr(exponential, "MANY_POINTS", 50)
    return sizes


def noisy_points() -> xr.Dataset:
    random = np.random.default_rng(3)
    inputs = random.uniform(-1, 1, (60, 2))
    targets = np.sin(3 * inputs[:, 0]) + 0.1 * random.standard_normal(60)
    return points.build({"inputs": inputs.tolist(), "targets": targets.tolist(), "bias": True})


def block(**solver: Any) -> dict[str, Any]:
    axes = {"gamma_prime": [-0.5, 0.0], "gamma": [0.6, 1.2], "width": [100], "seed": [0]}
    return block_of(axes, activation="gelu", solver=SOLVER | {"relative_loss": 0.02} | solver)


def test_flows_are_those_of_all_eigenvectors(
    many: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noisy_points()
    found = train(block(), data, "cpu")
    assert many and 0 < np.mean(many) < 40
    many.clear()
    monkeypatch.setattr(exponential, "MANY_POINTS", 1000)
    expected = train(block(), data, "cpu")
    assert not many and int(expected["converged"].sum()) == 4
    for name in ("solver_steps", "rejected_steps"):
        np.testing.assert_array_equal(found[name], expected[name])
    for name in (
        "final_relative_distance_w",
        "final_relative_distance_a",
        "final_loss",
        "flow_time",
    ):
        # Neurons that take own steps multiply what is 1e-10 here; the steps' tolerance is 0.03.
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_a_raised_cap_goes_on_with_the_same_bits(many: list[int], tmp_path: Any) -> None:
    data = noisy_points()
    whole = train(block(), data, "cpu")
    most = int((whole["solver_steps"] + whole["rejected_steps"]).max())
    for cap in (most - 1, most // 2):
        states = tmp_path / str(cap)
        train(block(max_steps=cap), data, "cpu", end_states=str(states))
        again = train(block(), data, "cpu", end_states=str(states))
        xr.testing.assert_equal(whole, again)
        assert load(next(tmp_path.glob(f"{cap}*")))
