"""What the scripts share that compute with torch: a device, and the version of torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import xarray as xr

from regimes.errors import DataError
from regimes.jobs.gpus import device_of_job
from regimes.jobs.job_log import job
from regimes.jobs.script import Script
from regimes.storage import shared
from regimes.storage.versions import torch_version


class TorchScript(Script):
    """A script that computes on `device`."""

    device: str

    def write(self, dataset: xr.Dataset, title: str, **attributes: Any) -> None:
        """Write the output file, as `Script` does."""
        super().write(dataset, title, device=self.device, **attributes)

    def take(self) -> bool:
        """Whether somebody else has made and shared the file meanwhile, which is linked then."""
        folder, path = self.snakemake.config["shared_results"], self.snakemake.output[0]
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
        device_of_job(
            snakemake.resources.get("uses_gpu", 0), progress, snakemake.config["jobs_per_gpu"]
        ) as device,
    ):
        script = TorchScript(snakemake, progress)
        script.device = device
        yield script
