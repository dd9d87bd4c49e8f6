"""MNIST handwritten digits: the first images of the training and of the test file."""

import gzip
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.pixels import Scaling, one_hot
from regimes.datasets.sources.mnist import (
    FIRST_IMAGES,
    FIRST_LABELS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from regimes.datasets.sources.source import Source
from regimes.storage.layout import assemble, train_then_test, with_bias

N_SHIPPED = 10_000
N_PIXELS = 28 * 28
N_CLASSES = 10
CITATION = (
    "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits; Y. LeCun, "
    "L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition, "
    "Proceedings of the IEEE 86(11), 2278-2324, 1998"
)
SOURCE_URL = "http://yann.lecun.com/exdb/mnist/"


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """Training images first_train to first_train + n_train - 1, then the first n_test test images.

    settings: also `pixels` ([low, high] or {mean, std}), `targets` ("label": a number from 0 to 9,
    or "one_hot": ten outputs) and `bias`. Features are the pixels, row by row.
    Raises DataError when the full training file is needed and cannot be had.
    """
    first, n_train, n_test = (settings[key] for key in ("first_train", "n_train", "n_test"))
    stop = first + n_train
    shipped = stop <= N_SHIPPED
    train = (FIRST_IMAGES, FIRST_LABELS) if shipped else (TRAIN_IMAGES, TRAIN_LABELS)
    pixels = _images(train[0], stop)[first:]
    labels = _labels(train[1], stop)[first:]
    if n_test:
        pixels = np.concatenate([pixels, _images(TEST_IMAGES, n_test)])
        labels = np.concatenate([labels, _labels(TEST_LABELS, n_test)])

    scaling = Scaling.from_settings(settings["pixels"])
    taken = f"Images {first} to {stop - 1} of the training file"
    if n_test:
        taken += f" and the first {n_test} of the test file"
    steps = [f"{taken} were taken", f"pixels were {scaling.sentence}"]
    inputs = scaling.apply(pixels)
    if settings["bias"]:
        inputs = with_bias(inputs)
        steps.append("a constant last feature of 1 was appended")
    hot = settings["targets"] == "one_hot"
    dataset = assemble(
        inputs,
        one_hot(labels, N_CLASSES) if hot else labels.astype(np.float64),
        train_then_test(n_train, n_test),
        target_name="1 for the digit of the image, else 0" if hot else "digit of the image",
        licence=TRAIN_IMAGES.licence,
        citation=CITATION,
        source_url=SOURCE_URL,
        preprocessing="; ".join(steps) + ".",
        image_shape="28 rows, 28 columns",
    )
    # No byte stands for the constant feature, so that it cannot be packed.
    if not settings["bias"]:
        scaling.packed(dataset["inputs"].variable)
    return dataset


def _images(source: Source, n_images: int) -> np.ndarray:
    """The first n_images of an idx file, uint8 (n_images, 784)."""
    content = _content(source, magic=2051, header=16, n_bytes=n_images * N_PIXELS)
    return content.reshape(n_images, N_PIXELS)


def _labels(source: Source, n_labels: int) -> np.ndarray:
    """The first n_labels of an idx file, uint8 (n_labels,)."""
    return _content(source, magic=2049, header=8, n_bytes=n_labels)


def _content(source: Source, magic: int, header: int, n_bytes: int) -> np.ndarray:
    with gzip.open(source.fetch()) as file:
        start = file.read(header)
        assert int.from_bytes(start[:4], "big") == magic, source.name  # the checksum was right
        return np.frombuffer(file.read(n_bytes), dtype=np.uint8)
