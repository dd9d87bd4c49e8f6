"""Claims of Chen et al. (2022) on the experiments of Section 4: C1 to C6, and C9."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, Measures, TooSmallError, above, at_most, below, claim
from regimes.papers.chen2022.decay import above_rounding
from regimes.papers.chen2022.paper import (
    FIGURES,
    N_TRAIN,
    QUADRATIC_EMBEDDING,
    RANDOM_LABELS,
    RANDOM_LABELS_DRAWS,
    SCALINGS,
)
from regimes.papers.chen2022.selection import shown_width
from regimes.plotting.wording import pluralise
from regimes.statistics import mean_of_runs, power_law_slope, ran

LEAST_R_SQUARED = 0.98
LINEAR_N_TRAIN = (20, 40)
# Feature movement: how far it may vary over m, and the exponent of m with NTK scaling.
LARGEST_VARIATION = 0.2
NTK_EXPONENT = -0.5
EXPONENT_TOLERANCE = 0.1
LOWEST_N_TRAIN = (400, 600, 800)
# Names in the details.
SHORT = {"ours": "ours", "ntk": "NTK", "mean_field": "MF"}


@claim(
    "C1",
    says=(
        "log loss on random labels falls linearly with the steps for n = 20, 40 (R^2 > 0.98 over "
        "the middle of its decay), and its rate falls with n"
    ),
    statistic="smallest R^2 of a run",
    wanted=above(LEAST_R_SQUARED, paper=1.0),
    source="section 4.1, Fig. 1",
    needs=(RANDOM_LABELS,),
    figure="chen2022/fig1_random_labels",
)
def linear(measures: Measures) -> Finding:
    """Smallest R^2 of a run with n in LINEAR_N_TRAIN, of the widest runs.

    Runs wider than those of Figure 1 are left out. The mean rate must fall with n.
    """
    return _linear_decay(measures[RANDOM_LABELS], FIGURES[1].widths, "one data set (see C9)")


@claim(
    "C9",
    says=(
        "with new data for each seed, too, log loss on random labels falls linearly with the "
        "steps for n = 20, 40 (R^2 > 0.98), and its rate falls with n"
    ),
    statistic="smallest R^2 of a run",
    wanted=above(LEAST_R_SQUARED, paper=1.0),
    source="section 4.1",
    needs=(RANDOM_LABELS_DRAWS,),
    figure="chen2022/random_labels_draws",
)
def linear_on_draws(measures: Measures) -> Finding:
    """Smallest R^2 with data of its own for each seed, up to the width of Figure 5."""
    runs = measures[RANDOM_LABELS_DRAWS]
    return _linear_decay(runs, FIGURES[5].widths, "a data set for each seed")


def _linear_decay(runs: xr.Dataset, widths: Sequence[int], data: str) -> Finding:
    runs = runs.isel(model=0)
    runs = runs.sel(width=shown_width(runs, *widths))
    _need_n_train(runs, N_TRAIN)
    fits = {n: _of_runs(runs.sel(n_train=n), "fit_r_squared") for n in LINEAR_N_TRAIN}
    rates = mean_of_runs(runs["fitted_rate"], runs).sel(n_train=list(N_TRAIN))
    falls = bool((rates.diff("n_train") < 0).all())
    shown = ", ".join(f"{fit.min():.4f} at n = {n}" for n, fit in fits.items())
    numbers = ", ".join(f"{float(rates.sel(n_train=n)):.3g}" for n in rates["n_train"].values)
    return Finding(
        float(np.min([fit.min() for fit in fits.values()])),
        f"m = {int(runs['width'])}, {data}; smallest R^2 {shown}; mean rate per step at n = "
        f"{', '.join(map(str, N_TRAIN))}: {numbers}, {'falling' if falls else 'not falling'} "
        "with n",
        also=falls,
    )


def _of_runs(runs: xr.Dataset, name: str) -> np.ndarray:
    """Values of a quantity of all runs, NaN for a run that diverged."""
    return runs[name].values[ran(runs).transpose(*runs[name].dims).values]


def _need_n_train(runs: xr.Dataset, wanted: Sequence[int]) -> None:
    """Raise TooSmallError where some n were not run, with a model or at all.

    runs: of one width; each model must be there.
    """
    present = ran(runs).any("seed")
    present = present.all("model") if "model" in present.dims else present
    lacking = [n for n in wanted if n not in present["n_train"] or not present.sel(n_train=n)]
    if lacking:
        raise TooSmallError(f"needs n = {', '.join(map(str, lacking))} at m = {int(runs['width'])}")


@claim(
    "C2",
    says="with quadratic embedding the test error is lower at every n",
    statistic="largest ratio to the plain network's (below 1)",
    wanted=below(1.0, paper=1.0),
    source="section 4.2, Fig. 2",
    needs=(QUADRATIC_EMBEDDING,),
    figure="chen2022/fig2_quadratic_embedding",
)
def embedding(measures: Measures) -> Finding:
    """Largest ratio over n of the mean test errors, quadratic embedding over plain."""
    runs = measures[QUADRATIC_EMBEDDING]
    if not {"plain", "quadratic"} <= set(runs["model"].values.tolist()):
        raise TooSmallError("needs runs with and without the embedding")
    width = shown_width(runs, *FIGURES[2].widths)
    runs = runs.sel(width=width)
    there = ran(runs).any("seed").all("model")
    if not there.any():
        raise TooSmallError(f"no n was run with both models at m = {width}")
    error = _final_error(runs.sel(n_train=there))
    ratio = error.sel(model="quadratic") / error.sel(model="plain")
    shown = ", ".join(f"{value:.3g} at n = {int(value['n_train'])}" for value in ratio)
    diverged = pluralise(int(runs["diverged"].sum()), "run")
    return Finding(
        float(ratio.max(skipna=False)), f"m = {width}, {diverged} diverged; ratio {shown}"
    )


def _final_error(runs: xr.Dataset) -> xr.DataArray:
    """Mean over seeds of the test error at the last step, NaN where a run has diverged."""
    return mean_of_runs(runs["test_error"].isel(step=-1, drop=True), runs)


@claim(
    "C3",
    says=(
        "log loss falls linearly at every m under our scaling (R^2 > 0.98); feature movement "
        "varies by less than 20 % over m for ours and MF, and falls as m^p, p in [-0.6, -0.4], "
        "for NTK"
    ),
    statistic="the worst over what is allowed",
    wanted=below(1.0),
    source="section 4.3, Fig. 4",
    needs=(SCALINGS,),
    figure="chen2022/fig4_feature_learning",
)
def scalings(measures: Measures) -> Finding:
    """The worst of the three parts, each over what is allowed."""
    runs = measures[SCALINGS]
    _need_models(runs)
    for model in SHORT:
        widths = ran(runs).sel(model=model).any("seed").sum("width")
        if not (widths > 1).any():
            raise TooSmallError(f"needs two widths at one n, {SHORT[model]} has one")
    ours = runs.sel(model="ours")
    fit = _of_runs(ours, "fit_r_squared").min()
    movement = {model: _movement(runs.sel(model=model)) for model in SHORT}
    variation = {
        model: float((mean.max("width") / mean.min("width") - 1).max(skipna=False))
        for model, mean in movement.items()
        if model != "ntk"
    }
    exponents = power_law_slope(movement["ntk"])[0]
    off = float(abs(exponents - NTK_EXPONENT).max(skipna=False))
    parts = [
        (1 - fit) / (1 - LEAST_R_SQUARED),
        *(value / LARGEST_VARIATION for value in variation.values()),
        off / EXPONENT_TOLERANCE,
    ]
    worst = math.nan if any(map(math.isnan, parts)) else float(max(parts))
    varied = ", ".join(f"{SHORT[model]} {value:.1%}" for model, value in variation.items())
    widths = runs["width"][ran(runs).any(["model", "n_train", "seed"]).values].values
    return Finding(
        worst,
        f"m = {', '.join(map(str, widths))}; smallest R^2 under our scaling {fit:.4f}; feature "
        f"movement varies over m by {varied}; NTK exponents from {float(exponents.min()):.3f} to "
        f"{float(exponents.max()):.3f}",
    )


def _movement(runs: xr.Dataset) -> xr.DataArray:
    """Mean over seeds of the feature movement at the end, over width and the n with several widths.

    NaN at all widths of an n where a run diverged.
    """
    present = ran(runs)
    mean = mean_of_runs(runs["feature_movement"].isel(step=-1, drop=True), runs)
    whole = ~(runs["diverged"] == 1).any(["seed", "width"])
    return mean.where(whole).sel(n_train=present.any("seed").sum("width") > 1)


def _need_models(runs: xr.Dataset) -> None:
    for model in SHORT:
        if model not in runs["model"]:
            raise TooSmallError(f"needs runs of {model}")


@claim(
    "C4",
    says=(
        "at m = 8192 ours has the lowest test error for n = 400, 600, 800, and that of MF falls "
        "faster with n than that of NTK"
    ),
    statistic="largest of log error over the next one's and of the difference of slopes (below 0)",
    wanted=below(0.0),
    source="section 4.3, Fig. 3",
    needs=(SCALINGS,),
    figure="chen2022/fig3_scalings",
)
def lowest(measures: Measures) -> Finding:
    """The largest of two numbers that the claim wants negative.

    They are ln(error of ours / least other error), at each n, and the difference of the slopes of
    MF and NTK.
    """
    runs = measures[SCALINGS]
    (width,) = FIGURES[3].widths
    _need_models(runs)
    if width not in runs["width"]:
        raise TooSmallError(f"needs m = {width}")
    runs = runs.sel(width=width)
    _need_n_train(runs, LOWEST_N_TRAIN)
    error = np.log(_final_error(runs))
    others = error.sel(model=["ntk", "mean_field"]).min("model", skipna=False)
    gaps = (error.sel(model="ours") - others).sel(n_train=list(LOWEST_N_TRAIN))
    slopes = power_law_slope(np.exp(error), "n_train")[0]
    steeper = float(slopes.sel(model="mean_field") - slopes.sel(model="ntk"))
    parts = [*map(float, gaps), steeper]
    worst = math.nan if any(map(math.isnan, parts)) else max(parts)
    ratios = ", ".join(f"{math.exp(gap):.3g} at n = {int(gap['n_train'])}" for gap in gaps)
    shown = ", ".join(
        f"{name} {float(slopes.sel(model=model)):.2f}" for model, name in SHORT.items()
    )
    return Finding(
        worst,
        f"test error of ours over the lower of the others': {ratios}; slopes over log n: {shown}",
    )


@claim(
    "C5",
    says="the losses on random labels at m = 8192 and 4096 agree well",
    statistic="largest distance of their log10",
    wanted=at_most(0.1),
    source="appendix I.1, Figs. 1 and 5",
    needs=(RANDOM_LABELS,),
    figure="chen2022/fig5_random_labels_m4096",
)
def figures_1_and_5(measures: Measures) -> Finding:
    """Training losses on random labels at both widths."""
    runs = measures[RANDOM_LABELS].isel(model=0)
    widths = FIGURES[5].widths + FIGURES[1].widths
    for width in widths:
        if width not in runs["width"]:
            raise TooSmallError(f"needs m = {width}")
        _need_n_train(runs.sel(width=width), N_TRAIN)
    return _widths_agree(runs, widths, ["train_loss"])


@claim(
    "C6",
    says=(
        "with and without quadratic embedding the difference between m = 2048 and 8192 is "
        "negligible"
    ),
    statistic="largest distance of log10 of the curves",
    wanted=at_most(0.1),
    source="appendix I.2, Fig. 6",
    needs=(QUADRATIC_EMBEDDING,),
    figure="chen2022/fig6_quadratic_curves",
)
def figure_6(measures: Measures) -> Finding:
    """Training losses and test errors with and without embedding at both widths."""
    runs = measures[QUADRATIC_EMBEDDING]
    for width in FIGURES[6].widths:
        if width not in runs["width"]:
            raise TooSmallError(f"needs m = {width}")
    return _widths_agree(runs, FIGURES[6].widths, ["train_loss", "test_error"])


def _widths_agree(runs: xr.Dataset, widths: Sequence[int], names: Sequence[str]) -> Finding:
    """Largest distance of log10 of the mean curves of two widths, over models, n and steps.

    The mean is over the seeds that both widths have; what is rounding is left out.
    """
    both = runs.sel(width=list(widths))
    common = ran(both).all("width")
    if not common.any():
        raise TooSmallError(
            f"nothing was run at m = {' and '.join(map(str, widths))} with the same seed"
        )
    distances = {}
    for name in names:
        curves = both[name].where(common).mean("seed")
        # A run that diverged has no curve to agree with.
        curves = curves.where(both["diverged"].sum(["seed", "width"]) == 0)
        loss = above_rounding(both["train_loss"].where(common).mean("seed"))
        logs = np.log10(curves.where(loss.notnull())) if name == "train_loss" else np.log10(curves)
        distance = abs(logs.sel(width=widths[0], drop=True) - logs.sel(width=widths[1], drop=True))
        distances[name] = distance.max("step").where(common.any("seed"))
    compared = common.any("seed")
    missing = any((one.isnull() & compared).any() for one in distances.values())
    largest = {name: float(one.max()) for name, one in distances.items()}
    places = "; ".join(
        f"{name.replace('_', ' ')} {value:.3f} at {_place(distances[name])}"
        for name, value in largest.items()
        if not math.isnan(value)
    )
    return Finding(
        math.nan if missing else max(largest.values()),
        f"{int(compared.sum())} pairs of curves of m = {widths[0]} and {widths[1]}; largest "
        f"distance: {places}",
    )


def _place(values: xr.DataArray) -> str:
    """Where values over n_train, and model if there is one, are largest."""
    point = values.isel(values.fillna(-1).argmax(values.dims))
    model = f"{point['model'].item()}, " if "model" in values.dims else ""
    return f"{model}n = {int(point['n_train'])}"
