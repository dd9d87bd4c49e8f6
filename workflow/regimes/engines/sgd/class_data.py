"""Data sets of classes: their training and test points, with labels."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.storage.layout import PARTS


@dataclass(frozen=True)
class ClassData:
    """Training and test points of a data set of classes.

    Inputs are (n, d), labels (n,) from 0 on. There may be no test points.
    """

    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    n_classes: int

    @property
    def n_features(self) -> int:
        """Number of features d."""
        return self.train_inputs.shape[1]

    @classmethod
    def of(cls, data: xr.Dataset, name: str) -> "ClassData":
        """The points of a data set: `targets` (point, output) one-hot, or (point) labels.

        name: of the data set, for errors. Raises DataError when it has draws, no training points,
        or targets that are not classes.
        """
        if "draw" in data.dims:
            raise DataError(f"the data set {name} has draws, not one set of points")
        inputs = data["inputs"].transpose("point", "feature").values
        targets = data["targets"].transpose("point", ...).values
        labels = _labels(targets, name)
        n_classes = targets.shape[1] if targets.ndim == 2 else int(labels.max(initial=0)) + 1
        train, test = (
            np.flatnonzero(data["split"].values == PARTS.index(part)) for part in ("train", "test")
        )
        if not len(train):
            raise DataError(f"the data set {name} has no training points")
        if n_classes < 2:
            raise DataError(f"the data set {name} has one class; two or more are needed")
        return cls(inputs[train], labels[train], inputs[test], labels[test], n_classes)


def _labels(targets: np.ndarray, name: str) -> np.ndarray:
    """Labels (n,) of targets (n,) or (n, n_classes)."""
    if targets.ndim == 2:
        labels = targets.argmax(axis=1)
        are_classes = np.array_equal(targets, np.eye(targets.shape[1])[labels])
    else:
        with np.errstate(invalid="ignore"):  # values that are not numbers are found below
            labels = targets.astype(np.int64)
        are_classes = np.array_equal(targets, labels) and bool((labels >= 0).all())
    if not are_classes:
        raise DataError(
            f"the targets of the data set {name} are no classes: whole numbers from 0 on, or one "
            "output for each class (0 or 1), are needed"
        )
    return labels
