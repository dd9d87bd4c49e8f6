"""Claims of Chen et al. (2022) on Experiment 1, random labels: Section 4.1 and Appendix I.1."""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
    within,
)
from regimes.claims.sampling import jackknifed, mean_of
from regimes.papers.chen2022.claims.cells import whole
from regimes.papers.chen2022.decay import linearity, residual_ratio, steps_to
from regimes.papers.chen2022.paper import (
    FIGURES,
    N_TRAIN,
    RANDOM_LABELS,
    RANDOM_LABELS_DRAWS,
    STEPS,
)

LINEAR_N_TRAIN = (20, 40)
LEVELS = (1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11, 1e-13)
# Of the distance to the next curve of a figure: what a reader does not see.
UNSEEN = 0.05
EXPONENTIAL = at_most(
    1.0, "below 1 an exponential fits better than a power law, which is what linear means"
)
LINEAR = (
    "log loss on random labels falls linearly with the steps for n = 20, 40, averaged over seeds"
)
RESIDUALS = (
    "residual sum of squares of ln L against the steps over that against their logarithm, from 0.9 "
    "to 1e-13 of the loss at the start"
)
RATE = "the loss on random labels falls the slower the larger n is"
TO_LEVEL = "least difference of ln {} to the smallest loss that all runs reach, from n to the next"


def _sizes(width: int) -> Sizes:
    return Sizes(
        seeds=5, contains={"width": (width,), "n_train": N_TRAIN}, least={"step": float(STEPS)}
    )


@claim(
    "C1",
    says=f"{LINEAR}; one data set",
    statistic=RESIDUALS,
    wanted=EXPONENTIAL,
    source="section 4.1, Fig. 1",
    needs=(RANDOM_LABELS,),
    sizes=_sizes(8192),
    known=True,
    figure="chen2022/fig1_random_labels",
)
def linear(measures: Measures) -> Finding:
    """The larger of the residual ratios of the mean curves."""
    return _linear(measures[RANDOM_LABELS], 8192)


@claim(
    "C9",
    says=f"{LINEAR}; new data for each seed, the other reading of the text",
    statistic=RESIDUALS,
    wanted=EXPONENTIAL,
    source="section 4.1, Fig. 5",
    needs=(RANDOM_LABELS_DRAWS,),
    sizes=_sizes(4096),
    known=True,
    figure="chen2022/random_labels_draws",
)
def linear_on_draws(measures: Measures) -> Finding:
    """The same with data of its own for each seed, at the width of Figure 5."""
    return _linear(measures[RANDOM_LABELS_DRAWS], 4096)


def _linear(runs: xr.Dataset, width: int) -> Finding:
    runs = whole(runs.isel(model=0), width=width, n_train=LINEAR_N_TRAIN)
    steps = runs["step"].values.astype(np.float64)
    curves = runs["train_loss"].transpose("seed", "n_train", "step").values

    def ratios(samples: np.ndarray) -> list[float]:
        return [residual_ratio(steps, curve) for curve in samples.mean(0)]

    shown = [f"{one:.3g} at n = {n}" for one, n in zip(ratios(curves), LINEAR_N_TRAIN, strict=True)]
    return jackknifed(curves, ratios, EXPONENTIAL, f"m = {width}: {', '.join(shown)}")


@claim(
    "C13",
    says=(
        "with as many points as features, n = d = 20, the loss of a shallow network falls linearly"
    ),
    statistic=f"largest over five data sets of the {RESIDUALS}",
    wanted=EXPONENTIAL,
    source="Corollary 1",
    needs=(RANDOM_LABELS_DRAWS,),
    sizes=Sizes(seeds=5, contains={"n_train": (20,)}, least={"step": float(STEPS)}),
    known=True,
    figure="chen2022/random_labels_draws",
)
def independent_points(measures: Measures) -> Finding:
    """The largest residual ratio of a run with n = d."""
    runs = whole(measures[RANDOM_LABELS_DRAWS].isel(model=0), n_train=(20,)).isel(width=-1)
    ratios = linearity(runs["train_loss"])
    end = runs["train_loss"].isel(step=-1) / runs["train_loss"].isel(step=0)
    return Finding(
        float(ratios.max(skipna=False)),
        f"the loss ends between {float(end.min()):.1e} and {float(end.max()):.1e} of its start",
    )


@claim(
    "C10",
    says=f"{RATE}; one data set",
    statistic=TO_LEVEL.format("steps"),
    wanted=at_least(0.0, "its sign"),
    source="section 4.1, Fig. 1",
    needs=(RANDOM_LABELS,),
    sizes=_sizes(8192),
    known=True,
    figure="chen2022/fig1_random_labels",
)
def slower(measures: Measures) -> Finding:
    """Differences of ln steps along n."""
    return _slower(measures[RANDOM_LABELS], 8192, flow=False)


@claim(
    "C11",
    says=f"{RATE}, also in the time of gradient flow on the sum (6), steps / n; one data set",
    statistic=TO_LEVEL.format("(steps / n)"),
    wanted=at_least(0.0, "its sign"),
    source="section 4.1, with (6)",
    needs=(RANDOM_LABELS,),
    sizes=_sizes(8192),
    known=True,
    figure="chen2022/fig1_random_labels",
)
def slower_in_flow_time(measures: Measures) -> Finding:
    """Differences of ln (steps / n) along n."""
    return _slower(measures[RANDOM_LABELS], 8192, flow=True)


@claim(
    "C12",
    says=f"{RATE}; new data for each seed",
    statistic=TO_LEVEL.format("steps"),
    wanted=at_least(0.0, "its sign"),
    source="section 4.1, Fig. 5",
    needs=(RANDOM_LABELS_DRAWS,),
    sizes=_sizes(4096),
    known=True,
    figure="chen2022/random_labels_draws",
)
def slower_on_draws(measures: Measures) -> Finding:
    """The same with data of its own for each seed."""
    return _slower(measures[RANDOM_LABELS_DRAWS], 4096, flow=False)


def _slower(runs: xr.Dataset, width: int, flow: bool) -> Finding:
    runs = whole(runs.isel(model=0), width=width, n_train=N_TRAIN)
    loss = runs["train_loss"]
    level = float((loss.isel(step=-1) / loss.isel(step=0)).max(skipna=False))
    times = steps_to(loss, level) / (runs["n_train"] if flow else 1)
    logs = np.log(times).transpose("seed", "n_train")
    means = ", ".join(f"{value:.4g}" for value in np.exp(logs.mean("seed", skipna=False)).values)
    detail = (
        f"to {level:.1e} of the loss at the start, at n = {', '.join(map(str, N_TRAIN))}: {means}"
    )
    return mean_of(logs.diff("n_train").values, at_least(0.0), detail)


@claim(
    "C5",
    says="the losses on random labels at m = 8192 and 4096 agree well",
    statistic=(
        "difference of ln steps to losses from 1e-1 to 1e-13 of the start, over that of n and the "
        "next"
    ),
    wanted=within(
        -UNSEEN, UNSEEN, "a convention of ours: a twentieth of the distance to the next curve"
    ),
    source="appendix I.1, Figs. 1 and 5",
    needs=(RANDOM_LABELS,),
    sizes=Sizes(
        seeds=5, contains={"width": (4096, 8192), "n_train": N_TRAIN}, least={"step": float(STEPS)}
    ),
    known=True,
    figure="chen2022/fig5_random_labels_m4096",
)
def figures_1_and_5(measures: Measures) -> Finding:
    """The two widths, at each n and level that all seeds reach."""
    widths = FIGURES[5].widths + FIGURES[1].widths
    runs = whole(measures[RANDOM_LABELS].isel(model=0), width=widths, n_train=N_TRAIN)
    samples, places = [], []
    for level in LEVELS:
        logs = np.log(steps_to(runs["train_loss"], level)).transpose("n_train", "width", "seed")
        distances = np.diff(logs.mean(["width", "seed"], skipna=False).values)
        for index, n in enumerate(N_TRAIN):
            # To the next n, or of the last ones to the one before.
            sides = distances[index : index + 1], distances[max(index - 1, 0) : index]
            known = [one[0] for one in sides if one.size and np.isfinite(one[0])]
            one = logs.isel(n_train=index).values
            if known and np.isfinite(one).all():
                samples.append((one[1] - one[0]) / abs(known[0]))
                places.append(f"n = {n} at {level:g}")
    if not samples:
        raise TooSmallError("no two neighbouring n reach a common loss with all seeds")
    worst = int(np.argmax(np.abs(np.mean(samples, axis=1))))
    return mean_of(
        np.transpose(samples),
        within(-UNSEEN, UNSEEN),
        f"{len(samples)} places, farthest at {places[worst]} of the start",
    )
