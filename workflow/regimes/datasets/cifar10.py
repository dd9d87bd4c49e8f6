"""CIFAR-10: colour images of 32 x 32 pixels in ten classes.

Read from the lossless mosaics where a mirror has them (docs/data.md), else from the official
archive; both hold the same bytes in the same order.
"""

import csv
import gzip
import hashlib
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.pixels import Scaling, one_hot
from regimes.datasets.sources.cifar10 import ARCHIVE, BATCHES, LABELS, MOSAICS
from regimes.datasets.sources.source import Source
from regimes.errors import DataError
from regimes.storage.layout import assemble, train_then_test

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SIDE = 32
N_FEATURES = 3 * SIDE * SIDE
IMAGES_IN_MOSAIC = 1000
IMAGES_IN_BATCH = 10_000
ROWS, COLUMNS = 40, 25
CITATION = (
    "A. Krizhevsky: Learning multiple layers of features from tiny images, technical report, "
    "University of Toronto, 2009"
)
SOURCE_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """The first n_train training images, then the first n_test test images.

    settings: also `pixels` ("raw": uint8, [low, high] or {mean, std}) and `targets` ("label": a
    number from 0 to 9, or "one_hot": ten outputs). Features are the pixels in the official order:
    all of red, row by row, then green, then blue.
    Raises DataError when neither the mosaics nor the archive can be had.
    """
    n_train, n_test = settings["n_train"], settings["n_test"]
    read = _read_mosaics if LABELS.find() else _read_archive
    parts = [read(part, number) for part, number in (("train", n_train), ("test", n_test))]
    inputs, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    scaling = None if settings["pixels"] == "raw" else Scaling.from_settings(settings["pixels"])
    if scaling:
        inputs = scaling.apply(inputs)
    hot = settings["targets"] == "one_hot"
    names = ", ".join(f"{label} {name}" for label, name in enumerate(CLASSES))
    dataset = assemble(
        inputs,
        one_hot(labels, len(CLASSES)) if hot else labels.astype(np.float64),
        train_then_test(n_train, n_test),
        target_name="1 for the class of the image, else 0" if hot else "class of the image",
        licence=ARCHIVE.licence,
        citation=CITATION,
        source_url=SOURCE_URL,
        preprocessing=(
            f"The first {n_train} training images and the first {n_test} test images were taken; "
            f"pixels were {scaling.sentence if scaling else 'kept as bytes'}."
        ),
        image_shape="3 channels (red, green, blue), 32 rows, 32 columns",
        classes=names,
    )
    if scaling:
        scaling.packed(dataset["inputs"].variable)
    return dataset


def _read_mosaics(part: str, n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n_images, 3072) and labels (n_images,), both uint8, of "train" or "test"."""
    count = -(-n_images // IMAGES_IN_MOSAIC)
    pixels = np.empty((count * IMAGES_IN_MOSAIC, N_FEATURES), dtype=np.uint8)
    for index, source in enumerate(MOSAICS[part][:count]):
        start = index * IMAGES_IN_MOSAIC
        pixels[start : start + IMAGES_IN_MOSAIC] = _mosaic(source)
    with gzip.open(LABELS.fetch(), "rt", encoding="ascii") as file:
        labels = [int(row["label"]) for row in csv.DictReader(file) if row["split"] == part]
    return pixels[:n_images], np.array(labels[:n_images], dtype=np.uint8)


def _mosaic(source: Source) -> np.ndarray:
    """The images (1000, 3072) of a mosaic of 40 rows and 25 columns of images."""
    from PIL import Image

    with Image.open(source.fetch()) as picture:
        tiles = np.asarray(picture.convert("RGB")).reshape(ROWS, SIDE, COLUMNS, SIDE, 3)
    return tiles.transpose(0, 2, 4, 1, 3).reshape(IMAGES_IN_MOSAIC, N_FEATURES)


def _read_archive(part: str, n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Read what `_read_mosaics` reads from the official archive."""
    count = -(-n_images // IMAGES_IN_BATCH)
    pixels = [np.empty((0, N_FEATURES), dtype=np.uint8)]
    labels = [np.empty(0, dtype=np.uint8)]
    if count:
        path = ARCHIVE.fetch()
        with tarfile.open(path) as archive:
            for name, sha256 in list(BATCHES[part].items())[:count]:
                member = archive.extractfile(f"cifar-10-batches-py/{name}")
                # An entry that is no file gets no content, which the checksum rejects.
                content = member.read() if member else b""
                batch = _batch(content, sha256, path)
                pixels.append(batch[0])
                labels.append(batch[1])
    return np.concatenate(pixels)[:n_images], np.concatenate(labels)[:n_images]


def _batch(content: bytes, sha256: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    # Checked before it is unpickled, which could run any code: only the archive's md5 is known.
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"data file {path} does not hold the official images: replace it")
    batch = pickle.loads(content, encoding="bytes")
    return batch[b"data"], np.array(batch[b"labels"], dtype=np.uint8)
