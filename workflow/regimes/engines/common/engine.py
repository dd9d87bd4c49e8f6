"""The interface of engines: the runs of a job, made batch by batch, and their variables.

Every module that a config's `engine` names has a class `Runs`, an `Engine`, which is all that the
runner (`regimes.engines.common.runner`) knows of it. This module is part of the code of every run;
the runner, which reads and writes files, is not.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import xarray as xr

from regimes.activations.load import load_activation
from regimes.engines.common.streams import stream

# Covariant: an engine may take a job with more settings than its base class reads.
Settings = TypeVar("Settings", covariant=True)
# Makes a state: what a loop needs to continue with the same bits, made of mappings, lists, numbers
# and tensors. It may contain views: to keep it, copy it.
MakeState = Callable[[], dict[str, Any]]


class NamesActivation(Protocol):
    """Settings that name an activation."""

    @property
    def activation(self) -> str:
        """A module of `regimes.activations`, or an activation of the user's own."""


@dataclass(frozen=True)
class Job(Generic[Settings]):
    """A job: what is to be trained.

    experiment, dataset: names, which are part of the keys of random streams. axes: the values of
    each axis of the job's grid, in the order of the files. settings: the engine's own, typed.
    activation_expression: of an activation of the user's own that the settings name.
    """

    experiment: str
    dataset: str
    root_seed: int
    axes: Mapping[str, Sequence[Any]]
    settings: Settings
    activation_expression: str | None = None

    def grid(self) -> list[dict[str, Any]]:
        """The settings of all runs: one value of each axis, the last axis changing fastest."""
        return [
            dict(zip(self.axes, values, strict=True))
            for values in itertools.product(*self.axes.values())
        ]

    def stream(self, *key: str | int | float) -> np.random.Generator:
        """The random stream of a run and a purpose; see `regimes.engines.common.streams`."""
        return stream(self.root_seed, self.experiment, self.dataset, *key)

    def activation(self: "Job[NamesActivation]") -> ModuleType:
        """The module of the activation function that the settings name."""
        return load_activation(self.settings.activation, self.activation_expression)


@dataclass(frozen=True)
class Batch:
    """Settings of runs that are trained together, and their name in logs."""

    label: str
    settings: list[dict[str, Any]]


@dataclass(frozen=True)
class Variable:
    """A variable of the files.

    dims: its dimensions after the axes of the grid. dtype: its number format; None: the `precision`
    of the settings. axes: those of the grid that it depends on, by default all. stored: number
    format in files, where that is a shorter one. coordinate: whether it says where others are, as
    the times of a history that are not the same for all runs.
    """

    long_name: str
    dims: tuple[str, ...] = ()
    dtype: type | None = np.float64
    axes: tuple[str, ...] | None = None
    units: str = "1"
    stored: str | None = None
    coordinate: bool = False


def history(long_name: str, *dims: str, dtype: type = np.float64) -> Variable:
    """A variable that is recorded along the run; its values at the ends are initial_*, final_*."""
    return Variable(long_name, ("step", *dims), dtype)


@dataclass(frozen=True)
class Coordinate:
    """Values of a coordinate along a dimension, by default that of its own name."""

    values: Any
    long_name: str
    dim: str | None = None
    units: str = "1"


class Session:
    """Connects a training loop with the job that it is part of. This one does nothing.

    state: the state from which the loop is to continue, as the loop made it, on the CPU; None: from
    the start. A state that was given to `reached` may come from a job with a smaller limit, so that
    fewer steps were recorded. keeps_end_states: whether states given to `reached` are kept.
    """

    state: dict[str, Any] | None = None
    keeps_end_states = False

    def offer(self, make_state: MakeState) -> None:
        """Offer a checkpoint: the state is made when the last one has become old."""

    def reached(self, step: int, make_state: MakeState, *, needed: bool = True) -> None:
        """Say that a step is reached from which a job with a larger limit may continue.

        needed: whether the state is worth a file even if no other batch has one that is.
        """

    def report(self, make_progress: Callable[[], Any]) -> None:
        """Tell the log now and then how far the loop is; the progress is shown as text."""

    def note(self, text: str) -> None:
        """Tell the log a line in any case."""


# For loops that belong to no job, in notebooks, tests and benchmarks.
NO_SESSION = Session()


class Engine(ABC, Generic[Settings]):
    """The runs of a job. Subclasses are called `Runs`; their constructor has the same arguments.

    AXES: what each axis is, in the order of the files. VARIABLES: what `train` returns. INDICES:
    what the dimensions are whose coordinates count from 0. steps: those that are recorded.
    last_common: the last step at which a job with a larger limit is in the same state as this one.
    """

    AXES: ClassVar[Mapping[str, str]]
    VARIABLES: ClassVar[Mapping[str, Variable]]
    INDICES: ClassVar[Mapping[str, str]] = {}

    def __init__(self, job: Job[Settings], data: xr.Dataset, device: str):
        """data: in the layout of `regimes.storage.layout`. device: "cpu" or "cuda"."""
        self.job = job
        self.settings = job.settings
        self.device = device
        self.steps = np.zeros(1, dtype=np.int64)
        self.last_common = 0

    def batches(self) -> Sequence[Batch]:
        """The runs of the job in the order in which they are trained; by default one by one."""
        grid = self.job.grid()
        return [
            Batch(", ".join(f"{name} {value}" for name, value in setting.items()), [setting])
            for setting in grid
        ]

    @abstractmethod
    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Values of the variables, each (runs of the batch, ...), when all its runs have ended."""

    def coordinates(self) -> dict[str, Coordinate]:
        """Coordinates beside the axes and indices."""
        return {"step": Coordinate(self.steps, "number of steps")}

    def attributes(self) -> dict[str, Any]:
        """Global attributes of the file."""
        return {}


def one_run(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The values of a single run as the values of a batch of one."""
    return {name: np.asarray(value)[None] for name, value in values.items()}
