"""Claims of Song et al. (2021) on the students of Section 6, Fig. 1.

The text has the mean square error; the authors' runs minimised the negative log likelihood. Each
statement is judged on both. A student that diverged has no accuracy, and no claim holds with it.
Students have biases, as in the authors' code, where (15) has none.
"""

import math

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from regimes.claims.core import (
    CODE,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
)
from regimes.claims.sampling import deviates_of_means, largest_deviate, mean_of
from regimes.papers.song2021.paper import (
    EPOCHS,
    LOG_LIKELIHOOD,
    MEAN_SQUARE,
    MNIST,
    N_TRAIN,
    OMEGA_2,
    SEEDS,
    WIDTH,
    he_omega_2,
)

LOSS = "loss"
# Of the training images: an error that a figure in percent shows as 0.0.
NO_ERROR = 0.0005
LEAST = {"width": float(WIDTH), "n_train": float(N_TRAIN), "epoch": float(EPOCHS)}
# The text's range ends at 0.1, the authors' values below.
TEXT_SIZES = Sizes(
    seeds=SEEDS, contains={LOSS: (MEAN_SQUARE,), "omega_2": (*OMEGA_2, 0.1)}, least=LEAST
)
CODE_SIZES = Sizes(seeds=SEEDS, contains={LOSS: (LOG_LIKELIHOOD,), "omega_2": OMEGA_2}, least=LEAST)
FIGURE = "song2021/fig1_mnist"
SOURCE = "section 6, Fig. 1"
# Neighbours among the values up to He's, and values above it.
CHANCE = largest_deviate(6)


def _accuracy(measures: Measures, loss: str, name: str = "final_test_accuracy") -> xr.DataArray:
    """A quantity of the students of one loss, (seed, omega_2), by omega_2."""
    runs = measures[MNIST].sel(loss=loss).sortby("omega_2")
    if loss == LOG_LIKELIHOOD:
        runs = runs.sel(omega_2=[value for value in runs["omega_2"].values if value < 0.1])
    if name not in runs:
        raise TooSmallError(f"no {name.replace('_', ' ')} was measured")
    return runs[name].transpose("seed", "omega_2")


def _he(accuracy: xr.DataArray) -> int:
    """Index of the omega_2 nearest to that of He's initialisation."""
    return int(np.argmin(np.abs(np.log(accuracy["omega_2"].values / he_omega_2(WIDTH)))))


def _listed(values: xr.DataArray) -> str:
    return ", ".join(f"{value:.4f}" for value in values.mean("seed", skipna=False).values)


def _lost(measures: Measures, loss: str) -> str:
    count = int((measures[MNIST]["diverged"].sel(loss=loss) == 1).sum())
    return f"; {count} diverged" if count else ""


SAYS_ZERO = "students reach zero training error for every omega_2 in [0.002, 0.1]; {}"
ZERO = at_most(NO_ERROR, "a convention of ours: less than 0.05 % is shown as 0.0 %")
SHARE = "largest mean share of wrong training images at the end"


@claim(
    "S1",
    says=SAYS_ZERO.format("mean square error"),
    statistic=SHARE,
    wanted=ZERO,
    source=SOURCE,
    needs=(MNIST,),
    sizes=TEXT_SIZES,
    known=True,
    figure=FIGURE,
)
def zero_training_error(measures: Measures) -> Finding:
    """With the loss of the text."""
    return _zero(measures, MEAN_SQUARE)


@claim(
    "S6",
    says=SAYS_ZERO.format("negative log likelihood, omega_2 up to 0.0782"),
    statistic=SHARE,
    wanted=ZERO,
    source=SOURCE,
    needs=(MNIST,),
    reading=CODE,
    sizes=CODE_SIZES,
    known=True,
    figure=FIGURE,
)
def zero_training_error_by_the_code(measures: Measures) -> Finding:
    """With the loss of the authors' runs."""
    return _zero(measures, LOG_LIKELIHOOD)


def _zero(measures: Measures, loss: str) -> Finding:
    wrong = 1 - _accuracy(measures, loss, "final_train_accuracy")
    strict = int((wrong == 0).sum())
    detail = f"no wrong image at all in {strict} of {wrong.size} runs; means {_listed(wrong)}"
    return mean_of(wrong.values, ZERO, detail + _lost(measures, loss))


SAYS_RISE = "test accuracy rises from the smallest omega_2/omega_1 to He's; {}"
RISE = "difference of test accuracy, paired over seeds"


@claim(
    "S2",
    says=SAYS_RISE.format("mean square error"),
    statistic=RISE,
    wanted=at_least(0.0, "its sign"),
    source=SOURCE,
    needs=(MNIST,),
    sizes=TEXT_SIZES,
    known=True,
    figure=FIGURE,
)
def rise(measures: Measures) -> Finding:
    """With the loss of the text."""
    return _rise(measures, MEAN_SQUARE)


@claim(
    "S7",
    says=SAYS_RISE.format("negative log likelihood"),
    statistic=RISE,
    wanted=at_least(0.0, "its sign"),
    source=SOURCE,
    needs=(MNIST,),
    reading=CODE,
    sizes=CODE_SIZES,
    known=True,
    figure=FIGURE,
)
def rise_by_the_code(measures: Measures) -> Finding:
    """With the loss of the authors' runs."""
    return _rise(measures, LOG_LIKELIHOOD)


def _rise(measures: Measures, loss: str) -> Finding:
    accuracy = _accuracy(measures, loss)
    differences = accuracy[:, _he(accuracy)] - accuracy[:, 0]
    detail = f"mean test accuracy {_listed(accuracy)}{_lost(measures, loss)}"
    return mean_of(differences.values, at_least(0.0), detail)


SAYS_STEPS = "and does so from each omega_2 to the next; {}"
STEPS = "least difference of test accuracy between neighbours up to He's, as a deviate"
NOT_DOWN = at_least(-CHANCE, "no more than chance, at 95 %, of six comparisons")


@claim(
    "S8",
    says=SAYS_STEPS.format("mean square error"),
    statistic=STEPS,
    wanted=NOT_DOWN,
    source=SOURCE,
    needs=(MNIST,),
    sizes=TEXT_SIZES,
    known=True,
    figure=FIGURE,
)
def steps(measures: Measures) -> Finding:
    """With the loss of the text."""
    return _steps(measures, MEAN_SQUARE)


@claim(
    "S9",
    says=SAYS_STEPS.format("negative log likelihood"),
    statistic=STEPS,
    wanted=NOT_DOWN,
    source=SOURCE,
    needs=(MNIST,),
    reading=CODE,
    sizes=CODE_SIZES,
    known=True,
    figure=FIGURE,
)
def steps_by_the_code(measures: Measures) -> Finding:
    """With the loss of the authors' runs."""
    return _steps(measures, LOG_LIKELIHOOD)


def _steps(measures: Measures, loss: str) -> Finding:
    accuracy = _accuracy(measures, loss)
    up_to_he = accuracy[:, : _he(accuracy) + 1]
    return _least(up_to_he.diff("omega_2").values, f"means {_listed(accuracy)}")


def _least(differences: np.ndarray, detail: str) -> Finding:
    """The least deviate of some differences, (seed, comparisons)."""
    deviates = deviates_of_means(differences)
    return Finding(math.nan if np.isnan(deviates).any() else float(deviates.min()), detail)


SAYS_EDGE = (
    "He's initialisation is where the well-performing region begins: from the smallest omega_2 to "
    "it test accuracy rises more than beyond it; {}"
)
EDGE = "rise up to He's less that from there to the best above it"


@claim(
    "S10",
    says=SAYS_EDGE.format("mean square error"),
    statistic=EDGE,
    wanted=at_least(0.0, "its sign"),
    source=SOURCE,
    needs=(MNIST,),
    sizes=TEXT_SIZES,
    known=True,
    figure=FIGURE,
)
def edge(measures: Measures) -> Finding:
    """With the loss of the text."""
    return _edge(measures, MEAN_SQUARE)


@claim(
    "S11",
    says=SAYS_EDGE.format("negative log likelihood"),
    statistic=EDGE,
    wanted=at_least(0.0, "its sign"),
    source=SOURCE,
    needs=(MNIST,),
    reading=CODE,
    sizes=CODE_SIZES,
    known=True,
    figure=FIGURE,
)
def edge_by_the_code(measures: Measures) -> Finding:
    """With the loss of the authors' runs."""
    return _edge(measures, LOG_LIKELIHOOD)


def _edge(measures: Measures, loss: str) -> Finding:
    accuracy = _accuracy(measures, loss)
    he = accuracy[:, _he(accuracy)].values
    above = accuracy[:, _he(accuracy) :]
    best = above[:, int(np.argmax(above.mean("seed").values))].values
    return mean_of(2 * he - accuracy[:, 0].values - best, at_least(0.0), _listed(accuracy))


SAYS_WIDE = "a wide family above He's does as well: no larger omega_2 has a lower test accuracy; {}"
WIDE = "least difference of test accuracy to He's, as a deviate"


@claim(
    "S12",
    says=SAYS_WIDE.format("mean square error"),
    statistic=WIDE,
    wanted=NOT_DOWN,
    source=SOURCE,
    needs=(MNIST,),
    sizes=TEXT_SIZES,
    known=True,
    figure=FIGURE,
)
def wide(measures: Measures) -> Finding:
    """With the loss of the text."""
    return _wide(measures, MEAN_SQUARE)


@claim(
    "S13",
    says=SAYS_WIDE.format("negative log likelihood"),
    statistic=WIDE,
    wanted=NOT_DOWN,
    source=SOURCE,
    needs=(MNIST,),
    reading=CODE,
    sizes=CODE_SIZES,
    known=True,
    figure=FIGURE,
)
def wide_by_the_code(measures: Measures) -> Finding:
    """With the loss of the authors' runs."""
    return _wide(measures, LOG_LIKELIHOOD)


def _wide(measures: Measures, loss: str) -> Finding:
    accuracy = _accuracy(measures, loss)
    he = _he(accuracy)
    differences = accuracy[:, he + 1 :].values - accuracy[:, [he]].values
    return _least(differences, f"means {_listed(accuracy)}")


SAYS_LESS_LAZY = "less lazy students generalise better; {}"
TOGETHER = "rank correlation over omega_2 of the relative movement of W with test accuracy"


@claim(
    "S14",
    says=SAYS_LESS_LAZY.format("mean square error"),
    statistic=TOGETHER,
    wanted=at_least(0.0, "its sign"),
    source="section 6",
    needs=(MNIST,),
    sizes=TEXT_SIZES,
    known=True,
    figure=FIGURE,
)
def less_lazy(measures: Measures) -> Finding:
    """With the loss of the text."""
    return _less_lazy(measures, MEAN_SQUARE)


@claim(
    "S15",
    says=SAYS_LESS_LAZY.format("negative log likelihood"),
    statistic=TOGETHER,
    wanted=at_least(0.0, "its sign"),
    source="section 6",
    needs=(MNIST,),
    reading=CODE,
    sizes=CODE_SIZES,
    known=True,
    figure=FIGURE,
)
def less_lazy_by_the_code(measures: Measures) -> Finding:
    """With the loss of the authors' runs."""
    return _less_lazy(measures, LOG_LIKELIHOOD)


def _less_lazy(measures: Measures, loss: str) -> Finding:
    """Spearman's correlation of each seed; none where one of its students diverged."""
    accuracy = _accuracy(measures, loss)
    moved = _accuracy(measures, loss, "relative_distance_w")
    correlations = np.array(
        [
            np.corrcoef(rankdata(one), rankdata(other))[0, 1]
            if np.isfinite(one).all() and np.isfinite(other).all()
            else np.nan
            for one, other in zip(accuracy.values, moved.values, strict=True)
        ]
    )
    detail = f"mean movement {_listed(moved)}{_lost(measures, loss)}"
    return mean_of(correlations, at_least(0.0), detail)
