"""The bounds of Theorem 4.2 of Caron et al. (2023), at runs with a smooth activation."""

import json

import numpy as np
import xarray as xr

from regimes.kernels.mean_tangent_gram import kappa
from regimes.papers.caron2023 import bounds, training
from regimes.papers.caron2023.simulated import largest_weight_change

# Probability with which the bounds may fail.
DELTA = 0.5


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Keep what `training.reduce` keeps, and name the activation."""
    activation = json.loads(run.attrs.get("config", "{}"))["activation"]
    return training.reduce(run, data).assign_attrs(activation=activation)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `training` but those of single nodes, and each bound, with delta = DELTA.

    Of each bound the largest ratio of a run at any recorded step, which is at most 1 where it
    holds, over node_scaling and seed:

    - eigenvalue_bound_ratio: the bound (a) over the smallest eigenvalue of the NTG;
    - risk_bound_ratio: the training risk over the bound (b);
    - weight_change_over_bound: |w_tj - w_0j| over the bound (c), over all nodes;
    - ntg_change_over_bound: the change of the NTG over the bound (d);
    - width_over_least: the width over the one that the theorem asks for, over node_scaling.
    """
    result = training.measure(runs, data)
    activation = runs.attrs["activation"]
    inputs, targets = training.train_points(data, 0)
    problem = bounds.SmoothProblem(
        n=len(inputs),
        d=inputs.shape[1],
        kappa=kappa(inputs, activation),
        largest_target=float(abs(targets).max()),
        delta=DELTA,
        activation=activation,
    )
    gamma, scales, risk = result["gamma"], result["node_scale"], result["train_risk"]
    first = risk.isel(step=0, drop=True)
    time = result["flow_time"]
    for name, values, long_name in (
        (
            "eigenvalue_bound_ratio",
            bounds.eigenvalue_bound(gamma, problem.kappa)
            / result["ntg_min_eigenvalue"].min("step", skipna=False),
            "bound of Theorem 4.2 (a) over the smallest eigenvalue of the NTG",
        ),
        (
            "risk_bound_ratio",
            (risk / bounds.risk_bound(first, gamma, problem.kappa, time)).max("step", skipna=False),
            "training risk over the bound of Theorem 4.2 (b)",
        ),
        (
            "weight_change_over_bound",
            largest_weight_change(result) / problem.weight_change_factor(gamma),
            "largest change of a node's weights over its bound of Theorem 4.2 (c)",
        ),
        (
            "ntg_change_over_bound",
            result["ntg_change"].max("step", skipna=False)
            / problem.ntg_change_bound(gamma, scales),
            "largest change of the NTG over its bound of Theorem 4.2 (d)",
        ),
        (
            "width_over_least",
            result.attrs["width"] / problem.least_width(gamma),
            "width over the one that Theorem 4.2 asks for",
        ),
    ):
        result[name] = values.astype(np.float64).assign_attrs(long_name=long_name, units="1")
    of_nodes = [name for name in result.data_vars if "node" in result[name].dims]
    return result.drop_vars([*of_nodes, "node"], errors="ignore").assign_attrs(delta=DELTA)
