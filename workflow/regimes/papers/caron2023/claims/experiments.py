"""Claims of Caron et al. (2023) on the experiments of Section 6: A1 to A4 and A6.

Where settings (gamma, alpha) are ordered, it is from (1, -) over (0.5, 0.7) and (0.5, 0.5) to
(0, 0.4), by falling gamma and then falling alpha; means over seeds are compared, and a run that
diverged has no place in any order.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from regimes.claims.core import (
    Finding,
    Measures,
    TooSmallError,
    above,
    at_least,
    at_most,
    claim,
    exactly,
)
from regimes.papers.caron2023.node_settings import by_asymmetry, plain_label
from regimes.papers.caron2023.paper import (
    CIFAR10,
    MNIST,
    PAPER,
    REGRESSION,
    SIMULATED,
    TITLES,
    WIDTH,
)
from regimes.statistics import mean_of_runs, ran

LARGEST_NTG_CHANGE = 0.05
LEAST_WIDTH = 1000
LEAST_SETTINGS = 3
# Shares of kept nodes below this count as pruning.
KEPT_BELOW = 0.5
# Risks below this share of the first one are rounding.
ROUNDING = 1e-26
# What pruning changes, on each data set, and the sign with which it does.
PRUNED = {name: {"pruned_train_risk": 1} for name in REGRESSION} | {
    MNIST: {"pruned_test_accuracy": -1},
    CIFAR10: {"pruned_test_risk": 1, "pruned_test_accuracy": -1},
}
# The same quantity of the network that is not pruned.
UNPRUNED = {
    "pruned_train_risk": "train_risk",
    "pruned_test_risk": "test_risk",
    "pruned_test_accuracy": "test_accuracy",
}


@claim(
    "A1",
    says=(
        "with gamma > 0 gradient descent ends at 1 % of the first training risk or less, and rate "
        "and smallest eigenvalue of the NTG are ordered as gamma"
    ),
    statistic="largest final risk over the first",
    wanted=at_most(0.01),
    source="section 6.1, Fig. 1",
    needs=(SIMULATED,),
    figure="caron2023/fig01_simulated",
)
def convergence(measures: Measures) -> Finding:
    """Largest final training risk over the initial one, of the settings with gamma > 0.

    The rate of decay and the smallest eigenvalue must fall strictly with gamma. Settings of equal
    gamma are not compared.
    """
    runs = measures[SIMULATED]
    if (width := int(runs.attrs["width"])) < WIDTH:
        raise TooSmallError(f"needs m = {WIDTH}, not {width}")
    if (steps := int(runs["step"][-1])) < PAPER[SIMULATED].steps:
        raise TooSmallError(f"needs {PAPER[SIMULATED].steps} steps, not {steps}")
    if len(np.unique(runs["gamma"])) < 2 or not (runs["gamma"] > 0).any():
        raise TooSmallError("needs gamma > 0 and another gamma")
    runs = by_asymmetry(runs)
    risk = runs["train_risk"]
    left = risk.isel(step=-1, drop=True) / risk.isel(step=0, drop=True)
    final = mean_of_runs(left, runs)
    rate = mean_of_runs(-np.log(left), runs) / float(runs["step"][-1])
    eigenvalue = mean_of_runs(runs["ntg_min_eigenvalue"].isel(step=-1, drop=True), runs)
    worst = float(final[(runs["gamma"] > 0).values].max(skipna=False))
    ordered = {
        "rates": _falls_with_gamma(rate, runs["gamma"]),
        "smallest eigenvalues": _falls_with_gamma(eigenvalue, runs["gamma"]),
    }
    return Finding(
        worst,
        f"settings {_labels(runs)}: final risk over the first {_listed(final)}; "
        + "; ".join(
            f"{name} {_listed(values)}, {'' if ordered[name] else 'not '}ordered as gamma"
            for name, values in (("rates", rate), ("smallest eigenvalues", eigenvalue))
        ),
        also=all(ordered.values()),
    )


def _falls_with_gamma(values: xr.DataArray, gamma: xr.DataArray) -> bool:
    """Whether values over node_scaling, of falling gamma, are all larger where gamma is larger."""
    groups = [values[(gamma == one).values] for one in np.unique(gamma)[::-1]]
    return all(
        bool(upper.min(skipna=False) > lower.max(skipna=False)) for upper, lower in pairwise(groups)
    )


@claim(
    "A2",
    says=(
        "weights and NTG change more with smaller gamma and alpha, and the NTG by less than 5 % "
        "at gamma = 1"
    ),
    statistic="smallest ratio between neighbouring settings (above 1)",
    wanted=above(1.0),
    source="sections 6.1 to 6.3, Figs. 1, 2, 6 to 10",
    needs=(SIMULATED, *REGRESSION, MNIST),
    figure="caron2023/fig02_regression",
)
def changes(measures: Measures) -> Finding:
    """Smallest ratio of the final change of weights or NTG between neighbouring settings.

    The change of the more asymmetric setting is the numerator. At gamma = 1 the NTG must change by
    less than LARGEST_NTG_CHANGE.
    """
    _need_ordered_settings(measures)
    for name, runs in measures.items():
        if not _symmetric(runs).any():
            raise TooSmallError(f"needs gamma = 1 on {TITLES[name]}")
    ratios, lazy = [], []
    for name, runs in _by_asymmetry(measures).items():
        for what, values in (
            ("weights", _weight_change(runs)),
            ("NTG", _final_ntg_change(runs)),
        ):
            ratios += _neighbours(values, runs, f"{TITLES[name]}, {what}")
        relative = _final_ntg_change(runs) / mean_of_runs(runs["ntg_norm"], runs)
        lazy += [(float(value), TITLES[name]) for value in relative[_symmetric(runs)]]
    value, detail = _smallest(ratios)
    largest = max(lazy, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    small = all(value < LARGEST_NTG_CHANGE for value, _ in lazy)
    return Finding(
        value,
        f"{detail}; at gamma = 1 the NTG changes by at most {largest[0]:.2%} ({largest[1]})",
        also=small,
    )


@claim(
    "A2-cifar10",
    says="weights change more with smaller gamma and alpha on CIFAR-10, too",
    statistic="smallest ratio between neighbouring settings (above 1)",
    wanted=above(1.0),
    source="section 6.3, Fig. 4",
    needs=(CIFAR10,),
    figure="caron2023/fig04_cifar10",
)
def weight_changes(measures: Measures) -> Finding:
    """As A2 for the weights alone: on CIFAR-10 no NTG is computed."""
    _need_ordered_settings(measures)
    ratios = []
    for name, runs in _by_asymmetry(measures).items():
        ratios += _neighbours(_weight_change(runs), runs, f"{TITLES[name]}, weights")
    return Finding(*_smallest(ratios))


def _weight_change(runs: xr.Dataset) -> xr.DataArray:
    """Final |w_tj - w_0j|, mean over the nodes that moved most and over seeds."""
    return mean_of_runs(
        runs["weight_change"].isel(step=-1, drop=True).mean("neuron", skipna=False), runs
    )


def _final_ntg_change(runs: xr.Dataset) -> xr.DataArray:
    return mean_of_runs(runs["ntg_change"].isel(step=-1, drop=True), runs)


def _symmetric(runs: xr.Dataset) -> np.ndarray:
    return (runs["gamma"] == 1).values


@claim(
    "A3",
    says=(
        "pruning to less than half of the nodes costs less with smaller gamma and alpha, in "
        "training risk on the regression sets and in test accuracy on MNIST"
    ),
    statistic="share of the pairs of data set and share kept where all settings are in order",
    wanted=exactly(1.0),
    source="sections 6.2 and 6.3, Figs. 2, 3, 6 to 9",
    needs=(*REGRESSION, MNIST),
    figure="caron2023/fig02_regression",
)
@claim(
    "A3-cifar10",
    says="the same on CIFAR-10, in test risk and in test accuracy",
    statistic="share of the pairs of quantity and share kept where all settings are in order",
    wanted=exactly(1.0),
    source="section 6.3, Fig. 4",
    needs=(CIFAR10,),
    figure="caron2023/fig04_cifar10",
)
def pruning(measures: Measures) -> Finding:
    """Share of the comparisons in which pruning costs less for every more asymmetric setting.

    A comparison is a quantity of PRUNED at a share of kept nodes. Its increase over the network
    that is not pruned must be strictly smaller for each setting than for the less asymmetric one
    before.
    """
    _need_ordered_settings(measures)
    for name, runs in measures.items():
        if not (runs["kept"] < KEPT_BELOW).any():
            raise TooSmallError(
                f"needs shares of kept nodes below {KEPT_BELOW:g} on {TITLES[name]}"
            )
    held, failed = 0, []
    for name, runs in _by_asymmetry(measures).items():
        for quantity, sign in PRUNED[name].items():
            increase = sign * _increase(runs, quantity)
            order = (increase.diff("node_scaling") < 0).all("node_scaling")
            held += int(order.sum())
            shares = order["kept"].values[~order.values]
            if shares.size:
                where = ", ".join(f"{share:g}" for share in shares)
                failed.append(
                    f"{TITLES[name]}, {quantity.replace('_', ' ')} at {where} of the nodes"
                )
    pairs = sum(
        len(PRUNED[name]) * int((runs["kept"] < KEPT_BELOW).sum())
        for name, runs in measures.items()
    )
    detail = f"{held} of {pairs} in order"
    return Finding(held / pairs, f"{detail}; not: {'; '.join(failed)}" if failed else detail)


def _increase(runs: xr.Dataset, quantity: str) -> xr.DataArray:
    """Mean over seeds of the change by pruning, over node_scaling and share of kept nodes.

    Shares are those below KEPT_BELOW. The reference is the probe with all nodes kept, or the end of
    training if the probe lacks it.
    """
    values = runs[quantity]
    whole = values.sel(kept=1.0, drop=True) if 1.0 in values["kept"] else None
    if whole is None:
        whole = runs[UNPRUNED[quantity]].isel(step=-1, drop=True)
    return mean_of_runs(values.sel(kept=values["kept"] < KEPT_BELOW) - whole, runs)


@claim(
    "A4",
    says=(
        "a network trained on the fewest features has a lower test risk with smaller gamma and "
        "alpha"
    ),
    statistic="smallest ratio between neighbouring settings (above 1)",
    wanted=above(1.0),
    source="sections 6.2 and 6.3, Figs. 2, 6 to 10",
    needs=(*REGRESSION, MNIST),
    figure="caron2023/fig02_regression",
)
def transfer(measures: Measures) -> Finding:
    """Smallest ratio of the test risks after transfer between neighbouring settings.

    The transfer is that of the fewest features; the risk of the less asymmetric setting is the
    numerator.
    """
    _need_ordered_settings(measures)
    ratios, counts = [], []
    for name, runs in _by_asymmetry(measures).items():
        risk = runs["transfer_test_risk"].sortby("n_transfer_features")
        k = int(risk["n_transfer_features"][0])
        counts.append(f"{TITLES[name]} {k}")
        fewest = mean_of_runs(risk.isel(n_transfer_features=0, drop=True), runs)
        ratios += _neighbours(1 / fewest, runs, TITLES[name])
    value, detail = _smallest(ratios)
    return Finding(value, f"{detail}; features: {', '.join(counts)}")


@claim(
    "A6",
    says=(
        "with gamma > 0 the smallest eigenvalue of the NTG stays above gamma kappa_n / 4 and the "
        "loss below exp(-gamma kappa_n t / 2) L_0"
    ),
    statistic=(
        "smallest ratio of the eigenvalue, and of the fall of log loss, to its bound (at least 1)"
    ),
    wanted=at_least(1.0),
    source="Theorem 4.1 (a), (b)",
    needs=(SIMULATED,),
    figure="caron2023/fig01_simulated",
)
def bounds(measures: Measures) -> Finding:
    """Smallest ratio to its bound, over runs with gamma > 0 and recorded steps.

    The quantities are the smallest eigenvalue, and the fall ln(L_0/L_t) of the loss, which (b)
    bounds by gamma kappa_n t / 2.
    """
    runs = measures[SIMULATED]
    _need_width(SIMULATED, runs)
    if not (runs["gamma"] > 0).any():
        raise TooSmallError("needs gamma > 0")
    runs = runs.isel(node_scaling=(runs["gamma"] > 0).values)
    eigenvalue = runs["ntg_min_eigenvalue"] / runs["eigenvalue_bound"]
    risk = runs["train_risk"]
    first = risk.isel(step=0, drop=True)
    fall = np.log(first / risk) / np.log(first / runs["risk_bound"])
    # At the level of rounding it no longer is that of the flow, and at the start there is none.
    fall = fall.where(risk >= ROUNDING * first, risk.where(risk.isnull(), np.inf))
    fall = fall.isel(step=slice(1, None))
    present = ran(runs)
    a, b = (float(values.where(present, np.inf).min(skipna=False)) for values in (eigenvalue, fall))
    worst = math.nan if math.isnan(a) or math.isnan(b) else min(a, b)
    return Finding(
        worst,
        f"{int(present.sum())} runs with gamma > 0, {runs.sizes['step']} recorded steps; smallest "
        f"ratio of the eigenvalue (a) {a:.3g}, of the fall of log loss (b) {b:.3g}; kappa_n "
        f"{float(runs['kappa_n'].min()):.3g}; the theorem asks for m >= "
        f"{float(runs['least_width'].min()):.1g}",
    )


def _by_asymmetry(measures: Measures) -> Mapping[str, xr.Dataset]:
    return {name: by_asymmetry(runs) for name, runs in measures.items()}


def _neighbours(values: xr.DataArray, runs: xr.Dataset, what: str) -> list[tuple[float, str]]:
    """Ratio of the value of each setting to that of the one before, and what it is."""
    labels = _names(runs)
    numbers = values.values
    return [
        (float(numbers[i + 1] / numbers[i]), f"{what}, {labels[i + 1]} to {labels[i]}")
        for i in range(len(numbers) - 1)
    ]


def _smallest(ratios: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """The smallest ratio, with a detail that names those that are not above 1, as all must be."""
    if unknown := [what for ratio, what in ratios if math.isnan(ratio)]:
        return math.nan, f"no ratio: {'; '.join(unknown)}"
    value, place = min(ratios)
    failed = [f"{what}: {ratio:.3g}" for ratio, what in ratios if ratio <= 1]
    detail = f"smallest of {len(ratios)} ratios: {place}"
    return value, f"{detail}; not in order: {'; '.join(failed)}" if failed else detail


def _need_ordered_settings(measures: Measures) -> None:
    """Raise TooSmallError where networks are too narrow or settings too few for an order."""
    for name, runs in measures.items():
        _need_width(name, runs)
        if (count := runs.sizes["node_scaling"]) < LEAST_SETTINGS:
            raise TooSmallError(f"needs {LEAST_SETTINGS} settings on {TITLES[name]}, not {count}")


def _need_width(name: str, runs: xr.Dataset) -> None:
    if (width := int(runs.attrs["width"])) < LEAST_WIDTH:
        raise TooSmallError(f"needs m >= {LEAST_WIDTH} on {TITLES[name]}, not {width}")


def _names(runs: xr.Dataset) -> list[str]:
    pairs = zip(runs["gamma"].values, runs["alpha"].values, strict=True)
    return [plain_label(float(gamma), float(alpha)) for gamma, alpha in pairs]


def _labels(runs: xr.Dataset) -> str:
    return ", ".join(_names(runs))


def _listed(values: xr.DataArray) -> str:
    return ", ".join(f"{value:.3g}" for value in values.values)
