"""The UCI regression sets: values, splits, standardisation."""

import numpy as np
import pytest
from data_settings import build

from regimes.errors import DataError

TRAIN, TEST, VALIDATION = 0, 1, 2
NAMES = ("concrete", "energy", "airfoil", "power_plant")

FIRST_ROW = {
    "concrete": [540.0, 0.0, 0.0, 162.0, 2.5, 1040.0, 676.0, 28, 79.98611076],
    "energy": [0.98, 514.5, 294.0, 110.25, 7.0, 2, 0.0, 0, 15.55],
    "airfoil": [800, 0.0, 0.3048, 71.3, 0.00266337, 126.201],
    "power_plant": [14.96, 41.76, 1024.07, 73.17, 463.26],
}
# Minimum, maximum and mean of each feature and of the target, to the digits given here.
RANGES = {
    "concrete": [
        (102, 540, 281.166),
        (0, 359.4, 73.895),
        (0, 200.1, 54.187),
        (121.75, 247, 181.566),
        (0, 32.2, 6.203),
        (801, 1145, 972.919),
        (594, 992.6, 773.579),
        (1, 365, 45.662),
        (2.3318, 82.5992, 35.818),
    ],
    "energy": [
        (0.62, 0.98, 0.764),
        (514.5, 808.5, 671.708),
        (245, 416.5, 318.5),
        (110.25, 220.5, 176.604),
        (3.5, 7, 5.25),
        (2, 5, 3.5),
        (0, 0.4, 0.234),
        (0, 5, 2.813),
        (6.01, 43.1, 22.307),
    ],
    "airfoil": [
        (200, 20000, 2886.381),
        (0, 22.2, 6.782),
        (0.0254, 0.3048, 0.1365),
        (31.7, 71.3, 50.861),
        (0.000400682, 0.0584113, 0.01114),
        (103.38, 140.987, 124.836),
    ],
    "power_plant": [
        (1.81, 37.11, 19.651),
        (25.36, 81.56, 54.306),
        (992.89, 1033.3, 1013.259),
        (25.56, 100.16, 73.309),
        (420.26, 495.76, 454.365),
    ],
}
SIZES = {
    "concrete": (412, 206, 412),
    "energy": (307, 154, 307),
    "airfoil": (601, 301, 601),
    "power_plant": (3827, 1914, 3827),
}
every_set = pytest.mark.parametrize("name", NAMES)


@every_set
def test_values_are_those_of_the_files(name: str) -> None:
    dataset = build(kind="uci", name=name, standardise="none")
    values = np.column_stack([dataset["inputs"], dataset["targets"]])
    np.testing.assert_array_equal(values[0], FIRST_ROW[name])
    for column, (low, high, mean) in zip(values.T, RANGES[name], strict=True):
        assert column.min() == pytest.approx(low, rel=1e-5)
        assert column.max() == pytest.approx(high, rel=1e-5)
        assert column.mean() == pytest.approx(mean, rel=2e-3)
    assert dataset.attrs["licence"] == "CC BY 4.0"
    assert dataset.attrs["source_url"].startswith("https://archive.ics.uci.edu/dataset/")
    assert "doi:10.24432/" in dataset.attrs["citation"]


@every_set
def test_split_has_the_right_sizes(name: str) -> None:
    split = build(kind="uci", name=name)["split"].values
    assert tuple(np.bincount(split)) == SIZES[name]


@every_set
def test_standardised_on_the_training_points(name: str) -> None:
    dataset = build(kind="uci", name=name)
    raw = build(kind="uci", name=name, standardise="none")
    train = dataset["split"].values == TRAIN
    for variable in ("inputs", "targets"):
        values, before = dataset[variable].values, raw[variable].values
        np.testing.assert_allclose(values[train].mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(values[train].std(axis=0), 1, rtol=1e-12)
        # The same map on the other points, whose moments differ.
        mean, deviation = before[train].mean(axis=0), before[train].std(axis=0)
        np.testing.assert_allclose(values * deviation + mean, before, rtol=1e-10, atol=1e-10)
        assert np.abs(values[~train].mean(axis=0)).max() > 1e-6
    np.testing.assert_array_equal(dataset["split"], raw["split"])
    assert dataset["targets"].attrs["units"] == "1"
    assert raw["targets"].attrs["units"] != "1"


def test_split_seed_selects_the_split() -> None:
    splits = [build(kind="uci", name="airfoil", split_seed=seed)["split"].values for seed in (0, 1)]
    assert (splits[0] != splits[1]).any()
    assert (np.bincount(splits[0]) == np.bincount(splits[1])).all()
    # Not the file's order: no part is a block of rows.
    assert np.abs(np.diff(splits[0])).sum() > 100


def test_shares() -> None:
    dataset = build(kind="uci", name="concrete", shares=[0.5, 0.0, 0.5])
    assert list(np.bincount(dataset["split"], minlength=3)) == [515, 0, 515]
    everything = build(kind="uci", name="concrete", shares=[1, 0, 0])
    assert (everything["split"] == TRAIN).all()
    np.testing.assert_allclose(everything["targets"].mean(), 0, atol=1e-12)


def test_shares_that_leave_no_training_point() -> None:
    with pytest.raises(DataError, match="leave no training point"):
        build(kind="uci", name="concrete", shares=[1e-5, 0.5, 0.49999])


def test_feature_that_does_not_vary() -> None:
    with pytest.raises(DataError, match="is the same in all training points"):
        build(kind="uci", name="concrete", shares=[0.001, 0.5, 0.499])


def test_energy_has_two_targets() -> None:
    heating = build(kind="uci", name="energy", standardise="none")
    cooling = build(kind="uci", name="energy", standardise="none", target="cooling_load")
    assert heating["targets"].attrs["long_name"] == "heating_load"
    assert cooling["targets"].attrs["long_name"] == "cooling_load"
    assert heating["targets"].attrs["units"] == "kW h m-2"
    assert (float(heating["targets"][0]), float(cooling["targets"][0])) == (15.55, 21.33)
    assert float(cooling["targets"].mean()) == pytest.approx(24.588, rel=1e-4)
    np.testing.assert_array_equal(heating["inputs"], cooling["inputs"])


def test_bias_is_not_standardised() -> None:
    dataset = build(kind="uci", name="airfoil", bias=True)
    plain = build(kind="uci", name="airfoil")
    assert (dataset["inputs"][:, -1] == 1).all()
    np.testing.assert_array_equal(dataset["inputs"][:, :-1], plain["inputs"])
    assert list(dataset["feature_name"].values) == [
        "frequency",
        "angle_of_attack",
        "chord_length",
        "free_stream_velocity",
        "suction_side_displacement_thickness",
        "bias",
    ]
    assert list(dataset["feature_units"].values[:4]) == ["Hz", "degree", "m", "m s-1"]
