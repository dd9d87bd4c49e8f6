"""The configuration: every key, its type, its default and what it means.

These models are the single source of `workflow/config.schema.json`. Texts after `description=`
are shown to users.
"""

import re
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from regimes.config.activations import OwnActivation, OwnName, check_activation
from regimes.config.axes import FigureName, ModuleName, Name
from regimes.config.base import Integer, Model
from regimes.config.experiment import Device
from regimes.config.layers import LAST, Resolved, Scale
from regimes.config.own_code import OwnFile
from regimes.datasets.settings import (
    DatasetSettings,
    ImageFeaturesDataset,
    TeacherLabelsDataset,
)
from regimes.engines.common.settings import EngineSettings
from regimes.engines.registry import settings_classes

# Rules of the workflow, in the order of the stages. Papers are targets beside them.
RULES = (
    "all",
    "data",
    "features",
    "train",
    "probe",
    "measure",
    "claims",
    "all_claims",
    "figure",
    "table",
    "explorer",
)


def _line(text: str) -> str:
    if re.search("<[a-zA-Z/!]", text):
        raise ValueError("must be plain text: the report would take the part after < for HTML")
    return " ".join(text.split())


# Text that the report takes as it is; of several lines, all but the first would be its markup.
Line = Annotated[str, AfterValidator(_line)]


class Paper(Model):
    """A paper whose results are reproduced."""

    title: Line = Field(description="Title, also the category of its figures in the report.")
    citation: str = Field(description="Full citation, written to the files as `references`.")
    order: Integer = Field(
        default=LAST, description="Papers are shown in this order, low numbers first."
    )
    claims: OwnFile | None = Field(
        default=None, description="File of your own with claims, `FILE.py`, beside the paper's own."
    )


if TYPE_CHECKING:
    Experiment = EngineSettings
else:
    # The settings of an experiment, of whichever engine it names.
    Experiment = Annotated[
        Union[tuple(settings_classes().values())],  # noqa: UP007
        Field(discriminator="engine"),
    ]


class FigureSettings(Model):
    """A figure; its key is its path below figures/, without suffix."""

    plot: ModuleName = Field(
        description="Module below regimes.papers whose function `draw` draws it, or a function of "
        "your own, `FILE.py:FUNCTION`."
    )
    arguments: dict[Name, str | bool | int | float] = Field(
        default={}, description="Arguments of `draw`, and of `table`, by name."
    )
    paper: Name = Field(description="Paper that the figure belongs to, a key of `papers`.")
    measures: tuple[Name, ...] = Field(
        default=(), description="Experiments whose measures it shows."
    )
    claims: bool = Field(
        default=False, description="Show the claims of all papers, results/claims.nc, too."
    )
    table: bool = Field(
        default=False,
        description="Write it as CSV too: the module has a function `table` beside `draw`; a file "
        "of your own, FUNCTION_table beside FUNCTION.",
    )
    on_request: bool = Field(
        default=False, description="Made only when it is asked for by name, not by `all`."
    )
    caption: str = Field(description="Caption in the report, plain text.")
    labels: dict[Line, Line] = Field(default={}, description="Columns of its row in the report.")


class ClaimsSettings(Model):
    """Which claims of a paper are checked."""

    measures: tuple[Name, ...] = Field(
        min_length=1,
        description="Experiments whose measures are compared with the paper; claims that need "
        "others are not run.",
    )


def _check_draws(key: str, experiment: EngineSettings, dataset: DatasetSettings) -> None:
    """Raise ValueError unless a data set has the draws and points that an experiment asks for."""
    draws = getattr(dataset, "draws", 1)
    has_draws = dataset.kind == "unit_sphere" or draws > 1
    if not experiment.takes_draws:
        if has_draws:
            raise ValueError(
                f"{key}.dataset has draws, which engine: {experiment.engine} does not use"
            )
        return
    size = "n_points" if dataset.kind == "unit_sphere" else "n_train"
    n_points = getattr(dataset, size, None)
    for grid in experiment.all_grids():
        if has_draws and max(grid["seed"]) >= draws:
            raise ValueError(
                f"{key}: seed {max(grid['seed'])} needs a draw of its own, but "
                f"{experiment.dataset} has draws: {draws}"
            )
        if n_points is not None and max(grid.get("n_train", (1,))) > n_points:
            raise ValueError(
                f"{key}: n_train {max(grid['n_train'])} is more than {experiment.dataset} has, "
                f"{size}: {n_points}"
            )
        n_features = getattr(dataset, "n_features", None)
        if n_features is not None and max(grid.get("n_features", (1,))) > n_features:
            raise ValueError(
                f"{key}: n_features {max(grid['n_features'])} is more than {experiment.dataset} "
                f"has, n_features: {n_features}"
            )


def _check_images(key: str, features: ImageFeaturesDataset, datasets: dict[str, Any]) -> None:
    """Raise ValueError unless the data set that features are made from has images as bytes."""
    images = datasets.get(features.images)
    if images is None or images.kind != "cifar10" or images.pixels != "raw":
        allowed = [
            name for name, one in datasets.items() if one.kind == "cifar10" and one.pixels == "raw"
        ]
        raise ValueError(
            f"{key}.images = {features.images!r} is no data set of kind cifar10 with pixels: raw; "
            f"allowed: {', '.join(allowed) or 'none yet'}"
        )


def _check_taught(key: str, labels: TeacherLabelsDataset, datasets: dict[str, Any]) -> None:
    """Raise ValueError unless the data set that a teacher learns has classes."""
    if getattr(datasets.get(labels.images), "kind", None) != "mnist":
        allowed = [name for name, one in datasets.items() if one.kind == "mnist"]
        raise ValueError(
            f"{key}.images = {labels.images!r} is no data set of kind mnist; allowed: "
            f"{', '.join(allowed) or 'none yet'}"
        )


class Config(Model):
    """Configuration of the whole workflow."""

    scale: Scale = Field(
        default="laptop",
        description="Size of the experiments: each says below `scales` what differs from laptop.",
    )
    device: Device = Field(
        default="auto",
        description="Where networks are trained; does not change results' names. auto: on a GPU, "
        "if there is one, what is large; the rest on the CPU.",
    )
    root_seed: Integer = Field(
        default=2021, ge=0, description="Seed from which all random streams are derived."
    )
    data_mirror: str | None = Field(
        default=None,
        min_length=1,
        description="Folder with data files that are not shipped (mnist/, cifar10/, ...), looked "
        "into before any download; REGIMES_DATA in the environment does the same. Changes no "
        "result's name.",
    )
    keep_states: bool = Field(
        default=True,
        description="Keep in results/states/ what runs need to go on when their cap is raised "
        "(max_steps, epochs), and use it; changes no result.",
    )
    shared_results: str | None = Field(
        default=None,
        min_length=1,
        description="Folder of runs and probes that several users share: those that are there are "
        "linked, and new ones are put there. Changes no result.",
    )
    max_memory_mb: Integer = Field(
        default=16_000,
        ge=1000,
        description="The workflow is not planned with a job that needs more memory than this, in "
        "MB; changes no result.",
    )
    jobs_per_gpu: Integer = Field(
        default=1,
        ge=1,
        description="Jobs that may use a GPU at a time; changes no result.",
    )
    papers: dict[Name, Paper] = Field(
        default={}, description="Papers by name, and what is said of all of them together."
    )
    activations: dict[OwnName, OwnActivation] = Field(
        default={},
        description="Activation functions of your own by name: expressions in z, such as "
        '"z * sigmoid(z)", or functions, `FILE.py:FUNCTION`.',
    )
    datasets: dict[Name, DatasetSettings] = Field(default={}, description="Data sets by name.")
    experiments: dict[Name, Experiment] = Field(default={}, description="Experiments by name.")
    figures: dict[FigureName, FigureSettings] = Field(default={}, description="Figures by path.")
    claims: dict[Name, ClaimsSettings] = Field(
        default={},
        description="Papers of which not all claims are checked; of the others all are.",
    )

    _places: Resolved | None = PrivateAttr(default=None)
    _left_out: dict[str, str] = PrivateAttr(default_factory=dict)

    def with_places(self, resolved: Resolved) -> "Config":
        """Let the configuration know where its keys stand, and return it."""
        self._places = resolved
        # Reasons that were found before this was known do not say where the settings stand.
        for name, reason in self._left_out.items():
            self._left_out[name] = f"{self.place(reason.partition(' ')[0].rstrip(':'))}: {reason}"
        return self

    def place(self, key: str) -> str:
        """The file, or other place, in which a dotted key stands: the beginning of an error."""
        return self._places.place(key) if self._places else "config"

    def origin(self, key: str) -> str | None:
        """Where a dotted key stands; None for a key that nobody sets, which has its default."""
        return self._places.origin(key) if self._places else None

    @property
    def left_out(self) -> dict[str, str]:
        """Why experiments on request, and their figures, cannot be made, by their names."""
        return self._left_out

    def may_leave_out(self, experiment: str) -> bool:
        """Whether an experiment is on request, as is all that shows it."""
        shown = [one.on_request for one in self.figures.values() if experiment in one.measures]
        return self.experiments[experiment].on_request and all(shown)

    def leave_out(self, experiment: str, reason: str) -> None:
        """Take an experiment away, and the figures that show it."""
        del self.experiments[experiment]
        self._left_out[experiment] = reason
        for name, figure in list(self.figures.items()):
            if experiment in figure.measures:
                del self.figures[name]
                self._left_out[name] = reason

    @model_validator(mode="after")
    def _references_exist(self) -> "Config":
        for name in self.papers:
            if name in RULES:
                raise ValueError(f"papers: {name!r} is the name of a rule; use another")

        def check(key: str, names: tuple[str, ...], allowed: dict[str, Any], what: str) -> None:
            known = ", ".join(allowed)
            for name in names:
                if name not in allowed:
                    raise ValueError(f"{key} = {name!r} is no {what}; allowed: {known}")

        for name, dataset in self.datasets.items():
            if isinstance(dataset, ImageFeaturesDataset):
                _check_images(f"datasets.{name}", dataset, self.datasets)
            if isinstance(dataset, TeacherLabelsDataset):
                _check_taught(f"datasets.{name}", dataset, self.datasets)

        def check_experiment(key: str, experiment: EngineSettings) -> None:
            check(f"{key}.dataset", (experiment.dataset,), self.datasets, "data set")
            check(f"{key}.paper", (experiment.paper,), self.papers, "paper")
            check_activation(key, experiment, self.activations)
            if experiment.device == "cuda" and not experiment.uses_gpu:
                raise ValueError(
                    f"{key}.device = 'cuda': engine {experiment.engine} computes on the CPU alone; "
                    "allowed: auto, cpu"
                )
            transfer = getattr(getattr(experiment, "probes", None), "transfer", None)
            if transfer and transfer.dataset is not None:
                named = (transfer.dataset,)
                check(f"{key}.probes.transfer.dataset", named, self.datasets, "data set")
                other = self.datasets[transfer.dataset]
                _check_draws(f"{key}.probes.transfer", experiment, other)
            dataset = self.datasets[experiment.dataset]
            # Data made of images have as many points as there are images.
            sized = self.datasets[getattr(dataset, "images", experiment.dataset)]
            _check_draws(key, experiment, sized)

        for name, experiment in list(self.experiments.items()):
            try:
                check_experiment(f"experiments.{name}", experiment)
            except ValueError as error:
                if not self.may_leave_out(name):
                    raise
                self.leave_out(name, str(error))
        for name, figure in list(self.figures.items()):
            key = f"figures.{name}"
            if figure.on_request and (gone := set(figure.measures) - self.experiments.keys()):
                reason = f"{key}.measures: there is no experiment {', '.join(sorted(gone))}"
                self._left_out[name] = reason
                del self.figures[name]
                continue
            check(f"{key}.paper", (figure.paper,), self.papers, "paper")
            check(f"{key}.measures", figure.measures, self.experiments, "experiment")
        for name, claims in self.claims.items():
            check(f"claims.{name}", (name,), self.papers, "paper")
            check(f"claims.{name}.measures", claims.measures, self.experiments, "experiment")
        return self
