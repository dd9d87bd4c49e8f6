"""Options of subcommands that say which settings are meant: those of Snakemake, read alike."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regimes.config.load import load, merge
from regimes.errors import ConfigError
from regimes.plan import Plan
from regimes.revision import CHECKOUT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--directory`, `--config` and `--configfile`, which mean what they mean to Snakemake."""
    parser.add_argument(
        "--directory", type=Path, default=Path(), metavar="DIR", help="where the workflow ran"
    )
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake"
    )
    parser.add_argument(
        "--configfile", nargs="+", default=[], metavar="FILE", help="as for snakemake"
    )


def overrides(config: Iterable[str], configfiles: Iterable[str]) -> dict[str, Any]:
    """What `--config` and `--configfile` set, the former over the latter.

    Raises ConfigError for what is neither.
    """
    merged: dict[str, Any] = {}
    for file in configfiles:
        merged = merge(merged, _yaml(_text(file), file), {})
    for entry in config:
        key, equals, value = entry.partition("=")
        if not equals or not key:
            raise ConfigError(f"--config {entry!r}: must be KEY=VALUE")
        merged = merge(merged, {key: _value(value, entry)}, {})
    return merged


def plan_of(settings: Mapping[str, Any] | None = None) -> Plan:
    """The plan of the checkout's config.yaml with some overrides; raises ConfigError as it does."""
    return Plan.from_config(load(CHECKOUT / "config.yaml", settings or {}))


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--configfile {file}: {error}") from None


def _yaml(text: str, file: str) -> dict[str, Any]:
    content = _value(text, f"--configfile {file}")
    if not isinstance(content or {}, dict):
        raise ConfigError(f"--configfile {file}: is not a mapping of keys to values")
    return content or {}


def _value(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None
