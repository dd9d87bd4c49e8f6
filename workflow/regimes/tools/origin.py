"""What made a figure or another file, and whether the present config and code would make the same.

  regimes origin figures/phase_diagram.pdf
  regimes origin results/measures/phase_diagram.nc --config scale=smoke

The file's own metadata tell, so that it may have been copied or renamed; the measures behind a
figure are looked up below --directory. The config is that which holds there, at the scale that the
file says unless --config names one.
"""

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

from regimes.claims.files import ALL_CLAIMS, CLAIMS
from regimes.config.layers import Layer
from regimes.config.own_code import is_own
from regimes.errors import StoreError
from regimes.plan.plan import Plan
from regimes.plan.provenance import config_hash, module_path, own_files
from regimes.plan.settings import with_arguments
from regimes.plotting.wording import pluralise
from regimes.storage.versions import CHECKOUT
from regimes.tools import settings
from regimes.tools.metadata import Metadata, read

SUMMARY = "what made a file, and whether it is up to date"
# The function that makes a rule's content, where it has another name than the rule.
FUNCTIONS = {
    "data": "build",
    "features": "build",
    "all_claims": "gather",
    "figure": "draw",
}
# The attributes that are shown if the file has them.
SHOWN = {
    "created": "created",
    "git_commit": "commit",
    "regimes_version": "version",
    "torch_version": "torch",
    "device": "device",
    "cpu_seconds": "CPU seconds",
    "config_hash": "config hash",
    "code_hash": "code hash",
    "identity": "identity",
}
# What the config calls the name of a file.
NAMED = {
    "data": "data set",
    "measure": "experiment",
    "claims": "claims of",
    "all_claims": "claims of",
    "figure": "figure",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and which settings it is compared with."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a PDF, PNG or NetCDF file")
    settings.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print where a file comes from."""
    metadata = read(arguments.file)
    overrides = settings.overrides(arguments.config, arguments.configfile)
    if metadata.scale:
        overrides = [Layer("the file", {"scale": metadata.scale}), *overrides]
    plan = settings.plan_of(overrides, arguments.directory)
    for label, text in origin(metadata, plan, arguments.directory):
        print(f"{label:<12} {text}")
    return 0


def origin(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[tuple[str, str]]:
    """Labels and texts that say what made a file, the last of them whether it is up to date."""
    rule = metadata.rule
    if rule == "data" and metadata.name in plan.data and plan.data[metadata.name].source:
        rule = "features"
    yield rule, " ".join([metadata.name, *metadata.names.values()])
    yield "rule", f"{rule} (workflow/rules/{_rule_file(rule)})"
    yield "script", f"workflow/scripts/{rule}.py"
    module = metadata.attributes.get("source")
    if module is None and metadata.name in plan.figures:
        module = plan.figures[metadata.name].module
    if module:
        yield "function", _function(module, rule)
        # Of a stage of the same name, whose code may have changed: the state tells.
        planned = plan.by_rule.get(rule, {}).get(metadata.name)
        with chdir(directory):
            files = own_files(planned.roots) if planned and is_own(module) else []
        if files:
            yield "own files", ", ".join(files)
    if metadata.scale:
        yield "scale", metadata.scale
    for key, label in SHOWN.items():
        if key in metadata.attributes:
            yield label, str(metadata.attributes[key])
    for name in _names_behind(metadata, plan):
        yield from _inputs(name, metadata, plan, directory)
    changes = list(changes_of(metadata, plan, directory))
    yield "state", "not up to date:" if changes else "up to date"
    for change in changes:
        yield "", change


def _function(module: str, rule: str) -> str:
    """The function that made a file, and its place; of claims the module with their functions."""
    if is_own(module):
        return module
    path = module_path(module)
    where = path.relative_to(CHECKOUT) if path else "not in this checkout"
    name = module if rule == "claims" else f"{module}.{FUNCTIONS.get(rule, rule)}"
    return f"{name} ({where})"


def _rule_file(rule: str) -> str:
    """Name of the file in which a rule is written."""
    written = re.compile(rf"^ *rule {rule}:$", flags=re.MULTILINE)
    for path in sorted((CHECKOUT / "workflow/rules").glob("*.smk")):
        if written.search(path.read_text(encoding="utf-8")):
            return path.name
    return "?"


def _names_behind(metadata: Metadata, plan: Plan) -> list[str]:
    """The experiments behind a file, and CLAIMS, first, for a figure that shows all claims.

    By the file's own words; for a figure of an older version, which did not say them, by the plan.
    """
    if metadata.rule == "figure":
        written = metadata.attributes.get("measures")
        if written is None and metadata.name in plan.figures:
            names = list(plan.figures[metadata.name].inputs["measures"])
        else:
            names = [name for name in (written or "").split(",") if name]
        return sorted(names, key=lambda name: name != CLAIMS)
    if metadata.rule in ("claims", "all_claims"):
        return list(metadata.config.get("experiments", {}))
    return [] if metadata.rule == "data" else [metadata.name]


def _inputs(
    name: str, metadata: Metadata, plan: Plan, directory: Path
) -> Iterator[tuple[str, str]]:
    """The files of an experiment that a file was made from, or the claims of all papers."""
    if name == CLAIMS and metadata.rule == "figure":
        yield "claims", f"{ALL_CLAIMS}, {_of_file(directory / ALL_CLAIMS)}"
        return
    measure = plan.measures.get(name)
    if metadata.rule in ("figure", "claims", "all_claims"):
        path = f"results/measures/{name}.nc"
        yield "measures", f"{path}, {_of_file(directory / path)}"
    if metadata.rule not in ("train", "probe"):
        runs = "of an experiment that the config has no more"
        if measure:
            paths, probes = measure.paths["runs"].values(), measure.inputs["probes"]
            there = sum((directory / path).is_file() for path in paths)
            probed = f" and {pluralise(len(probes), 'probe')}" if probes else ""
            files = pluralise(len(paths), "file")
            runs = f"{files} in the present config{probed}, {there} of the runs there"
        yield "runs", f"results/runs/{name}/, {runs}"
    experiment = metadata.config.get("experiments", {}).get(name, metadata.config)
    dataset = experiment.get("dataset")
    if measure and not dataset:
        (dataset,) = measure.inputs["data"]
    if dataset:
        path = f"results/data/{dataset}.nc"
        yield "data", path if (directory / path).is_file() else f"{path}, not there"


def _of_file(path: Path) -> str:
    try:
        attributes = read(path).attributes
    except StoreError:
        return "not there"
    return f"created {attributes.get('created')}, commit {attributes.get('git_commit')}"


def changes_of(metadata: Metadata, plan: Plan, directory: Path) -> Iterator[str]:
    """Why the present config and code would not make a file as it is; nothing if they would.

    Raises ConfigError where they would read a file of the user's own that cannot be read.
    """
    if metadata.name in plan.measures and metadata.rule in ("train", "probe"):
        plan.require_files([plan.measures[metadata.name]])
    if metadata.rule in ("train", "probe"):
        yield from _changes_of_run(metadata, plan)
        return
    planned = _planned(metadata, plan)
    if planned is None:
        yield f"the config has no {NAMED[metadata.rule]} {metadata.name!r}"
        return
    plan.require_files([planned])
    if metadata.rule == "data":
        if metadata.attributes.get("identity") != planned.hash:
            mine = metadata.config.get("datasets", {}).get(metadata.name, {})
            changed = list(_settings(mine, planned.settings, f"datasets.{metadata.name}"))
            yield from changed or ["its code, torch or the images that it is made of changed"]
        return
    behind, missing = _read_inputs(metadata, planned, plan, directory)
    if metadata.rule == "figure":
        changed = list(_settings_of_figure(metadata, planned, behind.values(), plan))
    else:
        changed = list(_settings(metadata.config, planned.settings))
    yield from changed
    if "code_hash" not in metadata.attributes:
        yield "the file is of an older version, which did not say its code"
    elif metadata.attributes["code_hash"] != planned.code:
        yield "its code changed"
    # The inputs have the same new settings, and other runs.
    if changed:
        return
    if metadata.rule == "measure":
        same_code = metadata.attributes.get("code_hash") == planned.code
        if same_code and metadata.attributes.get("identity") != planned.hash:
            yield "its runs or probes are others: their code, data or torch changed"
    yield from missing
    for label, one in behind.items():
        for change in changes_of(one, plan, directory):
            yield f"{label}: {change}"


def _planned(metadata: Metadata, plan: Plan) -> Any:
    """What the plan says of a file's data set, measures, claims or figure; None if nothing."""
    if metadata.rule == "all_claims":
        return plan.all_claims
    planned: dict[str, Mapping[str, Any]] = {
        "data": plan.data,
        "measure": plan.measures,
        "claims": plan.claims,
        "figure": plan.figures,
    }
    return planned[metadata.rule].get(metadata.name)


def _read_inputs(
    metadata: Metadata, planned: Any, plan: Plan, directory: Path
) -> tuple[dict[str, Metadata], list[str]]:
    """The metadata of the files that a file is made from, by labels, and what cannot be read."""
    paths = {}
    if metadata.rule in ("figure", "claims"):
        for name, path in planned.paths["measures"].items():
            paths["claims" if name == CLAIMS else f"measures of {name}"] = path
    elif metadata.rule == "all_claims":
        paths = {f"claims of {name}": path for name, path in planned.paths["claims"].items()}
    behind, missing = {}, []
    for label, path in paths.items():
        try:
            behind[label] = read(directory / path)
        except StoreError as error:
            missing.append(f"its {label.split()[0]}: {error}")
    return behind, missing


def _settings_of_figure(
    metadata: Metadata, planned: Any, behind: Iterable[Metadata], plan: Plan
) -> Iterator[str]:
    """Whether the settings of a figure changed; which ones, if its measures tell.

    A figure only has a hash of its settings. The measures that are there have the settings
    themselves, but may be newer than the figure: then their hash is another.
    """
    written = metadata.attributes["config_hash"]
    if written == planned.settings_hash:
        return
    yield "the settings changed"
    behind = list(behind)
    merged = {
        key: {name: value for one in behind for name, value in one.config.get(key, {}).items()}
        for key in ("experiments", "datasets")
    }
    scale = behind[0].scale if behind else None
    if written == config_hash(with_arguments({"scale": scale, **merged}, planned.arguments)):
        for one in behind:
            present = _planned(one, plan)
            yield from _settings(one.config, present.settings if present else {})


def _changes_of_run(metadata: Metadata, plan: Plan) -> Iterator[str]:
    """Why the plan has no runs, or probe of them, of the name of a file.

    The settings that differ are those from the most similar runs of the plan.
    """
    name, probe = metadata.name, metadata.names.get("probe")
    folder = f"{name}/{probe}/" if probe else f"{name}/"
    if probe:
        present = {
            key: one.job.settings | {"probe": {probe: one.settings}}
            for key, one in plan.probes.items()
            if key.startswith(folder)
        }
    else:
        present = {key: one.settings for key, one in plan.jobs.items() if key.startswith(folder)}
    if not present:
        what = f"probe {probe!r} of {name!r}" if probe else f"experiment {name!r}"
        yield f"the config has no {what}"
        return
    if folder + metadata.names["job"] in present:
        return
    mine = dict(metadata.config)
    datasets = mine.pop("datasets", {})
    changed = min((list(_settings(mine, one)) for one in present.values()), key=len)
    data = {name: plan.data[name].settings for name in datasets if name in plan.data}
    changed += _settings(datasets, data, "datasets")
    yield from changed or ["its code, the data's code or torch changed"]


def _settings(old: Any, new: Any, key: str = "") -> Iterator[str]:
    for name, before, after in settings.differences(old, new, key):
        yield f"{name}: {before} in the file, {after} in the config"
