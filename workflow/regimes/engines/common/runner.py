"""Train the runs of a job by any engine: settings and data in, a dataset of results out.

Nothing here is part of the code that a run's name covers: it must not change a number.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from regimes import endings
from regimes.engines.common.engine import Engine, Job, MakeState, Session
from regimes.engines.common.record import dataset_of, write_run
from regimes.engines.common.resume import Checkpoint, EndStates
from regimes.engines.registry import engine_module, settings_classes
from regimes.errors import DeviceError
from regimes.jobs.memory_errors import TooLargeError, lacks_memory
from regimes.plan.loading import install_activation
from regimes.plan.state_names import complete_name

SECONDS_BETWEEN_REPORTS = 10.0
# To a progress bar.
SECONDS_BETWEEN_UPDATES = 0.1
# Axes whose value is a size.
SIZES = ("width", "n_train", "n_features")
# More of a GPU than the driver takes for a process: other programs are on it.
OTHERS_SHARE = 0.1
# Keys of the settings of an experiment that no job has, since they concern all of them together.
OF_THE_EXPERIMENT = {"paper": "none", "measure": "none", "split_by": ()}


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
    *,
    checkpoint: str | Path | None = None,
    end_states: str | Path | None = None,
    watch: Callable[[Any], None] | None = None,
) -> xr.Dataset:
    """Train every setting of a job.

    block: plain settings of the job, as in the plan. data: in the layout of
    `regimes.storage.layout`, with `draw` as a first dimension of inputs and targets if each seed
    has data of its own. Returns the variables of the engine over the axes of the job; values that a
    run has not, since it ended or diverged before, are NaN. `progress` receives lines for a log;
    `watch`, in place of lines about a run under way, its progress ten times a second.

    checkpoint: file for the state of a job that takes longer than some minutes, from which the same
    job goes on with the same bits; `delete_checkpoint` is for when the results are kept.
    end_states: file for what the job leaves at its end, from which the same job with a larger limit
    on its steps goes on, with the bits of an uninterrupted one. Both are named as in the plan,
    without what only the job itself knows; None: there is none. Raises DataError when the data have
    not what the settings ask for.
    """
    start = time.monotonic()
    runs = runs_of(block, data, device)
    batches = list(runs.batches())
    limit = runs.settings.limit_value()
    ends = EndStates(
        _completed(None if limit is None else end_states, device),
        limit,
        runs.steps,
        runs.last_common,
    )
    saving = Checkpoint(_completed(checkpoint, device))
    saved = saving.load() or {"batch": 0, "results": {}, "run": None, "kept": {}, "needed": False}
    ends.kept, ends.needed = saved["kept"], saved["needed"]
    earlier = ends.earlier(progress)
    results = {name: values.numpy() for name, values in saved["results"].items()}
    if saved["batch"] or saved["run"] is not None:
        progress(f"going on from a checkpoint in batch {saved['batch'] + 1}")

    def offer(number: int, make_run: Callable[[], dict[str, Any] | None]) -> None:
        saving.offer(
            lambda: {
                "batch": number,
                "results": {name: torch.from_numpy(values) for name, values in results.items()},
                "run": make_run(),
                "kept": ends.kept,
                "needed": ends.needed,
            }
        )

    state = saved["run"]
    for number, batch in enumerate(batches[saved["batch"] :], start=saved["batch"]):
        label = f"batch {number + 1} of {len(batches)} ({batch.label})"
        progress(f"{label}: start")
        began = time.monotonic()
        session = _JobSession(number, label, state or earlier.get(number), ends, offer)
        session.progress, session.watch = progress, watch
        try:
            measured = runs.train(batch, session)
        except (MemoryError, RuntimeError) as error:
            if not lacks_memory(error):
                raise
            on_gpu = isinstance(error, torch.OutOfMemoryError)
            raise _too_small(label, runs.job, on_gpu) from error
        state = None
        for index, setting in enumerate(batch.settings):
            one = {name: values[index] for name, values in measured.items()}
            write_run(results, runs.job.axes, setting, one)
        progress(f"{label}: done in {time.monotonic() - began:.1f} s")
        offer(number + 1, lambda: None)
    ends.write()
    dataset = dataset_of(runs, results)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset


def delete_checkpoint(checkpoint: str | Path, device: str) -> None:
    """Delete the state of a job whose results are kept; arguments as of `train`."""
    Checkpoint(_completed(checkpoint, device)).delete()


def closing_line(runs: xr.Dataset, block: Mapping[str, Any], log: str | Path) -> str:
    """The last line of a job's log, which says how its runs ended.

    Where all of them diverged, a line on stderr, which is the console of the workflow, warns.
    runs: as made by `train` for the settings `block`. log: of the job.
    """
    n_runs = math.prod(len(values) for values in block["axes"].values())
    counts = endings.count(runs) or {endings.COMPLETED: n_runs}
    line = f"finished: {endings.in_words(counts)}"
    diverged = counts.get(endings.DIVERGED, 0)
    if not diverged:
        return line
    cure = settings_classes()[block["engine"]].against_divergence
    if diverged == n_runs:
        print(
            f"warning: experiments.{block['experiment']}: all runs ({n_runs}) of job "
            f"{Path(log).stem} diverged and have no values: try {cure}; log: {log}",
            file=sys.stderr,
        )
    return f"{line}; runs that diverged have no values: try {cure}"


def runs_of(block: Mapping[str, Any], data: xr.Dataset, device: str) -> Engine:
    """The runs of a job, ready to be trained; arguments as of `train`."""
    kind = import_module(engine_module(block["engine"])).Runs
    return kind(job_of(block, kind), data, device)


def job_of(block: Mapping[str, Any], kind: type[Engine]) -> Job:
    """Make a job, with typed settings, of its plain settings."""
    install_activation(block)
    settings = settings_classes()[block["engine"]]
    own = {name: block[name] for name in settings.model_fields if name in block}
    return Job(
        experiment=block["experiment"],
        dataset=block["dataset"],
        root_seed=block["root_seed"],
        axes={name: list(block["axes"][name]) for name in kind.AXES if name in block["axes"]},
        settings=settings.model_validate(own | OF_THE_EXPERIMENT),
        activation_expression=block.get("activation_expression"),
    )


class _JobSession(Session):
    """The session of a batch of a job."""

    progress: Callable[[str], None]
    watch: Callable[[Any], None] | None

    def __init__(
        self,
        number: int,
        label: str,
        state: dict[str, Any] | None,
        ends: EndStates,
        offer: Callable[[int, MakeState], None],
    ):
        self.state = state
        self.keeps_end_states = ends.path is not None
        self._number, self._label, self._ends, self._offer = number, label, ends, offer
        self._last_report = time.monotonic()

    def offer(self, make_state: MakeState) -> None:
        self._offer(self._number, make_state)

    def reached(self, step: int, make_state: MakeState, *, needed: bool = True) -> None:
        self._ends.keep(self._number, step, make_state, needed)

    def report(self, make_progress: Callable[[], Any]) -> None:
        seconds = SECONDS_BETWEEN_UPDATES if self.watch else SECONDS_BETWEEN_REPORTS
        if time.monotonic() - self._last_report > seconds:
            self._last_report = time.monotonic()
            if self.watch:
                self.watch(make_progress())
            else:
                self.note(str(make_progress()))

    def note(self, text: str) -> None:
        self.progress(f"{self._label}: {text}")


def _completed(path: str | Path | None, device: str) -> Path | None:
    """A file of states with the part of its name that says what numbers depend on here."""
    if path is None:
        return None
    if device != "cpu":
        # Cards sum in orders of their own, and their memory says how batches are cut.
        device = f"{torch.cuda.get_device_name()}, {torch.cuda.mem_get_info()[1]} bytes"
    return Path(complete_name(str(path), torch.__version__, device))


def _too_small(label: str, job: Job, on_gpu: bool) -> DeviceError:
    """The error that memory does not suffice for a batch."""
    sizes = [f"axes.{name} = {max(job.axes[name])}" for name in SIZES if name in job.axes]
    keys = " or ".join(sizes) or "widths"
    cure = f"lower experiments.{job.experiment}: {keys}, or run fewer seeds in a job (split_by)"
    if not on_gpu:
        return TooLargeError(f"the memory does not suffice for {label}: {cure}")
    free, total = torch.cuda.mem_get_info()
    others = total - free - torch.cuda.memory_reserved()
    card = f"{torch.cuda.get_device_name()}, {total / 1e9:.3g} GB"
    if others > OTHERS_SHARE * total:
        return DeviceError(
            f"the memory of the GPU ({card}) does not suffice for {label} while other programs "
            f"hold {others / 1e9:.3g} GB: end them, lower jobs_per_gpu, or set `device: cpu`"
        )
    text = f"the memory of the GPU ({card}) does not suffice for {label}: {cure}"
    return TooLargeError(f"{text}, or set `device: cpu`", on_gpu=True)
