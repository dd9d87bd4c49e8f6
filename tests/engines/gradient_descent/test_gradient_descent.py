"""Gradient descent: when runs end, what is recorded on the way, and that nothing else matters."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autograd_descent
import numpy as np
import pytest
import torch
from descent_problems import draw, rates
from sessions import Watched
from torch import Tensor

from regimes.activations import relu, tanh
from regimes.engines.common.observation import Network, Observer, Sample, invariants
from regimes.engines.common.recording import log_spaced_steps
from regimes.engines.common.resume import Checkpoint
from regimes.engines.common.shallow import Rates, ShallowNetworks
from regimes.engines.gradient_descent.engine import DescentResult, Progress, descend
from regimes.engines.gradient_descent.settings import DescentRecord
from regimes.engines.gradient_descent.stopping import Ending, StoppingRule
from regimes.errors import StoreError
from regimes.jobs import resources as usage
from regimes.kernels.tangent_kernel import smallest_eigenvalue, tangent_kernel

INFINITY = float("inf")
# Sizes of the batch that most tests use: runs, neurons, points, features
SIZES = (4, 60, 30, 20)
RATE = 0.01
RULE = StoppingRule(max_steps=3000, residual_norm=0.5, abort_on_increase=True)
STEPS = log_spaced_steps(4, RULE.max_steps)


def observers_of(
    networks: ShallowNetworks, targets: Tensor, record: DescentRecord
) -> list[Observer]:
    """What measures each of some networks that are at their start; without test points."""
    rates, weights = networks.rates, networks.weights
    moving = float(networks.trained != "second"), float(networks.trained != "first")
    return [
        Observer(
            Network(weights.hidden[run].clone(), weights.output[run].clone()),
            networks.activation,
            Sample(networks.inputs_of(run).T, targets[run].clone()),
            Sample(networks.inputs_of(run).T[:0], targets[run, :, :0]),
            record,
            loss="half_sum",
            trained=networks.trained,
            rates=moving,
            learning_rates=(float(rates.hidden[run]), float(rates.output[run])),
        )
        for run in range(len(networks))
    ]


def run(
    chosen: list[int] | None = None,
    rule: StoppingRule = RULE,
    rate: float | Tensor = RATE,
    trained: str = "first",
    kernel: str = "ends",
    sizes: tuple[int, int, int, int] = SIZES,
    invariant: bool = True,
    **options: Any,
) -> DescentResult:
    """Gradient descent of some of the runs."""
    inputs, targets, weights = draw(*sizes)
    index = list(range(sizes[0])) if chosen is None else chosen
    # The rate of a layer that is not trained is 0.
    both = rates(sizes[0], float(trained != "second"), 0.1 * (trained != "first"))
    networks = ShallowNetworks(
        inputs[index],
        weights[index],
        Rates(both.hidden * rate, both.output * rate)[index],
        relu,
        trained=trained,
    )
    steps = log_spaced_steps(4, rule.max_steps)
    record = DescentRecord(kernel=kernel, invariant=invariant)
    observers = observers_of(networks, targets[index], record)
    return descend(networks, targets[index], rule, steps, observers, **options)


@pytest.fixture(scope="module")
def result() -> DescentResult:
    """The batch with the default settings."""
    return run()


# When runs end


@pytest.mark.parametrize(
    ("step", "norm", "previous", "expected"),
    [
        (0, 2.0, INFINITY, None),
        (5, 2.0, 2.0, None),
        (5, 2.0, 1.9, Ending.ABORTED),
        (5, 0.99, 0.98, Ending.CONVERGED),
        (5, 1.0, 1.1, None),
        (0, 0.5, INFINITY, Ending.CONVERGED),
        (10, 2.0, 3.0, Ending.CAPPED),
        (10, 2.0, 1.9, Ending.ABORTED),
        (10, 0.5, 3.0, Ending.CONVERGED),
        (5, INFINITY, 3.0, Ending.DIVERGED),
        (5, math.nan, 3.0, Ending.DIVERGED),
        (10, math.nan, 3.0, Ending.DIVERGED),
    ],
)
def test_stopping_rule(step: int, norm: float, previous: float, expected: Ending | None) -> None:
    rule = StoppingRule(max_steps=10, residual_norm=1.0, abort_on_increase=True)
    assert rule.ending(step, norm, previous, first=3.0) is expected


def test_stopping_rule_can_be_the_cap_alone() -> None:
    rule = StoppingRule(max_steps=10)
    assert rule.ending(9, 1e-300, 0.0, 1.0) is None
    assert rule.ending(10, 1e-300, 0.0, 1.0) is Ending.CAPPED


def test_stopping_rule_of_a_share_of_the_loss() -> None:
    rule = StoppingRule(max_steps=10, relative_loss=0.01)
    assert rule.ending(5, 0.301, INFINITY, first=3.0) is None
    assert rule.ending(5, 0.299, INFINITY, first=3.0) is Ending.CONVERGED
    # Whatever comes first: a norm of 0.5 before a hundredth of the loss, or after it.
    either = StoppingRule(max_steps=10, residual_norm=0.5, relative_loss=0.01)
    assert either.ending(5, 0.499, INFINITY, first=3.0) is Ending.CONVERGED
    assert either.ending(5, 0.6, INFINITY, first=7.0) is Ending.CONVERGED
    assert either.ending(5, 0.6, INFINITY, first=5.0) is None


def test_runs_end_where_autograd_ends(result: DescentResult) -> None:
    inputs, targets, weights = draw(*SIZES)
    times = result.final["stopping_time"].tolist()
    assert len(set(times)) > 1, "runs that end at once do not leave the batch one by one"
    for index, steps in enumerate(times):
        path = autograd_descent.descend(
            weights.hidden[index],
            weights.output[index],
            inputs[index],
            targets[index],
            (RATE, 0.0),
            steps,
        )
        norms = [float(torch.linalg.vector_norm(residuals)) for residuals in path.residuals]
        assert norms[-1] < RULE.residual_norm <= norms[-2]
        assert result.final["residual_norm"][index] == pytest.approx(norms[-1], rel=1e-9)
        assert result.final["activation_changes"][index] == path.activation_changes() > 0
        moved = float(torch.linalg.vector_norm(path.hidden[-1] - path.hidden[0]))
        assert result.final["weight_distance"][index] == pytest.approx(moved, rel=1e-9)
        reached = steps >= STEPS
        recorded = result.history["residual_norm"][index]
        np.testing.assert_allclose(recorded[reached], np.array(norms)[STEPS[reached]], rtol=1e-9)
        assert np.isnan(recorded[~reached]).all() and not reached.all()
    assert (result.final["ending"] == Ending.CONVERGED).all()


def test_a_growing_residual_aborts_a_run_at_once() -> None:
    # The second run is unstable: its residuals alternate and grow.
    fast = torch.tensor([RATE, 30 * RATE, RATE, RATE], dtype=torch.float64)
    result = run(rate=fast)
    assert result.final["ending"].tolist() == [1, Ending.ABORTED, 1, 1]
    inputs, targets, weights = draw(*SIZES)
    steps = int(result.final["stopping_time"][1])
    path = autograd_descent.descend(
        weights.hidden[1], weights.output[1], inputs[1], targets[1], (30 * RATE, 0.0), steps
    )
    norms = [float(torch.linalg.vector_norm(residuals)) for residuals in path.residuals]
    assert norms[-1] > norms[-2] and norms[:-1] == sorted(norms[:-1], reverse=True)
    assert result.final["residual_norm"][1] == pytest.approx(norms[-1])


def test_divergence_is_recorded_and_leaves_the_others_alone(result: DescentResult) -> None:
    rule = StoppingRule(RULE.max_steps, RULE.residual_norm)
    fast = torch.tensor([RATE, 1e6, RATE, RATE], dtype=torch.float64)
    diverged = run(rule=rule, rate=fast, trained="both")
    assert diverged.final["ending"][1] == Ending.DIVERGED
    for name in ("residual_norm", "weight_distance", "smallest_eigenvalue", "invariant_drift"):
        assert np.isnan(diverged.final[name][1]), name
        assert np.isfinite(diverged.final[name][[0, 2, 3]]).all(), name
    alone = run([0, 2, 3], rule=rule, trained="both")
    for name, values in alone.final.items():
        np.testing.assert_array_equal(diverged.final[name][[0, 2, 3]], values, name)


def test_the_cap_keeps_values() -> None:
    result = run(rule=StoppingRule(max_steps=7, residual_norm=0.5))
    assert result.final["ending"].tolist() == [Ending.CAPPED] * 4
    assert result.final["stopping_time"].tolist() == [7] * 4
    assert all(np.isfinite(values).all() for values in result.final.values())


def test_a_run_may_end_before_its_first_step() -> None:
    result = run(rule=StoppingRule(max_steps=10, residual_norm=1e6))
    assert result.final["stopping_time"].tolist() == [0] * 4
    assert (result.final["weight_distance"] == 0).all()
    assert (result.final["activation_changes"] == 0).all()


# What is recorded


def test_recorded_steps_are_log_spaced() -> None:
    assert log_spaced_steps(1, 10_000).tolist() == [0, 1, 10, 100, 1000, 10_000]
    assert log_spaced_steps(2, 100).tolist() == [0, 1, 3, 10, 32, 100]
    assert log_spaced_steps(3, 99).tolist() == [0, 1, 2, 5, 10, 22, 46]
    assert log_spaced_steps(8, 1).tolist() == [0, 1]
    # A larger cap only adds steps.
    short, long = log_spaced_steps(8, 777), log_spaced_steps(8, 77_777)
    assert long[: len(short)].tolist() == short.tolist()


def test_eigenvalues_are_recorded_where_they_are_wanted(result: DescentResult) -> None:
    every, never = run(kernel="steps"), run(kernel="never")
    of_kernel = ("kernel_change", "kernel_alignment", "smallest_eigenvalue", "largest_eigenvalue")
    assert not set(of_kernel) & (never.final | never.history).keys()
    assert set(of_kernel) <= every.final.keys() and set(of_kernel) <= every.history.keys()
    recorded = every.history["smallest_eigenvalue"]
    np.testing.assert_array_equal(np.isnan(recorded), np.isnan(every.history["residual_norm"]))
    assert (recorded[:, 0] == result.history["smallest_eigenvalue"][:, 0]).all()
    assert np.isnan(result.history["smallest_eigenvalue"][:, 1:]).all()
    ends = [one.final["smallest_eigenvalue"].tolist() for one in (every, result)]
    assert ends[0] == ends[1]
    # Measuring more changes nothing else.
    np.testing.assert_array_equal(every.final["stopping_time"], never.final["stopping_time"])
    np.testing.assert_array_equal(every.final["residual_norm"], never.final["residual_norm"])


@pytest.mark.parametrize("trained", ["first", "second", "both"])
def test_eigenvalues_are_those_of_the_trained_layers(trained: str) -> None:
    result = run([2], rule=StoppingRule(max_steps=1), trained=trained, rate=1e-30, invariant=False)
    inputs, _, weights = draw(*SIZES)
    kernel = tangent_kernel(
        weights.hidden[2],
        weights.output[2],
        inputs[2],
        relu,
        first=trained != "second",
        second=trained != "first",
    )
    expected = smallest_eigenvalue(kernel)
    assert result.history["smallest_eigenvalue"][0, 0] == pytest.approx(expected, abs=1e-10)
    assert result.final["smallest_eigenvalue"][0] == pytest.approx(expected, abs=1e-10)
    distances = {"first": {"weight_distance"}, "second": {"output_weight_distance"}}
    measured = {name for name in result.final if name.endswith("distance")}
    assert measured == distances.get(trained, set.union(*distances.values()))


def test_invariants_are_what_the_paper_says() -> None:
    network = Network(
        torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[2.0, -1.0], [1.0, 0.0]])
    )
    conserved, terms = invariants(network, (0.5, 0.1))
    torch.testing.assert_close(conserved, torch.tensor([2.5 - 2.5, 0.1 - 0.5]))
    torch.testing.assert_close(terms, torch.tensor([5.0, 0.6]))


def test_the_invariant_drifts_in_proportion_to_the_rate() -> None:
    # Gradient flow conserves it, so that halving the steps halves the drift.
    drift = []
    for halvings in range(3):
        rule = StoppingRule(max_steps=40 * 2**halvings)
        result = run(rule=rule, rate=RATE / 4 / 2**halvings, trained="both")
        drift.append(result.final["invariant_drift"])
        assert (result.final["weight_distance"] > 0.5).all()
    assert (drift[0] < 0.05).all() and (drift[2] > 0).all()
    np.testing.assert_allclose(drift[1] / drift[0], 0.5, atol=0.05)
    np.testing.assert_allclose(drift[2] / drift[1], 0.5, atol=0.05)


def test_one_layer_alone_conserves_the_invariant() -> None:
    assert (run(trained="second").final["output_weight_distance"] > 0).all()
    inputs, targets, weights = draw(*SIZES)
    networks = ShallowNetworks(inputs, weights, rates(4, RATE), relu)
    observers = observers_of(networks, targets, DescentRecord(invariant=True))
    result = descend(networks, targets, StoppingRule(10), log_spaced_steps(1, 10), observers)
    # eta_z = 0, and z does not move.
    assert (result.final["invariant_drift"] == 0).all()


def test_progress_is_told() -> None:
    session = Watched()
    run(session=session)
    reports: list[Progress] = session.reports
    assert [report.steps for report in reports] == list(range(len(reports)))
    assert reports[0].runs == 4 and reports[0].ended == 0 and reports[-1].ended > 0
    assert reports[-1].residual_norm < 2 * RULE.residual_norm
    assert str(reports[0]).startswith("0 of 4 runs ended, 0 steps, largest residual norm ")


# What results do not depend on


def assert_equal_bits(one: DescentResult, other: DescentResult, index: list[int]) -> None:
    for mine, theirs in ((one.final, other.final), (one.history, other.history)):
        assert mine.keys() == theirs.keys()
        for name, values in mine.items():
            np.testing.assert_array_equal(values, theirs[name][index], name)


@pytest.mark.parametrize("trained", ["first", "both"])
@pytest.mark.parametrize("sizes", [SIZES, (4, 77, 33, 11)])
def test_a_run_alone_is_bit_by_bit_a_run_in_a_batch(
    sizes: tuple[int, int, int, int], trained: str
) -> None:
    together = run(sizes=sizes, trained=trained, kernel="steps")
    for index in range(4):
        alone = run([index], sizes=sizes, trained=trained, kernel="steps")
        assert_equal_bits(alone, together, [index])
    turned = run([2, 0, 3], sizes=sizes, trained=trained, kernel="steps")
    assert_equal_bits(turned, together, [2, 0, 3])


def test_all_at_once_is_the_same_but_for_rounding(
    monkeypatch: pytest.MonkeyPatch, result: DescentResult
) -> None:
    # The way of other devices than the CPU
    monkeypatch.setattr("regimes.engines.common.shallow.one_by_one", lambda device: False)
    at_once = run()
    for name in ("stopping_time", "ending", "activation_changes"):
        np.testing.assert_array_equal(at_once.final[name], result.final[name])
    for name, values in result.history.items():
        np.testing.assert_allclose(at_once.history[name], values, rtol=1e-8, atol=1e-12)


class KilledError(Exception):
    """Stands for the end of a job."""


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["first", "both"])
@pytest.mark.parametrize("killed_at", [0, 3, 40, 80])
def test_a_killed_run_goes_on_with_the_same_bits(
    tmp_path: Path, trained: str, killed_at: int
) -> None:
    sizes = (4, 77, 33, 11)
    whole = run(sizes=sizes, trained=trained, kernel="steps")
    checkpoint = Checkpoint(tmp_path / "state.pt", seconds=0.0)
    calls = 0

    def keep_state(state: Callable[[], dict[str, Any]]) -> None:
        nonlocal calls
        checkpoint.offer(state)
        calls += 1
        if calls > killed_at:
            raise KilledError

    ended = []
    for _ in range(3):  # killed and taken up again, and then again
        calls = 0
        try:
            ended.append(
                run(
                    sizes=sizes,
                    trained=trained,
                    kernel="steps",
                    session=Watched(checkpoint.load(), keep_state),
                )
            )
            break
        except KilledError:
            assert checkpoint.load()["step"] <= 3 * killed_at
    if not ended:
        session = Watched(checkpoint.load())
        ended.append(run(sizes=sizes, trained=trained, kernel="steps", session=session))
    assert_equal_bits(ended[0], whole, [0, 1, 2, 3])


def test_runs_left_the_batch_before_the_last_kill() -> None:
    # Or the test above would not look at batches of which some runs have ended.
    times = run(sizes=(4, 77, 33, 11)).final["stopping_time"]
    assert 80 < min(times) < 120 < max(times) < 3 * 80


# Checkpoints


def test_checkpoints_are_written_when_due_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("regimes.engines.common.resume.time.monotonic", lambda: now)
    checkpoint = Checkpoint(tmp_path / "below/state.pt", seconds=60.0)
    made = []

    def state() -> dict[str, Any]:
        made.append(now)
        return {"now": now, "tensor": torch.tensor([now, math.nan])}

    for seconds in (0.0, 59.0, 60.0, 61.0, 119.0, 121.0):
        now = seconds
        checkpoint.offer(state)
    assert made == [60.0, 121.0]
    loaded = Checkpoint(tmp_path / "below/state.pt").load()
    assert loaded["now"] == 121.0 and loaded["tensor"].tolist()[0] == 121.0
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["state.pt"]
    checkpoint.delete()
    assert checkpoint.load() is None and not list((tmp_path / "below").iterdir())
    checkpoint.delete()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state.pt", seconds=0.0)
    checkpoint.offer(lambda: {"tensor": torch.zeros(1000)})
    whole = checkpoint.path.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2]):
        checkpoint.path.write_bytes(content)
        with pytest.raises(StoreError, match=r"state\.pt is damaged"):
            checkpoint.load()


def test_a_resumed_job_counts_what_it_used_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_EARLIER", {"cpu_seconds": 0.0, "wall_seconds": 0.0})
    checkpoint = Checkpoint(tmp_path / "state.pt", seconds=0.0)
    checkpoint.offer(lambda: {"step": 1})
    before = usage.used()["cpu_seconds"]
    assert checkpoint.load() == {"step": 1}
    assert 1.8 * before < usage.used()["cpu_seconds"] < 2 * before + 10


def test_no_checkpoints_without_a_path() -> None:
    checkpoint = Checkpoint(None, seconds=0.0)
    checkpoint.offer(lambda: pytest.fail("made a state"))
    checkpoint.delete()
    assert checkpoint.load() is None


def test_smooth_activations_descend_too() -> None:
    inputs, targets, weights = draw(*SIZES)
    networks = ShallowNetworks(inputs, weights, rates(4, RATE, RATE / 10), tanh, trained="both")
    observers = observers_of(networks, targets, DescentRecord())
    result = descend(networks, targets, RULE, STEPS, observers)
    assert (result.final["ending"] == Ending.CONVERGED).all()
