"""The memory that jobs need, estimated from the settings before anything starts.

It is what the rules ask for, and no part of what the files depend on. The formulas are those of the
settings of engines, probes and data sets; here is what all jobs have in common.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from regimes.config.models import Config
from regimes.config.own_code import function_name, module_named
from regimes.datasets.size import DataSize
from regimes.engines.common.memory import Axes
from regimes.errors import ConfigError
from regimes.plan.declared import arguments_of
from regimes.plan.settings import source_of

MB = 10**6
# Python with the libraries, and buffers of fixed size.
PROCESS_MB = 500
# Copies of data that are made or read, and of results: on their grid, in the number formats of the
# file, and while they are written.
DATA, RESULTS = 4, 3
NUMBER_BYTES = 8
# Keys of data sets and probes, and axes, whose value is a size; of other axes only the number of
# values counts.
SIZES = ("width", "n_train", "n_features", "n_test", "n_points", "draws", "hidden_width")


class Smaller(NamedTuple):
    """What would be with a smaller value of a key: the bytes that a job would then need."""

    key: str
    value: Any
    bytes: float


class Memory:
    """Estimates in MB for the jobs of a config, the data sets before what is made of them.

    All but `of_measure` raise ConfigError, naming the key that is too large, for a job above
    `max_memory_mb`.
    """

    def __init__(self, config: Config):
        self.config = config
        self.sizes: dict[str, DataSize] = {}

    def of_data(self, name: str) -> int:
        """To make a data set."""
        source = source_of(name, self.config)
        self.sizes[name] = self.config.datasets[name].size(self.sizes[source] if source else None)

        def needed(size: DataSize) -> float:
            return DATA * size.bytes + (2 * self.sizes[source].bytes if source else 0)

        smaller = (
            Smaller(key, value, needed(size)) for key, value, size in self._smaller_data(name)
        )
        needed_now = needed(self.sizes[name])
        return self._checked("making it", needed_now, smaller, "take a smaller value")

    def of_job(self, name: str, axes: Axes) -> int:
        """To train the runs of a job of an experiment.

        axes: the values of each axis of the job.
        """
        settings = self.config.experiments[name]

        def needed(axes: Axes, data: DataSize, experiment: Any = settings) -> float:
            results = RESULTS * NUMBER_BYTES * experiment.kept(axes, data)
            return DATA * data.bytes + experiment.memory(axes, data) + results

        data = self.sizes[settings.dataset]
        smaller = (
            Smaller(f"experiments.{name}.{key}", value, needed(axes, data, changed))
            for key, value, changed in _smaller(settings)
        )
        return self._of_runs(name, axes, needed, smaller)

    def of_probe(self, name: str, probe: str, axes: Axes) -> int:
        """For a probe of the runs of a job."""
        experiment: Any = self.config.experiments[name]
        settings = getattr(experiment.probes, probe)
        other = getattr(settings, "dataset", None)

        def needed(axes: Axes, data: DataSize, settings: Any = settings) -> float:
            points = self.sizes[other] if other else data
            results = RESULTS * NUMBER_BYTES * experiment.kept(axes, data)
            of_data = DATA * data.bytes + (DATA * points.bytes if other else 0)
            return of_data + results + settings.memory(max(axes["width"]), points)

        data = self.sizes[experiment.dataset]
        smaller = (
            Smaller(f"experiments.{name}.probes.{probe}.{key}", value, needed(axes, data, changed))
            for key, value, changed in _smaller(settings)
        )
        return self._of_runs(name, axes, needed, smaller)

    def of_measure(self, name: str, jobs: Iterable[Axes]) -> int:
        """To measure the runs of all jobs of an experiment; jobs: the axes of each.

        How much a measure keeps of them is not known: this refuses nothing.
        """
        experiment = self.config.experiments[name]
        data = self.sizes[experiment.dataset]
        kept = [NUMBER_BYTES * experiment.kept(axes, data) for axes in jobs]
        # What a measure reduces is never there as a whole.
        module = module_named(experiment.measure)
        reduces = arguments_of(module, function_name(module, "reduce")) is not None
        results = RESULTS * (max(kept) if reduces else sum(kept))
        return PROCESS_MB + math.ceil((DATA * data.bytes + results) / MB)

    def _of_runs(
        self,
        name: str,
        axes: Axes,
        needed: Callable[[Axes, DataSize], float],
        more: Iterable[Smaller],
    ) -> int:
        """For something that is done with the runs of a job; more: keys that make it smaller."""
        experiment = self.config.experiments[name]
        data = self.sizes[experiment.dataset]

        def smaller() -> Iterator[Smaller]:
            for axis, values in axes.items():
                place = f"axes.{axis}" if axis in experiment.axes.given() else "grids"
                is_size = axis in SIZES
                value = max(values) if is_size else f"{len(values)} values"
                fewer = {**axes, axis: [1] if is_size else values[:1]}
                yield Smaller(f"experiments.{name}.{place}", value, needed(fewer, data))
            yield from more
            for key, value, size in self._smaller_data(experiment.dataset):
                yield Smaller(key, value, needed(axes, size))

        cure = "take a smaller value, or fewer runs in a job (split_by)"
        return self._checked(f"a job of experiments.{name}", needed(axes, data), smaller(), cure)

    def _smaller_data(self, name: str) -> Iterator[tuple[str, Any, DataSize]]:
        """Keys of a data set, or of that which it is made from, with its size for a value of 1."""
        dataset, source = self.config.datasets[name], source_of(name, self.config)
        of_source = self.config.datasets[source] if source else dataset
        for key, value, changed in _smaller(of_source):
            size = changed.size()
            yield f"datasets.{source or name}.{key}", value, dataset.size(size) if source else size
        # No key says how large a table is.
        if hasattr(dataset, "path"):
            yield f"datasets.{name}.path", dataset.path, DataSize(1, 1, 1)

    def _checked(self, what: str, needed: float, smaller: Iterable[Smaller], cure: str) -> int:
        megabytes, most = PROCESS_MB + math.ceil(needed / MB), self.config.max_memory_mb
        if megabytes <= most:
            return megabytes
        key, value, _ = min(smaller, key=lambda one: one.bytes)
        raise ConfigError(
            f"{self.config.place(key)}: {key} = {value}: {what} needs about "
            f"{megabytes / 1000:.3g} GB of memory, max_memory_mb = {most} allows "
            f"{most / 1000:.3g} GB: {cure}, or raise max_memory_mb"
        )


def _smaller(settings: Any) -> Iterator[tuple[str, int, Any]]:
    """Keys of sizes of some settings, their values, and the settings with a value of 1."""
    for key in SIZES:
        value = getattr(settings, key, None)
        if isinstance(value, int):
            yield key, value, settings.model_copy(update={key: 1})
    if several := getattr(settings, "widths", None):
        yield "widths", max(several), settings.model_copy(update={"widths": (2,) * len(several)})
