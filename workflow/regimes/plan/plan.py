"""The plan of a workflow: every file, with what makes it and the hash of what it depends on.

It is computed from the config and the source text: neither torch nor Snakemake is imported. The
rules read the plan; they compute nothing themselves.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from regimes.claims.files import ALL_CLAIMS, CLAIMS
from regimes.config.layers import hint
from regimes.config.models import RULES, Config
from regimes.config.own_code import module_named
from regimes.errors import ConfigError, StoreError
from regimes.explorer.assets import assets_hash
from regimes.plan.checks import check_modules
from regimes.plan.declared import claims_need, constants
from regimes.plan.jobs import jobs_by_grid, plan_jobs
from regimes.plan.memory import Memory
from regimes.plan.parts import modules_with
from regimes.plan.probes import plan_probes
from regimes.plan.provenance import (
    code_hash,
    fixed_sources,
    import_closure,
    sources,
    write_stamp,
)
from regimes.plan.settings import (
    data_settings,
    settings_behind,
    source_of,
    with_arguments,
    with_backbones,
)
from regimes.plan.stages import (
    Claims,
    Data,
    Figure,
    Job,
    Measure,
    Probe,
    Stage,
    by_name,
)
from regimes.storage.failures import one_line
from regimes.storage.versions import package_versions, torch_version

# Folders of files that are asked for by name.
TARGETS = ("figures/", "results/measures/", "results/claims/", "results/data/")
# Seconds of one core from which the user is told that a job is long.
LONG = 12 * 3600
# Modules that make data of other data, by the key that names them: their packages.
LOADED_FOR_DATA = {"backbone": "datasets.backbones", "activation": "activations"}


@dataclass(frozen=True)
class Plan:
    """All stages of the workflow by their names, in the order of the data flow."""

    papers: tuple[str, ...]
    data: dict[str, Data]
    jobs: dict[str, Job]
    probes: dict[str, Probe]
    measures: dict[str, Measure]
    claims: dict[str, Claims]
    all_claims: Stage | None
    figures: dict[str, Figure]
    explorer: Stage
    # Why what is made on request cannot be made, by name.
    left_out: Mapping[str, str]

    @classmethod
    @fixed_sources()
    def from_config(cls, config: Config) -> "Plan":
        """Plan the whole workflow.

        Raises ConfigError when the config names a module that does not exist, or has a job that
        needs more memory than it allows.
        """
        check_modules(config)
        config = with_backbones(config)
        memory = Memory(config)
        data: dict[str, Data] = {}
        # What is made of other data comes after these.
        for name in sorted(config.datasets, key=lambda name: source_of(name, config) is not None):
            data[name] = _data(name, config, data, memory)
        jobs: list[Job] = []
        probes: list[Probe] = []
        measures = {}
        for name in list(config.experiments):
            try:
                own_jobs = plan_jobs(name, config, data, memory)
            except ConfigError as error:
                if not config.may_leave_out(name):
                    raise
                config.leave_out(name, str(error))
                continue
            own_probes = plan_probes(name, config, data, own_jobs, memory)
            measures[name] = _measure(name, config, data, own_jobs, own_probes, memory)
            jobs += own_jobs
            probes += own_probes
        claims = _claims(config, data, measures)
        all_claims = _all_claims(claims, config, data) if claims else None
        return cls(
            papers=tuple(config.papers),
            data=data,
            jobs={job.name: job for job in jobs},
            probes={probe.name: probe for probe in probes},
            measures=measures,
            claims=claims,
            all_claims=all_claims,
            figures={
                name: _figure(name, config, data, measures, claims, all_claims)
                for name in config.figures
            },
            explorer=_explorer(config, measures, claims),
            left_out=config.left_out,
        )

    def stages(self) -> Iterator[Stage]:
        """All stages, in the order of the data flow."""
        for stages in (self.data, self.jobs, self.probes, self.measures, self.claims):
            yield from stages.values()
        if self.all_claims:
            yield self.all_claims
        yield from self.figures.values()
        yield self.explorer

    @cached_property
    def by_rule(self) -> dict[str, dict[str, Stage]]:
        """The stages of each rule by their names. A figure that is a table is one of two rules."""
        found: dict[str, dict[str, Stage]] = {rule: {} for rule in RULES}
        for stage in self.stages():
            found[stage.rule][stage.name] = stage
        found["table"] |= {name: one for name, one in self.figures.items() if one.is_table}
        return found

    def stage(self, rule: str, name: str) -> Stage:
        """The stage of a rule's wildcards; ConfigError when the present config has none."""
        try:
            return self.by_rule[rule][name]
        except KeyError:
            self.require_files(self.data.values())
            raise ConfigError(
                f"{name} belongs to no {rule} job of the present config (other settings, or other "
                "code); ask for the figure or the measures instead"
            ) from None

    def check_target(self, path: str) -> None:
        """Raise ConfigError, with the file that was meant, for one that no stage makes."""
        files = [output for stage in self.stages() for output in stage.outputs]
        if path in files:
            return
        folder = next((one for one in TARGETS if path.startswith(one)), "")
        name = path.removeprefix(folder).rpartition(".")[0]
        if name in self.left_out:
            raise ConfigError(f"{path} cannot be made: {self.left_out[name]}")
        there = [file.removeprefix(folder) for file in files if file.startswith(folder)]
        every = [file for one in self.stages() if not one.on_request for file in one.outputs]
        shown = [file.removeprefix(folder) for file in every if file.startswith(folder)]
        names = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in shown))
        meant = hint(path.removeprefix(folder), there)
        raise ConfigError(
            f"{path}: no rule makes this file with the present config; {meant}{folder} may have "
            f"files of {names}"
        )

    def jobs_of(self, experiment: str) -> list[Job]:
        """The training jobs of an experiment."""
        return [job for job in self.jobs.values() if job.experiment == experiment]

    def long_jobs(
        self, directory: str | Path = ".", elsewhere: Collection[str] = ()
    ) -> Iterator[str]:
        """A line for each experiment with jobs that are not done and will take very long.

        elsewhere: experiments that are not trained on a core.
        """
        asked = [name for name, one in self.measures.items() if not one.on_request]
        for name in [name for name in asked if name not in elsewhere]:
            long = [job for job in self.jobs_of(name) if (job.seconds or 0) > LONG]
            hours = [
                (job.seconds or 0) / 3600
                for job in long
                if not (Path(directory) / job.path).exists()
            ]
            if hours:
                yield (
                    f"experiments.{name}: {len(hours)} of its jobs may take up to "
                    f"{max(hours):.0f} h of a core each: take fewer points "
                    f"(datasets.{long[0].data.name}), smaller widths, fewer runs in a job "
                    "(split_by), or another engine"
                )

    def named_by_hash(self) -> dict[str, str]:
        """Identities of the runs and probes by their paths, which have a hash in their names."""
        return {stage.path: stage.hash for stage in (*self.jobs.values(), *self.probes.values())}

    def asked_for(self, targets: Collection[str]) -> list[Stage]:
        """The figures that some targets of Snakemake name, by their files or their papers.

        All figures, if none of the targets is one of these.
        """
        figures = list(self.figures.values())
        named = [
            figure
            for figure in figures
            if figure.paper in targets or not set(targets).isdisjoint(figure.outputs)
        ]
        return [*named] or [figure for figure in figures if not figure.on_request]

    def targets(self, paper: str) -> list[str]:
        """Final files of a paper: its measures, its figures, and its claims if it has any.

        The measures are named although figures need them: Snakemake does not make a missing file
        again while what was made from it is there.
        """
        stages = [*self.measures.values(), *self.figures.values(), *self.claims.values()]
        stages = [one for one in stages if one.paper == paper and not one.on_request]
        return [path for stage in stages for path in stage.outputs]

    def all_targets(self) -> list[str]:
        """Final files of all papers, the claims of all together, and the explorer."""
        targets = [path for paper in self.papers for path in self.targets(paper)]
        targets += [self.all_claims.path] if self.all_claims else []
        return [*targets, self.explorer.path]

    def require_files(self, stages: Iterable[Stage]) -> None:
        """Raise ConfigError if a stage needs a file of the user's own that cannot be read."""
        for stage in stages:
            if stage.path in self._unreadable:
                raise ConfigError(self._unreadable[stage.path])

    @cached_property
    def _unreadable(self) -> dict[str, str]:
        """Why stages cannot be made, by their main files: those that need an unreadable file."""
        found = {one.path: one.unreadable for one in self.data.values() if one.unreadable}
        if not found:
            return {}
        for stage in self.stages():
            needed = [one.path for stages in stage.inputs.values() for one in stages.values()]
            reasons = [found[path] for path in needed if path in found]
            if reasons:
                found.setdefault(stage.path, reasons[0])
        return found

    @cached_property
    def stamps(self) -> dict[str, str]:
        """Texts of all stamps, by their paths."""
        return {stage.stamp: stage.stamp_text for stage in self.stages() if stage.stamp}

    def write_stamps(self, directory: str | Path = ".") -> None:
        """Write the stamps whose text has changed below a results directory.

        Not those of what needs a file that cannot be read: they hold again when it is back.
        Raises StoreError, with the reason, when the system refuses.
        """
        for stage in self.stages():
            if stage.stamp and stage.path not in self._unreadable:
                write_stamp(Path(directory) / stage.stamp, stage.stamp_text)

    def remove_empty(self, directory: str | Path = ".") -> None:
        """Remove the files below a directory that are empty, as an interrupted copy leaves them.

        Snakemake takes any file that is there for done, and jobs write all or nothing.
        Raises StoreError for a folder where a file should be.
        """
        for stage in self.stages():
            for path in (Path(directory) / output for output in stage.outputs):
                try:
                    if path.is_dir():
                        raise StoreError(f"{path} is a folder where a file should be: move it away")
                    if path.is_file() and not path.stat().st_size:
                        path.unlink()
                except OSError as error:
                    raise StoreError(one_line(error, path, "removed, which is empty")) from error


def _data(name: str, config: Config, data: Mapping[str, Data], memory: Memory) -> Data:
    """A data set; `data` has the one that it is made from, if any."""
    settings, unreadable = data_settings(name, config)
    file = settings.pop("path", None)
    source = source_of(name, config)
    modules = [f"regimes.datasets.{settings['kind']}"]
    if source:
        modules += [
            f"regimes.{package}.{settings[key]}"
            for key, package in LOADED_FOR_DATA.items()
            if key in settings
        ]
    return Data(
        rule="features" if source else "data",
        name=name,
        module=modules[0],
        settings=settings,
        roots=tuple(modules),
        code=code_hash(modules),
        inputs={"images": by_name([data[source]])} if source else {},
        outputs=(f"results/data/{name}.nc",),
        # The settings are in the stamp too: without it a lost .snakemake would leave a stale file.
        stamp=f"results/code/data-{name}.txt",
        file=file,
        unreadable=unreadable,
        source=data[source] if source else None,
        torch=torch_version() if source else None,
        memory_mb=memory.of_data(name),
    )


def _measure(
    name: str,
    config: Config,
    data: Mapping[str, Data],
    jobs: list[Job],
    probes: list[Probe],
    memory: Memory,
) -> Measure:
    """The measures of an experiment."""
    experiment = config.experiments[name]
    module = module_named(experiment.measure)
    roots = (module, "regimes.storage.grids")
    return Measure(
        name=name,
        paper=experiment.paper,
        module=module,
        settings=settings_behind([name], config, data),
        roots=roots,
        code=code_hash(roots),
        inputs={
            "runs": by_name(jobs),
            "probes": by_name(probes),
            "data": by_name([data[experiment.dataset]]),
        },
        outputs=(f"results/measures/{name}.nc",),
        stamp=f"results/code/measures-{name}.txt",
        grids=jobs_by_grid(experiment),
        on_request=experiment.on_request,
        memory_mb=memory.of_measure(name, [job.settings["axes"] for job in jobs]),
    )


def _claims(
    config: Config, data: Mapping[str, Data], measures: Mapping[str, Measure]
) -> dict[str, Claims]:
    """The claims of the papers that declare some on experiments of the config."""
    declared = modules_with("claims")
    claims = {}
    for paper, about in config.papers.items():
        modules = declared.get(paper, ())
        own = module_named(about.claims) if about.claims else None
        modules += (own,) if own else ()
        needed = claims_need(modules)
        names = [name for name in needed if name in config.experiments]
        if paper in config.claims:
            names = [name for name in names if name in config.claims[paper].measures]
            if not names:
                key = f"claims.{paper}.measures"
                raise ConfigError(
                    f"{config.place(key)}: {key} = [{', '.join(config.claims[paper].measures)}]: "
                    f"no claim of {paper} needs any of these; allowed: "
                    f"{', '.join(needed) or 'none, the paper has no claims'}"
                )
        if not names:
            if own:
                key = f"papers.{paper}.claims"
                raise ConfigError(
                    f"{config.place(key)}: {key} = {about.claims!r}: none of its claims needs an "
                    f"experiment of the config; they need {', '.join(needed) or 'none'}"
                )
            continue
        roots = (*modules, "regimes.claims.core")
        claims[paper] = Claims(
            name=paper,
            paper=paper,
            module=own or f"regimes.papers.{paper}.claims",
            settings=settings_behind(names, config, data),
            roots=roots,
            code=code_hash(roots),
            inputs={"measures": by_name(measures[name] for name in names)},
            outputs=(f"results/claims/{paper}.nc", f"results/claims/{paper}.md"),
            stamp=f"results/code/claims-{paper}.txt",
            modules=list(modules),
        )
    return claims


def _all_claims(claims: Mapping[str, Claims], config: Config, data: Mapping[str, Data]) -> Stage:
    """The verdicts on the claims of all papers, in one file."""
    module = "regimes.claims.gathered"
    return Stage(
        rule="all_claims",
        name="",
        module=module,
        settings=settings_behind(_claimed(claims), config, data),
        roots=(module,),
        code=code_hash([module]),
        inputs={"claims": claims},
        outputs=(ALL_CLAIMS,),
        stamp="results/code/claims.txt",
    )


def _claimed(claims: Mapping[str, Claims]) -> list[str]:
    """The experiments whose measures any paper's claims read."""
    return list(dict.fromkeys(name for one in claims.values() for name in one.inputs["measures"]))


def _figure(
    name: str,
    config: Config,
    data: Mapping[str, Data],
    measures: Mapping[str, Measure],
    claims: Mapping[str, Claims],
    all_claims: Stage | None,
) -> Figure:
    """A figure; one that shows the claims of all papers finds them among its measures."""
    figure = config.figures[name]
    module = module_named(figure.plot)
    every = ("save", "style", "endings")
    roots = with_parts([module, *(f"regimes.plotting.{name}" for name in every)])
    inputs: dict[str, Stage] = {key: measures[key] for key in figure.measures}
    shown = dict.fromkeys(figure.measures)
    if figure.claims:
        if all_claims is None:
            key = f"figures.{name}.claims"
            raise ConfigError(f"{config.place(key)}: {key}: no paper of the config has any")
        inputs[CLAIMS] = all_claims
        shown |= dict.fromkeys(_claimed(claims))
    return Figure(
        name=name,
        paper=figure.paper,
        module=module,
        # Not the caption and the labels: only the report shows them.
        settings=with_arguments(settings_behind(shown, config, data), figure.arguments),
        roots=roots,
        code=code_hash(roots),
        inputs={"measures": inputs},
        outputs=tuple(
            f"figures/{name}.{suffix}"
            for suffix in ("pdf", "png", *(("csv",) if figure.table else ()))
        ),
        stamp=f"results/code/figures-{name.replace('/', '-')}.txt",
        arguments=figure.arguments,
        on_request=figure.on_request,
        labels={"figure": name} | figure.labels,
    )


def with_parts(roots: Iterable[str]) -> tuple[str, ...]:
    """Roots of code, and the parts of all papers that a module of their closure loads by name."""
    roots = list(roots)
    for name, path in import_closure(roots).items():
        if b"\nLOADS_PART = " in sources().text(path):
            part = constants(name)["LOADS_PART"]
            roots += [one for modules in modules_with(part).values() for one in modules]
    return tuple(roots)


def _explorer(
    config: Config, measures: Mapping[str, Measure], claims: Mapping[str, Claims]
) -> Stage:
    """The page that shows the papers' measures and claims."""
    modules = {
        f"regimes.papers.{name}"
        for (module,) in modules_with("explorer").values()
        for name in constants(module)["MEASURES"]
    }
    shown = [one for one in measures.values() if one.module in modules]
    papers = {one.paper for one in [*shown, *claims.values()]}
    figures = {
        one.name: [
            name
            for name, figure in config.figures.items()
            if one.name in figure.measures and figure.paper == one.paper
        ]
        for one in shown
    }
    module = "regimes.explorer.page"
    roots = with_parts([module])
    return Stage(
        rule="explorer",
        name="",
        module=module,
        settings={
            "titles": {key: paper.title for key, paper in config.papers.items() if key in papers},
            # To which the page has links.
            "figures": figures,
            "page": assets_hash(),
            # Plotly's script is part of the page.
            "plotly": package_versions("plotly")["plotly"],
        },
        roots=roots,
        code=code_hash(roots),
        inputs={"measures": by_name(shown), "claims": claims},
        outputs=("results/explorer.html",),
        stamp="results/code/explorer.txt",
    )
