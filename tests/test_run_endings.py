"""How runs ended, read off their variables: counted, and in words."""

import json

import numpy as np
import pytest
import xarray as xr

from regimes import endings


def runs(**flags: list[float]) -> xr.Dataset:
    return xr.Dataset({name: ("seed", values) for name, values in flags.items()})


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        # Gradient flow flags all of them.
        (
            {"converged": [1, 0, 0, 0], "stationary": [0, 1, 0, 0], "capped": [0, 0, 1, 0]}
            | {"diverged": [0, 0, 0, 1]},
            {"converged": 1, "stationary": 1, "capped": 1, "diverged": 1},
        ),
        # Gradient descent has no flag for the limit on the steps.
        (
            {"converged": [1, 0, 0, 0], "aborted": [0, 1, 0, 0], "diverged": [0, 0, 1, 0]},
            {"converged": 1, "aborted": 1, "capped": 1, "diverged": 1},
        ),
        # Minibatches go through a fixed number of epochs.
        ({"diverged": [0, 0, 1, 0]}, {"completed": 3, "diverged": 1}),
        # Nothing was run there.
        ({"converged": [1, np.nan], "diverged": [0, np.nan]}, {"converged": 1}),
        ({"eigenvalue": [1.0]}, {}),
    ],
)
def test_each_run_is_counted_once(flags: dict[str, list[float]], expected: dict[str, int]) -> None:
    assert endings.count(runs(**flags)) == expected


def test_counts_in_words() -> None:
    counts = {"diverged": 1, "converged": 20}
    assert endings.in_words(counts) == "21 runs: 20 converged, 1 diverged"
    assert endings.in_words({"completed": 1}) == "1 run: 1 completed"


def test_measures_say_how_their_runs_ended() -> None:
    attributes = endings.described({"converged": 2, "diverged": 1})
    assert json.loads(attributes["endings"]) == {"converged": 2, "diverged": 1}
    assert attributes["comment"].startswith("3 runs: 2 converged, 1 diverged; ")
    assert endings.of_measures(xr.Dataset(attrs=attributes)) == {"converged": 2, "diverged": 1}
    assert endings.described({}) == {} == endings.of_measures(xr.Dataset())
