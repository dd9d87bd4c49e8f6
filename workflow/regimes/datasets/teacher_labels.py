"""Images labelled by a network that was trained on them (Song et al., 2021, Section 6).

The teacher is f(x) = V act(W x + b) + c, all trained by stochastic gradient descent with
cross-entropy until it errs on no training image. It starts from He's initialisation, normal with
variance 2/d and 2/m, as in the authors' code, and with the biases of torch.nn.Linear.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.datasets.pixels import one_hot
from regimes.engines.common.streams import stream
from regimes.engines.sgd.batch_losses import LOSSES, BatchLoss
from regimes.engines.sgd.class_data import ClassData
from regimes.engines.sgd.classification import Points, evaluate
from regimes.engines.sgd.descent import Schedule, descend
from regimes.engines.sgd.network import BatchedNetworks, Parameters, Trained
from regimes.errors import DataError
from regimes.storage.layout import PARTS, described

KIND = "teacher_labels"
LOSS: BatchLoss = LOSSES["cross_entropy"]
# Number of epochs after which a line tells the progress.
EPOCHS_BETWEEN_REPORTS = 10
# Number of points whose outputs are computed at once.
CHUNK = 1000


def build(
    settings: Mapping[str, Any],
    images: xr.Dataset,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda line: None,
) -> xr.Dataset:
    """The images of another data set with the classes that a teacher, trained on them, gives them.

    settings: `width` m of the teacher, `activation` (a module of regimes.activations),
    `learning_rate`, `batch_size`, `max_epochs` and `seed`. images: a data set of classes. device:
    "cpu" or "cuda". progress: takes lines.
    Returns the inputs and the split of the images, `targets` (point, output), 1 for the class of
    the teacher, `image_class` (point), the images' own, and of the teacher `teacher_epochs`,
    `teacher_converged`, 0 if it still erred on a training image after max_epochs,
    `teacher_train_agreement` and `teacher_test_agreement`, the shares of points whose class it
    gives. Raises DataError for images without classes and for a teacher that diverged.
    """
    points = ClassData.of(images, settings["images"])
    train = _points(points.train_inputs, points.train_labels, device)
    teacher = BatchedNetworks(
        _start(settings, points.n_features, points.n_classes, device),
        import_module(f"regimes.activations.{settings['activation']}"),
        Trained(),
        np.full((2, 1), settings["learning_rate"]),
    )
    epochs, converged = _train(teacher, train, settings, progress)
    split = images["split"].values
    own, given = np.empty(len(split), dtype=int), np.empty(len(split), dtype=int)
    shares = {}
    for name, code in (("train", PARTS.index("train")), ("test", PARTS.index("test"))):
        chosen = split == code
        own[chosen] = getattr(points, f"{name}_labels")
        given[chosen] = _classes(teacher, getattr(points, f"{name}_inputs"), device)
        shares[name] = float((own == given)[chosen].mean()) if chosen.any() else np.nan
    progress(f"teacher: {epochs} epochs, {shares['train']:.2%} and {shares['test']:.2%} right")
    return _assembled(settings, images, own, given, points.n_classes).assign(
        teacher_epochs=_scalar(epochs, "number of epochs that the teacher was trained"),
        teacher_converged=_scalar(
            np.int8(converged), "1 if the teacher errs on no training point, 0 if epochs ran out"
        ),
        teacher_train_agreement=_scalar(
            shares["train"], "share of the training points that the teacher classifies rightly"
        ),
        teacher_test_agreement=_scalar(
            shares["test"], "share of the test points that the teacher classifies rightly"
        ),
    )


def _start(settings: Mapping[str, Any], n_features: int, n_classes: int, device: str) -> Parameters:
    """He's initialisation, with biases; the same for any number of images."""
    width, key = settings["width"], (settings["seed"], KIND)

    def normal(name: str, outputs: int, inputs: int) -> torch.Tensor:
        drawn = stream(*key, name).standard_normal((1, outputs, inputs)) * (2 / inputs) ** 0.5
        return torch.tensor(drawn, dtype=torch.float32, device=device)

    def uniform(name: str, outputs: int, inputs: int) -> torch.Tensor:
        bound = inputs**-0.5
        drawn = stream(*key, name).uniform(-bound, bound, (1, outputs))
        return torch.tensor(drawn, dtype=torch.float32, device=device)

    return Parameters(
        normal("weights", width, n_features),
        normal("output weights", n_classes, width),
        uniform("biases", width, n_features),
        uniform("output biases", n_classes, width),
    )


def _train(
    teacher: BatchedNetworks,
    points: Points,
    settings: Mapping[str, Any],
    progress: Callable[[str], None],
) -> tuple[int, bool]:
    """Train epoch by epoch, and return how many it took and whether no training point is wrong."""
    schedule = Schedule(settings["batch_size"], epochs=1)
    key, most = (settings["seed"], KIND, "shuffle"), settings["max_epochs"]

    def observe(networks: BatchedNetworks, is_end: bool) -> dict[str, torch.Tensor]:
        measured = evaluate(networks, points, LOSS)
        return {f"train_{name}": values for name, values in measured.items()}

    for epoch in range(most):
        order = stream(*key, epoch).permutation(len(points))[None]

        def take(_: int, order: np.ndarray = order) -> np.ndarray:
            return order

        result = descend(teacher, points, take, schedule, LOSS, observe)
        if result.diverged[0]:
            raise DataError(
                f"the teacher diverged in epoch {epoch + 1}: use a smaller learning_rate than "
                f"{settings['learning_rate']:g}"
            )
        accuracy = float(result.history["train_accuracy"][0, -1])
        done = accuracy == 1
        if done or (epoch + 1) % EPOCHS_BETWEEN_REPORTS == 0 or epoch + 1 == most:
            wrong = round((1 - accuracy) * len(points))
            progress(f"teacher: epoch {epoch + 1} of at most {most}, {wrong} training points wrong")
        if done:
            return epoch + 1, True
    return most, False


def _classes(teacher: BatchedNetworks, inputs: np.ndarray, device: str) -> np.ndarray:
    """Class (n,) of the largest output on inputs (n, d)."""
    (group,) = teacher.groups
    found = [np.empty(0, dtype=int)]
    for first in range(0, len(inputs), CHUNK):
        chunk = torch.tensor(inputs[first : first + CHUNK], dtype=torch.float32, device=device)
        found.append(group.outputs(chunk).argmax(-2).reshape(-1).cpu().numpy())
    return np.concatenate(found)


def _points(inputs: np.ndarray, labels: np.ndarray, device: str) -> Points:
    return Points(
        torch.tensor(inputs, dtype=torch.float32, device=device),
        torch.tensor(labels, device=device),
    )


def _assembled(
    settings: Mapping[str, Any],
    images: xr.Dataset,
    own: np.ndarray,
    given: np.ndarray,
    n_classes: int,
) -> xr.Dataset:
    """The images with the classes that they have been given, in the layout of their data set."""
    kept = images.drop_vars(["targets", "output"], errors="ignore")
    sentence = (
        f"Labels are the classes that a network of {settings['width']} neurons gives "
        f"({settings['activation']}, seed {settings['seed']}), trained on the training images with "
        "cross-entropy."
    )
    dataset = kept.assign(
        targets=(
            ("point", "output"),
            one_hot(given, n_classes),
            described("1 for the class that the teacher gives, else 0"),
        ),
        image_class=("point", own.astype(np.int8), described("class of the image itself")),
    )
    return dataset.assign_coords(
        output=("output", np.arange(n_classes), described("index of the output"))
    ).assign_attrs(preprocessing=f"{images.attrs['preprocessing']} {sentence}")


def _scalar(value: float | np.integer, long_name: str) -> xr.DataArray:
    return xr.DataArray(value, attrs=described(long_name))
