"""The plan of a workflow: every file, with what makes it and the hash of what it depends on.

Plain Python values only, computed from the config and the source text: neither torch nor
Snakemake is imported. The rules read the plan; they compute nothing themselves.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimes.claims.files import ALL_CLAIMS, CLAIMS
from regimes.config.experiment import NAMED_BY
from regimes.config.models import Config, Experiment
from regimes.datasets.settings import FileDataset, ImageFeaturesDataset, TeacherLabelsDataset
from regimes.datasets.sources import own_file
from regimes.datasets.sources.resnet18 import WEIGHTS
from regimes.datasets.sources.retrieval import is_there
from regimes.errors import ConfigError, DataError
from regimes.explorer.assets import assets_hash
from regimes.plan.declared import arguments_of, claims_need, constants
from regimes.plan.parts import modules_with
from regimes.plan.probes import ProbePlan, plan_probes, probe_path
from regimes.plan.provenance import (
    SCRIPTS,
    Root,
    code_hash,
    config_hash,
    import_closure,
    module_path,
    training_code_hash,
    training_modules,
    write_stamp,
)
from regimes.plan.runs import HASH_LENGTH, BlockPlan, job_hash
from regimes.storage.versions import package_versions

# More jobs than this take Snakemake minutes to plan.
MOST_BLOCKS = 20_000
# Modules that make data of other data, by the key that names them: their packages.
LOADED_FOR_DATA = {"backbone": "datasets.backbones", "activation": "activations"}


@dataclass(frozen=True)
class DataPlan:
    """One data set file. `hash` covers its settings and the code that makes it.

    settings: of a file also the `sha256` of its content, and its `path`, which does not count.
    source: the data set that it is made from, if any; `hash` covers that one's too, and the public
    version of torch, which makes it.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    hash: str
    path: str
    stamp: str
    source: str | None = None
    torch: str | None = None

    @property
    def counted(self) -> dict[str, Any]:
        """Settings without where a file of the user's own lies: its content counts."""
        return _counted(self.settings)


@dataclass(frozen=True)
class MeasurePlan:
    """The measures of one experiment, over the files of all its blocks, and its data set.

    `grids`: how many of the runs belong to each of its grids, in their order. `probes`: the files
    of the probes of each run in turn. `inputs_hash`: of the names of both, which say their content.
    """

    experiment: str
    paper: str
    module: str
    settings: dict[str, Any]
    code: str
    data: str
    runs: tuple[str, ...]
    probes: tuple[str, ...]
    grids: tuple[int, ...]
    inputs_hash: str
    path: str
    stamp: str


@dataclass(frozen=True)
class ClaimsPlan:
    """The verdicts on the claims of one paper; `modules` declare them."""

    paper: str
    modules: tuple[str, ...]
    settings: dict[str, Any]
    code: str
    measures: dict[str, str]
    path: str
    table: str
    stamp: str


@dataclass(frozen=True)
class AllClaimsPlan:
    """The verdicts on the claims of all papers, in one file."""

    settings: dict[str, Any]
    code: str
    path: str
    stamp: str


@dataclass(frozen=True)
class FigurePlan:
    """One figure, as PDF and PNG, and as CSV if it is a table.

    `config_hash` covers all settings behind it, `arguments` of its module's functions included.
    `measures`: files by name; the gathered claims are
    among them for a figure that shows them.
    """

    name: str
    paper: str
    module: str
    arguments: dict[str, Any]
    config_hash: str
    code: str
    measures: dict[str, str]
    pdf: str
    png: str
    csv: str | None
    stamp: str
    caption: str
    labels: dict[str, str]


@dataclass(frozen=True)
class ExplorerPlan:
    """The page that shows all papers' measures and claims, by the paths of their files.

    `code` covers its scripts, styles and template too. `titles`: of the papers that have something
    to show.
    """

    measures: dict[str, str]
    claims: dict[str, str]
    titles: dict[str, str]
    code: str
    path: str
    stamp: str


@dataclass(frozen=True)
class Plan:
    """Everything that the rules need, by name."""

    data: dict[str, DataPlan]
    blocks: dict[str, dict[str, BlockPlan]]
    probes: dict[str, ProbePlan]
    measures: dict[str, MeasurePlan]
    claims: dict[str, ClaimsPlan]
    all_claims: AllClaimsPlan | None
    figures: dict[str, FigurePlan]
    explorer: ExplorerPlan
    papers: tuple[str, ...]
    stamps: dict[str, str]

    @classmethod
    def from_config(cls, config: Config) -> "Plan":
        """Plan the whole workflow.

        Raises ConfigError when the config names a module that does not exist.
        """
        _check_modules(config)
        config = _with_backbones(config)
        stamps: dict[str, str] = {}
        derived = _derived_of(config)
        data = {
            name: _data(name, config, stamps) for name in config.datasets if name not in derived
        }
        for name, dataset in derived.items():
            data[name] = _derived_data(name, config, data[dataset.images], stamps)
        blocks = {name: _blocks(name, config, data) for name in config.experiments}
        probes = {
            name: plan_probes(
                _probe_settings(name, config),
                blocks[name].values(),
                {key: one.hash for key, one in data.items()},
            )
            for name in config.experiments
        }
        measures = {
            name: _measure(name, config, data, list(blocks[name].values()), probes[name], stamps)
            for name in config.experiments
        }
        paths = {name: measure.path for name, measure in measures.items()}
        claims = _claims(config, data, paths, stamps)
        all_claims = _all_claims(claims, config, data, stamps) if claims else None
        figures = {
            name: _figure(name, config, data, paths, claims, stamps) for name in config.figures
        }
        by_path = {probe.path: probe for of_one in probes.values() for probe in of_one}
        explorer = _explorer(config, measures, claims, stamps)
        return cls(
            data=data,
            blocks=blocks,
            probes=by_path,
            measures=measures,
            claims=claims,
            all_claims=all_claims,
            figures=figures,
            explorer=explorer,
            papers=tuple(config.papers),
            stamps=stamps,
        )

    def block(self, experiment: str, name: str) -> BlockPlan:
        """The block of a run file's name; ConfigError when the config has no such block."""
        try:
            return self.blocks[experiment][name]
        except KeyError:
            raise ConfigError(
                f"results/runs/{experiment}/{name}.nc belongs to no block of the present config "
                "(other settings, or other code); ask for the figure or the measures instead"
            ) from None

    def probe(self, experiment: str, probe: str, name: str) -> ProbePlan:
        """The probe of a file's name; ConfigError when the config has no such probe."""
        path = probe_path(experiment, probe, name)
        try:
            return self.probes[path]
        except KeyError:
            raise ConfigError(
                f"{path} belongs to no run of the present config (other settings, or other code); "
                "ask for the figure or the measures instead"
            ) from None

    def all_blocks(self) -> list[BlockPlan]:
        """The blocks of all experiments."""
        return [block for blocks in self.blocks.values() for block in blocks.values()]

    def targets(self, paper: str) -> list[str]:
        """Final files of a paper: its measures, its figures, and its claims if it has any.

        The measures are named although figures need them: Snakemake does not make a missing file
        again while what was made from it is there.
        """
        targets = [measure.path for measure in self.measures.values() if measure.paper == paper]
        targets += [
            path
            for figure in self.figures.values()
            if figure.paper == paper
            for path in (figure.pdf, figure.png, figure.csv)
            if path
        ]
        if paper in self.claims:
            targets += [self.claims[paper].path, self.claims[paper].table]
        return targets

    def all_targets(self) -> list[str]:
        """Final files of all papers, the claims of all together, and the explorer."""
        targets = [path for paper in self.papers for path in self.targets(paper)]
        targets += [self.all_claims.path] if self.all_claims else []
        return [*targets, self.explorer.path]

    def write_stamps(self, directory: str | Path = ".") -> None:
        """Write the stamps whose text has changed below a results directory."""
        for path, text in self.stamps.items():
            write_stamp(Path(directory) / path, text)


def _data(name: str, config: Config, stamps: dict[str, str]) -> DataPlan:
    settings = _data_settings(name, config)
    code = code_hash([f"regimes.datasets.{settings['kind']}"])
    counted = _counted(settings)
    digest = config_hash({"settings": counted, "code": code})
    stamp = f"results/code/data-{name}.txt"
    # The settings are in the stamp too: without it a lost .snakemake would leave a stale file.
    stamps[stamp] = _stamp_text(code=code, settings=config_hash(counted))
    path = f"results/data/{name}.nc"
    return DataPlan(name, settings["kind"], settings, digest, path, stamp)


def _data_settings(name: str, config: Config) -> dict[str, Any]:
    """Settings of a data set; of a file also the `sha256` of its content.

    Raises ConfigError, naming the key, when the file cannot be read.
    """
    settings = config.datasets[name].model_dump(mode="json")
    if isinstance(config.datasets[name], FileDataset):
        try:
            settings["sha256"] = own_file.digest(settings["path"])
        except DataError as error:
            key = f"datasets.{name}.path"
            raise ConfigError(f"{config.place(key)}: {key} = {error}") from None
    return settings


def _counted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without where a file of the user's own lies: its content counts."""
    return {key: value for key, value in settings.items() if key != "path"}


def _derived_data(name: str, config: Config, source: DataPlan, stamps: dict[str, str]) -> DataPlan:
    """A data set that a network makes of the images of another."""
    settings = config.datasets[name].model_dump(mode="json")
    kind = settings["kind"]
    modules = [f"regimes.datasets.{kind}"]
    modules += [
        f"regimes.{package}.{settings[key]}"
        for key, package in LOADED_FOR_DATA.items()
        if key in settings
    ]
    code = code_hash(modules)
    torch = _torch_version()
    digest = config_hash({"settings": settings, "code": code, "data": source.hash, "torch": torch})
    stamp = f"results/code/data-{name}.txt"
    stamps[stamp] = _stamp_text(
        code=code, settings=config_hash(settings), data=[source.hash], torch=[torch]
    )
    path = f"results/data/{name}.nc"
    return DataPlan(name, kind, settings, digest, path, stamp, source.name, torch)


def _derived_of(config: Config) -> dict[str, ImageFeaturesDataset | TeacherLabelsDataset]:
    return {
        name: dataset
        for name, dataset in config.datasets.items()
        if isinstance(dataset, ImageFeaturesDataset | TeacherLabelsDataset)
    }


def _with_backbones(config: Config) -> Config:
    """The config with what `backbone: auto` stands for here, so that every hash and file says it.

    ResNet-18 where its weights lie in the mirror, not in the cache: what an earlier run downloaded
    must not make other features of the same config.
    """
    chosen = {
        name: dataset.model_copy(update={"backbone": _auto_backbone(config)})
        for name, dataset in config.datasets.items()
        if isinstance(dataset, ImageFeaturesDataset) and dataset.backbone == "auto"
    }
    return config.model_copy(update={"datasets": config.datasets | chosen}) if chosen else config


def _auto_backbone(config: Config) -> str:
    return "resnet18" if is_there(WEIGHTS, config.data_mirror) else "efficientnet_lite0"


def _torch_version() -> str:
    """The public version of torch: builds for CPUs and GPUs agree to rounding."""
    return package_versions("torch")["torch"].partition("+")[0]


def _blocks(name: str, config: Config, data: Mapping[str, DataPlan]) -> dict[str, BlockPlan]:
    experiment = config.experiments[name]
    dataset = data[experiment.dataset]
    shared = _training_settings(name, config)
    # A block depends on its own settings alone: other grids may come and go.
    for key in ("axes", "grids"):
        shared.pop(key, None)
    torch = _torch_version()
    # By the modules that they name: thousands of blocks share one.
    codes: dict[tuple[str, ...], str] = {}
    counts = _blocks_by_grid(experiment)
    if sum(counts) > MOST_BLOCKS:
        key = f"experiments.{name}.split_by"
        raise ConfigError(
            f"{config.place(key)}: {key} = {list(experiment.split_by)} makes "
            f"{sum(counts)} jobs; at most {MOST_BLOCKS} are allowed: leave out an axis"
        )
    blocks = {}
    for axes in experiment.all_grids():
        for values in itertools.product(*(axes[axis] for axis in experiment.split_by)):
            chosen = dict(zip(experiment.split_by, values, strict=True))
            settings = {
                **shared,
                **_named_by_axes(shared, chosen, axes),
                "axes": {
                    axis: [chosen[axis]] if axis in chosen else list(values)
                    for axis, values in axes.items()
                },
            }
            modules = tuple(training_modules(settings).values())
            if modules not in codes:
                codes[modules] = training_code_hash(settings)
            code = codes[modules]
            digest = job_hash(settings, dataset.hash, code, torch)
            # In the order of the axes: the order of split_by is that of the jobs alone.
            label = "_".join(f"{axis}={chosen[axis]}" for axis in axes if axis in chosen) or "all"
            block = f"{label}-{digest[:HASH_LENGTH]}"
            blocks[block] = BlockPlan(
                experiment=name,
                name=block,
                settings=settings,
                hash=digest,
                path=f"results/runs/{name}/{block}.nc",
                dataset=experiment.dataset,
                data_hash=dataset.hash,
                code=code,
                torch=torch,
                # In the order of these axes, so that what is listed first starts first.
                priority=sum(counts) - len(blocks),
            )
    return blocks


def _named_by_axes(
    shared: Mapping[str, Any], chosen: Mapping[str, Any], axes: Mapping[str, tuple]
) -> dict[str, Any]:
    """What the names on a block's axes stand for, such as models: others may come and go."""
    named = {}
    for axis, (key, _) in NAMED_BY.items():
        if key in shared:
            names = [chosen[axis]] if axis in chosen else axes[axis]
            named[key] = {name: shared[key][name] for name in names}
    return named


def _blocks_by_grid(experiment: Experiment) -> list[int]:
    """Number of blocks of each grid of an experiment."""
    return [
        math.prod(len(axes[axis]) for axis in experiment.split_by)
        for axes in experiment.all_grids()
    ]


def _training_settings(name: str, config: Config) -> dict[str, Any]:
    """What training reads, and nothing else: a key that is here retrains when it changes."""
    settings = config.experiments[name].model_dump(mode="json", exclude_none=True)
    for key in ("paper", "measure", "split_by"):
        del settings[key]
    settings.pop("probes", None)
    expression = config.activations.get(settings.get("activation"))
    if expression is not None:
        settings["activation_expression"] = expression
    return {"experiment": name, "root_seed": config.root_seed, **settings}


def _all_settings(name: str, config: Config) -> dict[str, Any]:
    """What training and probes read."""
    probes = _probe_settings(name, config)
    return _training_settings(name, config) | ({"probes": probes} if probes else {})


def _probe_settings(name: str, config: Config) -> dict[str, dict[str, Any]]:
    """Settings of the probes of an experiment's runs, by name; none for most experiments."""
    experiment = config.experiments[name].model_dump(mode="json", exclude_none=True)
    return experiment.get("probes", {})


def _measure(
    name: str,
    config: Config,
    data: Mapping[str, DataPlan],
    blocks: list[BlockPlan],
    probes: list[ProbePlan],
    stamps: dict[str, str],
) -> MeasurePlan:
    experiment = config.experiments[name]
    module = f"regimes.papers.{experiment.measure}"
    settings = _effective_settings([name], config, data)
    code = code_hash([SCRIPTS / "measure.py", module])
    runs = tuple(block.path for block in blocks)
    probe_paths = tuple(probe.path for probe in probes)
    stamp = f"results/code/measures-{name}.txt"
    stamps[stamp] = _stamp_text(
        code=code, settings=config_hash(settings), runs=runs, probes=probe_paths
    )
    path = f"results/measures/{name}.nc"
    return MeasurePlan(
        experiment=name,
        paper=experiment.paper,
        module=module,
        settings=settings,
        code=code,
        data=data[experiment.dataset].path,
        runs=runs,
        probes=probe_paths,
        grids=tuple(_blocks_by_grid(experiment)),
        inputs_hash=config_hash([*runs, *probe_paths]),
        path=path,
        stamp=stamp,
    )


def _claims(
    config: Config,
    data: Mapping[str, DataPlan],
    measures: Mapping[str, str],
    stamps: dict[str, str],
) -> dict[str, ClaimsPlan]:
    """The claims of the papers that declare some on experiments of the config."""
    declared = modules_with("claims")
    plans = {}
    for paper in config.papers:
        modules = declared.get(paper, ())
        names = [name for name in claims_need(modules) if name in config.experiments]
        if paper in config.claims:
            names = [name for name in names if name in config.claims[paper].measures]
        if not names:
            continue
        settings = _effective_settings(names, config, data)
        code = code_hash([SCRIPTS / "claims.py", *modules])
        stamp = f"results/code/claims-{paper}.txt"
        stamps[stamp] = _stamp_text(code=code, settings=config_hash(settings), measures=names)
        plans[paper] = ClaimsPlan(
            paper=paper,
            modules=modules,
            settings=settings,
            code=code,
            measures={name: measures[name] for name in names},
            path=f"results/claims/{paper}.nc",
            table=f"results/claims/{paper}.md",
            stamp=stamp,
        )
    return plans


def _all_claims(
    claims: Mapping[str, ClaimsPlan],
    config: Config,
    data: Mapping[str, DataPlan],
    stamps: dict[str, str],
) -> AllClaimsPlan:
    settings = _effective_settings(_claimed(claims), config, data)
    code = code_hash([SCRIPTS / "all_claims.py"])
    stamp = "results/code/claims.txt"
    stamps[stamp] = _stamp_text(code=code, settings=config_hash(settings), papers=claims)
    return AllClaimsPlan(settings=settings, code=code, path=ALL_CLAIMS, stamp=stamp)


def _claimed(claims: Mapping[str, ClaimsPlan]) -> list[str]:
    """The experiments whose measures any paper's claims read."""
    return list(dict.fromkeys(name for one in claims.values() for name in one.measures))


def _figure(
    name: str,
    config: Config,
    data: Mapping[str, DataPlan],
    measures: Mapping[str, str],
    claims: Mapping[str, ClaimsPlan],
    stamps: dict[str, str],
) -> FigurePlan:
    figure = config.figures[name]
    module = f"regimes.papers.{figure.plot}"
    scripts = [SCRIPTS / "figure.py"] + ([SCRIPTS / "table.py"] if figure.table else [])
    code = code_hash(with_parts([*scripts, module]))
    inputs = {key: measures[key] for key in figure.measures}
    shown = list(figure.measures)
    if figure.claims:
        if not claims:
            raise ConfigError(f"figures.{name}.claims: no paper of the config has any")
        inputs[CLAIMS] = ALL_CLAIMS
        shown += [name for name in _claimed(claims) if name not in shown]
    # Not the caption and the labels: only the report shows them.
    behind = _effective_settings(shown, config, data)
    settings = config_hash(behind | with_arguments(figure.arguments))
    stamp = f"results/code/figures-{name.replace('/', '-')}.txt"
    stamps[stamp] = _stamp_text(code=code, settings=settings, measures=inputs)
    return FigurePlan(
        name=name,
        paper=figure.paper,
        module=module,
        arguments=figure.arguments,
        config_hash=settings,
        code=code,
        measures=inputs,
        pdf=f"figures/{name}.pdf",
        png=f"figures/{name}.png",
        csv=f"figures/{name}.csv" if figure.table else None,
        stamp=stamp,
        caption=figure.caption,
        labels={"figure": name} | figure.labels,
    )


def with_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a figure's arguments add to the settings behind it; nothing without any."""
    return {"arguments": dict(arguments)} if arguments else {}


def with_parts(roots: Iterable[Root]) -> list[Root]:
    """Roots of code, and the parts of all papers that a module of their closure loads by name."""
    roots = list(roots)
    for name, path in import_closure(roots).items():
        if b"\nLOADS_PART = " in path.read_bytes():
            part = constants(name)["LOADS_PART"]
            roots += [one for modules in modules_with(part).values() for one in modules]
    return roots


def _explorer(
    config: Config,
    measures: Mapping[str, MeasurePlan],
    claims: Mapping[str, ClaimsPlan],
    stamps: dict[str, str],
) -> ExplorerPlan:
    parts = modules_with("explorer").values()
    modules = {
        f"regimes.papers.{name}" for (module,) in parts for name in constants(module)["MEASURES"]
    }
    shown = {name: one.path for name, one in measures.items() if one.module in modules}
    verdicts = {paper: one.path for paper, one in claims.items()}
    papers = {measures[name].paper for name in shown} | set(verdicts)
    titles = {name: paper.title for name, paper in config.papers.items() if name in papers}
    python = code_hash(with_parts([SCRIPTS / "explorer.py"]))
    # Plotly's script is part of the page.
    plotly = package_versions("plotly")["plotly"]
    code = config_hash({"python": python, "page": assets_hash(), "plotly": plotly})
    stamp = "results/code/explorer.txt"
    stamps[stamp] = _stamp_text(
        code=code, settings=config_hash(titles), measures=shown, claims=verdicts
    )
    return ExplorerPlan(shown, verdicts, titles, code, "results/explorer.html", stamp)


def _effective_settings(
    experiments: Iterable[str], config: Config, data: Mapping[str, DataPlan]
) -> dict[str, Any]:
    """All settings behind some experiments' measures, as they go into the files' `config`."""
    experiments = list(experiments)
    datasets = {config.experiments[name].dataset for name in experiments} | {
        probe["dataset"]
        for name in experiments
        for probe in _probe_settings(name, config).values()
        if "dataset" in probe
    }
    datasets |= {one.images for name, one in _derived_of(config).items() if name in datasets}
    return {
        "scale": config.scale,
        "experiments": {name: _all_settings(name, config) for name in experiments},
        "datasets": {name: data[name].counted for name in sorted(datasets)},
    }


def _stamp_text(code: str, settings: str, **names: Iterable[str]) -> str:
    lines = [f"code {code}", f"settings {settings}"]
    for kind, values in names.items():
        lines += [f"{kind} {value}" for value in values]
    return "\n".join(lines) + "\n"


def _check_modules(config: Config) -> None:
    def _need(key: str, module: str) -> None:
        if module_path(module) is not None:
            return
        package = module_path(module.rpartition(".")[0])
        siblings = []
        if package is not None:
            siblings = sorted(path.stem for path in package.parent.glob("[a-z]*.py"))
        allowed = f"; allowed: {', '.join(siblings)}" if siblings else ""
        raise ConfigError(
            f"{config.place(key)}: {key} = {module.rpartition('.')[2]!r}: there is no module "
            f"{module}{allowed}"
        )

    for name, dataset in config.datasets.items():
        _need(f"datasets.{name}.kind", f"regimes.datasets.{dataset.kind}")
    for name, experiment in config.experiments.items():
        for key, module in training_modules(_training_settings(name, config)).items():
            _need(f"experiments.{name}.{key}", module)
        try:
            experiment.check()
        except ConfigError as error:
            raise ConfigError(f"{error} (experiment {name})") from None
        _need(f"experiments.{name}.measure", f"regimes.papers.{experiment.measure}")
    for name, figure in config.figures.items():
        _need(f"figures.{name}.plot", f"regimes.papers.{figure.plot}")
        for function in ("draw", "table") if figure.table else ("draw",):
            _check_arguments(f"figures.{name}", figure.plot, function, figure.arguments)


def _check_arguments(key: str, plot: str, function: str, given: Mapping[str, Any]) -> None:
    """Raise ConfigError unless a figure's module has a function that takes its arguments."""
    taken = arguments_of(f"regimes.papers.{plot}", function)
    if taken is None:
        raise ConfigError(f"config: {key}.plot = {plot!r}: the module has no function {function}")
    unknown = [name for name in given if name not in taken]
    missing = [name for name, needed in taken.items() if needed and name not in given]
    for name, what in [(name, "unknown") for name in unknown] + [(m, "missing") for m in missing]:
        raise ConfigError(
            f"config: {key}.arguments.{name} is {what}: {plot}.{function} takes "
            f"{', '.join(taken) or 'none'}"
        )
