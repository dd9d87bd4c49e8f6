"""What made a figure or another file, and whether the present config and code would make the same.

  regimes origin figures/phase_diagram.pdf
  regimes origin results/measures/phase_diagram.nc --config scale=smoke

The file's own metadata tell, so that it may have been copied or renamed; the measures behind a
figure are looked up below --directory. The config is that of the checkout, at the scale that the
file says unless --config names one.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regimes.claims.files import ALL_CLAIMS, CLAIMS
from regimes.errors import StoreError
from regimes.plan.plan import MeasurePlan, Plan, with_arguments
from regimes.plan.provenance import config_hash, module_path
from regimes.plotting.wording import pluralise
from regimes.storage.versions import CHECKOUT
from regimes.tools import settings
from regimes.tools.differences import differences
from regimes.tools.metadata import Metadata, read

SUMMARY = "what made a file, and whether it is up to date"
# Rules: their rule file, script, and the function that makes the content, if it is one.
MADE_BY = {
    "data": ("data.smk", "data.py", "build"),
    "features": ("features.smk", "features.py", "build"),
    "train": ("runs.smk", "train.py", "train"),
    "probe": ("probes.smk", "probe.py", "probe"),
    "measure": ("measures.smk", "measure.py", "measure"),
    "claims": ("claims.smk", "claims.py", ""),
    "all_claims": ("claims.smk", "all_claims.py", "gather"),
    "figure": ("figures.smk", "figure.py", "draw"),
}
# What is shown of the attributes, if the file has them.
SHOWN = {
    "created": "created",
    "git_commit": "commit",
    "regimes_version": "version",
    "torch_version": "torch",
    "device": "device",
    "cpu_seconds": "CPU seconds",
    "config_hash": "config hash",
    "code_hash": "code hash",
    "data_hash": "data hash",
    "inputs_hash": "runs hash",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and which settings it is compared with."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a PDF, PNG or NetCDF file")
    settings.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print where a file comes from."""
    metadata = read(arguments.file)
    overrides = settings.overrides(arguments.config, arguments.configfile)
    if scale := scale_of(metadata):
        overrides = {"scale": scale} | overrides
    plan = settings.plan_of(overrides, arguments.directory)
    for label, text in origin(metadata, plan, arguments.directory):
        print(f"{label:<12} {text}")
    return 0


def scale_of(metadata: Metadata) -> str | None:
    """The scale that a file says, None if it says none (as runs, which scales share)."""
    return metadata.attributes.get("scale") or metadata.config.get("scale")


def origin(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[tuple[str, str]]:
    """Labels and texts that say what made a file, the last of them whether it is up to date."""
    rule = metadata.rule
    if rule == "data" and metadata.name in plan.data and plan.data[metadata.name].source:
        rule = "features"
    rules, script, function = MADE_BY[rule]
    yield rule, " ".join([metadata.name, *metadata.names.values()])
    yield "rule", f"{rule} (workflow/rules/{rules})"
    yield "script", f"workflow/scripts/{script}"
    module = metadata.attributes.get("source")
    if module is None and metadata.name in plan.figures:
        module = plan.figures[metadata.name].module
    if module:
        path = module_path(module)
        where = path.relative_to(CHECKOUT) if path else "not in this checkout"
        name = f"{module}.{function}" if function else module
        yield "function", f"{name} ({where})"
    if scale := scale_of(metadata):
        yield "scale", scale
    for key, label in SHOWN.items():
        if key in metadata.attributes:
            yield label, str(metadata.attributes[key])
    if CLAIMS in _names_behind(metadata, plan):
        yield "claims", f"{ALL_CLAIMS}, {_of_file(directory / ALL_CLAIMS)}"
    for experiment in experiments_of(metadata, plan):
        yield from _inputs(experiment, metadata, plan, directory)
    changes = list(changes_of(metadata, plan, directory))
    yield "state", "up to date" if not changes else "not up to date:"
    for change in changes:
        yield "", change


def experiments_of(metadata: Metadata, plan: Plan) -> list[str]:
    """Experiments behind a file, by its own words; for older figures, by those of the plan.

    Not those behind the claims that a figure shows, of which results/claims.nc tells.
    """
    if metadata.rule == "figure":
        return [name for name in _names_behind(metadata, plan) if name != CLAIMS]
    if metadata.rule in ("claims", "all_claims"):
        return list(metadata.config.get("experiments", {}))
    return [] if metadata.rule == "data" else [metadata.name]


def _names_behind(metadata: Metadata, plan: Plan) -> list[str]:
    """What a figure is drawn from: experiments, and CLAIMS; nothing for other files."""
    if metadata.rule != "figure":
        return []
    names = metadata.attributes.get("measures")
    if names is None and metadata.name in plan.figures:
        return list(plan.figures[metadata.name].measures)
    return [name for name in (names or "").split(",") if name]


def _inputs(
    experiment: str, metadata: Metadata, plan: Plan, directory: Path
) -> Iterator[tuple[str, str]]:
    measure = plan.measures.get(experiment)
    if metadata.rule in ("figure", "claims", "all_claims"):
        path = f"results/measures/{experiment}.nc"
        yield "measures", f"{path}, {_of_file(directory / path)}"
    if metadata.rule in ("figure", "claims", "all_claims", "measure"):
        yield "runs", f"results/runs/{experiment}/, {_of_runs(measure, directory)}"
    dataset = metadata.config.get("dataset")
    of_all = metadata.config.get("experiments", {})
    dataset = dataset or of_all.get(experiment, {}).get("dataset")
    if dataset is None and measure is not None:
        dataset = Path(measure.data).stem
    if dataset:
        path = f"results/data/{dataset}.nc"
        yield "data", path if (directory / path).is_file() else f"{path}, not there"


def _of_file(path: Path) -> str:
    try:
        attributes = read(path).attributes
    except StoreError:
        return "not there"
    return f"created {attributes.get('created')}, commit {attributes.get('git_commit')}"


def _of_runs(measure: MeasurePlan | None, directory: Path) -> str:
    if measure is None:
        return "of an experiment that the config has no more"
    there = sum((directory / path).is_file() for path in measure.runs)
    probes = f" and {pluralise(len(measure.probes), 'probe')}" if measure.probes else ""
    files = pluralise(len(measure.runs), "file")
    return f"{files} in the present config{probes}, {there} of the runs there"


def changes_of(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    """Why the present config and code would not make a file as it is; nothing if they would."""
    kinds = {
        "data": _changes_of_data,
        "train": _changes_of_run,
        "probe": _changes_of_probe,
        "measure": _changes_of_measure,
        "claims": _changes_of_claims,
        "all_claims": _changes_of_all_claims,
        "figure": _changes_of_figure,
    }
    yield from kinds[metadata.rule](metadata, plan, directory)


def _changes_of_figure(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    figure = plan.figures.get(metadata.name)
    if figure is None:
        yield f"the config has no figure {metadata.name!r}"
        return
    yield from _code(metadata, figure.code)
    behind = {}
    for name, path in figure.measures.items():
        try:
            behind[name] = read(directory / path)
        except StoreError as error:
            yield f"its {'claims' if name == CLAIMS else 'measures'}: {error}"
    if metadata.attributes["config_hash"] != figure.config_hash:
        yield "the settings changed"
        # The hash alone does not say which; the measures do, if they are those of the figure.
        if _hash_of(behind, figure.arguments) == metadata.attributes["config_hash"]:
            for one in behind.values():
                yield from _settings(one.config, _settings_of(one, plan))
        return
    for name, one in behind.items():
        label = "claims" if name == CLAIMS else f"measures of {name}"
        for change in changes_of(one, plan, directory):
            yield f"{label}: {change}"


def _settings_of(metadata: Metadata, plan: Plan) -> Mapping[str, Any]:
    """Settings that the plan has for measures, or for the claims of all papers."""
    if metadata.rule == "all_claims":
        return plan.all_claims.settings if plan.all_claims else {}
    measure = plan.measures.get(metadata.name)
    return measure.settings if measure else {}


def _hash_of(behind: Mapping[str, Metadata], arguments: Mapping[str, Any]) -> str | None:
    """Config hash of a figure of some measures, and perhaps the claims."""
    if not behind:
        return None
    configs = [one.config for one in behind.values()]
    merged = {
        key: {name: value for config in configs for name, value in config.get(key, {}).items()}
        for key in ("experiments", "datasets")
    }
    return config_hash({"scale": configs[0].get("scale"), **merged} | with_arguments(arguments))


def _changes_of_measure(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    measure = plan.measures.get(metadata.name)
    if measure is None:
        yield f"the config has no experiment {metadata.name!r}"
        return
    changed = list(_settings(metadata.config, measure.settings))
    yield from changed
    yield from _code(metadata, measure.code)
    # New settings have other runs anyway.
    if not changed:
        if "inputs_hash" not in metadata.attributes:
            yield "the file is of an older version, which did not say its runs"
        elif metadata.attributes["inputs_hash"] != measure.inputs_hash:
            yield "its runs or probes are others: their code, data or torch changed"


def _changes_of_claims(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    claims = plan.claims.get(metadata.name)
    if claims is None:
        yield f"the config has no claims of {metadata.name!r}"
        return
    yield from _settings(metadata.config, claims.settings)
    yield from _code(metadata, claims.code)
    for name, path in claims.measures.items():
        try:
            for change in _changes_of_measure(read(directory / path), plan, directory):
                yield f"measures of {name}: {change}"
        except StoreError as error:
            yield f"its measures: {error}"


def _changes_of_all_claims(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    if plan.all_claims is None:
        yield "the config has no claims"
        return
    changed = list(_settings(metadata.config, plan.all_claims.settings))
    yield from changed
    yield from _code(metadata, plan.all_claims.code)
    # New settings are new ones of the papers' claims too.
    if changed:
        return
    for paper, claims in plan.claims.items():
        try:
            for change in _changes_of_claims(read(directory / claims.path), plan, directory):
                yield f"claims of {paper}: {change}"
        except StoreError as error:
            yield f"its claims: {error}"


def _changes_of_run(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    blocks = plan.blocks.get(metadata.name, {})
    if metadata.names["block"] in blocks:
        return
    yield from _changes_of_block(metadata, plan, {})


def _changes_of_probe(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    probe = metadata.names["probe"]
    mine = [
        one
        for one in plan.probes.values()
        if (one.block.experiment, one.probe) == (metadata.name, probe)
    ]
    if any(one.name == metadata.names["block"] for one in mine):
        return
    if not mine:
        yield f"the config has no probe {probe!r} of {metadata.name!r}"
        return
    yield from _changes_of_block(metadata, plan, {"probe": {probe: mine[0].settings}})


def _changes_of_block(metadata: Metadata, plan: Plan, also: Mapping[str, Any]) -> Iterator[str]:
    """Why no block of the plan has the name of a file: what differs from the most similar one."""
    blocks = list(plan.blocks.get(metadata.name, {}).values())
    if not blocks:
        yield f"the config has no experiment {metadata.name!r}"
        return
    mine = {key: value for key, value in metadata.config.items() if key != "datasets"}
    found = [list(_settings(mine, block.settings | also)) for block in blocks]
    closest = min(found, key=len)
    yield from closest
    datasets = metadata.config.get("datasets", {})
    present = {name: plan.data[name].settings for name in datasets if name in plan.data}
    changed = list(_settings(datasets, present, "datasets"))
    yield from changed
    if not closest and not changed:
        yield "its code, the data's code or torch changed"


def _changes_of_data(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    data = plan.data.get(metadata.name)
    if data is None:
        yield f"the config has no data set {metadata.name!r}"
    elif metadata.attributes.get("data_hash") != data.hash:
        mine = metadata.config.get("datasets", {}).get(metadata.name, {})
        changed = list(_settings(mine, data.settings, f"datasets.{metadata.name}"))
        yield from changed or ["its code, torch or the images that it is made of changed"]


def _settings(old: Any, new: Any, key: str = "") -> Iterator[str]:
    for name, before, after in differences(old, new, key):
        yield f"{name}: {before} in the file, {after} in the config"


def _code(metadata: Metadata, code: str) -> Iterator[str]:
    written = metadata.attributes.get("code_hash")
    if written is None:
        yield "the file is of an older version, which did not say its code"
    elif written != code:
        yield "its code changed"
