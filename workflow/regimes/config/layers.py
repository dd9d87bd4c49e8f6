"""Resolve the layers of settings: the papers' files, the scale, and the user's.

A paper's folder holds `experiments.yaml`: its title, its data sets, experiments and figures.
Over them lies, of each, its own entry below `scales` for the chosen scale, and over that
what the user says in config.yaml, in config files and on the command line. A data set, experiment
or figure with `inherits: NAME` starts from NAME as it resolves. In a paper's file these are the
settings of the papers' files at the scale, so that an override of one experiment changes no
other; what the user writes inherits what the user has changed, too. Whatever is null, be it a key
within an entry, an entry or a key of the top level, is as if it were not there in this layer and
those below: it has its default, and what was inherited or shipped is taken away. A data set that is
given another `kind` is replaced as a whole. An entry of a paper's file whose name has `{dataset}`
in it stands for one for each data set, the user's included.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from regimes.errors import ConfigError

Scale = Literal["laptop", "smoke", "paper"]
SCALES: tuple[str, ...] = get_args(Scale)
# What the settings themselves say; the others are entries below `scales`.
DEFAULT_SCALE = "laptop"

PAPERS = Path(__file__).resolve().parents[1] / "papers"
FILE = "experiments.yaml"
# Of a paper's file.
PAPER_KEYS = ("paper", "datasets", "experiments", "figures")
# The order of papers that state no `order`: after all others.
LAST = 100
# Sections whose entries may have `inherits` and `scales`, and what an entry is called.
SECTIONS = {"datasets": "data set", "experiments": "experiment", "figures": "figure"}
INHERITS, AT_SCALES = "inherits", "scales"
# Of data sets: which keys they have.
KIND = "kind"
# In the name of an entry, and in its texts, the name of a data set.
EACH_DATASET = "{dataset}"
# Keys that name a module below regimes.papers; of the entry's own paper where there is no dot.
MODULES = {"experiments": "measure", "figures": "plot"}
# Places of what the user says: the file beside the Snakefile, and the command line; a config file's
# place has its name.
CONFIG = "config.yaml"
COMMAND_LINE = "--config"
# Types that a text of the command line may stand for, by the ends of YAML's tags.
SCALARS = ("null", "bool", "int", "float")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# More is a mistake, or an attempt to keep the reader busy. Numbers of so many bits fit float64.
LARGEST_FILE, MOST_VALUES, DEEPEST, LONGEST_NUMBER = 5_000_000, 200_000, 50, 1023
# Keys of earlier versions, by their last part: what they are called now, seen from where they were.
RENAMED = {
    "block_axes": "split_by",
    "draw": "plot",
    "every_epochs": "every",
    "leaps": "multistep",
    "points_per_decade": "record.points_per_decade",
    "setting": "node_scaling",
    "training": "engine",
}


@dataclass(frozen=True)
class Layer:
    """Some settings of an entry, and the place where they are written.

    place: a file, or an entry below `scales` of a file. name: of the entry that has them, which may
    be an inherited one.
    """

    place: str
    content: Any
    name: str = ""


@dataclass(frozen=True)
class Resolved:
    """The resolved settings, and for each named entry the layers that make it, low to high.

    entries: by section and name, such as ("experiments", "phase_diagram"). user: the layers of
    what the user says.
    """

    content: dict[str, Any]
    entries: dict[tuple[str, str], list[Layer]]
    user: Sequence[Layer]

    def place(self, key: str) -> str:
        """Where a dotted key stands: the highest layer that has it, or the nearest key above it."""
        while (place := self.origin(key)) is None and key:
            key = key.rpartition(".")[0]
        return place or COMMAND_LINE

    def origin(self, key: str) -> str | None:
        """Where a dotted key stands: the highest layer that has it; None when none has."""
        section, name, *rest = [*key.split("."), ""]
        layers = self.entries.get((section, name))
        parts = rest[:-1] if layers else key.split(".")
        for layer in reversed(layers or self.user):
            if _has(layer.content, parts):
                inherited = layer.name not in ("", name)
                return layer.place + (f", inherited from {layer.name}" if inherited else "")
        return None


@dataclass(frozen=True)
class _Entry:
    """An entry of a paper's file as it is written."""

    paper: str
    place: str
    content: Any


def _has(content: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if isinstance(content, Mapping) and key in content:
            content = content[key]
        elif isinstance(content, list) and key.isdigit() and int(key) < len(content):
            content = content[int(key)]
        else:
            return False
    return True


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The layers, each over those before it, as ordinary dicts and lists.

    Mappings are merged key by key, everything else is replaced, as Snakemake does it.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _updated(merged, plain(layer))
    return merged


def _updated(base: Any, update: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base) if isinstance(base, Mapping) else {}
    for key, value in update.items():
        if isinstance(value, Mapping):
            value = _updated(merged.get(key, {}), value)
        merged[key] = value
    return merged


def plain(value: Any) -> Any:
    """Ordinary dicts and lists, whatever mapping types the loader used."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def check_size(value: Any, place: str) -> None:
    """Raise ConfigError, naming the place, for more, deeper or longer values than settings have.

    value: nodes of YAML, or what was made of them. An alias counts as what it stands for: a few
    lines may stand for any number of values, or for themselves.
    """
    left: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    n_values = 0
    while left:
        keys, value = left.pop()
        n_values += 1
        if n_values > MOST_VALUES or len(keys) > DEEPEST:
            raise ConfigError(
                f"{place}: settings may have at most {MOST_VALUES} values, aliases (*name) written "
                f"out, and be nested at most {DEEPEST} deep"
            )
        value = value.value if isinstance(value, yaml.Node) else value
        if isinstance(value, Mapping):
            left += [((*keys, key), item) for key, item in value.items()]
        elif isinstance(value, (list, tuple)):
            left += [((*keys, index), item) for index, item in enumerate(value)]
        elif isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
            key = ".".join(map(str, keys))
            raise ConfigError(
                f"{place}: {key}: the number is too large, 2^{LONGEST_NUMBER} or more"
            )


def read(path: Path, shown: str) -> dict[str, Any]:
    """The mapping in a YAML file; ConfigError, with the shown name of the file, if it has none."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{shown}: {error}") from None
    content = parsed(text, shown)
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise ConfigError(f"{shown}: is not a mapping of keys to values")
    return content


# Cached by content: a process may load the configuration many times.
@cache
def parsed(text: bytes, shown: str) -> Any:
    """What YAML text says. Raises ConfigError, with the shown name of the text, if it is none."""
    if len(text) > LARGEST_FILE:
        raise ConfigError(f"{shown}: settings may have at most {LARGEST_FILE} bytes")
    loader = LOADER(text)
    try:
        _check_depth(text, shown)
        node = loader.get_single_node()
        check_size(node, shown)
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown}: {' '.join(str(error).split())}") from None
    except ValueError as error:  # a number of thousands of digits, or a date that there is not
        reason = str(error).partition(";")[0]
        raise ConfigError(f"{shown}: a value is out of range: {reason}") from None
    finally:
        loader.dispose()


def _check_depth(text: bytes, shown: str) -> None:
    """Raise ConfigError for deep settings: the loader in C, recursive, would crash the process."""
    depth = 0
    for event in yaml.parse(text, LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(f"{shown}: settings may be nested at most {DEEPEST} deep")


def said_by(
    config: Mapping[str, Any],
    configfiles: Iterable[Path | str] = (),
    place: str = COMMAND_LINE,
    texts: bool = True,
) -> list[Layer]:
    """The layers of Snakemake's `--configfile` and `--config`, from low to high.

    place: what errors call the place of `config`. texts: whether its values may be texts that stand
    for others, as they are on the command line.
    Raises ConfigError for a file that cannot be read, and for values without end.
    """
    layers = []
    for file in configfiles:
        shown = f"--configfile {file}"
        layers.append(Layer(shown, read(Path(file), shown)))
    check_size(config, place)
    return [*layers, Layer(place, _typed(config) if texts else config)] if config else layers


def _typed(value: Any) -> Any:
    """Values of `--config` as YAML has them: within mappings Snakemake keeps them as texts."""
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_typed(item) for item in value]
    if value == "None":  # so Snakemake hands `key=` on to its jobs
        return None
    if isinstance(value, str):
        loader = yaml.SafeLoader("")
        tag = loader.resolve(yaml.ScalarNode, value, (True, False))
        if tag.rpartition(":")[2] in SCALARS:
            with suppress(ValueError):  # of a number of thousands of digits
                return loader.construct_object(yaml.ScalarNode(tag, value))
    return value


def resolve(user: Sequence[Layer]) -> Resolved:
    """Resolve the settings for what the user says, in layers from low to high.

    Raises ConfigError, naming file and key, for errors of the papers' files, of `inherits` and of
    `scales`. The models check everything else.
    """
    user = _without_removed(user)
    said = merge(*(layer.content for layer in user))
    scale = said.get("scale", DEFAULT_SCALE)
    if scale not in SCALES:
        place = Resolved({}, {}, user).place("scale")
        raise ConfigError(f"{place}: scale = {scale!r}; allowed: {', '.join(SCALES)}")
    written = _for_each_dataset(_written(), said.get("datasets"))
    shipped = {key: _shipped(key, written, scale) for key in written}
    sections = ("papers", "claims", *SECTIONS)
    keys = [
        (section, name)
        for section in sections
        if isinstance(said.get(section), Mapping)
        for name in said[section]
    ]
    entries = {key: _with_user(key, user, shipped, scale) for key in [*shipped, *keys]}
    content = {section: {} for section in sections} | {
        key: value
        for key, value in said.items()
        if key not in sections or not isinstance(value, Mapping)
    }
    for (section, name), layers in entries.items():
        if isinstance(content[section], dict):
            value = value_of(layers)
            if value is not None:
                content[section][name] = _without_null(value)
    return Resolved(content, entries, user)


def _without_removed(user: Sequence[Layer]) -> list[Layer]:
    """The layers without keys of the top level that are null, there or in a layer above."""
    kept: list[Layer] = []
    for layer in user:
        removed = {key for key, value in layer.content.items() if value is None}
        kept = [
            replace(one, content={k: v for k, v in one.content.items() if k not in removed})
            for one in (*kept, layer)
        ]
    return kept


def value_of(layers: Sequence[Layer]) -> Any:
    """Merge the layers of an entry into its settings.

    A layer that changes the kind of a data set replaces it: keys of the other kind make no sense.
    """
    value: Any = {}
    for layer in layers:
        if changes_kind(layer.content, value):
            value = {}
        value = _updated(value, layer.content) if _is_mapping(layer.content) else layer.content
    return value


def changes_kind(entry: Any, below: Any) -> bool:
    """Whether an entry says another `kind` than the one below it."""
    kinds = [one.get(KIND) for one in (entry, below) if _is_mapping(one)]
    return len(kinds) == 2 and None not in kinds and kinds[0] != kinds[1]


def _without_null(value: Any) -> Any:
    """Drop the keys that are null: they take their default, or are removed."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_null(item) for key, item in value.items() if item is not None}


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _written() -> dict[tuple[str, str], _Entry]:
    """The entries of all papers' files, in the order of the papers and of the files."""
    files = []
    for path in sorted(PAPERS.glob(f"*/{FILE}")):
        place = f"papers/{path.parent.name}/{FILE}"
        content = read(path, place)
        for key in content:
            if key not in PAPER_KEYS:
                meant = hint(key, PAPER_KEYS)
                raise ConfigError(
                    f"{place}: unknown key {key}; {meant}allowed here: {', '.join(PAPER_KEYS)}"
                )
        order = content["paper"].get("order") if _is_mapping(content.get("paper")) else None
        order = order if isinstance(order, int) else LAST
        files.append((order, path.parent.name, place, content))
    written: dict[tuple[str, str], _Entry] = {}
    for _, paper, place, content in sorted(files, key=lambda file: file[:2]):
        sections = {"papers": {paper: content.get("paper", {})}}
        for section in SECTIONS:
            sections[section] = content.get(section, {})
            if not _is_mapping(sections[section]):
                raise ConfigError(f"{place}: {section} is not a mapping of names to settings")
        for section, named in sections.items():
            for name, entry in named.items():
                if (section, name) in written:
                    other = written[section, name].place
                    raise ConfigError(f"{place}: {section}.{name} is in {other} already")
                written[section, name] = _Entry(paper, place, entry)
    return written


def _for_each_dataset(
    written: Mapping[tuple[str, str], _Entry], own: Any
) -> dict[tuple[str, str], _Entry]:
    """The entries, with one for each data set, shipped or own, in the place of each template."""
    own = own if _is_mapping(own) else {}
    shipped = [name for section, name in written if section == "datasets"]
    datasets = [one for one in dict.fromkeys([*shipped, *own]) if own.get(one, "") is not None]
    found = {}
    for (section, name), entry in written.items():
        if EACH_DATASET not in name:
            found[section, name] = entry
            continue
        for dataset in datasets:
            made = name.replace(EACH_DATASET, str(dataset))
            found[section, made] = replace(entry, content=_filled(entry.content, str(dataset)))
    return found


def _filled(value: Any, dataset: str) -> Any:
    """Settings with the name of a data set in the place of EACH_DATASET."""
    if isinstance(value, Mapping):
        return {key: _filled(item, dataset) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, dataset) for item in value]
    return value.replace(EACH_DATASET, dataset) if isinstance(value, str) else value


def _shipped(
    key: tuple[str, str],
    written: Mapping[tuple[str, str], _Entry],
    scale: str,
    children: tuple[str, ...] = (),
) -> list[Layer]:
    """The layers of an entry of a paper's file, including those that it inherits."""
    section, name = key
    entry = written[key]
    if section not in SECTIONS or not _is_mapping(entry.content):
        return [Layer(entry.place, entry.content, name)]
    below: list[Layer] = []
    if INHERITS in entry.content:
        parent = _parent(key, entry.place, entry.content[INHERITS], written, children)
        below = _shipped(parent, written, scale, (*children, name))
    if section in MODULES:
        if "paper" in entry.content:
            raise ConfigError(
                f"{entry.place}: {section}.{name}.paper: leave it out; the folder says the paper"
            )
        below = [*below, Layer(entry.place, {"paper": entry.paper}, name)]
    return [*below, *_own(key, entry.place, entry.content, scale, entry.paper)]


def _with_user(
    key: tuple[str, str],
    user: Sequence[Layer],
    shipped: Mapping[tuple[str, str], list[Layer]],
    scale: str,
    children: tuple[str, ...] = (),
) -> list[Layer]:
    """The layers of an entry, with the user's settings of it on top."""
    section, name = key
    below = shipped.get(key, [])
    said = [
        Layer(layer.place, layer.content[section][name], name)
        for layer in user
        if _is_mapping(layer.content.get(section)) and name in layer.content[section]
    ]
    if section not in SECTIONS:
        return [*below, *said]
    inherits = [layer for layer in said if _has(layer.content, [INHERITS])]
    if inherits and inherits[-1].content[INHERITS] is not None:
        named = {
            (section, other): content
            for layer in user
            if _is_mapping(layer.content.get(section))
            for other, content in layer.content[section].items()
        }
        known = [
            one for one in {**shipped, **named} if named.get(one, shipped.get(one)) is not None
        ]
        parent = _parent(key, inherits[-1].place, inherits[-1].content[INHERITS], known, children)
        below = [*_with_user(parent, user, shipped, scale, (*children, name)), *below]
    made = value_of([*below, *said])
    paper = made.get("paper") if _is_mapping(made) else None
    own = [part for layer in said for part in _own(key, layer.place, layer.content, scale, paper)]
    return [*below, *own]


def _own(key: tuple[str, str], place: str, content: Any, scale: str, paper: Any) -> list[Layer]:
    """The settings of an entry that one place holds: its own, and those for the scale."""
    if not _is_mapping(content):
        return [Layer(place, content, key[1])]
    section, name = key
    parts = {place: {k: v for k, v in content.items() if k not in (INHERITS, AT_SCALES)}}
    at_scales = content.get(AT_SCALES, {})
    where = f"{section}.{name}.{AT_SCALES}"
    allowed = [one for one in SCALES if one != DEFAULT_SCALE]
    if not _is_mapping(at_scales):
        raise ConfigError(
            f"{place}: {where} = {at_scales!r}; must be a mapping of {', '.join(allowed)}"
        )
    for one in at_scales:
        if one not in allowed:
            meant = hint(one, allowed)
            raise ConfigError(
                f"{place}: unknown scale {where}.{one}; {meant}allowed: {', '.join(allowed)}"
            )
    if scale in at_scales:
        parts[f"{place} ({AT_SCALES}.{scale})"] = at_scales[scale]
    return [Layer(at, _with_module(section, part, paper), name) for at, part in parts.items()]


def _with_module(section: str, content: Any, paper: Any) -> Any:
    """Complete the name of a module where settings name one of the paper's own."""
    key = MODULES.get(section)
    module = content.get(key) if _is_mapping(content) else None
    if isinstance(module, str) and isinstance(paper, str) and "." not in module:
        return {**content, key: f"{paper}.{module}"}
    return content


def _parent(
    key: tuple[str, str],
    place: str,
    parent: Any,
    known: Iterable[tuple[str, str]],
    children: tuple[str, ...],
) -> tuple[str, str]:
    """The entry that another one inherits; ConfigError if it is missing or inherits itself."""
    section, name = key
    names = [other for section_, other in known if section_ == section]
    where = f"{place}: {section}.{name}.{INHERITS} = {parent!r}"
    if parent not in names:
        meant = hint(parent, names)
        raise ConfigError(
            f"{where} is no {SECTIONS[section]}; {meant}there are: {', '.join(names)}"
        )
    if parent in (*children, name):
        way = " -> ".join([*children, name, parent])
        raise ConfigError(f"{where} goes round in a circle: {way}")
    return section, parent


def hint(wrong: Any, allowed: Sequence[str]) -> str:
    """The allowed name that a wrong one was meant to be, as a question; empty if there is none."""
    renamed = RENAMED.get(str(wrong), "")
    if renamed.partition(".")[0] in allowed:
        return f"did you mean {renamed!r}? "
    close = difflib.get_close_matches(str(wrong), allowed, n=1)
    return f"did you mean {close[0]!r}? " if close else ""
