"""What the scripts of the workflow share: a log, input files that are read, a file that is written.

Imported by the scripts whose code counts for their results. What only training, probes and data
need is therefore elsewhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from regimes.jobs.job_log import job
from regimes.storage import store


class Script:
    """A script that runs.

    snakemake: the object that Snakemake gives to scripts. params: its parameters. progress: writes
    a line to the log.
    """

    def __init__(self, snakemake: Any, progress: Callable[[str], None]):
        self.snakemake = snakemake
        self.params = snakemake.params
        self.progress = progress

    def paths(self, kind: str) -> dict[str, str]:
        """Input files of a kind, by the experiment or paper that they are of."""
        return {Path(path).stem: path for path in getattr(self.snakemake.input, kind)}

    def read(self, kind: str) -> dict[str, xr.Dataset]:
        """Datasets in the input files of a kind, by the experiment or paper that they are of."""
        return {name: store.read(path) for name, path in self.paths(kind).items()}

    def citation(self, *papers: str) -> str:
        """The citation of some papers.

        It is read from the config and is no parameter: to reword it reruns nothing.
        """
        return "; ".join(self.snakemake.config["papers"][paper]["citation"] for paper in papers)

    def write(self, dataset: xr.Dataset, title: str, **attributes: Any) -> None:
        """Write the first output file, described by the stage's parameters.

        attributes: of `regimes.storage.store.write`, instead of those or beside them.
        """
        if "source" not in attributes:
            attributes["source"] = self.params.module
        if "references" not in attributes:
            attributes["references"] = self.citation(self.params.paper)
        if "config" not in attributes:
            attributes["config"] = self.params.settings
        store.write(dataset, self.snakemake.output[0], title=title, **attributes)


@contextmanager
def running(snakemake: Any) -> Iterator[Script]:
    """Run a script's body with a log; errors end it as `regimes.jobs.job_log.job` says."""
    with job(snakemake.log[0]) as progress:
        yield Script(snakemake, progress)
