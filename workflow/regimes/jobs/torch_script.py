"""What the scripts share that compute with torch: a device, and checks of what they were given."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import xarray as xr

from regimes.errors import DataError
from regimes.jobs.gpus import device_of_job
from regimes.jobs.job_log import job
from regimes.jobs.script import Script
from regimes.storage import store
from regimes.storage.versions import torch_version


class TorchScript(Script):
    """A script that computes on `device`.

    code_hash: computes the hash of the code that is in the name of the output file.
    """

    def __init__(
        self,
        snakemake: Any,
        progress: Callable[[str], None],
        device: str,
        code_hash: Callable[[], str] | None,
    ):
        super().__init__(snakemake, progress)
        self.device = device
        self._code_hash = code_hash
        self._check()

    def read_data(self, kind: str, hashes: Sequence[str]) -> list[xr.Dataset]:
        """The data sets in the input files of a kind.

        Raises DataError unless they have the hashes for which the job was planned.
        """
        datasets = []
        for path, data_hash in zip(getattr(self.snakemake.input, kind), hashes, strict=True):
            datasets.append(store.read(path))
            if datasets[-1].attrs.get("data_hash") != data_hash:
                raise DataError(
                    f"{path} is not the data set of this config: delete it and run the same "
                    "command again"
                )
        return datasets

    def write(self, dataset: xr.Dataset, title: str, **attributes: Any) -> None:
        """Write the output file, unless the code has changed since the script started."""
        self._check()
        if self._code_hash:
            attributes["code_hash"] = self.params.code
        super().write(dataset, title, device=self.device, **attributes)

    def _check(self) -> None:
        """Raise DataError unless code and torch are those that the job was planned with."""
        version = torch_version()
        if version != self.params.torch:
            raise DataError(
                f"torch is {version} here but {self.params.torch} where the workflow was planned: "
                "use the same version"
            )
        if self._code_hash and self._code_hash() != self.params.code:
            raise DataError(
                f"code of {self.params.module} changed since the workflow started: run it again"
            )


@contextmanager
def running_with_torch(
    snakemake: Any, code_hash: Callable[[], str] | None = None
) -> Iterator[TorchScript]:
    """Run a script's body with a log and the device that the job was given."""
    with (
        job(snakemake.log[0]) as progress,
        # The job was given a GPU exactly when one is to be used.
        device_of_job(snakemake.resources.get("gpu", 0), progress) as device,
    ):
        yield TorchScript(snakemake, progress, device, code_hash)
