"""Values that are missing from runs: which are an error, and which are not."""

import numpy as np
import pytest
import xarray as xr

from regimes.errors import DataError
from regimes.storage.missing import check_complete


def check(**variables: object) -> None:
    """Check runs of two seeds, of which the second diverged."""
    check_complete("mine", xr.Dataset({"diverged": ("seed", [0, 1])} | variables, {"seed": [0, 1]}))


def refused(**variables: object) -> str:
    with pytest.raises(DataError) as error:
        check(**variables)
    return str(error.value)


def test_a_run_that_diverged_may_lack_its_values() -> None:
    check(final_loss=("seed", [1.0, np.nan]), loss=(("seed", "step"), [[1.0, 2], [1, np.nan]]))
    assert "mine: final_loss is missing at seed 0," in refused(final_loss=("seed", [np.nan, 1.0]))


def test_what_all_runs_share_is_there_whatever_diverged() -> None:
    assert "gamma is missing at node_scaling 0," in refused(gamma=("node_scaling", [np.nan, 1.0]))


def test_histories_end_with_the_run() -> None:
    history = ("seed", "step"), [[1.0, 0.5, np.nan], [np.nan, np.nan, np.nan]]
    step = {"step": ("step", [0, 10, 20])}
    check(loss=history, stopping_time=("seed", [15, 3]), **step)
    last = refused(loss=history, stopping_time=("seed", [20, 3]), **step)
    assert "loss is missing at seed 0, step 20," in last
    assert "step 20," in refused(loss=history, **step)


def test_a_flow_without_a_step_has_no_history() -> None:
    history = ("seed", "checkpoint"), np.full((2, 3), np.nan)
    check(train_loss=history, solver_steps=("seed", [0, 5]))
    assert "train_loss" in refused(train_loss=history, solver_steps=("seed", [1, 5]))


def test_an_external_network_may_diverge_on_a_run_that_did_not() -> None:
    over = ("seed", "n_transfer_features")
    risk, diverged = [[1.0, np.nan], [np.nan, np.nan]], [[0, 1], [1, 1]]
    check(transfer_test_risk=(over, risk), transfer_diverged=(over, diverged))
    assert "transfer_test_risk" in refused(
        transfer_test_risk=(over, risk), transfer_diverged=(over, np.zeros((2, 2)))
    )
    # It excuses nothing of the run itself.
    assert "final_loss" in refused(
        final_loss=("seed", [np.nan, 1.0]), transfer_diverged=(over, np.ones((2, 2)))
    )


def test_some_variables_lack_values_by_what_they_are() -> None:
    check(alpha=("seed", [np.nan, 0.5]))


def test_a_flag_that_is_missing_excuses_nothing() -> None:
    assert "diverged is missing at seed 1," in refused(diverged=("seed", [0, np.nan]))
