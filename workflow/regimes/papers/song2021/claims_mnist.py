"""Claims of Song et al. (2021) on the students of MNIST, Section 6: S1 and S2.

Both are on the runs with the negative log likelihood, which the authors' runs minimised. A student
that diverged has no accuracy, and no claim holds with it.
"""

import math

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from regimes.claims.core import Claim, Measured, Measures
from regimes.papers.song2021.experiments import (
    EPOCHS,
    LOG_LIKELIHOOD,
    MNIST,
    N_OMEGA_2,
    N_TRAIN,
    WIDTH,
    he_omega_2,
)

LEAST_TRAIN_ACCURACY = 0.999
LEAST_CORRELATION = 0.9
# He's test accuracy is at least this share of the best.
LEAST_OF_BEST = 0.99
# An order of fewer values of omega_2, or of poorly trained students, says little.
LEAST_VALUES = 5
LEAST_IMAGES = 10_000


def _zero_training_error(measures: Measures) -> Measured:
    """S1: smallest training accuracy at the end, over omega_2 and seeds."""
    runs = _students(measures)
    accuracy = runs["final_train_accuracy"]
    by_omega_2 = accuracy.min("seed", skipna=False)
    worst = float(by_omega_2.min(skipna=False))
    failed = by_omega_2["omega_2"].values[~(by_omega_2 >= LEAST_TRAIN_ACCURACY).values]
    return Measured(
        worst,
        worst >= LEAST_TRAIN_ACCURACY,
        f"{accuracy.size} runs; smallest for each omega_2: {_listed(by_omega_2)}"
        + (f"; below at omega_2 = {_numbers(failed)}" if failed.size else "")
        + _diverged(runs),
    )


def _zero_error_too_small(measures: Measures) -> str | None:
    runs = measures[MNIST]
    for value, least, what in (
        (int(runs.attrs["width"]), WIDTH, "m"),
        (int(runs.attrs["n_train"]), N_TRAIN, "n"),
        (int(runs["epoch"].max()), EPOCHS, "epochs"),
        (runs.sizes["omega_2"], N_OMEGA_2, "values of omega_2"),
    ):
        if value < least:
            return f"needs {what} >= {least}, not {value}"
    return _without_log_likelihood(runs)


def _balance(measures: Measures) -> Measured:
    """S2: Spearman's correlation of the mean test accuracy over seeds with omega_2/omega_1, above
    LEAST_CORRELATION; the accuracy at the omega_2 nearest to He's must be within 1 % of the best.
    """
    runs = _students(measures)
    accuracy = runs["final_test_accuracy"].mean("seed", skipna=False)
    he = he_omega_2(int(runs.attrs["width"]))
    values = accuracy["omega_2"].values
    nearest = float(values[np.argmin(np.abs(np.log(values / he)))])
    best, at_he = float(accuracy.max(skipna=False)), float(accuracy.sel(omega_2=nearest))
    found = math.nan
    if not bool(accuracy.isnull().any()):
        found = float(spearmanr(runs["omega_ratio"].values, accuracy.values).statistic)
    return Measured(
        found,
        found > LEAST_CORRELATION and at_he >= LEAST_OF_BEST * best,
        f"mean test accuracy for each omega_2: {_listed(accuracy)}; at omega_2 = {nearest:g}, "
        f"nearest to He's {he:.4g}, {at_he:.4f}, {1 - at_he / best:.2%} below the best"
        + _diverged(runs),
    )


def _balance_too_small(measures: Measures) -> str | None:
    runs = measures[MNIST]
    if (width := int(runs.attrs["width"])) < WIDTH:
        return f"needs m >= {WIDTH}, not {width}"
    if (n_train := int(runs.attrs["n_train"])) < LEAST_IMAGES:
        return f"needs n >= {LEAST_IMAGES}, not {n_train}"
    if (count := runs.sizes["omega_2"]) < LEAST_VALUES:
        return f"needs {LEAST_VALUES} values of omega_2, not {count}"
    return _without_log_likelihood(runs)


def _students(measures: Measures) -> xr.Dataset:
    return measures[MNIST].sel(loss=LOG_LIKELIHOOD).sortby("omega_2")


def _without_log_likelihood(runs: xr.Dataset) -> str | None:
    return None if LOG_LIKELIHOOD in runs["loss"].values else f"needs loss {LOG_LIKELIHOOD}"


def _diverged(runs: xr.Dataset) -> str:
    count = int((runs["diverged"] == 1).sum())
    return f"; {count} run{'s' if count > 1 else ''} diverged" if count else ""


def _listed(values: xr.DataArray) -> str:
    return ", ".join(f"{value:.4f}" for value in values.values)


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values)


CLAIMS = [
    Claim(
        id="S1",
        statement=(
            "students reach zero training error for every omega_2: smallest training accuracy at "
            "the end"
        ),
        paper_value=1.0,
        tolerance=round(1 - LEAST_TRAIN_ACCURACY, 6),
        source="section 6, Fig. 1",
        needs=(MNIST,),
        check=_zero_training_error,
        too_small=_zero_error_too_small,
        figure="song2021/fig1_mnist",
    ),
    Claim(
        id="S2",
        statement=(
            "students generalise better with larger omega_2/omega_1, and with He's initialisation "
            "within 1 % of the best: rank correlation of test accuracy and omega_2/omega_1 (above "
            "0.9)"
        ),
        paper_value=1.0,
        tolerance=round(1 - LEAST_CORRELATION, 6),
        source="section 6, Fig. 1",
        needs=(MNIST,),
        check=_balance,
        too_small=_balance_too_small,
        figure="song2021/fig1_mnist",
    ),
]
