"""The settings that each stage depends on, as plain values, taken from the config."""

from collections.abc import Iterable, Mapping
from typing import Any

from regimes.config.models import Config
from regimes.config.own_code import is_own, module_named
from regimes.datasets.settings import (
    FileDataset,
    ImageFeaturesDataset,
    TeacherLabelsDataset,
)
from regimes.datasets.sources import own_file
from regimes.datasets.sources.resnet18 import WEIGHTS
from regimes.datasets.sources.retrieval import is_there
from regimes.engines.registry import engine_module, settings_classes
from regimes.errors import DataError
from regimes.plan.stages import Data


def with_backbones(config: Config) -> Config:
    """The config with what `backbone: auto` stands for here, so that every hash and file says it.

    ResNet-18 where its weights lie in the mirror, not in the cache: what an earlier run downloaded
    must not make other features of the same config.
    """
    backbone = "resnet18" if is_there(WEIGHTS, config.data_mirror) else "efficientnet_lite0"
    chosen = {
        name: dataset.model_copy(update={"backbone": backbone})
        for name, dataset in config.datasets.items()
        if isinstance(dataset, ImageFeaturesDataset) and dataset.backbone == "auto"
    }
    return config.model_copy(update={"datasets": config.datasets | chosen}) if chosen else config


def data_settings(name: str, config: Config) -> tuple[dict[str, Any], str | None]:
    """Settings of a data set, and why its file cannot be read if that is so.

    Of a file of the user's own the settings have the `sha256` of its content, None where it cannot
    be read: that stops only what needs the file. The reason names the key.
    """
    settings = config.datasets[name].model_dump(mode="json")
    if isinstance(config.datasets[name], FileDataset):
        try:
            settings["sha256"] = own_file.digest(settings["path"])
        except DataError as error:
            key = f"datasets.{name}.path"
            return settings | {"sha256": None}, f"{config.place(key)}: {key} = {error}"
    return settings, None


def source_of(name: str, config: Config) -> str | None:
    """The data set from whose images a network makes another one; None for all other kinds."""
    dataset = config.datasets[name]
    if isinstance(dataset, ImageFeaturesDataset | TeacherLabelsDataset):
        return dataset.images
    return None


def training_modules(settings: Mapping[str, Any]) -> dict[str, str]:
    """The engine of a job and the modules that it loads by name, by the key that names them.

    settings: plain ones of the job.
    """
    engine = settings["engine"]
    named = settings_classes()[engine].modules(settings)
    return named | {"engine": engine_module(engine)}


def training_settings(name: str, config: Config) -> dict[str, Any]:
    """What training reads, and nothing else: a key that is here retrains when it changes."""
    settings = config.experiments[name].model_dump(mode="json", exclude_none=True)
    for key in ("paper", "measure", "split_by", "on_request", "device", "keep_states"):
        settings.pop(key, None)
    settings.pop("probes", None)
    own = config.activations.get(settings.get("activation", ""))
    if own is not None and is_own(own):
        settings["activation_function"] = module_named(own)
    elif own is not None:
        settings["activation_expression"] = own
    return {"experiment": name, "root_seed": config.root_seed, **settings}


def probe_settings(name: str, config: Config) -> dict[str, dict[str, Any]]:
    """Settings of the probes of an experiment's runs, by name; none for most experiments."""
    experiment = config.experiments[name].model_dump(mode="json", exclude_none=True)
    return experiment.get("probes", {})


def datasets_behind(name: str, config: Config) -> set[str]:
    """The data sets of an experiment and its probes, and those that these are made from."""
    named = {config.experiments[name].dataset}
    probes = probe_settings(name, config)
    named |= {probe["dataset"] for probe in probes.values() if "dataset" in probe}
    return named | {source for one in named if (source := source_of(one, config))}


def settings_behind(
    experiments: Iterable[str], config: Config, data: Mapping[str, Data]
) -> dict[str, Any]:
    """All settings behind the measures of some experiments, as the files' `config` says them."""
    settings: dict[str, dict[str, Any]] = {}
    datasets: set[str] = set()
    for name in experiments:
        probes = probe_settings(name, config)
        settings[name] = training_settings(name, config) | ({"probes": probes} if probes else {})
        datasets |= datasets_behind(name, config)
    return {
        "scale": config.scale,
        "experiments": settings,
        "datasets": {name: data[name].settings for name in sorted(datasets)},
    }


def with_arguments(behind: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings behind a figure's measures, and the figure's arguments if it has any."""
    return {**behind, "arguments": dict(arguments)} if arguments else dict(behind)
