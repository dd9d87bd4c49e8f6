"""What the scripts of the workflow share: a log, files that are what was planned, and checks."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import xarray as xr

from regimes.config.own_code import is_own
from regimes.errors import DataError
from regimes.jobs.job_log import Log, job
from regimes.jobs.start import imported
from regimes.plan.loading import load
from regimes.plan.provenance import code_hash, fingerprint
from regimes.storage import store


class Script:
    """A script that runs.

    snakemake: the object that Snakemake gives to scripts. stage: what the plan hands to the script
    (`regimes.plan.stages.Stage.handed`). prefix: the folder that its paths lie below, where the
    workflow is a module of another one; else empty. progress: writes a line to the log.
    """

    def __init__(self, snakemake: Any, progress: Log):
        self.snakemake = snakemake
        self.stage = SimpleNamespace(**snakemake.params.stage)
        self.prefix: str = snakemake.config["prefix"]
        self.progress = progress
        # What is loaded later would not be what is checked here.
        for module in self.stage.roots:
            load(module)
        imported()
        self.check()

    def datasets(self, kind: str) -> Iterator[xr.Dataset]:
        """The datasets in the input files of a kind, in the order of the plan, one by one.

        Raises StoreError for a file that is damaged or another one than planned.
        """
        paths, hashes = getattr(self.snakemake.input, kind), self.stage.inputs[kind].values()
        for path, identity in zip(paths, hashes, strict=True):
            yield store.read(path, identity=identity)

    def read(self, kind: str) -> dict[str, xr.Dataset]:
        """The datasets in the input files of a kind, by their names in the plan."""
        return dict(zip(self.stage.inputs[kind], self.datasets(kind), strict=True))

    def paths(self, kind: str) -> dict[str, str]:
        """Input files of a kind, by their names in the plan."""
        return dict(zip(self.stage.inputs[kind], getattr(self.snakemake.input, kind), strict=True))

    def citation(self, *papers: str) -> str:
        """The citation of some papers.

        It is read from the config and is no parameter: to reword it reruns nothing.
        """
        return "; ".join(self.snakemake.config["papers"][paper]["citation"] for paper in papers)

    def write(self, dataset: xr.Dataset, title: str, **attributes: Any) -> None:
        """Write the first output file, which says what it is, if the code is still the planned one.

        attributes: of `regimes.storage.store.write`, instead of those of the stage or beside them.
        """
        self.check()
        stage = self.stage
        known = {
            "source": stage.module,
            "config": stage.settings,
            "stage": stage.rule,
            "name": stage.name,
            "identity": stage.hash,
            "code_hash": stage.code,
        }
        # Data, runs and probes have settings of their own, which may be those of several scales.
        if "scale" in stage.settings:
            known["scale"] = stage.settings["scale"]
        if "references" not in attributes:
            known["references"] = self.citation(stage.paper)
        store.write(dataset, self.snakemake.output[0], title=title, **known | attributes)

    def check(self) -> None:
        """Raise DataError unless the code is that with which the workflow was planned."""
        # The text of the whole package is compared first, which takes a moment.
        own = any(map(is_own, self.stage.roots))
        if not own and fingerprint() == self.snakemake.config["fingerprint"]:
            return
        if code_hash(self.stage.roots) != self.stage.code:
            raise DataError(
                f"code of {self.stage.module} changed since the workflow started: run it again"
            )


@contextmanager
def running(snakemake: Any) -> Iterator[Script]:
    """Run a script's body with a log; errors end it as `regimes.jobs.job_log.job` says."""
    with job(snakemake.log[0]) as progress:
        script = Script(snakemake, progress)
        yield script
        # Snakemake removes what a failed job has written.
        script.check()
