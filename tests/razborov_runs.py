"""Made-up runs of the experiments of Razborov (2022), and their measures."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from regimes.engines.at_initialisation.quasirandom import Runs
from regimes.papers.razborov2022 import both_layers, convergence, spectrum
from regimes.papers.razborov2022.paper import (
    ALLOWED,
    ALLOWED_HALF_RATE,
    ALLOWED_LABELS,
    ALLOWED_RATES,
    LARGER_RATE,
    LOCAL,
    LOCAL_LOWER_RATE,
    MAIN,
    MANY_POINTS,
    QUANTITIES,
    START,
    STATED_RATE,
    STATISTICS,
    TABLE1,
    TABLE2,
    TABLE2_RUNS,
    TOO_MANY_POINTS,
    TRACKED,
    main_series,
)

N_FEATURES = 100
DATA = xr.Dataset({"inputs": (("draw", "point", "feature"), np.zeros((1, 1, N_FEATURES)))})
FEW_FEATURES = xr.Dataset({"inputs": (("draw", "point", "feature"), np.zeros((1, 1, 20)))})


def described(dataset: xr.Dataset) -> xr.Dataset:
    for name in dataset.variables:
        dataset[name].attrs = {"long_name": str(name), "units": "1"}
    return dataset


def made_up_runs(**axes: list) -> xr.Dataset:
    """Runs that succeed, lambda_min falling from 20 to 16, on the axes."""
    dataset = xr.Dataset(coords={name: (name, values) for name, values in axes.items()})
    one = xr.DataArray(np.ones([len(values) for values in axes.values()]), dims=list(axes))
    for name in convergence.KEPT:
        dataset[name] = one * {"aborted": 0, "diverged": 0}.get(name, 1)
    dataset["initial_smallest_eigenvalue"] = 20 * one
    dataset["final_smallest_eigenvalue"] = 16 * one
    dataset["stopping_time"] = 1000 * one
    if "width" in axes and "n_train" in axes:
        # Of random labels of variance S.
        dataset["initial_residual_norm"] = (
            one * (1.5 * dataset["width"] * dataset["n_train"]) ** 0.5
        ).transpose(*axes)
    return described(dataset)


def paper_like() -> xr.Dataset:
    """Measures of ten runs that have exactly the paper's means and ranges, where it has values.

    Elsewhere in the main series the density of changes is 0.4 of the theory's and kappa_H falls.
    """
    cells = pd.concat([main_series(), TABLE2[["width", "n_train"]]])
    axes = {
        "width": sorted(set(cells["width"])),
        "n_train": sorted(set(cells["n_train"])),
        "seed": list(range(10)),
    }
    runs = made_up_runs(**axes)
    for name in runs.data_vars:
        runs[name] = runs[name] * np.nan
    measures = convergence.measure(runs, DATA)
    printed = pd.concat([TABLE2, TABLE1]).groupby(["width", "n_train"]).last()
    for width, n_train in set(cells.itertuples(index=False, name=None)):
        place = {"width": width, "n_train": n_train}
        here = measures.loc[place]
        for name, value in (("converged", 1), ("aborted", 0), ("diverged", 0)):
            here[name][:] = value
        here["stopping_time"][:] = 500
        here["kappa_h"][:] = 1 - 0.2 * n_train / 1000
        here["change_density"][:] = 0.4 * (n_train / (N_FEATURES * width)) ** (1 / 3)
        if (width, n_train) not in printed.index:
            continue
        for quantity in QUANTITIES:
            low, high, mean = (
                printed.loc[(width, n_train), f"{quantity}_{name}"] for name in STATISTICS
            )
            values = np.full(10, (10 * mean - low - high) / 8)
            values[:2] = low, high
            here[quantity][:] = np.nan_to_num(values, nan=1.0)
    for n_train, count in TABLE2_RUNS.items():
        place = {"width": 100, "n_train": n_train}
        for name in ("converged", "aborted", "diverged", *QUANTITIES):
            values = measures[name].loc[place]
            values[:] = values.mean() if count < 10 else values
            values[count:] = np.nan
    return measures


def twenty_at_5000(value: float = 28217, spread: float = 800) -> xr.Dataset:
    """The same with twenty runs at m = 5000, whose T is about a value."""
    measures = paper_like().reindex(seed=list(range(20)))
    normal = np.random.default_rng(0).standard_normal(20)
    normal = (normal - normal.mean()) / normal.std(ddof=1)
    row = TABLE2[TABLE2["n_train"] == 5000].iloc[0]
    for quantity in QUANTITIES:
        mean = row[f"{quantity}_mean"]
        values = mean * (1 + 0.01 * normal)
        if quantity == "stopping_time":
            values = value + spread * normal
        measures[quantity].loc[{"width": 100, "n_train": 5000}] = values
    return measures


def local_runs(successes: tuple[int, int] = (19, 0), counts: tuple[int, int] = (20, 10)):
    runs = made_up_runs(width=[100], n_train=[1000, 2000], seed=list(range(20)))
    for index, (won, count) in enumerate(zip(successes, counts, strict=True)):
        values = np.where(np.arange(20) < won, 1.0, 0.0)
        values[count:] = np.nan
        runs["converged"][0, index] = values
        runs["aborted"][0, index] = 1 - values
    return convergence.measure(runs, DATA)


def lower_rate_runs(won: int = 0, capped: int = 0) -> xr.Dataset:
    runs = made_up_runs(width=[100], n_train=[2000], seed=list(range(10)))
    runs["converged"][0, 0] = np.arange(10) < won
    runs["aborted"][0, 0] = np.arange(10) >= won + capped
    return convergence.measure(runs, DATA)


def tracked_runs(
    dip: float = 0.0, kappa: float = 0.8, bulge: float = 0.0, seeds: int = 3, **axes: list
) -> xr.Dataset:
    """Runs whose lambda_min(H_t) falls by a share below the smaller of its ends, once."""
    axes = {"width": [100], "n_train": [100, 500], **axes, "seed": list(range(seeds))}
    runs = made_up_runs(**axes)
    one = xr.ones_like(runs["stopping_time"])
    runs["final_smallest_eigenvalue"] = 20 * kappa * one
    steps = [0, 1, 10, 100, 10_000]
    history = xr.DataArray(np.full((*one.shape, 5), 20.0), dims=[*runs.dims, "step"])
    history[..., 2:] = 20 * kappa
    history[0, -1, 2, 3] = 20 * min(kappa, 1) * (1 - dip)
    history[..., 4] = np.nan  # after the end
    distance = xr.ones_like(history).where(history.notnull())
    distance[..., 0] = 0
    distance[0, -1, 2, 2] = 1 + bulge
    runs = runs.assign_coords(step=steps)
    runs = runs.assign(smallest_eigenvalue=history, weight_distance=distance)
    # The distances of the tables, too.
    return spectrum.measure(described(runs), DATA)


def with_noise(runs: xr.Dataset, seed: int = 0, factor: float = 1.0) -> xr.Dataset:
    """Tracked runs of which each quantity is normal about a value, of 1 % of it."""
    random = np.random.default_rng(seed)
    found = runs.copy()
    for quantity in QUANTITIES:
        noise = random.standard_normal(runs[quantity].shape)
        found[quantity] = runs[quantity] * factor * (1 + 0.01 * noise)
    return found


def labels_runs() -> dict[str, xr.Dataset]:
    """Runs with random, low and high spectrum labels, alike, m = 1000 as in Table 2."""
    found = {}
    for index, name in enumerate(TRACKED):
        runs = with_noise(tracked_runs(seeds=10, n_train=[100, 500, 1000]), seed=index)
        row = TABLE2.iloc[0]
        for quantity in QUANTITIES:
            noise = np.random.default_rng(index).standard_normal(10)
            values = row[f"{quantity}_mean"] * (1 + 0.01 * (noise - noise.mean()))
            runs[quantity].loc[{"width": 100, "n_train": 1000}] = values
        found[name] = runs
    return found


def stated_rate_runs(
    width: int = 1000, failures: int = 0, lowered: int = 1, seeds: int = 10
) -> xr.Dataset:
    """Runs of which so many fail at m = 800, and of both widths at m = 900."""
    runs = made_up_runs(
        width=[500, width], n_train=[100, 800, 900, 950, 1000], seed=[*range(seeds)]
    )
    small = {"width": 500, "n_train": [100, 800]}
    for name in ("converged", "aborted", "diverged", "initial_residual_norm"):
        runs[name].loc[small] = np.nan
    for place, count in ((800, failures), (900, lowered)):
        for one in {500, width} if place == 900 else {width}:
            where = {"width": one, "n_train": place, "seed": list(range(count))}
            runs["converged"].loc[where] = 0
            runs["aborted"].loc[where] = 1
    return convergence.measure(runs, DATA)


def plain_runs(width: int, n_train: int, converged: float = 1.0) -> xr.Dataset:
    runs = made_up_runs(width=[width], n_train=[n_train], seed=list(range(10)))
    runs["converged"] = runs["converged"] * converged
    return convergence.measure(runs, DATA)


SIZES = {128: 17, 512: 24, 2048: 34}
RATIOS = [0.001, 0.03, 1.0, 30.0, 1000.0]


def on_sizes(runs: xr.Dataset) -> xr.DataArray:
    """Where there are runs: a number of points for each width."""
    there = [[SIZES[w] == m for m in runs["n_train"].values] for w in runs["width"].values]
    return xr.DataArray(there, dims=("width", "n_train"))


def theorem_runs(
    powers: Mapping[str, float] | None = None,
    *,
    failures: int = 0,
    seeds: int = 5,
    learning_rate: float = 0.1,
) -> xr.Dataset:
    """Runs of the sizes of the theorem whose quantities have given powers.

    powers: of m for the distances (`weights`, `outputs`), of the ratio for that of the weights
    (`ratio`), of S for the rate of decay (`decay`) and of the learning rate for the invariant
    (`invariant`). failures: runs that abort, at the smallest ratio.
    """
    chosen = {"weights": 0.5, "outputs": 0.5, "ratio": -0.7, "decay": 0.0, "invariant": 1.0}
    chosen |= powers or {}
    axes = {
        "width": list(SIZES),
        "n_train": list(SIZES.values()),
        "rate_ratio": RATIOS,
        "seed": list(range(seeds)),
    }
    runs = made_up_runs(**axes)
    one = xr.ones_like(runs["stopping_time"])
    m, ratio, width = runs["n_train"], runs["rate_ratio"], runs["width"]
    noise = one * np.exp(0.01 * np.random.default_rng(0).standard_normal(one.shape))
    weights = noise * m ** chosen["weights"] * np.maximum(ratio, 1) ** chosen["ratio"]
    outputs = noise * m ** chosen["outputs"] * np.minimum(ratio, 1) ** 0.5
    step_size = one * learning_rate / width / np.maximum(ratio, 1)
    runs["step_size"] = step_size.transpose(*axes)
    steps = xr.DataArray(np.arange(0, 1001, 20), dims="step")
    rate = step_size * np.maximum(ratio, 1) * width * width ** chosen["decay"] * noise
    runs["train_loss"] = np.exp(-2 * rate * steps).transpose(*axes, "step")
    for name, values in (("weight_distance", weights), ("output_weight_distance", outputs)):
        runs[f"final_{name}"] = values.transpose(*axes)
        # It is passed before the end.
        runs[name] = (values * xr.where(steps == 500, 1, 0.5)).transpose(*axes, "step")
    runs["final_weight_distance"] = 0.9 * runs["final_weight_distance"]
    drift = noise * 0.01 * learning_rate ** chosen["invariant"]
    runs["final_invariant_drift"] = drift.transpose(*axes)
    runs["converged"].loc[{"rate_ratio": RATIOS[0], "seed": list(range(failures))}] = 0
    runs["aborted"].loc[{"rate_ratio": RATIOS[0], "seed": list(range(failures))}] = 1
    there = on_sizes(runs)
    runs = runs.map(lambda values: values.where(there).transpose(*values.dims))
    return both_layers.measure(described(runs.assign_coords(step=steps)), FEW_FEATURES)


def theorem_rates_runs(power: float = 0.0) -> xr.Dataset:
    """Runs whose smallest eigenvalue is S to 1 and a power more."""
    sizes = {128: 17, 512: 24}
    runs = tracked_runs(seeds=10, width=list(sizes), n_train=list(sizes.values()))
    there = on_sizes(runs)
    share = runs["width"] ** (1 + power) * 0.05
    noise = 1 + 0.01 * np.random.default_rng(0).standard_normal(10)
    scale = share * xr.DataArray(noise, dims="seed") / 20
    for name in ("smallest_eigenvalue_history", "smallest_eigenvalue"):
        dims = runs[name].dims
        runs[name] = (runs[name] * scale).transpose(*dims)
    runs["n_features"] = xr.DataArray(20)
    return runs.map(
        lambda values: (
            values.where(there).transpose(*values.dims) if "seed" in values.dims else values
        )
    )


def start_runs(deviation: float = 0.0, slope: float = -0.5, power: float = 0.0) -> xr.Dataset:
    """Starts as the theory has them, but for some changes.

    deviation: of the kernels' means. slope: of the largest product in n. power: of S, by which
    the smallest eigenvalues are off.
    """
    random = np.random.default_rng(0)
    axes = {
        "n_features": [3, 25, 50, 100, 200, 400],
        "n_train": [50, 100],
        "width": [256, 1024, 4096],
        "seed": list(range(10)),
    }
    runs = xr.Dataset(coords={name: (name, values) for name, values in axes.items()})
    shape = [len(values) for values in axes.values()]
    one = xr.DataArray(np.ones(shape), dims=list(axes))
    n, m, width = runs["n_features"], runs["n_train"], runs["width"]

    def noise(size: float) -> xr.DataArray:
        return one * (1 + size * random.standard_normal(shape))

    def deviations(mean: float) -> xr.DataArray:
        return mean + one * random.standard_normal(shape) * 0.01 / width**0.5

    values = {
        "largest_product": 4 * n**slope * noise(0.01),
        "input_norm": 1 + (m / n) ** 0.5 * one,
        "smallest_row_norm": 0.8 * n**0.5 * one,
        "largest_weight": 4 * one,
        "largest_pre_activation": 4 * one,
        "largest_output": 2 * width**0.5 * one,
        "largest_crowding": 2 * one,
        "smallest_eigenvalue_first": 0.2 * width ** (1 + power) * noise(0.01),
        "smallest_eigenvalue_second": 0.05 * width ** (1 + power) * noise(0.01),
        "first_kernel_deviation": deviations(deviation),
        "second_kernel_deviation": deviations(deviation),
        "printed_kernel_deviation": deviations(deviation + 0.02),
        "mended_kernel_deviation": deviations(deviation),
        "lecun_rate_ratio": width / n * one,
    }
    assert set(values) == set(Runs.VARIABLES)
    return described(runs.assign({name: one.transpose(*axes) for name, one in values.items()}))


def all_measures() -> dict[str, xr.Dataset]:
    """Measures of all experiments with which every claim but the errata holds."""
    return labels_runs() | {
        MAIN: twenty_at_5000(),
        STATED_RATE: stated_rate_runs(failures=3),
        LARGER_RATE: plain_runs(100, 100),
        TOO_MANY_POINTS: plain_runs(10, 200, converged=0.0),
        MANY_POINTS: tracked_runs(n_train=[2000, 3000]),
        LOCAL: local_runs(),
        LOCAL_LOWER_RATE: lower_rate_runs(),
        ALLOWED: theorem_runs(),
        ALLOWED_HALF_RATE: theorem_runs(learning_rate=0.05),
        ALLOWED_RATES: theorem_rates_runs(),
        START: start_runs(power=0.02),
        **{
            name: convergence.measure(
                made_up_runs(width=list(SIZES), n_train=[17, 24, 34], seed=list(range(10))),
                FEW_FEATURES,
            )
            for name in ALLOWED_LABELS
        },
    }
