"""Four regression sets of the UCI Machine Learning Repository, as Caron et al. use them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.sources.uci import CSV
from regimes.datasets.tables import counts, random_split, standardised
from regimes.storage.layout import PARTS, assemble, described, with_bias

KIND = "uci"


@dataclass(frozen=True)
class Table:
    """The meaning of the columns of a file; the last `len(targets)` of them are targets."""

    citation: str
    source_url: str
    feature_units: tuple[str, ...]
    # Name and units of each target.
    targets: tuple[tuple[str, str], ...]


TABLES = {
    "concrete": Table(
        "I-C. Yeh: Concrete Compressive Strength [data set], UCI Machine Learning Repository, "
        "1998, doi:10.24432/C5PK67; I-C. Yeh: Modeling of strength of high-performance concrete "
        "using artificial neural networks, Cement and Concrete Research 28(12), 1797-1808, 1998",
        "https://archive.ics.uci.edu/dataset/165",
        (*["kg m-3"] * 7, "day"),
        (("compressive_strength", "MPa"),),
    ),
    "energy": Table(
        "A. Tsanas, A. Xifara: Energy Efficiency [data set], UCI Machine Learning Repository, "
        "2012, doi:10.24432/C51307; A. Tsanas, A. Xifara: Accurate quantitative estimation of "
        "energy performance of residential buildings using statistical machine learning tools, "
        "Energy and Buildings 49, 560-567, 2012",
        "https://archive.ics.uci.edu/dataset/242",
        ("1", "m2", "m2", "m2", "m", "1", "1", "1"),
        (("heating_load", "kW h m-2"), ("cooling_load", "kW h m-2")),
    ),
    "airfoil": Table(
        "T. F. Brooks, D. S. Pope, M. A. Marcolini: Airfoil Self-Noise [data set], UCI Machine "
        "Learning Repository, doi:10.24432/C5VW2C; T. F. Brooks, D. S. Pope, M. A. Marcolini: "
        "Airfoil self-noise and prediction, NASA RP-1218, 1989",
        "https://archive.ics.uci.edu/dataset/291",
        ("Hz", "degree", "m", "m s-1", "m"),
        (("scaled_sound_pressure_level", "dB"),),
    ),
    "power_plant": Table(
        "P. Tüfekci, H. Kaya: Combined Cycle Power Plant [data set], UCI Machine Learning "
        "Repository, 2014, doi:10.24432/C5002N; P. Tüfekci: Prediction of full load electrical "
        "power output of a base load operated combined cycle power plant using machine learning "
        "methods, International Journal of Electrical Power & Energy Systems 60, 126-140, 2014",
        "https://archive.ics.uci.edu/dataset/294",
        ("degree_Celsius", "cmHg", "mbar", "%"),
        (("PE", "MW"),),
    ),
}


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """A UCI set in the order of its rows, split at random.

    settings: `name`; `target`, a name or None for the first; `shares` of training, test and
    validation; `split_seed`, which selects the split; `standardise`: "train" (mean 0 and variance
    1 of each feature and of the target on the training points) or "none"; `bias`.
    Beside the common layout, `feature_name` and `feature_units` (feature), the latter those of the
    file.
    Raises DataError when no point is left for training, or a feature does not vary there.
    """
    name = settings["name"]
    table = TABLES[name]
    columns, values = _read(name)
    n_features = len(columns) - len(table.targets)
    names = [target for target, _ in table.targets]
    index = names.index(settings["target"]) if settings["target"] else 0
    inputs, targets = values[:, :n_features], values[:, n_features + index]

    seed = settings["split_seed"]
    split = random_split(seed, (KIND, name), len(values), settings["shares"], name)
    train = split == PARTS.index("train")
    steps = [f"Rows were split at random into {counts(split)} (seed {seed})"]
    target_units = table.targets[index][1]
    if settings["standardise"] == "train":
        inputs = standardised(inputs, train, columns)
        targets = standardised(targets[:, None], train, names[index : index + 1])[:, 0]
        target_units = "1"
        steps.append(
            "inputs and target were shifted and scaled to mean 0 and variance 1 on the training "
            "rows"
        )
    feature_names, feature_units = columns[:n_features], list(table.feature_units)
    if settings["bias"]:
        inputs = with_bias(inputs)
        feature_names, feature_units = [*feature_names, "bias"], [*feature_units, "1"]
        steps.append("a constant last feature of 1 was appended")
    dataset = assemble(
        inputs,
        targets,
        split,
        target_name=names[index],
        target_units=target_units,
        licence=CSV[name].licence,
        citation=table.citation,
        source_url=table.source_url,
        preprocessing="; ".join(steps) + ".",
    )
    return dataset.assign_coords(
        feature_name=("feature", feature_names, described("name of the feature")),
        feature_units=("feature", feature_units, described("units of the feature in the file")),
    )


def _read(name: str) -> tuple[list[str], np.ndarray]:
    """Names of the columns and the values (n_points, n_columns)."""
    path = CSV[name].fetch()
    with path.open(encoding="utf-8") as file:
        columns = file.readline().strip().split(",")
        return columns, np.loadtxt(file, delimiter=",")
