"""The measures of Section 6.1 of Caron et al. (2023), with the bounds of its Theorem 4.1."""

import numpy as np
import xarray as xr

from regimes.kernels.mean_tangent_gram import kappa
from regimes.papers.caron2023 import bounds, training

# Probability with which the bounds (c) and (d) may fail.
DELTA = 0.1
ACTIVATION = "relu"


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Keep what `training.reduce` keeps."""
    return training.reduce(run, data)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The measures of `training`, and the bounds of Theorem 4.1 with delta = DELTA.

    Beside the variables of `training.measure`, these are:

    - kappa_n: smallest eigenvalue (10) of the mean NTG;
    - eigenvalue_bound, over node_scaling: the lower bound (a) on ntg_min_eigenvalue;
    - risk_bound, over node_scaling, seed and step: the upper bound (b) on train_risk;
    - scaled_weight_change, over node_scaling and seed: largest |w_tj - w_0j| / lambda_mj^(1/2),
      over all nodes at the end and the most moved ones at every recorded step;
    - weight_change_over_bound, over node_scaling and seed: the same over its bound (c);
    - ntg_change_bound, over node_scaling: the upper bound (d) on ntg_change, and
      ntg_change_over_bound, over node_scaling and seed: largest ratio to it of a recorded step;
    - least_width, over node_scaling: the width that the theorem asks for.

    Ratios to bounds, and least_width, are NaN at gamma = 0. kappa_n, and what depends on it, is
    over `seed` too where each seed has data of its own.
    """
    result = training.measure(runs, data)
    problem = _problem(result, data)
    gamma = result["gamma"]
    factor = bounds.weight_change_factor(gamma, problem)
    ntg_bound = bounds.ntg_change_bound(gamma, result["node_scale"], problem)
    first = result["train_risk"].isel(step=0, drop=True)
    moved = largest_weight_change(result)
    for name, values, long_name in (
        ("kappa_n", problem.kappa, "smallest eigenvalue (10) of the mean NTG at the start"),
        (
            "eigenvalue_bound",
            bounds.eigenvalue_bound(gamma, problem.kappa),
            "lower bound of Theorem 4.1 (a) on the smallest eigenvalue of the NTG",
        ),
        (
            "risk_bound",
            bounds.risk_bound(first, gamma, problem.kappa, result["flow_time"]),
            "upper bound of Theorem 4.1 (b) on the training risk",
        ),
        (
            "scaled_weight_change",
            moved,
            "largest change of a node's weights over the root of its scale",
        ),
        (
            "weight_change_over_bound",
            moved / factor,
            "largest change of a node's weights over its bound of Theorem 4.1 (c)",
        ),
        ("ntg_change_bound", ntg_bound, "upper bound of Theorem 4.1 (d) on the change of the NTG"),
        (
            "ntg_change_over_bound",
            result["ntg_change"].max("step", skipna=False) / ntg_bound,
            "largest change of the NTG over its bound of Theorem 4.1 (d)",
        ),
        ("least_width", bounds.least_width(gamma, problem), "width that Theorem 4.1 asks for"),
    ):
        result[name] = values.astype(np.float64).assign_attrs(long_name=long_name, units="1")
    result.attrs["delta"] = DELTA
    return result.transpose("node_scaling", "seed", ..., "step", "neuron")


def _problem(measured: xr.Dataset, data: xr.Dataset) -> bounds.Problem:
    drawn = "draw" in data.dims
    seeds = measured["seed"].values if drawn else measured["seed"].values[:1]
    n_train = measured.attrs["n_train"]
    points = [training.train_points(data, seed, n_train) for seed in seeds]
    kappas = [kappa(inputs, ACTIVATION) for inputs, _ in points]
    largest = [float(abs(targets).max()) for _, targets in points]
    over = {"dims": "seed", "coords": {"seed": measured["seed"]}} if drawn else {}
    return bounds.Problem(
        n=n_train,
        d=measured.attrs["n_features"],
        kappa=xr.DataArray(kappas if drawn else kappas[0], **over),
        largest_target=xr.DataArray(largest if drawn else largest[0], **over),
        delta=DELTA,
    )


def largest_weight_change(measured: xr.Dataset) -> xr.DataArray:
    """Largest |w_tj - w_0j| / lambda_mj^(1/2) over nodes and recorded steps, NaN after divergence.

    Nodes without a scale do not move, and are left out.
    """
    roots = np.sqrt(measured["node_scale"])
    moved = measured["moved_node"].fillna(0).astype(int)
    settings = xr.DataArray(np.arange(moved.sizes["node_scaling"]), dims="node_scaling")
    of_moved = roots.drop_vars("node", errors="ignore").isel(node_scaling=settings, node=moved)
    at_end = measured["final_weight_change"] / roots.where(roots > 0)
    at_end = at_end.where(roots > 0, 0.0).max("node", skipna=False)
    along = measured["weight_change"] / of_moved.where(of_moved > 0)
    along = along.where(of_moved > 0, 0.0).max(["neuron", "step"], skipna=False)
    return xr.where(at_end > along, at_end, along).where(at_end.notnull())
