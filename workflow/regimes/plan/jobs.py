"""The training jobs of an experiment: its settings, cut along the axes that it is split by."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from regimes.config.experiment import NAMED_BY
from regimes.config.models import Config
from regimes.engines.common.settings import EngineSettings
from regimes.engines.registry import engine_module
from regimes.errors import ConfigError
from regimes.plan.memory import Memory
from regimes.plan.provenance import code_hash
from regimes.plan.settings import training_modules, training_settings
from regimes.plan.stages import Data, Job, by_name, job_hash
from regimes.storage.versions import torch_version

# Of hashes in file names.
HASH_LENGTH = 16
# More jobs than this take Snakemake minutes to plan.
MOST_JOBS = 20_000


def plan_jobs(name: str, config: Config, data: Mapping[str, Data], memory: Memory) -> list[Job]:
    """The training jobs of an experiment, grid by grid, in the order in which they start.

    Raises ConfigError for more than Snakemake can plan, and for a job that needs too much memory.
    """
    experiment = config.experiments[name]
    dataset = data[experiment.dataset]
    if memory.sizes[experiment.dataset].n_outputs > 1 and not experiment.takes_outputs:
        key = f"experiments.{name}.dataset"
        raise ConfigError(
            f"{config.place(key)}: {key} = {experiment.dataset!r} has targets of several outputs, "
            f"and engine: {experiment.engine} trains one; take targets: label, or another engine"
        )
    torch = torch_version()
    # By the modules that they name: thousands of jobs share one.
    codes: dict[tuple[str, ...], str] = {}
    count = _checked_count(name, config)
    jobs: list[Job] = []
    for label, settings in _settings_of_jobs(name, config):
        modules = tuple(training_modules(settings).values())
        if modules not in codes:
            codes[modules] = code_hash(modules)
        code = codes[modules]
        digest = job_hash(settings, dataset.hash, code, torch)
        job = f"{name}/{label}-{digest[:HASH_LENGTH]}"
        jobs.append(
            Job(
                name=job,
                paper=experiment.paper,
                module=engine_module(experiment.engine),
                settings=settings,
                roots=modules,
                code=code,
                inputs={"data": by_name([dataset])},
                outputs=(f"results/runs/{job}.nc",),
                data=dataset,
                torch=torch,
                # What is listed first starts first.
                priority=count - len(jobs),
                memory_mb=memory.of_job(name, settings["axes"]),
                seconds=experiment.seconds(settings["axes"], memory.sizes[experiment.dataset]),
                keeps_states=experiment.keep_states,
            )
        )
    return jobs


def jobs_by_grid(experiment: EngineSettings) -> list[int]:
    """Number of jobs of each grid of an experiment."""
    return [
        math.prod(len(axes[axis]) for axis in experiment.split_by)
        for axes in experiment.all_grids()
    ]


def _checked_count(name: str, config: Config) -> int:
    """Number of jobs of an experiment; raises ConfigError for too many."""
    experiment = config.experiments[name]
    count = sum(jobs_by_grid(experiment))
    if count > MOST_JOBS:
        key = f"experiments.{name}.split_by"
        raise ConfigError(
            f"{config.place(key)}: {key} = {list(experiment.split_by)} makes "
            f"{count} jobs; at most {MOST_JOBS} are allowed: leave out an axis"
        )
    return count


def _settings_of_jobs(name: str, config: Config) -> list[tuple[str, dict[str, Any]]]:
    """Label and settings of each job of an experiment.

    A job depends on its own settings alone, so that other values of the axes, and other grids, may
    come and go.
    """
    experiment = config.experiments[name]
    shared = training_settings(name, config)
    for key in ("axes", "grids"):
        shared.pop(key, None)
    found = []
    for axes in experiment.all_grids():
        for values in itertools.product(*(axes[axis] for axis in experiment.split_by)):
            chosen = dict(zip(experiment.split_by, values, strict=True))
            own = {
                axis: [chosen[axis]] if axis in chosen else list(all_values)
                for axis, all_values in axes.items()
            }
            # What names on the axes stand for, such as models: of those of this job alone.
            named = {
                key: {one: shared[key][one] for one in own[axis]}
                for axis, (key, _) in NAMED_BY.items()
                if axis in own
            }
            # In the order of the axes: the order of split_by is that of the jobs alone.
            label = "_".join(f"{axis}={chosen[axis]}" for axis in axes if axis in chosen) or "all"
            found.append((label, {**shared, **named, "axes": own}))
    return found
