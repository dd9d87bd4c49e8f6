"""What the settings of an experiment, a data set or a figure mean, and where they come from.

  regimes describe
  regimes describe phase_diagram
  regimes describe caron2023_plant --config scale=smoke

Without a name the experiments are listed, by paper. Of a setting the value that holds is shown, its
default, where the value stands (a paper's file, the entry of the scale there, config.yaml, the
command line) and what it means.
"""

import argparse
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from regimes.config.layers import SECTIONS, hint
from regimes.config.models import Config
from regimes.errors import ConfigError
from regimes.tools import settings

SUMMARY = "explain the settings of an experiment, or list the experiments"
WIDTH = 100
# Values of more characters are shortened.
LONGEST_VALUE = 44


class Setting(NamedTuple):
    """A setting as it is shown."""

    key: str
    value: str
    default: str
    origin: str
    meaning: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A name, and whose settings."""
    parser.add_argument(
        "name", nargs="?", help="an experiment, a data set or a figure; by default all experiments"
    )
    settings.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the description."""
    overrides = settings.overrides(arguments.config, arguments.configfile)
    config = settings.config_of(overrides, arguments.directory)
    print(described(config, arguments.name) if arguments.name else listed(config))
    return 0


def listed(config: Config) -> str:
    """The experiments with what trains them, their data sets and their axes, by paper."""
    lines = []
    for paper, about in config.papers.items():
        lines += ["", f"{paper}: {about.title}"]
        of_paper = {name: one for name, one in config.experiments.items() if one.paper == paper}
        on_request = [name for name, one in of_paper.items() if one.on_request]
        for name, experiment in of_paper.items():
            if experiment.on_request:
                continue
            first, *others = experiment.all_grids()
            axes = " x ".join(f"{len(values)} {axis}" for axis, values in first.items())
            axes += f", and {len(others)} more grids" if others else ""
            lines.append(f"  {name}: {experiment.engine} on {experiment.dataset}; {axes}")
        if on_request:
            lines.append(f"  on request alone: {', '.join(on_request)}")
    return "\n".join(lines[1:])


def settings_of(config: Config, name: str) -> tuple[str, list[Setting]]:
    """The section and the settings of what has this name; an experiment, if several have.

    Raises ConfigError, naming the experiments, when nothing has it.
    """
    for section in ("experiments", "datasets", "figures"):
        entry = getattr(config, section).get(name)
        if entry is not None:
            return section, list(_settings(config, f"{section}.{name}", entry))
    if name in config.left_out:
        raise ConfigError(f"{name} cannot be made: {config.left_out[name]}")
    names = list(config.experiments)
    raise ConfigError(
        f"there is no experiment, data set or figure {name!r}; {hint(name, names)}experiments: "
        f"{', '.join(names)}"
    )


def described(config: Config, name: str) -> str:
    """The settings of what has this name, as text; see `settings_of`."""
    section, rows = settings_of(config, name)
    place = config.place(f"{section}.{name}")
    lines = [f"{SECTIONS[section]} {name} at scale {config.scale}: {place}", ""]
    heads = Setting("setting", "value", "default", "from", "")
    sizes = [max(len(row[column]) for row in (heads, *rows)) for column in range(3)]
    for row in (heads, *rows):
        cells = [text.ljust(size) for text, size in zip(row[:3], sizes, strict=True)]
        lines.append("  ".join([*cells, row.origin]).rstrip())
        indent = "    "
        lines += textwrap.wrap(row.meaning, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return "\n".join(lines)


def _settings(config: Config, key: str, model: BaseModel, below: str = "") -> Iterator[Setting]:
    """The settings of a model in turn, those of the models in it with dotted keys."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        dotted = f"{below}{name}"
        if isinstance(value, BaseModel):
            yield from _settings(config, key, value, f"{dotted}.")
        elif _named_models(value):
            for each, one in value.items():
                yield from _settings(config, key, one, f"{dotted}.{each}.")
        else:
            needed = field.default is PydanticUndefined
            yield Setting(
                dotted,
                shown(value),
                "needed" if needed else shown(field.default),
                config.origin(f"{key}.{dotted}") or "default",
                field.description or "",
            )


def _named_models(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(one, BaseModel) for one in value.values())


def shown(value: Any) -> str:
    """A value as it would stand in YAML, shortened if it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        items = [shown(item) for item in value]
        text = f"[{', '.join(items)}]"
        if len(text) > LONGEST_VALUE and len(items) > 3:
            text = f"[{items[0]}, {items[1]}, ..., {items[-1]}] ({len(items)})"
    elif isinstance(value, BaseModel):
        said = {name: item for name, item in dict(value).items() if name in value.model_fields_set}
        text = f"{{{', '.join(f'{name}: {shown(item)}' for name, item in said.items())}}}"
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{name}: {shown(item)}' for name, item in value.items())}}}"
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
