"""Claims of Song et al. (2021): S1 and S2 on the students of MNIST, S3 to S5 on the theory.

S1 and S2 are on the runs with the negative log likelihood, which the authors' runs minimised. A
student that diverged has no accuracy, and no claim holds with it. The statistics and thresholds of
S3 to S5, on lazy training, Lemma 3 and the rate of Theorem 2, were fixed before the runs of full
size.
"""

import math

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from regimes.claims.core import Finding, Measures, TooSmallError, above, at_least, at_most, claim
from regimes.papers.song2021.paper import (
    EPOCHS,
    LAZY,
    LEMMA3,
    LOG_LIKELIHOOD,
    MNIST,
    N_OMEGA_2,
    N_TRAIN,
    ORDER,
    WIDTH,
    he_omega_2,
)
from regimes.papers.song2021.sizes import (
    by_ratio,
    few_draws,
    few_ratios,
    few_runs,
    of_lemma3,
    with_rate,
)

LEAST_TRAIN_ACCURACY = 0.999
LEAST_CORRELATION = 0.9
# He's test accuracy is at least this share of the best.
LEAST_OF_BEST = 0.99
# An order of fewer values of omega_2, or of poorly trained students, says little.
LEAST_VALUES = 5
LEAST_IMAGES = 10_000
# Rounding of singular values that are equal in exact arithmetic.
ROUNDING = 1e-9


@claim(
    "S1",
    says="students reach zero training error for every omega_2",
    statistic="smallest training accuracy at the end",
    wanted=at_least(LEAST_TRAIN_ACCURACY, paper=1.0, tolerance=0.001),
    source="section 6, Fig. 1",
    needs=(MNIST,),
    figure="song2021/fig1_mnist",
)
def zero_training_error(measures: Measures) -> Finding:
    """Smallest training accuracy at the end, over omega_2 and seeds."""
    runs = measures[MNIST]
    for value, least, what in (
        (int(runs.attrs["width"]), WIDTH, "m"),
        (int(runs.attrs["n_train"]), N_TRAIN, "n"),
        (int(runs["epoch"].max()), EPOCHS, "epochs"),
        (runs.sizes["omega_2"], N_OMEGA_2, "values of omega_2"),
    ):
        if value < least:
            raise TooSmallError(f"needs {what} >= {least}, not {value}")
    runs = _students(runs)
    accuracy = runs["final_train_accuracy"]
    by_omega_2 = accuracy.min("seed", skipna=False)
    worst = float(by_omega_2.min(skipna=False))
    failed = by_omega_2["omega_2"].values[~(by_omega_2 >= LEAST_TRAIN_ACCURACY).values]
    return Finding(
        worst,
        f"{accuracy.size} runs; smallest for each omega_2: {_listed(by_omega_2)}"
        + (f"; below at omega_2 = {_numbers(failed)}" if failed.size else "")
        + _diverged(runs),
    )


@claim(
    "S2",
    says=(
        "students generalise better with larger omega_2/omega_1, and with He's initialisation "
        "within 1 % of the best"
    ),
    statistic="rank correlation of test accuracy and omega_2/omega_1 (above 0.9)",
    wanted=above(LEAST_CORRELATION, paper=1.0, tolerance=0.1),
    source="section 6, Fig. 1",
    needs=(MNIST,),
    figure="song2021/fig1_mnist",
)
def balance(measures: Measures) -> Finding:
    """Spearman's correlation of the mean test accuracy over seeds with omega_2/omega_1.

    It must be above LEAST_CORRELATION, and the accuracy at the omega_2 nearest to He's must be
    within 1 % of the best.
    """
    runs = measures[MNIST]
    if (width := int(runs.attrs["width"])) < WIDTH:
        raise TooSmallError(f"needs m >= {WIDTH}, not {width}")
    if (n_train := int(runs.attrs["n_train"])) < LEAST_IMAGES:
        raise TooSmallError(f"needs n >= {LEAST_IMAGES}, not {n_train}")
    if (count := runs.sizes["omega_2"]) < LEAST_VALUES:
        raise TooSmallError(f"needs {LEAST_VALUES} values of omega_2, not {count}")
    runs = _students(runs)
    accuracy = runs["final_test_accuracy"].mean("seed", skipna=False)
    he = he_omega_2(width)
    values = accuracy["omega_2"].values
    nearest = float(values[np.argmin(np.abs(np.log(values / he)))])
    best, at_he = float(accuracy.max(skipna=False)), float(accuracy.sel(omega_2=nearest))
    found = math.nan
    if not bool(accuracy.isnull().any()):
        found = float(spearmanr(runs["omega_ratio"].values, accuracy.values).statistic)
    return Finding(
        found,
        f"mean test accuracy for each omega_2: {_listed(accuracy)}; at omega_2 = {nearest:g}, "
        f"nearest to He's {he:.4g}, {at_he:.4f}, {1 - at_he / best:.2%} below the best"
        + _diverged(runs),
        also=at_he >= LEAST_OF_BEST * best,
    )


def _students(runs: xr.Dataset) -> xr.Dataset:
    """The students that minimised the negative log likelihood, by omega_2."""
    if LOG_LIKELIHOOD not in runs["loss"].values:
        raise TooSmallError(f"needs loss {LOG_LIKELIHOOD}")
    return runs.sel(loss=LOG_LIKELIHOOD).sortby("omega_2")


def _diverged(runs: xr.Dataset) -> str:
    count = int((runs["diverged"] == 1).sum())
    return f"; {count} run{'s' if count > 1 else ''} diverged" if count else ""


def _listed(values: xr.DataArray) -> str:
    return ", ".join(f"{value:.4f}" for value in values.values)


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _correlation(values: xr.DataArray) -> float:
    means = by_ratio(values)
    if not np.isfinite(means).all():
        return float("nan")
    return float(spearmanr(means["scale_ratio"], means).statistic)


@claim(
    "S3",
    says=(
        "with omega_2 / omega_1 gradient descent leaves the linearised network further behind, "
        "and so does the bound (82) with chi_max from (84)"
    ),
    statistic=(
        "the smaller of the rank correlations of the largest |Phi - Phi~| / |Phi| and of the "
        "bound with the ratio (above 0.9)"
    ),
    wanted=above(LEAST_CORRELATION, paper=1.0),
    source="Section 6, Appendix F",
    needs=(LAZY,),
    figure="song2021/lazy_training",
)
def lazy(measures: Measures) -> Finding:
    """The smaller of the two rank correlations."""
    _need_enough(few_ratios(measures))
    measured = measures[LAZY]
    gap, bound = (_correlation(measured[name]) for name in ("largest_gap", "lazy_bound"))
    start = _correlation(measured["lazy_bound_start"])
    ends = np.exp(by_ratio(measured["largest_gap"])).values[[0, -1]]
    detail = (
        f"gap {gap:.3f} (from {ends[0]:.2g} to {ends[1]:.2g}), bound {bound:.3f}; "
        f"with sigma_max(V_0) in place of (84) the bound has {start:.3f}; "
        f"{int(measured['converged'].sum())} of {measured['converged'].size} runs reached "
        f"{measured.attrs['relative_loss']:g} of the initial loss"
    )
    return Finding(float(np.min([gap, bound])), detail)


@claim(
    "S4",
    says=(
        "mu <= sigma_min, sigma_max <= nu and beta-smoothness of Lemma 3 hold on random draws "
        "with GELU"
    ),
    statistic="the largest of what is bounded over its bound (at most 1)",
    wanted=at_most(1.0, paper=1.0, tolerance=ROUNDING, rounding=ROUNDING),
    source="Lemma 3",
    needs=(LEMMA3,),
    figure="song2021/lemma3",
)
def lemma3(measures: Measures) -> Finding:
    """The largest ratio to its bound of a quantity that Lemma 3 bounds."""
    _need_enough(few_draws(measures))
    measured = measures[LEMMA3]
    drawn = of_lemma3(measured)
    worst = {
        name: float(measured[f"{name}_ratio"].where(drawn).max()) for name in ("mu", "nu", "beta")
    }
    detail = (
        f"{int(drawn.sum())} draws; largest mu / sigma_min {worst['mu']:.4f}, sigma_max / nu "
        f"{worst['nu']:.4f}, change / (beta distance) {worst['beta']:.4f}"
    )
    return Finding(float(np.max(list(worst.values()))), detail)


@claim(
    "S5",
    says=(
        "the loss of gradient descent stays under (14), C = 1/4, alpha_f = beta_f = 2, at the "
        "learning rate 1 / (beta |grad f| + 9 beta_f nu^2 / 4)"
    ),
    statistic=(
        "the slowest decay of the loss over that of (14) in any run and step (at least 1), "
        "whether or not (9) holds"
    ),
    wanted=at_least(1.0),
    source="Theorem 2, (14)",
    needs=(LAZY, ORDER),
    figure="song2021/order",
)
def rate(measures: Measures) -> Finding:
    """The slowest decay of the loss over that of (14)."""
    _need_enough(few_runs(measures))
    ratios, details = [], []
    for name, measured in measures.items():
        runs = with_rate(measured)
        # A run that diverged has no ratio: it does not stay under (14).
        ratio = measured["decay_ratio"].where(measured["diverged"] == 0, -np.inf).where(runs)
        far = measured["locality"].where(runs)
        ratios.append(float(ratio.min()))
        details.append(
            f"{name.rpartition('_')[2]}: {ratios[-1]:.3g} in {int(runs.sum())} runs; (9) is off by "
            f"{float(far.min()):.2g} to {float(far.max()):.2g} (median {float(far.median()):.2g}), "
            f"at most 1 in {int((far <= 1).sum())}; sigma_max(V) up to "
            f"{float(measured['chi_ratio'].where(runs).max()):.3g} of its bound"
        )
    return Finding(float(np.min(ratios)), "; ".join(details))


def _need_enough(reason: str | None) -> None:
    if reason:
        raise TooSmallError(reason)
