"""The stages of the workflow: one object for each job, with all that its files depend on.

They hold plain Python values only, which the plan computes and the rules hand to the scripts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from regimes.engines.registry import settings_classes
from regimes.plan.provenance import config_hash


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One job of the workflow: what it makes, of what, and by which code and settings.

    rule: the Snakemake rule that runs it. name: the values of the rule's wildcards, joined by
    slashes, such as `<experiment>/<job>`; empty for a rule without wildcards. module: the one that
    does the work. settings: all settings behind the files, as they are written to them.
    roots: the modules whose code and that of all that they import makes the files; code: its hash.
    inputs: the stages whose files it reads, by kind and then by name. outputs: paths of the files
    that it makes, the main one first. paper: the paper that it belongs to, if to a single one.
    stamp: the file that tells Snakemake when code or settings have changed; None where the hash in
    the file's name does. memory_mb: what the job needs in MB, as far as that is estimated: no part
    of any hash, nor of what the scripts are given. on_request: whether `all` does not ask for it.
    """

    rule: str
    name: str
    module: str
    settings: dict[str, Any]
    roots: tuple[str, ...]
    code: str
    inputs: Mapping[str, Mapping[str, "Stage"]] = field(repr=False, compare=False)
    outputs: tuple[str, ...]
    paper: str = ""
    stamp: str | None = None
    memory_mb: int = 0
    on_request: bool = False

    @property
    def path(self) -> str:
        """The main file that the stage makes."""
        return self.outputs[0]

    @property
    def paths(self) -> dict[str, dict[str, str]]:
        """Paths of the files that it reads, by kind and then by name."""
        return {kind: paths_of(stages) for kind, stages in self.inputs.items()}

    @cached_property
    def settings_hash(self) -> str:
        """Hash of the settings."""
        return config_hash(self.settings)

    @cached_property
    def hash(self) -> str:
        """Hash of all that the content of the files depends on: their identity."""
        return config_hash(
            {"settings": self.settings, "code": self.code, "inputs": self._input_hashes()}
        )

    def handed(self) -> dict[str, Any]:
        """What the script of the rule is given: plain values, whose changes run the job again."""
        return {
            "rule": self.rule,
            "name": self.name,
            "paper": self.paper,
            "module": self.module,
            "settings": self.settings,
            "roots": list(self.roots),
            "code": self.code,
            "hash": self.hash,
            "inputs": self._input_hashes(),
        }

    @property
    def stamp_text(self) -> str:
        """Content of the stamp: a different text makes Snakemake run the stage again."""
        lines = [f"code {self.code}", f"settings {self.settings_hash}", *self._stamp_lines()]
        return "\n".join(lines) + "\n"

    def _stamp_lines(self) -> list[str]:
        """What the stamp says beside the hashes of code and settings: the paths of the inputs."""
        return [f"{kind} {path}" for kind, paths in self.paths.items() for path in paths.values()]

    def _input_hashes(self) -> dict[str, dict[str, str]]:
        """Hashes of the stages whose files it reads."""
        return {
            kind: {name: stage.hash for name, stage in stages.items()}
            for kind, stages in self.inputs.items()
        }


@dataclass(frozen=True, kw_only=True)
class Data(Stage):
    """One data set.

    settings: without the place of a file of the user's own, which is `file`: the `sha256` of its
    content counts instead. unreadable: why that file cannot be read, if so. source: the data set
    that it is made from by torch, if any, with the public version of torch.
    """

    rule: str = "data"
    file: str | None = None
    unreadable: str | None = None
    source: "Data | None" = field(default=None, repr=False, compare=False)
    torch: str | None = None

    @property
    def kind(self) -> str:
        """The kind of the data set, which is the name of the module that makes it."""
        return self.settings["kind"]

    @property
    def complete_settings(self) -> dict[str, Any]:
        """The settings, with the `path` of a file of the user's own."""
        return self.settings | ({"path": self.file} if self.file else {})

    @cached_property
    def hash(self) -> str:
        """Hash of all that the content depends on."""
        depends: dict[str, Any] = {"settings": self.settings, "code": self.code}
        if self.source:
            depends |= {"data": self.source.hash, "torch": self.torch}
        return config_hash(depends)

    def handed(self) -> dict[str, Any]:
        """What the script is given."""
        return super().handed() | {"torch": self.torch}

    def _stamp_lines(self) -> list[str]:
        # The source's hash instead of its path: what reads the data compares the hash.
        return [f"data {self.source.hash}", f"torch {self.torch}"] if self.source else []


@dataclass(frozen=True, kw_only=True)
class Job(Stage):
    """One training job: some runs of an experiment, and the content-addressed file of them.

    data: what it trains on. torch: the public version. priority: Snakemake starts jobs with high
    numbers first. seconds: of one core, where the engine estimates it. keeps_states: whether its
    experiment says so.
    """

    rule: str = "train"
    data: Data = field(repr=False, compare=False)
    torch: str
    priority: int
    seconds: float | None = None
    keeps_states: bool = True

    @cached_property
    def hash(self) -> str:
        """Hash of the settings, the code, the data and the public version of torch."""
        return job_hash(self.settings, self.data.hash, self.code, self.torch)

    def handed(self) -> dict[str, Any]:
        """What the script is given."""
        return super().handed() | {
            "torch": self.torch,
            "checkpoint": self.checkpoint,
            "end_states": self.end_states,
        }

    @property
    def experiment(self) -> str:
        """The experiment that the runs belong to."""
        return self.name.partition("/")[0]

    @property
    def gpu_gain(self) -> float:
        """Seconds of a core over those of a GPU, a guess."""
        return settings_classes()[self.settings["engine"]].gpu_gain

    @property
    def gpu_seconds(self) -> float:
        """Seconds of a GPU, a guess; 0 where nothing is known."""
        return (self.seconds or 0.0) / self.gpu_gain

    @property
    def checkpoint(self) -> str:
        """File of the job's state while it runs, without the part that only the job knows."""
        return f"results/checkpoints/{self.hash}"

    @property
    def end_states(self) -> str | None:
        """File of what the job leaves for one with a larger limit, likewise; None without one."""
        kind = settings_classes()[self.settings["engine"]]
        if kind.limit is None or not self.keeps_states:
            return None
        shared = job_hash(kind.without_limit(self.settings), self.data.hash, self.code, self.torch)
        return f"results/states/{self.experiment}/{shared}"


@dataclass(frozen=True, kw_only=True)
class Probe(Stage):
    """One probe of the runs of a training job, and the content-addressed file that it writes.

    Of the data sets that it reads, that of the runs is the first.
    """

    rule: str = "probe"
    job: Job = field(repr=False, compare=False)

    @cached_property
    def hash(self) -> str:
        """Hash of the settings, the code, the runs, the data and the public version of torch."""
        return probe_hash(
            self.settings, self.job, list(self.inputs["data"].values())[1:], self.code
        )

    def handed(self) -> dict[str, Any]:
        """What the script is given."""
        return super().handed() | {"torch": self.job.torch, "job_settings": self.job.settings}


@dataclass(frozen=True, kw_only=True)
class Measure(Stage):
    """The measures of one experiment, from the files of all its jobs and probes, and its data.

    grids: how many of the runs' files belong to each grid of the experiment, in their order. The
    probes' files are those of each job in turn.
    """

    rule: str = "measure"
    grids: list[int]

    def handed(self) -> dict[str, Any]:
        """What the script is given."""
        return super().handed() | {"grids": self.grids}


@dataclass(frozen=True, kw_only=True)
class Claims(Stage):
    """The verdicts on the claims of one paper, as a file and as a table; `modules` declare them."""

    rule: str = "claims"
    modules: list[str]

    def handed(self) -> dict[str, Any]:
        """What the script is given."""
        return super().handed() | {"modules": self.modules}


@dataclass(frozen=True, kw_only=True)
class Figure(Stage):
    """One figure, as PDF and PNG, and as CSV if it is a table.

    settings: those behind its measures, and the arguments of its module's functions. arguments: the
    latter alone. labels: its row in the report, whose changes draw nothing anew.
    """

    rule: str = "figure"
    arguments: dict[str, Any]
    labels: dict[str, str]

    def handed(self) -> dict[str, Any]:
        """What the script is given."""
        return super().handed() | {"arguments": self.arguments}

    @property
    def is_table(self) -> bool:
        """Whether it is written as CSV too."""
        return self.outputs[-1].endswith(".csv")

    @property
    def scale(self) -> str:
        """Size of the experiments that it shows."""
        return self.settings["scale"]


def job_hash(settings: dict[str, Any], data_hash: str, code: str, torch: str) -> str:
    """Hash of what the numbers of a job depend on, but for the build of torch and the device."""
    return config_hash({"settings": settings, "data": data_hash, "code": code, "torch": torch})


def probe_hash(settings: dict[str, Any], job: Job, others: Iterable[Stage], code: str) -> str:
    """Hash of what a probe depends on; others: data beside those of the runs, which have theirs."""
    return config_hash(
        {
            "settings": settings,
            "data": [one.hash for one in others],
            "run": job.hash,
            "code": code,
            "torch": job.torch,
        }
    )


def by_name(stages: Iterable[Stage]) -> dict[str, Stage]:
    """Some stages by their names."""
    return {stage.name: stage for stage in stages}


def paths_of(stages: Mapping[str, Stage]) -> dict[str, str]:
    """Main files of some stages, by the names that they have here."""
    return {name: stage.path for name, stage in stages.items()}
