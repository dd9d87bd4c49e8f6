"""Settings: which ones the options of a subcommand mean, and how two differ.

The options are those of Snakemake, and are read as it reads them.
"""

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from regimes.config.layers import COMMAND_LINE, Layer, merge, parsed, said_by
from regimes.config.load import load_in
from regimes.config.models import Config
from regimes.errors import ConfigError
from regimes.plan.absent import without_absent
from regimes.plan.plan import Plan
from regimes.storage.versions import CHECKOUT

# What `backbone: auto` may stand for.
AUTO_BACKBONES = ("resnet18", "efficientnet_lite0")
# Values of differing settings are cut to so many characters.
LONGEST = 80
_MISSING = object()

Settings = Mapping[str, Any] | Sequence[Layer]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--directory`, `--config` and `--configfile`, which mean what they mean to Snakemake."""
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the workflow ran: the folder that contains `results`",
    )
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake"
    )
    parser.add_argument(
        "--configfile", nargs="+", default=[], metavar="FILE", help="as for snakemake"
    )


def overrides(config: Iterable[str], configfiles: Iterable[str]) -> list[Layer]:
    """The settings of `--configfile` and of `--config`, in layers from low to high.

    Raises ConfigError for an entry without a key, and for a file without keys.
    """
    merged: dict[str, Any] = {}
    for entry in config:
        key, equals, value = entry.partition("=")
        if not equals or not key:
            raise ConfigError(f"--config {entry!r}: must be KEY=VALUE")
        merged = merge(merged, {key: parsed(os.fsencode(value), f"--config {entry}")})
    return said_by(merged, configfiles)


def config_of(settings: Settings = (), directory: Path = Path()) -> Config:
    """The configuration of a directory with some overrides; raises ConfigError as `load` does."""
    with _within(directory):
        return load_in(Path(), CHECKOUT, settings)


def plan_of(settings: Settings = (), directory: Path = Path()) -> Plan:
    """The plan of `config_of`; raises ConfigError as that does.

    directory: where the workflow ran, from which relative paths in the config count.
    """
    with _within(directory):
        return Plan.from_config(without_absent(load_in(Path(), CHECKOUT, settings)))


def plans_of(settings: Sequence[Layer], directory: Path = Path()) -> list[Plan]:
    """The plans that `plan_of` may give where the workflow ran.

    They are two for `backbone: auto`, which depends on the files that are there, else one, with all
    experiments, those included whose data cannot be had now.
    """
    with _within(directory):
        config = load_in(Path(), CHECKOUT, settings)
        auto = [
            name
            for name, dataset in config.datasets.items()
            if getattr(dataset, "backbone", None) == "auto"
        ]
        if not auto:
            return [Plan.from_config(config)]
        chosen = [{name: {"backbone": one} for name in auto} for one in AUTO_BACKBONES]
        layers = [Layer(COMMAND_LINE, {"datasets": datasets}) for datasets in chosen]
        return [Plan.from_config(load_in(Path(), CHECKOUT, [*settings, layer])) for layer in layers]


def differences(first: Any, second: Any, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Dotted key and both values, as JSON (`-` for none), wherever two nested settings differ."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in dict.fromkeys([*first, *second]):
            below = f"{key}.{name}" if key else str(name)
            yield from differences(first.get(name, _MISSING), second.get(name, _MISSING), below)
    elif first != second:
        yield key, _shown(first), _shown(second)


def _shown(value: Any) -> str:
    text = "-" if value is _MISSING else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


@contextmanager
def _within(directory: Path) -> Iterator[None]:
    if not directory.is_dir():
        raise ConfigError(f"--directory {directory}: there is no such folder")
    with chdir(directory):
        yield
