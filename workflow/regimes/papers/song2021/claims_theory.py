"""Claims S3, S4 and S5 of Song et al. (2021): lazy training, Lemma 3, and the rate of Theorem 2.

Each statistic and threshold was fixed before the runs of full size.
"""

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from regimes.claims.core import Claim, Measured, Measures

LEMMA3 = "song2021_lemma3"
LAZY = "song2021_lazy"
ORDER = "song2021_order"
# Rank correlation of both the gap and the bound with omega_2 / omega_1.
LEAST_CORRELATION = 0.9
# Sizes below which nothing is decided.
LEAST_RATIOS, LEAST_DECADES, LEAST_SEEDS = 5, 3.0, 3
LEAST_DRAWS = 100
LEAST_RUNS = 100
# Rounding of singular values that are equal in exact arithmetic.
ROUNDING = 1e-9


def by_ratio(values: xr.DataArray) -> xr.DataArray:
    """Mean of the logarithms over seeds, against scale_ratio."""
    return np.log(values).mean("seed", skipna=False)


def _correlation(values: xr.DataArray) -> float:
    means = by_ratio(values)
    if not np.isfinite(means).all():
        return float("nan")
    return float(spearmanr(means["scale_ratio"], means).statistic)


def _lazy(measures: Measures) -> Measured:
    """S3: the smaller of the two rank correlations."""
    (measured,) = measures.values()
    gap, bound = (_correlation(measured[name]) for name in ("largest_gap", "lazy_bound"))
    value = float(np.min([gap, bound]))
    start = _correlation(measured["lazy_bound_start"])
    ends = np.exp(by_ratio(measured["largest_gap"])).values[[0, -1]]
    detail = (
        f"gap {gap:.3f} (from {ends[0]:.2g} to {ends[1]:.2g}), bound {bound:.3f}; "
        f"with sigma_max(V_0) in place of (84) the bound has {start:.3f}; "
        f"{int(measured['converged'].sum())} of {measured['converged'].size} runs reached "
        f"{measured.attrs['relative_loss']:g} of the initial loss"
    )
    return Measured(value, value > LEAST_CORRELATION, detail)


def _few_ratios(measures: Measures) -> str | None:
    (measured,) = measures.values()
    ratios = measured["scale_ratio"].values
    decades = float(np.log10(ratios.max() / ratios.min()))
    # Less by rounding, for ratios that are given in decimals.
    if len(ratios) < LEAST_RATIOS or decades < LEAST_DECADES - 0.01:
        return (
            f"{len(ratios)} ratios over {decades:.1f} decades, fewer than {LEAST_RATIOS} over "
            f"{LEAST_DECADES:g}"
        )
    if measured.sizes["seed"] < LEAST_SEEDS:
        return f"{measured.sizes['seed']} seeds, fewer than {LEAST_SEEDS}"
    return None


def _drawn(measured: xr.Dataset) -> xr.DataArray:
    """Draws with as many neurons as points, of which Lemma 3 says something."""
    return measured["mu"].notnull() & (measured["width"] >= measured["n_train"])


def _lemma(measures: Measures) -> Measured:
    """S4: the largest of what Lemma 3 bounds, over its bound."""
    (measured,) = measures.values()
    drawn = _drawn(measured)
    worst = {
        name: float(measured[f"{name}_ratio"].where(drawn).max()) for name in ("mu", "nu", "beta")
    }
    value = float(np.max(list(worst.values())))
    detail = (
        f"{int(drawn.sum())} draws; largest mu / sigma_min {worst['mu']:.4f}, sigma_max / nu "
        f"{worst['nu']:.4f}, change / (beta distance) {worst['beta']:.4f}"
    )
    return Measured(value, value <= 1 + ROUNDING, detail)


def _few_draws(measures: Measures) -> str | None:
    (measured,) = measures.values()
    count = int(_drawn(measured).sum())
    return None if count >= LEAST_DRAWS else f"{count} draws, fewer than {LEAST_DRAWS}"


def _with_rate(measured: xr.Dataset) -> xr.DataArray:
    """Runs with mu > 0, of which (14) says something."""
    return measured["mu"] > 0


def _rate(measures: Measures) -> Measured:
    """S5: the slowest decay of the loss over that of (14)."""
    ratios, details = [], []
    for name, measured in measures.items():
        runs = _with_rate(measured)
        # A run that diverged has no ratio, and is not under (14).
        ratio = measured["decay_ratio"].where(measured["diverged"] == 0, -np.inf).where(runs)
        far = measured["locality"].where(runs)
        ratios.append(float(ratio.min()))
        details.append(
            f"{name.rpartition('_')[2]}: {ratios[-1]:.3g} in {int(runs.sum())} runs; (9) is off by "
            f"{float(far.min()):.2g} to {float(far.max()):.2g} (median {float(far.median()):.2g}), "
            f"at most 1 in {int((far <= 1).sum())}; sigma_max(V) up to "
            f"{float(measured['chi_ratio'].where(runs).max()):.3g} of its bound"
        )
    value = float(np.min(ratios))
    return Measured(value, value >= 1, "; ".join(details))


def _few_runs(measures: Measures) -> str | None:
    count = sum(int(_with_rate(measured).sum()) for measured in measures.values())
    return None if count >= LEAST_RUNS else f"{count} runs with mu > 0, fewer than {LEAST_RUNS}"


CLAIMS = [
    Claim(
        id="S3",
        statement=(
            "with omega_2 / omega_1 gradient descent leaves the linearised network further behind, "
            "and so does the bound (82) with chi_max from (84): the smaller of the rank "
            "correlations of the largest |Phi - Phi~| / |Phi| and of the bound with the ratio "
            "(above 0.9)"
        ),
        paper_value=1.0,
        tolerance=1 - LEAST_CORRELATION,
        source="Section 6, Appendix F",
        needs=(LAZY,),
        check=_lazy,
        too_small=_few_ratios,
        figure="song2021/lazy_training",
    ),
    Claim(
        id="S4",
        statement=(
            "mu <= sigma_min, sigma_max <= nu and beta-smoothness of Lemma 3 hold on random draws "
            "with GELU: the largest of what is bounded over its bound (at most 1)"
        ),
        paper_value=1.0,
        tolerance=ROUNDING,
        source="Lemma 3",
        needs=(LEMMA3,),
        check=_lemma,
        too_small=_few_draws,
        figure="song2021/lemma3",
    ),
    Claim(
        id="S5",
        statement=(
            "the loss of gradient descent stays under (14), C = 1/4, alpha_f = beta_f = 2, at the "
            "learning rate 1 / (beta |grad f| + 9 beta_f nu^2 / 4): the slowest decay of the loss "
            "over that of (14) in any run and step (at least 1), whether or not (9) holds"
        ),
        paper_value=1.0,
        tolerance=0.0,
        source="Theorem 2, (14)",
        needs=(LAZY, ORDER),
        check=_rate,
        too_small=_few_runs,
        figure="song2021/order",
    ),
]
