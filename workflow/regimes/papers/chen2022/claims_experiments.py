"""Claims of Chen et al. (2022), Section 4: C1 to C6, on the experiments."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from regimes.claims.core import Claim, Measured, Measures
from regimes.papers.chen2022.decay import above_rounding
from regimes.papers.chen2022.selection import ran, shown_width
from regimes.papers.chen2022.sizes import (
    FIGURE_1,
    FIGURE_2,
    FIGURE_3,
    FIGURE_5,
    FIGURE_6,
    QUADRATIC_EMBEDDING,
    RANDOM_LABELS,
    RANDOM_LABELS_DRAWS,
    SCALINGS,
)
from regimes.plotting.wording import counted
from regimes.statistics import power_law_slope

LEAST_R_SQUARED = 0.98
LINEAR_N_TRAIN = (20, 40)
# Feature movement: how far it may vary over m, and the exponent of m with NTK scaling.
LARGEST_VARIATION = 0.2
NTK_EXPONENT = -0.5
EXPONENT_TOLERANCE = 0.1
LOWEST_N_TRAIN = (400, 600, 800)
LARGEST_DISTANCE = 0.1
# Names in the details.
SHORT = {"ours": "ours", "ntk": "NTK", "mean_field": "MF"}


def _linear(measures: Measures) -> Measured:
    """C1: smallest R^2 of a run with n in LINEAR_N_TRAIN; the mean rate must fall with n."""
    return _linear_decay(_random_labels(measures), "one data set (see C9)")


def _linear_on_draws(measures: Measures) -> Measured:
    """C9: the same, each seed with data of its own."""
    return _linear_decay(_random_labels_draws(measures), "a data set for each seed")


def _linear_decay(runs: xr.Dataset, data: str) -> Measured:
    fits = {n: _of_runs(runs.sel(n_train=n), "fit_r_squared") for n in LINEAR_N_TRAIN}
    worst = float(np.min([fit.min() for fit in fits.values()]))
    rates = _mean(runs["fitted_rate"], ran(runs)).sel(n_train=list(FIGURE_1.n_train))
    falls = bool((rates.diff("n_train") < 0).all())
    shown = ", ".join(f"{fit.min():.4f} at n = {n}" for n, fit in fits.items())
    numbers = ", ".join(f"{float(rates.sel(n_train=n)):.3g}" for n in rates["n_train"].values)
    return Measured(
        worst,
        worst > LEAST_R_SQUARED and falls,
        f"m = {int(runs['width'])}, {data}; smallest R^2 {shown}; mean rate per step at n = "
        f"{', '.join(map(str, FIGURE_1.n_train))}: {numbers}, "
        f"{'falling' if falls else 'not falling'} with n",
    )


def _random_labels(measures: Measures) -> xr.Dataset:
    """The widest runs up to the width of Figure 1."""
    runs = measures[RANDOM_LABELS].isel(model=0)
    return runs.sel(width=shown_width(runs, *FIGURE_1.widths))


def _random_labels_draws(measures: Measures) -> xr.Dataset:
    """The widest runs with data of its own for each seed."""
    runs = measures[RANDOM_LABELS_DRAWS].isel(model=0)
    return runs.sel(width=shown_width(runs, *FIGURE_5.widths))


def _mean(values: xr.DataArray, present: xr.DataArray) -> xr.DataArray:
    """Mean over the seeds that were run, NaN if one of them has no value."""
    return xr.where(present, values, 0).sum("seed", skipna=False) / present.sum("seed")


def _of_runs(runs: xr.Dataset, name: str) -> np.ndarray:
    """A quantity of all runs that there were, NaN of one that has none."""
    return runs[name].values[ran(runs).transpose(*runs[name].dims).values]


def _linear_too_small(measures: Measures) -> str | None:
    return _missing(_random_labels(measures), FIGURE_1.n_train)


def _linear_on_draws_too_small(measures: Measures) -> str | None:
    return _missing(_random_labels_draws(measures), FIGURE_1.n_train)


def _missing(runs: xr.Dataset, wanted: Sequence[int]) -> str | None:
    """Why some n were not run, with a model or at all; None if they were.

    runs: of one width; each model must be there.
    """
    present = ran(runs).any("seed")
    present = present.all("model") if "model" in present.dims else present
    lacking = [n for n in wanted if n not in present["n_train"] or not present.sel(n_train=n)]
    if lacking:
        return f"needs n = {', '.join(map(str, lacking))} at m = {int(runs['width'])}"
    return None


def _embedding(measures: Measures) -> Measured:
    """C2: largest ratio over n of the mean test errors, quadratic embedding over plain."""
    runs = measures[QUADRATIC_EMBEDDING]
    runs = runs.sel(width=shown_width(runs, *FIGURE_2.widths))
    there = ran(runs).any("seed").all("model")
    error = _final_error(runs.sel(n_train=there))
    ratio = error.sel(model="quadratic") / error.sel(model="plain")
    worst = float(ratio.max(skipna=False))
    shown = ", ".join(f"{value:.3g} at n = {int(value['n_train'])}" for value in ratio)
    diverged = int(runs["diverged"].sum())
    return Measured(
        worst,
        worst < 1,
        f"m = {int(runs['width'])}, {counted(diverged, 'run')} diverged; ratio {shown}",
    )


def _final_error(runs: xr.Dataset) -> xr.DataArray:
    """Mean over seeds of the test error at the last step, NaN where a run has diverged."""
    return _mean(runs["test_error"].isel(step=-1, drop=True), ran(runs))


def _embedding_too_small(measures: Measures) -> str | None:
    runs = measures[QUADRATIC_EMBEDDING]
    present = ran(runs).any("seed")
    if not {"plain", "quadratic"} <= set(present["model"].values.tolist()):
        return "needs runs with and without the embedding"
    width = shown_width(runs, *FIGURE_2.widths)
    if not present.sel(width=width).all("model").any():
        return f"no n was run with both models at m = {width}"
    return None


def _scalings(measures: Measures) -> Measured:
    """C3: the worst of its three parts, each over what is allowed."""
    runs = measures[SCALINGS]
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
    return Measured(
        worst,
        worst < 1,
        f"m = {', '.join(map(str, widths))}; smallest R^2 under our scaling {fit:.4f}; feature "
        f"movement varies over m by {varied}; NTK exponents from {float(exponents.min()):.3f} to "
        f"{float(exponents.max()):.3f}",
    )


def _movement(runs: xr.Dataset) -> xr.DataArray:
    """Mean over seeds of the feature movement at the end, over width and the n with several widths;
    NaN at all widths of an n where a run diverged.
    """
    present = ran(runs)
    mean = _mean(runs["feature_movement"].isel(step=-1, drop=True), present)
    whole = ~(runs["diverged"] == 1).any(["seed", "width"])
    return mean.where(whole).sel(n_train=present.any("seed").sum("width") > 1)


def _scalings_too_small(measures: Measures) -> str | None:
    runs = measures[SCALINGS]
    for model in SHORT:
        if model not in runs["model"]:
            return f"needs runs of {model}"
        widths = ran(runs).sel(model=model).any("seed").sum("width")
        if not (widths > 1).any():
            return f"needs two widths at one n, {SHORT[model]} has one"
    return None


def _lowest(measures: Measures) -> Measured:
    """C4: the largest of ln(error of ours / least other error) over n, and of the difference of
    the slopes of MF and NTK.
    """
    runs = measures[SCALINGS].sel(width=FIGURE_3.widths[0])
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
    return Measured(
        worst,
        worst < 0,
        f"test error of ours over the lower of the others': {ratios}; slopes over log n: {shown}",
    )


def _lowest_too_small(measures: Measures) -> str | None:
    runs = measures[SCALINGS]
    (width,) = FIGURE_3.widths
    for model in SHORT:
        if model not in runs["model"]:
            return f"needs runs of {model}"
    if width not in runs["width"]:
        return f"needs m = {width}"
    return _missing(runs.sel(width=width), LOWEST_N_TRAIN)


def _widths_agree(runs: xr.Dataset, widths: Sequence[int], names: Sequence[str]) -> Measured:
    """Largest distance of log10 of the mean curves of two widths, over models, n and steps.

    The mean is over the seeds that both widths have; what is rounding is left out.
    """
    both = runs.sel(width=list(widths))
    common = ran(both).all("width")
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
    worst = math.nan if missing else max(largest.values())
    places = "; ".join(
        f"{name.replace('_', ' ')} {value:.3f} at {_place(distances[name])}"
        for name, value in largest.items()
        if not math.isnan(value)
    )
    return Measured(
        worst,
        worst <= LARGEST_DISTANCE,
        f"{int(compared.sum())} pairs of curves of m = {widths[0]} and {widths[1]}; largest "
        f"distance: {places}",
    )


def _place(values: xr.DataArray) -> str:
    """Where values over n_train, and model if there is one, are largest."""
    point = values.isel(values.fillna(-1).argmax(values.dims))
    model = f"{point['model'].item()}, " if "model" in values.dims else ""
    return f"{model}n = {int(point['n_train'])}"


def _figures_1_and_5(measures: Measures) -> Measured:
    """C5: training losses on random labels at both widths."""
    runs = measures[RANDOM_LABELS].isel(model=0)
    return _widths_agree(runs, FIGURE_5.widths + FIGURE_1.widths, ["train_loss"])


def _figures_1_and_5_too_small(measures: Measures) -> str | None:
    runs = measures[RANDOM_LABELS].isel(model=0)
    for width in FIGURE_5.widths + FIGURE_1.widths:
        if width not in runs["width"]:
            return f"needs m = {width}"
        if reason := _missing(runs.sel(width=width), FIGURE_1.n_train):
            return reason
    return _no_common_seed(runs, FIGURE_5.widths + FIGURE_1.widths)


def _no_common_seed(runs: xr.Dataset, widths: Sequence[int]) -> str | None:
    if not ran(runs).sel(width=list(widths)).all("width").any():
        return f"nothing was run at m = {' and '.join(map(str, widths))} with the same seed"
    return None


def _figure_6(measures: Measures) -> Measured:
    """C6: training losses and test errors with and without embedding at both widths."""
    runs = measures[QUADRATIC_EMBEDDING]
    return _widths_agree(runs, FIGURE_6.widths, ["train_loss", "test_error"])


def _figure_6_too_small(measures: Measures) -> str | None:
    runs = measures[QUADRATIC_EMBEDDING]
    for width in FIGURE_6.widths:
        if width not in runs["width"]:
            return f"needs m = {width}"
    return _no_common_seed(runs, FIGURE_6.widths)


CLAIMS = [
    Claim(
        id="C1",
        statement=(
            "log loss on random labels falls linearly with the steps for n = 20, 40 (R^2 > 0.98 "
            "over the middle of its decay), and its rate falls with n: smallest R^2 of a run"
        ),
        paper_value=1.0,
        tolerance=1 - LEAST_R_SQUARED,
        source="section 4.1, Fig. 1",
        needs=(RANDOM_LABELS,),
        check=_linear,
        too_small=_linear_too_small,
        figure="chen2022/fig1_random_labels",
    ),
    Claim(
        id="C2",
        statement=(
            "with quadratic embedding the test error is lower at every n: largest ratio to the "
            "plain network's (below 1)"
        ),
        paper_value=1.0,
        tolerance=0.0,
        source="section 4.2, Fig. 2",
        needs=(QUADRATIC_EMBEDDING,),
        check=_embedding,
        too_small=_embedding_too_small,
        figure="chen2022/fig2_quadratic_embedding",
    ),
    Claim(
        id="C3",
        statement=(
            "log loss falls linearly at every m under our scaling (R^2 > 0.98); feature movement "
            "varies by less than 20 % over m for ours and MF, and falls as m^p, p in [-0.6, -0.4], "
            "for NTK: the worst over what is allowed"
        ),
        paper_value=0.0,
        tolerance=1.0,
        source="section 4.3, Fig. 4",
        needs=(SCALINGS,),
        check=_scalings,
        too_small=_scalings_too_small,
        figure="chen2022/fig4_feature_learning",
    ),
    Claim(
        id="C4",
        statement=(
            "at m = 8192 ours has the lowest test error for n = 400, 600, 800, and that of MF "
            "falls faster with n than that of NTK: largest of log error over the next one's and "
            "of the difference of slopes (below 0)"
        ),
        paper_value=0.0,
        tolerance=0.0,
        source="section 4.3, Fig. 3",
        needs=(SCALINGS,),
        check=_lowest,
        too_small=_lowest_too_small,
        figure="chen2022/fig3_scalings",
    ),
    Claim(
        id="C5",
        statement=(
            "the losses on random labels at m = 8192 and 4096 agree well: largest distance of "
            "their log10"
        ),
        paper_value=0.0,
        tolerance=LARGEST_DISTANCE,
        source="appendix I.1, Figs. 1 and 5",
        needs=(RANDOM_LABELS,),
        check=_figures_1_and_5,
        too_small=_figures_1_and_5_too_small,
        figure="chen2022/fig5_random_labels_m4096",
    ),
    Claim(
        id="C6",
        statement=(
            "with and without quadratic embedding the difference between m = 2048 and 8192 is "
            "negligible: largest distance of log10 of the curves"
        ),
        paper_value=0.0,
        tolerance=LARGEST_DISTANCE,
        source="appendix I.2, Fig. 6",
        needs=(QUADRATIC_EMBEDDING,),
        check=_figure_6,
        too_small=_figure_6_too_small,
        figure="chen2022/fig6_quadratic_curves",
    ),
    Claim(
        id="C9",
        statement=(
            "with new data for each seed, too, log loss on random labels falls linearly with the "
            "steps for n = 20, 40 (R^2 > 0.98), and its rate falls with n: smallest R^2 of a run"
        ),
        paper_value=1.0,
        tolerance=1 - LEAST_R_SQUARED,
        source="section 4.1",
        needs=(RANDOM_LABELS_DRAWS,),
        check=_linear_on_draws,
        too_small=_linear_on_draws_too_small,
        figure="chen2022/random_labels_draws",
    ),
]
