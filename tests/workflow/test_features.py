"""Features of images as jobs: a stage between the images' data file and training."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from data_settings import MIRROR, needs
from harness import SMOKE, Workflow, copy_checkout

CIFAR10 = ("cifar10/labels.csv.gz", "cifar10/train_00.webp", "cifar10/test_00.webp")
DATASETS = (
    "datasets={{pictures: {{kind: cifar10, n_train: 8, n_test: 3, targets: one_hot}}, "
    "made: {{kind: image_features, images: pictures, backbone: {backbone}}}}}"
)


def config(backbone: str = "pixels") -> tuple[str, ...]:
    return (*SMOKE, DATASETS.format(backbone=backbone), f"data_mirror={MIRROR}")


@pytest.fixture
def features(tmp_path: Path) -> Workflow:
    """A checkout whose target is one data set of features."""
    return Workflow(
        copy_checkout(tmp_path / "checkout"),
        tmp_path / "out",
        targets=("results/data/made.nc",),
        config_arguments=config(),
    )


def test_features_are_planned_after_their_images(features: Workflow) -> None:
    assert features.plan().jobs == {"data": 1, "features": 1}
    wrong = features.run(
        "-n", config=(*SMOKE, "datasets={made: {kind: image_features, images: a}}")
    )
    errors = [line for line in wrong.output.splitlines() if line.startswith("error:")]
    assert wrong.code == 1 and len(errors) == 1
    assert "datasets.made.images = 'a'" in errors[0] and "Traceback" not in wrong.output


@needs(*CIFAR10)
def test_features_are_made_and_made_again(features: Workflow) -> None:
    result = features.run()
    assert result.code == 0, result.output
    assert result.jobs == {"data": 1, "features": 1}
    folder = features.directory / "results/data"
    with (
        xr.open_dataset(folder / "made.nc") as made,
        xr.open_dataset(folder / "pictures.nc") as pictures,
    ):
        assert made.sizes == {"point": 11, "feature": 3072, "output": 10}
        assert made["inputs"].dtype == np.float32
        np.testing.assert_allclose(made["inputs"], pictures["inputs"] / 255, rtol=1e-6)
        np.testing.assert_array_equal(made["targets"], pictures["targets"])
        np.testing.assert_array_equal(made["split"], [0] * 8 + [1] * 3)
        assert made.attrs["backbone"] == "pixels" and made.attrs["device"] in ("cpu", "cuda")
        assert made.attrs["references"] == made.attrs["citation"]
        assert set(json.loads(made.attrs["config"])["datasets"]) == {"made", "pictures"}
    log = (features.directory / "results/logs/data/made.log").read_text()
    assert "11 images, pixels on" in log and "11 of 11 images" in log and "finished" in log

    now = time.time() + 5
    os.utime(folder / "pictures.nc", (now, now))
    assert features.plan().nothing_to_do
    assert features.plan(config=config("efficientnet_lite0")).jobs == {"features": 1}
    features.add_code("workflow/regimes/datasets/backbones/pixels.py")
    assert features.plan().jobs == {"features": 1}
