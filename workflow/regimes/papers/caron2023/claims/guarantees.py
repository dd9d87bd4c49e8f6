"""Claims of Caron et al. (2023) on the bounds of its theorems along training.

Theorem 4.1 asks for more nodes than any run can have, so that its bounds are only seen to hold or
to fail; Theorem 4.2 can be met; Lemma D.1 has no condition on the width.
"""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    BOUND,
    TEST,
    THEOREM,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_most,
    claim,
)
from regimes.claims.sampling import shares
from regimes.papers.caron2023.paper import SEEDS, SIMULATED, SMOOTH, full_size
from regimes.papers.caron2023.simulated import DELTA
from regimes.papers.caron2023.smooth import DELTA as SMOOTH_DELTA
from regimes.statistics import ran

FIGURE = "caron2023/fig01_simulated"
# Risks below this share of the first one are rounding.
ROUNDING = 1e-26
SHARE = "share of the runs with gamma > 0 that violate it at a recorded step"
AS_DELTA = at_most(DELTA, "delta, at which the bounds are taken")
# For steps in place of the flow, and for what lies between the recorded ones.
SLACK = at_most(1.01, "1 % for steps of finite size")


@claim(
    "A6a",
    says="with gamma > 0 the smallest eigenvalue of the NTG stays above gamma kappa_n / 4",
    statistic=SHARE,
    wanted=AS_DELTA,
    source="Theorem 4.1 (a)",
    needs=(SIMULATED,),
    kind=BOUND,
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIGURE,
)
def eigenvalue_bound(measures: Measures) -> Finding:
    """The bound over the smallest eigenvalue."""
    runs = measures[SIMULATED]
    return _violations(runs, runs["eigenvalue_bound"] / runs["ntg_min_eigenvalue"])


@claim(
    "A6b",
    says="with gamma > 0 the loss stays below exp(-gamma kappa_n t / 2) L_0",
    statistic=SHARE,
    wanted=AS_DELTA,
    source="Theorem 4.1 (b)",
    needs=(SIMULATED,),
    kind=BOUND,
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIGURE,
)
def risk_bound(measures: Measures) -> Finding:
    """The loss over its bound."""
    runs = measures[SIMULATED]
    risk = runs["train_risk"]
    ratio = risk / runs["risk_bound"]
    # At the level of rounding the loss is no longer that of the flow.
    rounding = risk < ROUNDING * risk.isel(step=0, drop=True)
    ratio = ratio.where(~rounding, 0.0)
    return _violations(runs, ratio.isel(step=slice(1, None)))


@claim(
    "A6c",
    says="with gamma > 0 no node moves by more than a constant times the root of its scale",
    statistic=SHARE,
    wanted=AS_DELTA,
    source="Theorem 4.1 (c)",
    needs=(SIMULATED,),
    kind=BOUND,
    sizes=full_size(SIMULATED),
)
def weight_bound(measures: Measures) -> Finding:
    """The largest change of a node over its bound."""
    runs = measures[SIMULATED]
    return _violations(runs, runs["weight_change_over_bound"])


@claim(
    "A6d",
    says="with gamma > 0 the NTG changes by no more than sums of lambda_j^(3/2) allow",
    statistic=SHARE,
    wanted=AS_DELTA,
    source="Theorem 4.1 (d)",
    needs=(SIMULATED,),
    kind=BOUND,
    sizes=full_size(SIMULATED),
)
def ntg_bound(measures: Measures) -> Finding:
    """The change of the NTG over its bound."""
    runs = measures[SIMULATED]
    return _violations(runs, runs["ntg_change_over_bound"])


def _violations(runs: xr.Dataset, ratio: xr.DataArray) -> Finding:
    """Share of the runs with gamma > 0 of which a ratio to a bound exceeds 1 anywhere."""
    chosen = (runs["gamma"] > 0) & ran(runs)
    largest = ratio.max("step", skipna=False) if "step" in ratio.dims else ratio
    values = largest.transpose("node_scaling", "seed").values[chosen.values]
    share = float(np.mean(values > 1)) if np.isfinite(values).all() else np.nan
    return Finding(
        share,
        f"{values.size} runs, largest ratio to the bound {values.max():.3g}; kappa_n "
        f"{float(runs['kappa_n'].min()):.3g}; the theorem asks for m >= "
        f"{float(runs['least_width'].min()):.1g}",
    )


@claim(
    "A9",
    says="for smooth activations (a) to (d) hold at once, with probability 1 - delta",
    statistic="share of the runs that violate one of them at a recorded step",
    wanted=at_most(SMOOTH_DELTA, "delta"),
    source="Theorem 4.2",
    needs=(SMOOTH,),
    kind=THEOREM,
    sizes=Sizes(SEEDS),
)
def smooth(measures: Measures) -> Finding:
    """Violations of any of the four bounds, of independent initialisations."""
    runs = measures[SMOOTH]
    if (over := float(runs["width_over_least"].min())) < 1:
        raise TooSmallError(f"the width is {over:.2g} of what the theorem asks for")
    bounds = {
        "(a)": runs["eigenvalue_bound_ratio"],
        "(b)": runs["risk_bound_ratio"],
        "(c)": runs["weight_change_over_bound"],
        "(d)": runs["ntg_change_over_bound"],
    }
    ratios = xr.concat(bounds.values(), "bound")
    violated = (~(ratios <= 1)).any("bound").values.ravel()
    shown = ", ".join(f"{name} {float(values.max()):.3g}" for name, values in bounds.items())
    detail = f"m = {runs.attrs['width']}, largest ratios to the bounds {shown}"
    return shares([violated.sum()], [violated.size], at_most(SMOOTH_DELTA), detail)


@claim(
    "A15a",
    says="while the NTG's eigenvalues are at least zeta / 2, the loss is at most exp(-zeta t) L_0",
    statistic="largest zeta t over ln(L_0 / L_t), zeta / 2 the smallest eigenvalue until then",
    wanted=SLACK,
    source="Lemma D.1",
    needs=(SIMULATED,),
    kind=TEST,
    sizes=full_size(SIMULATED),
)
def decay(measures: Measures) -> Finding:
    """Of all runs, those with gamma = 0 too: the lemma asks for nothing else."""
    runs = measures[SIMULATED]
    risk, eigenvalue = runs["train_risk"], runs["ntg_min_eigenvalue"]
    least = xr.apply_ufunc(
        lambda values: np.minimum.accumulate(values, axis=-1),
        eigenvalue,
        input_core_dims=[["step"]],
        output_core_dims=[["step"]],
    )
    first = risk.isel(step=0, drop=True)
    fall = np.log(first / risk)
    ratio = (2 * least * runs["flow_time"] / fall).where(fall > 0, np.inf)
    # At the level of rounding the loss is no longer that of the flow.
    ratio = ratio.where(~(risk < ROUNDING * first), 0.0).where(risk.notnull())
    return _largest(runs, ratio.isel(step=slice(1, None)).max("step", skipna=False))


@claim(
    "A15b",
    says="node j moves by at most (n lambda_j / d)^(1/2) |y - u_0| 2 / zeta",
    statistic="largest ratio to that, zeta / 2 the smallest recorded eigenvalue",
    wanted=SLACK,
    source="Lemma D.1, (21)",
    needs=(SIMULATED,),
    kind=TEST,
    sizes=full_size(SIMULATED),
)
def ways(measures: Measures) -> Finding:
    """Of all nodes and runs."""
    runs = measures[SIMULATED]
    n, d = runs.attrs["n_train"], runs.attrs["n_features"]
    residual = np.sqrt(n * runs["train_risk"].isel(step=0, drop=True))
    eigenvalue = runs["ntg_min_eigenvalue"].min("step", skipna=False)
    bound = (n / d) ** 0.5 * residual / eigenvalue
    return _largest(runs, runs["scaled_weight_change"] / bound)


def _largest(runs: xr.Dataset, ratio: xr.DataArray) -> Finding:
    values = ratio.transpose("node_scaling", "seed")
    by_setting = values.max("seed", skipna=False).values
    shown = ", ".join(f"{value:.3g}" for value in by_setting)
    gammas = ", ".join(f"{gamma:g}" for gamma in runs["gamma"].values)
    return Finding(
        float(values.where(ran(runs), -np.inf).max(skipna=False)), f"gamma {gammas}: {shown}"
    )
