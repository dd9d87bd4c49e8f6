"""Made-up runs of the experiments of Chen et al. (2022), in which every claim holds."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from regimes.papers.chen2022 import curves
from regimes.papers.chen2022.paper import (
    MODELS,
    QUADRATIC_EMBEDDING,
    RANDOM_LABELS,
    RANDOM_LABELS_DRAWS,
    SCALINGS,
)

LATE_STEPS = np.arange(500, 50_001, 500)
STEPS = np.unique(np.concatenate([[0, 1], np.rint(np.geomspace(1, 5e4, 60)), LATE_STEPS]))
# The experiments at the paper's size: widths, n, number of seeds.
PAPER = {
    RANDOM_LABELS: ([4096, 8192], [20, 40, 60, 80, 100], 5),
    RANDOM_LABELS_DRAWS: ([4096], [20, 40, 60, 80, 100], 5),
    QUADRATIC_EMBEDDING: ([2048, 8192], [50, 200, 400, 700, 1000], 5),
    SCALINGS: ([1024, 2048, 4096, 8192], [200, 400, 600, 800], 3),
}
NEURONS = 40
DATA = xr.Dataset()
# Decay of log loss per step times n, and the share of it that the bound (50) promises.
RATE = 8e-3
SHARE = 0.25
# Test error at n = 100, and minus its exponent of n.
ERRORS = {
    "shallow": (0.3, 0.0),
    "plain": (0.3, 0.2),
    "quadratic": (0.1, 0.7),
    "ours": (0.1, 0.6),
    "ntk": (0.2, 0.3),
    "mean_field": (0.25, 0.6),
}


def made_up_runs(
    name: str,
    widths: Sequence[int] | None = None,
    n_train: Sequence[int] | None = None,
    seeds: int | None = None,
) -> xr.Dataset:
    """Runs as the engine writes them, of the paper's size unless said otherwise.

    Losses are 0.04 exp(-RATE k / n), a little different from seed to seed.
    """
    paper_widths, paper_n_train, paper_seeds = PAPER[name]
    axes = {
        "model": sorted(MODELS[name]),
        "width": list(widths or paper_widths),
        "n_train": list(n_train or paper_n_train),
        "seed": list(range(seeds or paper_seeds)),
    }
    runs = xr.Dataset(coords=axes | {"step": STEPS.astype(int), "neuron": np.arange(NEURONS)})
    runs = runs.assign_coords(map_point=[0, 1], moment=[0, 1])
    one = xr.DataArray(np.ones([len(values) for values in axes.values()]), dims=list(axes))
    steps, n = runs["step"].astype(float), runs["n_train"].astype(float)
    by_seed = 1 + 0.01 * runs["seed"]
    rate = RATE / n * by_seed
    runs["train_loss"] = one * 0.04 * np.exp(-rate * steps)
    error = xr.concat(
        [ERRORS[model][0] * (n / 100) ** -ERRORS[model][1] for model in axes["model"]], "model"
    )
    reached = 1 - np.exp(-steps / 5000)
    runs["test_loss"] = one * by_seed * (1 + (error - 1) * reached)
    lazy = xr.where(runs["model"] == "ntk", runs["width"] ** -0.5, 1.0)
    runs["feature_movement"] = one * by_seed * 0.3 * lazy * reached
    runs["function_movement"] = one * 0.2 * reached
    runs["weight_distance"] = one * 0.5 * reached * np.sqrt(runs["width"])
    runs["active_fraction"] = one * (0.6 - 0.1 * reached)
    runs["step_size"] = one
    runs["mean_square_slope"] = one * (0.7 - 0.1 * reached)
    runs["initial_middle_fraction"] = 0.3 * one
    runs["interval_slope"] = 0.5 * one
    runs["interval_length"] = 2.0 * one
    # So that 2 lambda_min K^2 eta / n is SHARE of the rate.
    runs["gram_smallest_eigenvalue"] = one * SHARE * RATE / (2 * 0.5**2 * 0.5)
    runs["gram_largest_eigenvalue"] = 20 * runs["gram_smallest_eigenvalue"]
    runs["diverged"] = one.astype(np.int8) * 0
    runs["plain_steps"], runs["multisteps"] = 4000 * one, 80 * one
    rng = np.random.default_rng(1)
    shape = (*one.shape, 2, 2, NEURONS)
    dims = (*axes, "moment", "map_point", "neuron")
    runs["feature_map"] = xr.DataArray(rng.standard_normal(shape), dims=dims)
    start, end = (runs["feature_map"].sel(moment=moment, drop=True) for moment in (0, 1))
    runs["feature_map"] = xr.concat([start, start + lazy * end], "moment").transpose(*dims)
    for variable in runs.variables:
        runs[variable].attrs = {"long_name": str(variable), "units": "1"}
    return runs


def made_up_measures(name: str, **size: object) -> xr.Dataset:
    return curves.measure(made_up_runs(name, **size), DATA)


def without(runs: xr.Dataset, **place: object) -> xr.Dataset:
    """The runs as where the grids have none at a place: NaN there."""
    gone = xr.ones_like(runs["diverged"], dtype=bool)
    gone.loc[place] = False
    return xr.merge(
        [
            runs[name].where(gone) if set(gone.dims) <= set(runs[name].dims) else runs[name]
            for name in runs.data_vars
        ]
    )
