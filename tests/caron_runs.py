"""Made-up runs of the experiments of Caron et al. (2023), in which every claim holds."""

import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from regimes.datasets import sines_on_sphere
from regimes.kernels.mean_tangent_gram import kappa
from regimes.papers.caron2023 import simulated, training
from regimes.papers.caron2023.paper import (
    CIFAR10,
    CIFAR10_GAMMA,
    ENERGY,
    ENERGY_CODE,
    MNIST,
    PAPER,
    REGRESSION,
    SIMULATED,
    SIMULATED_CODE,
    SIMULATED_HALF_SUM,
)
from regimes.parameterisations.node_scaling import node_scales
from regimes.storage.grids import combine_blocks
from regimes.storage.layout import assemble

# Settings in the order of the configuration, from the kernel regime to the most features.
SETTINGS = {
    "gamma_1": (1.0, np.nan),
    "gamma_05_alpha_07": (0.5, 0.7),
    "gamma_05_alpha_05": (0.5, 0.5),
    "gamma_0_alpha_04": (0.0, 0.4),
}
GAMMA_SETTINGS = {
    "gamma_01": (0.1, 0.5),
    "gamma_02": (0.2, 0.5),
    "gamma_05": (0.5, 0.5),
    "gamma_07": (0.7, 0.5),
}
CODE_SETTINGS = {
    "gamma_1": (1.0, np.nan),
    "gamma_05_alpha_07": (0.5, 0.7),
    "gamma_02_alpha_05": (0.2, 0.5),
    "gamma_0_alpha_04": (0.0, 0.4),
}
# Experiments that are others as the authors' code has them.
CODE_OF = {SIMULATED_CODE: SIMULATED, ENERGY_CODE: ENERGY}
SIMULATIONS = (SIMULATED, SIMULATED_HALF_SUM)
IMAGES = (CIFAR10, CIFAR10_GAMMA)
EXPERIMENTS = (*SIMULATIONS, *REGRESSION, MNIST, *IMAGES, *CODE_OF)
# By the rank of a setting: change of the weights, relative change of the NTG, share of the risk
# left, and what pruning and transfer cost.
WEIGHTS = (0.05, 0.8, 1.4, 3.0)
NTG = (0.01, 0.1, 0.2, 0.5)
LEFT = (7e-4, 1.4e-3, 2.3e-3, 8e-2)
COST = (1.0, 0.3, 0.1, 0.03)
KEPT = tuple(round(0.05 * step, 2) for step in range(1, 21))
FEATURES = (10, 20, 30, 50, 100)
MOVED = 8
FIRST_RISK, FIRST_NTG = 2.0, 0.6
N_TEST = 20


def rank_by_asymmetry(settings: dict[str, tuple[float, float]]) -> dict[str, int]:
    order = sorted(settings, key=lambda name: tuple(-np.nan_to_num(settings[name], nan=1.0)))
    return {name: order.index(name) for name in settings}


def made_up_data(name: str, n_train: int | None = None, draws: int | None = None) -> xr.Dataset:
    """Data of as many training points as the paper has, unless said otherwise; few features."""
    n_train = n_train or PAPER[name].n_train
    if name in SIMULATIONS:
        settings = {"n_train": n_train, "n_test": N_TEST, "n_features": 50, "noise": 1.0}
        if draws is None:
            return sines_on_sphere.build(settings | {"seed": 0})
        drawn = [sines_on_sphere.build(settings | {"seed": seed}) for seed in range(draws)]
        return xr.concat(
            drawn,
            "draw",
            data_vars=["inputs", "targets"],
            coords="minimal",
            compat="override",
            combine_attrs="override",
        )
    rng = np.random.default_rng(3)
    counts = [n_train, N_TEST, N_TEST]
    targets = rng.standard_normal((sum(counts), 10) if name in (MNIST, *IMAGES) else sum(counts))
    attributes = {"backbone": "resnet18"} if name in IMAGES else {}
    return assemble(
        rng.standard_normal((sum(counts), 3)),
        targets,
        np.repeat([0, 1, 2], counts),
        licence="none needed",
        citation="none",
        preprocessing="None.",
        **attributes,
    )


def made_up_runs(
    name: str,
    data: xr.Dataset,
    *,
    width: int = 2000,
    seeds: int = 5,
    steps: int | None = None,
    settings: Sequence[str] | None = None,
) -> xr.Dataset:
    """Runs with the variables of their probes, as the workflow puts them together; of the paper's
    size unless said otherwise.
    """
    known = GAMMA_SETTINGS if name == CIFAR10_GAMMA else SETTINGS
    if name in CODE_OF:
        name, known = CODE_OF[name], CODE_SETTINGS
    chosen = {one: known[one] for one in settings or known}
    ranks = rank_by_asymmetry(known)
    steps = steps or PAPER[name].steps
    recorded = np.unique(np.rint(np.concatenate([[0, 1], np.geomspace(1, steps, 40)])))
    recorded = np.unique(np.concatenate([recorded, np.linspace(0, steps, 21).round()]))
    several = name in (MNIST, *IMAGES)
    runs = xr.Dataset(
        coords={
            "node_scaling": list(chosen),
            "width": [width],
            "seed": np.arange(seeds),
            "step": recorded.astype(int),
            "moved": np.arange(MOVED),
            "node": np.arange(width),
            "feature": np.arange(data.sizes["feature"]),
            "output": np.arange(10 if several else 1),
            "kept": list(KEPT),
            "n_transfer_features": list(FEATURES),
        }
    )

    def by_setting(values: Sequence[float]) -> xr.DataArray:
        return xr.DataArray([values[ranks[one]] for one in chosen], dims="node_scaling")

    one = xr.DataArray(np.ones((len(chosen), 1, seeds)), dims=("node_scaling", "width", "seed")) * (
        1 + 0.02 * runs["seed"].drop_vars("seed")
    )
    share = runs["step"].astype(float) / steps
    reached = 1 - np.exp(-8 * share)
    runs["gamma"] = xr.DataArray([gamma for gamma, _ in chosen.values()], dims="node_scaling")
    runs["alpha"] = xr.DataArray([alpha for _, alpha in chosen.values()], dims="node_scaling")
    falling = FIRST_RISK * np.exp(np.log(by_setting(LEFT)) * share)
    runs["train_loss"] = one * falling
    runs["test_loss"] = one * (falling + 0.1)
    rank_factor = 1.2 - 0.05 * runs["moved"]
    runs["weight_change"] = one * by_setting(WEIGHTS) * reached * rank_factor
    moved = np.arange(MOVED)[::-1]
    runs["moved_node"] = xr.zeros_like(one, dtype=int) + xr.DataArray(moved, dims="moved")
    scales = [node_scales(width, gamma, None if np.isnan(a) else a) for gamma, a in chosen.values()]
    runs["node_scale"] = xr.DataArray(
        np.array(scales)[:, None], dims=("node_scaling", "width", "node")
    )
    runs["final_weight_change"] = one * by_setting(WEIGHTS) * np.sqrt(runs["node_scale"])
    runs["final_weights"] = one * xr.DataArray(
        np.ones((width, data.sizes["feature"])), dims=("node", "feature")
    )
    runs["output_weights"] = (
        one * xr.DataArray(np.ones((runs.sizes["output"], width)), dims=("output", "node"))
    ).astype(np.int8)
    if name not in IMAGES:
        runs["initial_ntg_norm"] = FIRST_NTG * one
        runs["ntg_change"] = FIRST_NTG * one * by_setting(NTG) * reached
        least = kappa(training.train_points(data, 0)[0]) if name in SIMULATIONS else 1e-4
        factor = 0.8 * runs["gamma"] + by_setting((0.03, 0.02, 0.01, 1e-3))
        runs["ntg_smallest_eigenvalue"] = one * least * factor * (1 - 0.2 * reached)
        n_train = int((data["split"] == 0).sum())
        per_step = 1.0 if name == SIMULATED_HALF_SUM else 2 / (n_train * runs.sizes["output"])
        runs["flow_time_per_step"] = xr.ones_like(one) * per_step
    cost = by_setting(COST) * (1 / runs["kept"] - 1)
    for part in ("train", "test"):
        last = runs[f"{part}_loss"].isel(step=-1, drop=True)
        runs[f"pruned_{part}_loss"] = last + one * cost
        if name not in SIMULATIONS and name not in IMAGES:
            runs[f"transfer_{part}_loss"] = one * (
                0.1 + by_setting(COST) / runs["n_transfer_features"] ** 0.5
            )
        if several:
            runs[f"{part}_accuracy"] = 0 * one + 0.1 + 0.8 * reached
            last = runs[f"{part}_accuracy"].isel(step=-1, drop=True)
            runs[f"pruned_{part}_accuracy"] = last - 0.005 * one * cost
        if name == MNIST:
            runs[f"transfer_{part}_accuracy"] = 0.9 - 0.05 * one * by_setting(COST) / np.log(
                runs["n_transfer_features"]
            )
    zero = xr.zeros_like(one).astype(np.int8)
    if "transfer_test_loss" in runs:
        runs["transfer_steps"], runs["transfer_n_train"] = (0 * one + 5000 for _ in range(2))
        runs["transfer_diverged"] = zero * xr.ones_like(runs["n_transfer_features"], dtype=np.int8)
    if name in SIMULATIONS:
        runs = runs.drop_vars([each for each in runs.data_vars if each.startswith("pruned")])
    runs["step_size"] = xr.ones_like(one)
    runs["diverged"] = zero
    for variable, count in (("plain_steps", 400), ("multisteps", 50), ("failed_multisteps", 0)):
        runs[variable] = xr.full_like(one, count, dtype=np.int64)
    for variable in runs.variables:
        runs[variable].attrs = {"long_name": str(variable), "units": "1"}
    if name in SIMULATIONS:
        return runs.drop_vars(["kept", "n_transfer_features"])
    return runs if name not in IMAGES else runs.drop_vars("n_transfer_features")


def made_up_measures(
    name: str, *, n_train: int | None = None, draws: int | None = None, **size: object
) -> xr.Dataset:
    """Measures of made-up runs, from a block for each seed."""
    data = made_up_data(CODE_OF.get(name, name), n_train, draws)
    runs = made_up_runs(name, data, **size)
    return measured(name, runs, data)


def measured(
    name: str, runs: xr.Dataset, data: xr.Dataset, split_by: Sequence[str] = ("seed",)
) -> xr.Dataset:
    """What the measure of the experiment makes of runs in blocks along some axes."""
    module = simulated if name in SIMULATIONS else training
    places = itertools.product(*(range(runs.sizes[axis]) for axis in split_by))
    blocks = [
        module.reduce(runs.isel({axis: [i] for axis, i in zip(split_by, at, strict=True)}), data)
        for at in places
    ]
    return module.measure(combine_blocks(blocks), data)
