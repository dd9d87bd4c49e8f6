"""Made-up runs of the experiments of Chen et al. (2022), in which every claim holds."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from regimes.papers.chen2022 import curves
from regimes.papers.chen2022.paper import (
    LEAKY_RELU,
    LEMMA_1_RELU,
    LEMMA_1_TANH,
    MODELS,
    MOVEMENT,
    QUADRATIC_EMBEDDING,
    RANDOM_LABELS,
    RANDOM_LABELS_DRAWS,
    SCALINGS,
    STARTS,
    THEOREM_1,
    THEOREM_1_DRAWN_SIGNS,
    THEOREM_3,
)

LATE_STEPS = np.arange(500, 50_001, 500)
STEPS = np.unique(np.concatenate([[0, 1], np.rint(np.geomspace(1, 5e4, 60)), LATE_STEPS]))
# The experiments at the paper's size: widths, n, number of seeds.
PAPER = {
    RANDOM_LABELS: ([4096, 8192], [20, 40, 60, 80, 100], 5),
    RANDOM_LABELS_DRAWS: ([4096], [20, 40, 60, 80, 100], 5),
    QUADRATIC_EMBEDDING: ([2048, 8192], [50, 100, 200, 400, 600, 800, 1000], 5),
    SCALINGS: ([512, 1024, 2048, 4096, 8192], [200, 400, 600, 800], 3),
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


def made_up_theory() -> dict[str, xr.Dataset]:
    """Measures of the experiments on Sections 2.2 and 3, in which every claim holds."""
    random = np.random.default_rng(4)

    def runs(model: Sequence[str], **axes: Sequence[int]) -> xr.Dataset:
        coords = {"model": list(model), **{name: list(one) for name, one in axes.items()}}
        found = xr.Dataset(coords=coords)
        shape = [len(values) for values in coords.values()]
        found["diverged"] = xr.DataArray(np.zeros(shape), dims=list(coords))
        # A little different from run to run.
        found["one"] = np.exp(0.01 * found["diverged"].copy(data=random.standard_normal(shape)))
        return found

    movement = runs(["ours", "ntk"], width=[512, 2048, 8192, 32768], n_train=[50], seed=range(5))
    movement = movement.expand_dims(step=[0, 2000])
    lazy = xr.where(movement["model"] == "ntk", movement["width"] ** -0.5, 1.0)
    moved = movement["one"] * (movement["step"] > 0)
    movement["feature_movement"], movement["kernel_change"] = moved * lazy, moved * lazy
    movement["train_loss"] = xr.where(movement["step"] == 0, 1.0, 0.1) * movement["one"]

    steps = xr.DataArray(np.arange(0, 1001, 2), dims="step", name="step")
    lemma = runs(["ntk"], width=[512, 2048, 8192], n_train=[20], seed=range(5))
    lemma = lemma.assign_coords(step=steps.values)
    lemma["train_loss"] = 0.04 * lemma["one"] * np.exp(-0.01 * lemma["step"])
    lemma["active_fraction"] = 0.6 + 0 * lemma["train_loss"]
    for form in ("active_fraction_bound", "active_fraction_bound_printed"):
        lemma[form] = 0.2 + 0 * lemma["train_loss"]
    leaky = runs(["shallow"], width=[10, 100, 1000], n_train=[10], seed=range(5))
    leaky = leaky.assign_coords(step=steps.values)
    leaky["train_loss"] = 0.04 * leaky["one"] * np.exp(-0.01 * leaky["step"])
    leaky["gram_min_eigenvalue"] = 0.3 + 0 * leaky["diverged"]
    leaky["learning_rate"] = 1.0 + 0 * leaky["diverged"]

    def theorem(model: str, **axes: Sequence[int]) -> xr.Dataset:
        found = runs([model], **axes)
        found["theorem_ratio"] = 20 * found["one"]
        found["weight_ratio"] = 5 * found["one"]
        shape = found["one"].shape
        found["gram_min_eigenvalue"] = found["one"].copy(data=random.uniform(0.1, 0.9, shape))
        found["learning_rate"] = 1.0 + 0 * found["diverged"]
        found["theorem_rate"] = 0.03 * found["gram_min_eigenvalue"] / found["n_train"]
        found["initial_loss_ratio"] = 0.5 + 0 * found["diverged"]
        return found

    third = theorem("ntk", width=[1024], n_train=[8], seed=range(40))
    third["gram_ratio"] = 0.9 * third["one"]
    starts = runs(["shallow"], width=[36, 140, 600, 6000, 7000, 9000], n_train=[10, 50, 250],
                  seed=range(200)).isel(model=0, drop=True)  # fmt: skip
    size = 4.1 * starts["width"] / xr.DataArray([600, 140, 36], dims="n_train")
    starts["lemma_2_constant"] = size
    enough = starts["width"] >= 6000
    failing = (starts["n_train"] == 250) & ~enough
    starts["initial_loss_ratio"] = xr.where(failing, 5.0, 0.6) * starts["one"]
    forms = {"region": ["(-1, 1)", "(0, 1)", "(5, 6)"], "form": ["printed", "corrected"]}
    shares = xr.DataArray([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], forms, list(forms))
    starts["failing_share"], starts["least_share"] = shares, 0.05 + 0 * shares
    starts["middle_share"] = 0.1 + 0 * shares.isel(form=0, drop=True)
    return {
        MOVEMENT: movement,
        LEMMA_1_TANH: lemma,
        LEMMA_1_RELU: lemma.copy(deep=True),
        LEAKY_RELU: leaky,
        THEOREM_1: theorem("ntk", width=[512, 4096], n_train=[5, 10, 20], seed=range(100)),
        THEOREM_1_DRAWN_SIGNS: theorem("ours", width=[1048576], n_train=[2], seed=range(30)),
        THEOREM_3: third,
        STARTS: starts,
    }
