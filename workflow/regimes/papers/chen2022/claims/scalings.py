"""Claims of Chen et al. (2022) on Experiment 3, three scalings: Section 4.3 and Appendix I.3."""

import math

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, Measures, Sizes, at_least, at_most, claim, within
from regimes.claims.sampling import deviates_of_means, jackknifed, largest_deviate, mean_of
from regimes.papers.chen2022.claims.cells import whole
from regimes.papers.chen2022.decay import residual_ratio
from regimes.papers.chen2022.paper import FIGURES, SCALINGS, STEPS
from regimes.statistics import power_law_slope

WIDTHS = (512, 1024, 2048, 4096, 8192)
WIDEST = 8192
# Numbers of points of Figures 3, 4, 7 and 8.
N_TRAIN = FIGURES[3].n_train
IMPROVING = (400, 600, 800)
OF_FIGURE_4 = 600
# Names in the details.
SHORT = {"ours": "ours", "ntk": "NTK", "mean_field": "MF"}
# Of two movements: an order of magnitude.
NEGLIGIBLE = 0.1
VISIBLE = 0.1


def _sizes(n_train: tuple[int, ...], widths: tuple[int, ...] = (WIDEST,)) -> Sizes:
    return Sizes(
        seeds=5, contains={"width": widths, "n_train": n_train}, least={"step": float(STEPS)}
    )


FIGURE_4 = _sizes((OF_FIGURE_4,), WIDTHS)


@claim(
    "C3",
    says="under our scaling log loss falls linearly at every m from 512 to 8192, n = 600",
    statistic=(
        "largest residual sum of squares of ln L against the steps over that against their "
        "logarithm, from 0.9 to 1e-13 of the loss at the start"
    ),
    wanted=at_most(
        1.0, "below 1 an exponential fits better than a power law, which is what linear means"
    ),
    source="section 4.3, Fig. 4",
    needs=(SCALINGS,),
    sizes=FIGURE_4,
    known=True,
    figure="chen2022/fig4_feature_learning",
)
def linear(measures: Measures) -> Finding:
    """Residual ratios of the mean curves."""
    runs = whole(measures[SCALINGS], model="ours", n_train=OF_FIGURE_4, width=WIDTHS)
    steps = runs["step"].values.astype(np.float64)
    curves = runs["train_loss"].transpose("seed", "width", "step").values

    def ratios(samples: np.ndarray) -> list[float]:
        return [residual_ratio(steps, curve) for curve in samples.mean(0)]

    shown = ", ".join(
        f"{one:.3g} at m = {m}" for one, m in zip(ratios(curves), WIDTHS, strict=True)
    )
    return jackknifed(curves, ratios, at_most(1.0), shown)


@claim(
    "C14",
    says="and consistently: the rate of decay under our scaling does not depend on m, n = 600",
    statistic="exponent of the rate in m, as a deviate from 0",
    wanted=within(-largest_deviate(1), largest_deviate(1), "no more than chance, at 95 %"),
    source="section 4.3, Fig. 4",
    needs=(SCALINGS,),
    sizes=FIGURE_4,
    known=True,
    figure="chen2022/fig4_feature_learning",
)
def same_rate(measures: Measures) -> Finding:
    """The exponent of the fitted rate, over seeds."""
    runs = whole(measures[SCALINGS], model="ours", n_train=OF_FIGURE_4, width=WIDTHS)
    exponents = exponents_of(runs["fitted_rate"])
    return Finding(float(deviates_of_means(exponents)[0]), f"exponent {exponents.mean():.3g}")


def exponents_of(values: xr.DataArray, dim: str = "width") -> np.ndarray:
    """Exponents of positive values along an axis, (seeds,); NaN where one value is missing."""
    slopes = power_law_slope(values, dim)[0].where(values.notnull().all(dim))
    return slopes.transpose("seed", ...).values


def _movement(measures: Measures, *models: str) -> list[xr.DataArray]:
    """Mean movement of the features at the end, n = 600, of some models over seed and width."""
    runs = whole(measures[SCALINGS], n_train=OF_FIGURE_4, width=WIDTHS, model=models)
    moved = runs["feature_movement"].isel(step=-1, drop=True)
    return [moved.sel(model=model, drop=True).transpose("seed", "width") for model in models]


@claim(
    "C15",
    says="with NTK scaling the features move negligibly, against ours, m = 8192, n = 600",
    statistic="ratio of the mean movements, geometric mean over seeds",
    wanted=at_most(NEGLIGIBLE, "a convention of ours: one order of magnitude"),
    source="section 4.3, Fig. 4",
    needs=(SCALINGS,),
    sizes=FIGURE_4,
    known=True,
    figure="chen2022/fig4_feature_learning",
)
def negligible(measures: Measures) -> Finding:
    """Ratio of the movements at the largest width."""
    ours, ntk = (one.sel(width=WIDEST) for one in _movement(measures, "ours", "ntk"))
    found = mean_of(np.log(ntk / ours).values, at_most(math.log(NEGLIGIBLE)))
    lower, upper = found.limits or (found.value, found.value)
    detail = f"NTK {float(ntk.mean()):.3g}, ours {float(ours.mean()):.3g}"
    return Finding(math.exp(found.value), detail, (math.exp(lower), math.exp(upper)))


@claim(
    "C16",
    says="and the more negligibly the wider the network, m = 512 to 8192, n = 600",
    statistic="exponent in m of the movement with NTK scaling over that of ours",
    wanted=at_most(0.0, "its sign"),
    source="section 4.3, Fig. 4",
    needs=(SCALINGS,),
    sizes=FIGURE_4,
    known=True,
    figure="chen2022/fig4_feature_learning",
)
def more_negligible(measures: Measures) -> Finding:
    """Exponent of the ratio of the movements."""
    ours, ntk = _movement(measures, "ours", "ntk")
    return mean_of(exponents_of(ntk / ours), at_most(0.0))


@claim(
    "C17",
    says="under our scaling the movement of the features is seen, m = 8192, n = 600",
    statistic="mean movement over the deviation of h_i at the start",
    wanted=at_least(VISIBLE, "a convention of ours: a tenth of the spread is seen in a scatter"),
    source="section 4.3, Fig. 4",
    needs=(SCALINGS,),
    sizes=FIGURE_4,
    known=True,
    figure="chen2022/fig4_feature_learning",
)
def visible(measures: Measures) -> Finding:
    """Movement of the mapped neurons at the two mapped points."""
    runs = whole(measures[SCALINGS], model="ours", n_train=OF_FIGURE_4, width=WIDEST)
    start, end = (runs["feature_map"].sel(moment=moment, drop=True) for moment in (0, 1))
    shares = abs(end - start).mean("neuron") / start.std("neuron")
    return mean_of(shares.transpose("seed", "map_point").values, at_least(VISIBLE))


@claim(
    "C18",
    says="with MF scaling features start concentrated near 0 and gain diversity, m = 8192, n = 600",
    statistic="deviation of h_i over the neurons at the end over that at the start",
    wanted=at_least(
        1 + 3 / math.sqrt(2 * 2048), "1 and three standard errors of a deviation of 2048 neurons"
    ),
    source="section 4.3, Fig. 4",
    needs=(SCALINGS,),
    sizes=FIGURE_4,
    figure="chen2022/fig4_feature_learning",
)
def diversity(measures: Measures) -> Finding:
    """Growth of the deviation at the two mapped points."""
    runs = whole(measures[SCALINGS], n_train=OF_FIGURE_4, width=WIDEST, model=tuple(SHORT))
    spread = runs["feature_map"].std("neuron", ddof=1).transpose("seed", ...)
    ours, field = (spread.sel(model=model, drop=True) for model in ("ours", "mean_field"))
    growth = field.sel(moment=1, drop=True) / field.sel(moment=0, drop=True)
    # Exactly m^(-1/2): the same draws, scaled.
    share = float((field / ours).sel(moment=0).mean())
    return mean_of(
        growth.transpose("seed", "map_point").values,
        at_least(1 + 3 / math.sqrt(2 * 2048)),
        f"at the start {share:.3g} of the deviation with our scaling",
    )


@claim(
    "C4",
    says="ours has the smallest test error of the three at every n, m = 8192",
    statistic="least ln of the others' over it, paired over seeds",
    wanted=at_least(0.0, "its sign"),
    source="section 4.3, Fig. 3; appendix I.3",
    needs=(SCALINGS,),
    sizes=_sizes(N_TRAIN),
    known=True,
    figure="chen2022/fig3_scalings",
)
def lowest(measures: Measures) -> Finding:
    """Differences of ln error at each n, to both other models."""
    errors = _log_errors(measures)
    gaps = errors.sel(model=["ntk", "mean_field"]) - errors.sel(model="ours", drop=True)
    gaps = gaps.transpose("seed", "model", "n_train")
    return mean_of(gaps.values.reshape(len(gaps), -1), at_least(0.0), _shown(errors))


def _log_errors(measures: Measures) -> xr.DataArray:
    runs = whole(measures[SCALINGS], width=WIDEST, n_train=N_TRAIN, model=tuple(SHORT))
    return np.log(runs["test_error"].isel(step=-1, drop=True))


def _shown(errors: xr.DataArray) -> str:
    means = np.exp(errors.mean("seed", skipna=False))
    return "; ".join(
        f"{name} {', '.join(f'{value:.3g}' for value in means.sel(model=model).values)}"
        for model, name in SHORT.items()
    )


@claim(
    "C19",
    says="the test error falls faster with n with MF scaling than with NTK scaling, m = 8192",
    statistic="difference of the exponents in n",
    wanted=at_most(0.0, "its sign"),
    source="section 4.3, Fig. 3",
    needs=(SCALINGS,),
    sizes=_sizes(N_TRAIN),
    known=True,
    figure="chen2022/fig3_scalings",
)
def steeper(measures: Measures) -> Finding:
    """Exponent of MF less that of NTK, over seeds."""
    errors = np.exp(_log_errors(measures))
    field, ntk = (exponents_of(errors.sel(model=one), "n_train") for one in ("mean_field", "ntk"))
    return mean_of(field - ntk, at_most(0.0), f"MF {field.mean():.2f}, NTK {ntk.mean():.2f}")


@claim(
    "C20",
    says="the test error of all three falls from n = 400 to 600 to 800, m = 8192",
    statistic="largest difference of ln error from n to the next",
    wanted=at_most(0.0, "its sign"),
    source="appendix I.3, Figs. 4, 7 and 8",
    needs=(SCALINGS,),
    sizes=_sizes(IMPROVING),
    figure="chen2022/fig3_scalings",
)
def improving(measures: Measures) -> Finding:
    """Differences of ln error along n, for each model."""
    runs = whole(measures[SCALINGS], width=WIDEST, n_train=IMPROVING, model=tuple(SHORT))
    errors = np.log(runs["test_error"].isel(step=-1, drop=True))
    falls = errors.diff("n_train").transpose("seed", "model", "n_train")
    return mean_of(falls.values.reshape(len(falls), -1), at_most(0.0), _shown(errors))
