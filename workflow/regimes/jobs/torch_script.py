"""What the scripts share that compute with torch: a device, and the version of torch."""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import torch
import xarray as xr

from regimes.errors import DataError
from regimes.jobs import resources
from regimes.jobs.gpus import device_of_job
from regimes.jobs.job_log import job
from regimes.jobs.script import Script
from regimes.storage import kept, shared
from regimes.storage.versions import torch_version


class TorchScript(Script):
    """A script that computes on `device`.

    is_part: whether it makes one of several results of a job, which are kept when another fails.
    """

    device: str
    is_part = False

    def write(self, dataset: xr.Dataset, title: str, **attributes: Any) -> None:
        """Write the output file, as `Script` does."""
        super().write(dataset, title, device=self.device, **attributes)
        if self.is_part:
            kept.keep(self.snakemake.output[0], self.prefix)

    def take(self) -> bool:
        """Whether the file is there, of somebody else who shares it or of a job that failed."""
        folder, path = self.snakemake.config["shared_results"], self.snakemake.output[0]
        if self.is_part and kept.restore(path, self.stage.hash, self.prefix):
            kept.keep(path, self.prefix)
            self.progress("made before another job failed")
            return True
        taken = folder is not None and shared.take(path, self.stage.hash, folder, self.prefix)
        if taken:
            self.progress(f"linked from {folder}")
        return taken

    def give(self) -> None:
        """Share the file that was written, if the config names a folder for that."""
        # Read from the config: where files are shared is no parameter.
        if folder := self.snakemake.config["shared_results"]:
            path = self.snakemake.output[0]
            self.progress(shared.give(path, self.stage.hash, folder, self.prefix))

    def check(self) -> None:
        """Raise DataError unless code and torch are those that the job was planned with."""
        version = torch_version()
        if version != self.stage.torch:
            raise DataError(
                f"torch is {version} here but {self.stage.torch} where the workflow was planned: "
                "use the same version"
            )
        super().check()


@contextmanager
def running_with_torch(snakemake: Any) -> Iterator[TorchScript]:
    """Run a script's body with a log and the device that the job was given."""
    with (
        job(snakemake.log[0], snakemake.resources) as progress,
        _device(snakemake, progress) as device,
    ):
        script = TorchScript(snakemake, progress)
        script.device = device
        yield script


def each_with_torch(snakemake: Any, make: Callable[[TorchScript], None]) -> None:
    """Make the result of a job, or all results of one that has several (`params.stages`).

    These are made one after the other, each with a log of its own, on one device: a process that
    uses a GPU takes long to start. What fails ends itself alone, and the process, with exit code 1,
    when the others are done. Their files, which Snakemake deletes then, are kept elsewhere.
    """
    if not hasattr(snakemake.params, "stages"):
        with running_with_torch(snakemake) as script:
            make(script)
        return
    failed = False
    with ExitStack() as held:
        device = ""
        for number, stage in enumerate(snakemake.params.stages):
            part = _part(snakemake, number, stage)
            try:
                with job(part.log[0], snakemake.resources) as progress:
                    device = device or held.enter_context(_device(snakemake, progress))
                    script = TorchScript(part, progress)
                    script.device, script.is_part = device, True
                    make(script)
                    script.check()
            except SystemExit:  # with one line, which has been said
                failed = True
            except Exception:
                traceback.print_exc()
                failed = True
            finally:
                # The next one begins as if it were the first.
                resources.restart()
                torch.cuda.empty_cache()
    if failed:
        sys.exit(1)
    kept.forget(snakemake.output, snakemake.config["prefix"])


def _device(snakemake: Any, progress: Callable[[str], None]) -> AbstractContextManager[str]:
    """The device that a job was given."""
    asked, shared_by = snakemake.resources.get("uses_gpu", 0), snakemake.config["jobs_per_gpu"]
    return device_of_job(asked, progress, shared_by)


def _part(snakemake: Any, number: int, stage: dict[str, Any]) -> SimpleNamespace:
    """What a script would be given that made one of several results alone."""
    return SimpleNamespace(
        params=SimpleNamespace(stage=stage),
        input=snakemake.input,
        output=[snakemake.output[number]],
        log=[snakemake.log[number]],
        config=snakemake.config,
        resources=snakemake.resources,
    )
