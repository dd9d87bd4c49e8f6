"""Settings of the data sets: one model for each kind, which is a module of regimes.datasets.

Texts after `description=` are shown to users; docs/data.md has the sources.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from keyword import iskeyword
from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from regimes.config.axes import Name
from regimes.config.base import Integer, Model, Number, finite
from regimes.datasets.readers import read
from regimes.datasets.size import DataSize, table_size
from regimes.datasets.sources.retrieval import RESOURCES
from regimes.datasets.sources.uci import CSV
from regimes.errors import ConfigError

# These are far beyond the papers; what fits the memory is `max_memory_mb`.
MOST_POINTS = 1_000_000
MOST_FEATURES = 100_000

KIND = Field(description="How the data set is made: a module of regimes.datasets.")
SEED = Field(default=0, ge=0, description="Selects the draw; everything is drawn anew.")
N_TRAIN = Field(ge=1, le=MOST_POINTS, description="Number of training points.")
N_TEST = Field(
    default=500,
    ge=0,
    le=MOST_POINTS,
    description="Number of test points, drawn from the distribution of the training points.",
)
DRAWS = Field(
    default=1,
    ge=1,
    le=10_000,
    description="Number of independent draws; with more than one the run with seed s uses draw s.",
)
BIAS = Field(default=False, description="Append a constant last feature of 1 to the inputs.")
NORMALISE = Field(
    default=True,
    description="Divide the inputs by sqrt(n_features), so that standard normal weights give "
    "pre-activations of order one; targets are those of the inputs before.",
)
TARGETS: Any = Field(
    default="label", description="The label as a number, or one output for each class (0 or 1)."
)


def _shares(value: Any) -> tuple[float, float, float]:
    message = "must be three shares, for training, test and validation, that sum to 1"
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise ValueError(message)
    train, test, validation = map(finite, value)
    if min(train, test, validation) < 0 or abs(train + test + validation - 1) > 1e-9:
        raise ValueError(message)
    if train == 0:
        raise ValueError("the training share must be greater than 0")
    return train, test, validation


def _interval(value: Any) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError("must be [low, high]")
    low, high = map(finite, value)
    if low >= high:
        raise ValueError("low must be below high")
    return low, high


def _named_separator(value: Any) -> Any:
    return {"\t": "tab", " ": "blank"}.get(value, value) if isinstance(value, str) else value


def _pixels(value: Any) -> tuple[float, float] | dict[str, float]:
    if isinstance(value, dict):
        if sorted(value) != ["mean", "std"]:
            raise ValueError(f"must have the keys mean and std, not {', '.join(map(str, value))}")
        mean, std = finite(value["mean"]), finite(value["std"])
        if std <= 0:
            raise ValueError("std must be greater than 0")
        return {"mean": mean, "std": std}
    if isinstance(value, (list, tuple)):
        return _interval(value)
    raise ValueError("must be [low, high] or {mean, std}")


def _pixels_or_raw(value: Any) -> tuple[float, float] | dict[str, float] | str:
    if value == "raw":
        return value
    if isinstance(value, str):
        raise ValueError("must be raw, [low, high] or {mean, std}")
    return _pixels(value)


_INTERVAL_SCHEMA: dict[str, Any] = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
}
_NORMALISATION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"mean": {"type": "number"}, "std": {"type": "number", "exclusiveMinimum": 0}},
    "required": ["mean", "std"],
    "additionalProperties": False,
}

Shares = Annotated[
    Any,
    BeforeValidator(_shares),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "minItems": 3,
            "maxItems": 3,
        }
    ),
]
Interval = Annotated[Any, BeforeValidator(_interval), WithJsonSchema(_INTERVAL_SCHEMA)]
Pixels = Annotated[
    Any,
    BeforeValidator(_pixels),
    WithJsonSchema({"anyOf": [_INTERVAL_SCHEMA, _NORMALISATION_SCHEMA]}),
]
PixelsOrRaw = Annotated[
    Any,
    BeforeValidator(_pixels_or_raw),
    WithJsonSchema({"anyOf": [{"const": "raw"}, _INTERVAL_SCHEMA, _NORMALISATION_SCHEMA]}),
]


class Dataset(Model):
    """Base of the settings of data sets."""

    def size(self, source: DataSize | None = None) -> DataSize:
        """Its size. source: that of the data set whose images it is made from, if any."""
        sizes = dict(self)
        n_train = sizes.get("n_points") or sizes["n_train"]
        return DataSize(
            n_train,
            n_train + sizes.get("n_test", 0),
            sizes["n_features"] + sizes.get("bias", False),
            draws=sizes.get("draws", 1),
        )


class PointsDataset(Dataset):
    """A data set given point by point."""

    kind: Literal["points"] = KIND
    inputs: tuple[Number | tuple[Number, ...], ...] = Field(
        min_length=1, description="One number, or one list of numbers, for each point."
    )
    targets: tuple[Number, ...] = Field(min_length=1, description="One number for each point.")
    bias: bool = Field(
        default=True, description="Append a constant last feature of 1 to the inputs."
    )

    def size(self, source: DataSize | None = None) -> DataSize:
        """The points that are given."""
        (first, *_), count = self.inputs, len(self.inputs)
        n_features = len(first) if isinstance(first, tuple) else 1
        return DataSize(count, count, n_features + self.bias)

    @model_validator(mode="after")
    def _consistent(self) -> "PointsDataset":
        if len(self.inputs) != len(self.targets):
            raise ValueError(
                f"{len(self.inputs)} inputs but {len(self.targets)} targets; "
                "there must be as many of the one as of the other"
            )
        lengths = {len(point) if isinstance(point, tuple) else -1 for point in self.inputs}
        if len(lengths) > 1:
            raise ValueError("inputs must all have the same number of features")
        if lengths == {0}:
            raise ValueError("inputs must have at least one feature")
        return self


class FileDataset(Dataset):
    """A table of the user's own."""

    kind: Literal["file"] = KIND
    path: str = Field(
        min_length=1,
        description="Text file, such as CSV, with names of columns in its first line, or NetCDF, "
        "HDF5 or Parquet file; relative paths count from the directory in which the workflow runs. "
        "What counts is its content.",
    )
    separator: Annotated[
        Literal[",", ";", "tab", "blank"] | None, BeforeValidator(_named_separator)
    ] = Field(
        default=None,
        description="What separates the columns of a text file: a comma, a semicolon, a tab or any "
        "number of blanks; by default it is recognised.",
    )
    decimal: Literal[".", ","] | None = Field(
        default=None, description="Decimal mark of a text file; by default it is recognised."
    )
    inputs: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns; by default all but the target."
    )
    target: str | None = Field(default=None, description="Column of the target.")
    formula: str | None = Field(
        default=None, description="In place of a target: a formula in the names of the inputs."
    )
    shares: Shares = Field(
        default=(1.0, 0.0, 0.0), description="Shares of the rows: training, test, validation."
    )
    split_seed: Integer = Field(
        default=0, ge=0, description="Selects which rows belong to which part."
    )
    standardise: Literal["train", "none"] = Field(
        default="none",
        description="Shift and scale each feature and the target to mean 0 and variance 1 on the "
        "training rows, or leave them as they are.",
    )
    bias: bool = BIAS
    licence: str = Field(default="not stated", description="Licence, written to the file.")
    citation: str = Field(default="none", description="Citation, written to the file.")

    def size(self, source: DataSize | None = None) -> DataSize:
        """The rows of the file as it is now; one where it cannot be read."""
        rows, columns = read.table_size(self.path, self.separator, self.decimal)
        n_features = len(self.inputs) if self.inputs else columns - 1
        rows, n_features = max(rows, 1), max(n_features, 1)
        return DataSize(math.ceil(self.shares[0] * rows), rows, n_features + self.bias)

    @model_validator(mode="after")
    def _one_target(self) -> "FileDataset":
        inputs = self.inputs or ()
        for index, name in enumerate(inputs):
            if name in inputs[:index]:
                raise ValueError(f"inputs name {name!r} twice")
        if (self.target is None) == (self.formula is None):
            raise ValueError("give either target, a column, or formula")
        if self.formula is not None:
            if self.inputs is None:
                raise ValueError("formula needs inputs, the names that it may use")
            _check_formula(self.formula, self.inputs)
        elif self.target in inputs:
            raise ValueError(f"target {self.target!r} is among the inputs")
        return self


class FunctionDataset(Dataset):
    """Random inputs with a target function of the user's own."""

    kind: Literal["function"] = KIND
    formula: str = Field(
        description="Target, a formula in x1, x2, ..., such as sin(3 * x1) + x2 ** 2."
    )
    n_train: Integer = N_TRAIN
    n_test: Integer = N_TEST
    n_features: Integer = Field(ge=1, le=1000, description="Dimension of the inputs.")
    inputs: Literal["normal", "unit_sphere", "uniform"] = Field(
        default="normal",
        description="Standard normal, uniform on the unit sphere, or uniform on [-1, 1] in each "
        "feature.",
    )
    noise: Number = Field(
        default=0.0, ge=0, description="Standard deviation of normal noise on the targets."
    )
    bias: bool = BIAS
    seed: Integer = SEED

    @model_validator(mode="after")
    def _formula_can_be_read(self) -> "FunctionDataset":
        _check_formula(self.formula, [f"x{index + 1}" for index in range(self.n_features)])
        return self


def _check_formula(formula: str, variables: Sequence[str]) -> None:
    # Imported late: few configs have formulas, and SymPy takes a second to load.
    from regimes.expressions.formulas import parse

    for name in variables:
        # As Python reads names, which makes one letter of some two. A column `1` is no such case.
        usable = name.isidentifier() and not iskeyword(name) and name == normalize("NFKC", name)
        named = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula)
        if named and not usable and any(one.isalpha() for one in name):
            raise ValueError(
                f"formula {formula!r} has a column {name!r}, which a formula cannot name: names in "
                "formulas are of letters, digits and _, do not begin with a digit and are no word "
                "of Python; rename it in the file"
            )
    try:
        parse(formula, variables, kinks=True)
    except ConfigError as error:
        raise ValueError(f"formula {error}") from None


class UciDataset(Dataset):
    """One of four regression sets of the UCI Machine Learning Repository."""

    kind: Literal["uci"] = KIND
    name: Literal["concrete", "energy", "airfoil", "power_plant"] = Field(
        description="Which of the sets: concrete, energy, airfoil or power_plant."
    )
    target: Literal["heating_load", "cooling_load"] | None = Field(
        default=None,
        description="Which of the two targets of energy, by default heating_load; the other sets "
        "have one target.",
    )
    shares: Shares = Field(
        default=(0.4, 0.2, 0.4), description="Shares of the points: training, test, validation."
    )
    split_seed: Integer = Field(
        default=0, ge=0, description="Selects which points belong to which part."
    )
    standardise: Literal["train", "none"] = Field(
        default="train",
        description="Shift and scale each feature and the target to mean 0 and variance 1 on the "
        "training points, or leave them as they are.",
    )
    bias: bool = BIAS

    def size(self, source: DataSize | None = None) -> DataSize:
        """The rows of the shipped file."""
        rows, columns = table_size(RESOURCES / CSV[self.name].name)
        return DataSize(math.ceil(self.shares[0] * rows), rows, columns - 1 + self.bias)

    @model_validator(mode="after")
    def _one_target(self) -> "UciDataset":
        if self.target is not None and self.name != "energy":
            raise ValueError(f"target is only for energy; {self.name} has one target")
        return self


class MnistDataset(Dataset):
    """Handwritten digits: the first images of the training and of the test file."""

    kind: Literal["mnist"] = KIND
    n_train: Integer = Field(
        ge=1,
        le=60_000,
        description="Number of training images. Beyond the first 10 000 images the full training "
        "file is needed, which is downloaded or taken from data_mirror.",
    )
    n_test: Integer = Field(
        default=0, ge=0, le=10_000, description="Number of test images, from the first on."
    )
    first_train: Integer = Field(
        default=0,
        ge=0,
        le=59_999,
        description="Images of the training file that are left out before the training images.",
    )
    pixels: Pixels = Field(
        default=(0.0, 1.0),
        description="[low, high]: values of black and white, linear between; {mean, std}: "
        "(pixel / 255 - mean) / std.",
    )
    targets: Literal["label", "one_hot"] = TARGETS
    bias: bool = BIAS

    def size(self, source: DataSize | None = None) -> DataSize:
        """Images of 28 x 28 pixels."""
        n_outputs = 10 if self.targets == "one_hot" else 1
        n_points = self.n_train + self.n_test
        return DataSize(self.n_train, n_points, 28 * 28 + self.bias, n_outputs)

    @model_validator(mode="after")
    def _enough_images(self) -> "MnistDataset":
        if self.first_train + self.n_train > 60_000:
            raise ValueError(
                f"first_train + n_train is {self.first_train + self.n_train}; the training file "
                "has 60000 images"
            )
        return self


class Cifar10Dataset(Dataset):
    """Colour images in ten classes: the first images of the training and of the test part."""

    kind: Literal["cifar10"] = KIND
    n_train: Integer = Field(
        default=50_000, ge=1, le=50_000, description="Number of training images, from the first on."
    )
    n_test: Integer = Field(
        default=10_000, ge=0, le=10_000, description="Number of test images, from the first on."
    )
    pixels: PixelsOrRaw = Field(
        default="raw",
        description="raw: bytes from 0 to 255; [low, high]: values of 0 and 255, linear between; "
        "{mean, std}: (pixel / 255 - mean) / std.",
    )
    targets: Literal["label", "one_hot"] = TARGETS

    def size(self, source: DataSize | None = None) -> DataSize:
        """Images of 32 x 32 pixels in three colours."""
        n_points = self.n_train + self.n_test
        n_outputs = 10 if self.targets == "one_hot" else 1
        number_bytes = 1 if self.pixels == "raw" else 8
        return DataSize(self.n_train, n_points, 3 * 32 * 32, n_outputs, number_bytes=number_bytes)


class ImageFeaturesDataset(Dataset):
    """Features of the images of another data set, by a network trained on ImageNet (caron2023)."""

    kind: Literal["image_features"] = KIND
    images: Name = Field(
        description="The images: a key of `datasets` of kind cifar10 with pixels: raw."
    )
    backbone: Literal["auto", "resnet18", "efficientnet_lite0", "pixels"] = Field(
        default="auto",
        description="What makes the features: resnet18 (512), efficientnet_lite0 (1280), or the "
        "pixels themselves (3072). auto: resnet18 where its file of weights is in data_mirror, "
        "else efficientnet_lite0.",
    )
    standardise: Literal["train", "none"] = Field(
        default="none",
        description="Shift and scale each feature to mean 0 and variance 1 on the training points, "
        "or leave them as they are.",
    )

    def size(self, source: DataSize | None = None) -> DataSize:
        """As many points as there are images."""
        if source is None:
            raise ValueError("the size of the images is needed")
        # `auto` is one of the first two.
        features = {"resnet18": 512, "pixels": 3072}.get(self.backbone, 1280)
        return replace(source, n_features=features, number_bytes=4)


class TeacherLabelsDataset(Dataset):
    """Images with the classes that a network trained on them gives them (song2021)."""

    kind: Literal["teacher_labels"] = KIND
    images: Name = Field(description="The images: a key of `datasets` of kind mnist.")
    width: Integer = Field(
        default=1000, ge=1, le=MOST_FEATURES, description="Number of neurons of the teacher."
    )
    activation: Literal["gelu", "relu"] = Field(
        default="gelu",
        description="Activation function of the teacher: gelu in the paper's text, relu in the "
        "authors' code.",
    )
    learning_rate: Number = Field(
        default=0.01, gt=0, description="Learning rate of the teacher, the same throughout."
    )
    batch_size: Integer = Field(
        default=128, ge=1, description="Points of a minibatch; the last one may have fewer."
    )
    max_epochs: Integer = Field(
        default=300,
        ge=1,
        le=100_000,
        description="Passes through the training images after which the teacher is taken as it is; "
        "it is trained until it errs on none of them.",
    )
    seed: Integer = Field(default=0, ge=0, description="Selects the teacher's initialisation.")

    def size(self, source: DataSize | None = None) -> DataSize:
        """The images, with an output for each class."""
        if source is None:
            raise ValueError("the size of the images is needed")
        return replace(source, n_outputs=10)


class RandomLabelsOnSphereDataset(Dataset):
    """Inputs uniform on the unit sphere, labels normal (razborov2022)."""

    kind: Literal["random_labels_on_sphere"] = KIND
    n_train: Integer = N_TRAIN
    n_features: Integer = Field(
        default=100, ge=1, le=MOST_FEATURES, description="Dimension of the inputs."
    )
    label_variance: Number = Field(gt=0, description="Variance of the labels; their mean is 0.")
    seed: Integer = SEED


class RandomLabelsOnGaussianDataset(Dataset):
    """Standard normal inputs, labels uniform on an interval (chen2022, Experiment 1)."""

    kind: Literal["random_labels_on_gaussian"] = KIND
    n_train: Integer = N_TRAIN
    n_test: Integer = N_TEST
    n_features: Integer = Field(
        default=20, ge=1, le=MOST_FEATURES, description="Dimension of the inputs."
    )
    label_range: Interval = Field(
        default=(-0.5, 0.5), description="Interval on which the labels are uniform."
    )
    draws: Integer = DRAWS
    seed: Integer = SEED


class QuadraticTeacherDataset(Dataset):
    """Standard normal inputs, targets of a shallow network on x x^T (chen2022, Experiment 2)."""

    kind: Literal["quadratic_teacher"] = KIND
    n_train: Integer = N_TRAIN
    n_test: Integer = N_TEST
    n_features: Integer = Field(default=30, ge=1, le=1000, description="Dimension of the inputs.")
    n_teacher_neurons: Integer = Field(
        default=5, ge=1, le=1000, description="Number of neurons of the target network."
    )
    draws: Integer = DRAWS
    seed: Integer = SEED


class XorWithNoiseDataset(Dataset):
    """Labels set by two features, the others noise: (93)-(96) of chen2022, Experiment 3."""

    kind: Literal["xor_with_noise"] = KIND
    n_train: Integer = N_TRAIN
    n_test: Integer = N_TEST
    n_features: Integer = Field(
        default=50,
        ge=2,
        le=MOST_FEATURES,
        description="Dimension of the inputs, the two that set the label included.",
    )
    draws: Integer = DRAWS
    seed: Integer = SEED


class SinesOnSphereDataset(Dataset):
    """Inputs uniform on the unit sphere, targets a sum of sines with noise (caron2023)."""

    kind: Literal["sines_on_sphere"] = KIND
    n_train: Integer = Field(
        default=100, ge=1, le=MOST_POINTS, description="Number of training points."
    )
    n_test: Integer = Field(
        default=0,
        ge=0,
        le=MOST_POINTS,
        description="Number of test points, drawn from the distribution of the training points.",
    )
    n_features: Integer = Field(
        default=50, ge=1, le=MOST_FEATURES, description="Dimension of the inputs."
    )
    noise: Number = Field(
        default=1.0,
        ge=0,
        description="Standard deviation of the noise: 1 in the paper's text, 0.1 in the authors' "
        "code.",
    )
    seed: Integer = SEED


class UnitSphereDataset(Dataset):
    """Independent draws of points on the unit sphere with normal targets (razborov2022)."""

    kind: Literal["unit_sphere"] = KIND
    draws: Integer = Field(
        ge=1, le=10_000, description="Number of draws; the run with seed s uses draw s."
    )
    n_points: Integer = Field(ge=1, le=MOST_POINTS, description="Number of points of each draw.")
    n_features: Integer = Field(ge=1, le=MOST_FEATURES, description="Dimension of the inputs.")
    seed: Integer = SEED


class SingleIndexDataset(Dataset):
    """Standard normal inputs, targets a function of their product with a random direction."""

    kind: Literal["single_index"] = KIND
    link: Literal["hermite_2", "hermite_3", "relu", "absolute_value"] = Field(
        description="Function of the product, of mean square 1: a Hermite polynomial of degree 2 "
        "or 3, ReLU, or the absolute value.",
    )
    n_train: Integer = N_TRAIN
    n_test: Integer = N_TEST
    n_features: Integer = Field(
        default=50, ge=1, le=MOST_FEATURES, description="Dimension of the inputs."
    )
    noise: Number = Field(
        default=0.0,
        ge=0,
        description="Standard deviation of normal noise on the training targets; those of the test "
        "points are exact.",
    )
    normalise: bool = NORMALISE
    draws: Integer = DRAWS
    seed: Integer = SEED


class SparseParityDataset(Dataset):
    """Labels that are the product of the signs of the first features, the others noise."""

    kind: Literal["sparse_parity"] = KIND
    order: Integer = Field(ge=1, description="Number of features that set the label.")
    n_train: Integer = N_TRAIN
    n_test: Integer = N_TEST
    n_features: Integer = Field(
        default=50,
        ge=1,
        le=MOST_FEATURES,
        description="Dimension of the inputs, those that set the label included.",
    )
    inputs: Literal["signs", "gaussian"] = Field(
        default="signs", description="Uniform on -1 and 1 in each feature, or standard normal."
    )
    normalise: bool = NORMALISE
    draws: Integer = DRAWS
    seed: Integer = SEED

    @model_validator(mode="after")
    def _enough_features(self) -> "SparseParityDataset":
        if self.order > self.n_features:
            raise ValueError(
                f"order {self.order} is more than there are features, n_features: {self.n_features}"
            )
        return self


DatasetSettings = Annotated[
    PointsDataset
    | FileDataset
    | FunctionDataset
    | UciDataset
    | MnistDataset
    | Cifar10Dataset
    | ImageFeaturesDataset
    | TeacherLabelsDataset
    | RandomLabelsOnSphereDataset
    | RandomLabelsOnGaussianDataset
    | QuadraticTeacherDataset
    | XorWithNoiseDataset
    | SinesOnSphereDataset
    | UnitSphereDataset
    | SingleIndexDataset
    | SparseParityDataset,
    Field(discriminator="kind"),
]
