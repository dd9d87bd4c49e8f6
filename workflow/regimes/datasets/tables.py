"""Split the rows of tables at random, and standardise their columns."""

import numpy as np

from regimes.engines.common.streams import stream
from regimes.errors import DataError
from regimes.storage.layout import PARTS


def random_split(
    seed: int, key: tuple[str, ...], n_points: int, shares: list[float], name: str
) -> np.ndarray:
    """Part of each point (n_points,): the shares of a random order, rounded to whole points.

    seed, key: name the random stream. name: of the data set, for the message alone.
    Returns codes of PARTS. Raises DataError when no point is left for training.
    """
    order = stream(seed, *key, "split").permutation(n_points)
    ends = np.rint(np.cumsum(shares) * n_points).astype(int)
    split = np.empty(n_points, dtype=np.int8)
    split[order] = np.searchsorted(ends[:-1], np.arange(n_points), side="right")
    if not (split == PARTS.index("train")).any():
        raise DataError(f"data set {name}: shares = {shares} leave no training point")
    return split


def standardised(values: np.ndarray, train: np.ndarray, names: list[str]) -> np.ndarray:
    """Columns (n_points, n) shifted and scaled to mean 0 and variance 1 on the training points.

    train: (n_points,), true for those. names: of the columns, for the message. Raises DataError
    for a column that is the same in all of them.
    """
    deviation = values[train].std(axis=0)
    # By rounding, twenty values of 0.1 have the deviation 1e-17, and 0 and 1e-200 have 0.
    varies = (np.ptp(values[train], axis=0) > 0) & (deviation > 0)
    for name, one in zip(names, varies, strict=False):
        if not one:
            raise DataError(
                f"{name} is the same in all training points and cannot be standardised: use a "
                "larger training share, or standardise: none"
            )
    return (values - values[train].mean(axis=0)) / deviation


def counts(split: np.ndarray) -> str:
    """How many points each part has, such as '4 train, 2 test, 4 validation'."""
    return ", ".join(f"{np.sum(split == code)} {part}" for code, part in enumerate(PARTS))
