"""Claims of Song et al. (2021) on the students of Section 6, Fig. 1.

The text has the mean square error; the authors' runs minimised the negative log likelihood. Each
statement is judged on both. A student that diverged has no accuracy, and no claim holds with it.
Students have biases, as in the authors' code, where (15) has none.
"""

import math
from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from regimes.claims.core import (
    CODE,
    TEXT,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    Wanted,
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
ZERO = at_most(NO_ERROR, "a convention of ours: less than 0.05 % is shown as 0.0 %")
UP = at_least(0.0, "its sign")
NOT_DOWN = at_least(-CHANCE, "no more than chance, at 95 %, of six comparisons")


Check = Callable[[Measures, str], Finding]


def of_both_losses(
    text_id: str, code_id: str, *, says: str, statistic: str, wanted: Wanted, source: str = SOURCE
) -> Callable[[Check], Check]:
    """Declare a statement of the students of either loss, at the function that checks one loss.

    The first id is of the text's loss, the second of that of the authors' runs.
    """
    losses = (
        (text_id, "mean square error", TEXT, TEXT_SIZES, MEAN_SQUARE),
        (code_id, "negative log likelihood", CODE, CODE_SIZES, LOG_LIKELIHOOD),
    )

    def declared(check: Check) -> Check:
        found = []
        for id_, words, reading, sizes, loss in losses:
            of_loss = claim(
                id_,
                says=f"{says}; {words}",
                statistic=statistic,
                wanted=wanted,
                source=source,
                needs=(MNIST,),
                reading=reading,
                sizes=sizes,
                known=True,
                figure=FIGURE,
            )(_of_loss(check, loss))
            found += of_loss.__dict__["claims"]
        check.__dict__["claims"] = (*found, *getattr(check, "claims", ()))
        return check

    return declared


def _of_loss(check: Check, loss: str) -> Callable[[Measures], Finding]:
    return lambda measures: check(measures, loss)


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


@of_both_losses(
    "S1",
    "S6",
    says="students reach zero training error for every omega_2 in [0.002, 0.1] (in the authors' "
    "runs up to 0.0782)",
    statistic="largest mean share of wrong training images at the end",
    wanted=ZERO,
)
def zero_training_error(measures: Measures, loss: str) -> Finding:
    """Shares of wrong training images."""
    wrong = 1 - _accuracy(measures, loss, "final_train_accuracy")
    strict = int((wrong == 0).sum())
    detail = f"no wrong image at all in {strict} of {wrong.size} runs; means {_listed(wrong)}"
    return mean_of(wrong.values, ZERO, detail + _lost(measures, loss))


@of_both_losses(
    "S2",
    "S7",
    says="test accuracy rises from the smallest omega_2/omega_1 to He's",
    statistic="difference of test accuracy, paired over seeds",
    wanted=UP,
)
def rise(measures: Measures, loss: str) -> Finding:
    """He's less the smallest, in each seed."""
    accuracy = _accuracy(measures, loss)
    differences = accuracy[:, _he(accuracy)] - accuracy[:, 0]
    detail = f"mean test accuracy {_listed(accuracy)}{_lost(measures, loss)}"
    return mean_of(differences.values, UP, detail)


@of_both_losses(
    "S8",
    "S9",
    says="and does so from each omega_2 to the next",
    statistic="least difference of test accuracy between neighbours up to He's, as a deviate",
    wanted=NOT_DOWN,
)
def steps(measures: Measures, loss: str) -> Finding:
    """Differences between neighbours."""
    accuracy = _accuracy(measures, loss)
    up_to_he = accuracy[:, : _he(accuracy) + 1]
    return _least(up_to_he.diff("omega_2").values, f"means {_listed(accuracy)}")


def _least(differences: np.ndarray, detail: str) -> Finding:
    """The least deviate of some differences, (seed, comparisons)."""
    deviates = deviates_of_means(differences)
    return Finding(math.nan if np.isnan(deviates).any() else float(deviates.min()), detail)


@of_both_losses(
    "S10",
    "S11",
    says="He's initialisation is where the well-performing region begins: from the smallest "
    "omega_2 to it test accuracy rises more than beyond it",
    statistic="rise up to He's less that from there to the best above it",
    wanted=UP,
)
def edge(measures: Measures, loss: str) -> Finding:
    """The best above He's is that of the mean over seeds."""
    accuracy = _accuracy(measures, loss)
    he = accuracy[:, _he(accuracy)].values
    above = accuracy[:, _he(accuracy) :]
    best = above[:, int(np.argmax(above.mean("seed").values))].values
    return mean_of(2 * he - accuracy[:, 0].values - best, UP, _listed(accuracy))


@of_both_losses(
    "S12",
    "S13",
    says="a wide family above He's does as well: no larger omega_2 has a lower test accuracy",
    statistic="least difference of test accuracy to He's, as a deviate",
    wanted=NOT_DOWN,
)
def wide(measures: Measures, loss: str) -> Finding:
    """Differences of all above He's to it."""
    accuracy = _accuracy(measures, loss)
    he = _he(accuracy)
    differences = accuracy[:, he + 1 :].values - accuracy[:, [he]].values
    return _least(differences, f"means {_listed(accuracy)}")


@of_both_losses(
    "S14",
    "S15",
    says="less lazy students generalise better",
    statistic="rank correlation over omega_2 of the relative movement of W with test accuracy",
    wanted=UP,
    source="section 6",
)
def less_lazy(measures: Measures, loss: str) -> Finding:
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
    return mean_of(correlations, UP, detail)
