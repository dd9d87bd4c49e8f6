"""Validate what the user says into a configuration, with errors of one line."""

import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from regimes.config.layers import (
    COMMAND_LINE,
    CONFIG,
    SECTIONS,
    Layer,
    Resolved,
    check_size,
    hint,
    merge,
    plain,
    read,
    resolve,
)
from regimes.config.models import Config
from regimes.errors import ConfigError

# Sections of named entries, and what an entry is called.
NAMED = SECTIONS | {"papers": "paper"}

# `merge` is re-exported for callers that merge several overrides.
__all__ = ["load", "load_in", "merge", "validate"]


def load_in(
    directory: Path, checkout: Path | None, overrides: Sequence[Layer] | Mapping[str, Any] = ()
) -> Config:
    """The configuration that holds in a directory: that of a study of the user's own, or another.

    The directory's config.yaml, if it has one, lies over the checkout's, if there is one, and
    below the overrides. Errors and `describe` call the directory's by its name, and the
    checkout's, if it is another one, by its path. Raises ConfigError as `load`.
    """
    own = directory / CONFIG
    layers = [Layer(CONFIG, read(own, CONFIG))] if own.is_file() else []
    file = checkout / CONFIG if checkout else None
    if file and file.is_file() and not (layers and file.samefile(own)):
        layers.insert(0, Layer(str(file) if layers else CONFIG, read(file, str(file))))
    if isinstance(overrides, Mapping):
        overrides = [Layer(COMMAND_LINE, overrides)]
    return validate([*layers, *overrides])


def load(
    path: str | Path | None = None,
    overrides: Mapping[str, Any] | Sequence[Layer] = (),
    place: str = COMMAND_LINE,
) -> Config:
    """The validated configuration: what the user says, over the papers' settings.

    path: of config.yaml; None for the papers' settings alone. overrides: what lies over it, such as
    the layers of `said_by`, or a mapping, such as that of a notebook, whose place errors call
    `place`.
    Raises ConfigError: one line that names the file, the key, its value and what is allowed.
    """
    layers = [Layer(CONFIG, read(Path(path), str(path)))] if path else []
    if isinstance(overrides, Mapping):
        overrides = [Layer(place, overrides)]
    return validate([*layers, *overrides])


def validate(said: Mapping[str, Any] | Sequence[Layer]) -> Config:
    """The validated configuration of what the user says, in layers from low to high.

    Raises ConfigError as `load`.
    """
    layers = [Layer(COMMAND_LINE, said)] if isinstance(said, Mapping) else said
    for layer in layers:
        check_size(layer.content, layer.place)
    resolved = resolve([Layer(layer.place, plain(layer.content)) for layer in layers])
    try:
        config = Config.model_validate(resolved.content)
    except ValidationError as error:
        raise ConfigError(_describe(error, resolved)) from None
    return config.with_places(resolved)


def _describe(error: ValidationError, resolved: Resolved) -> str:
    errors = error.errors(include_url=False)
    # Reported first, since an unknown key explains the missing key that it was meant to be.
    errors.sort(key=lambda item: item["type"] != "extra_forbidden")
    text = _describe_one(errors[0])
    # A message about several keys begins with the one that it is about.
    key = _key(errors[0]["loc"]) or text.partition(" ")[0].rstrip(":")
    text = f"{resolved.place(key)}: {_meant(errors[0], resolved)}{text}"
    more = len({_key(item["loc"]) for item in errors}) - 1
    return f"{text} (and {more} more)" if more else text


def _describe_one(error: ErrorDetails) -> str:
    key, kind = _key(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        allowed = _allowed_keys(error["loc"][:-1])
        meant = _of_other_kinds(error["loc"]) or hint(error["loc"][-1], allowed)
        return f"unknown key {key}; {meant}allowed here: {', '.join(allowed)}"
    if kind == "missing":
        return f"key {key} is missing{_meaning(error['loc'])}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _describe_tag(key, error)
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind == "value_error" and (not key or isinstance(error["input"], (Mapping, BaseModel))):
        return f"{key}: {message}" if key else message
    value = f"{key} = {_shown(error['input'])}"
    if kind == "literal_error":
        return f"{value}; allowed: {_unquoted(error['ctx']['expected'])}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        keys = _allowed_keys(error["loc"]) or _discriminator(_annotation(error["loc"]))
        named = f" with the key{'s' * (len(keys) > 1)} {', '.join(keys)}" if keys else ""
        return f"{value}; must be a mapping{named}"
    return f"{value}; {message[0].lower()}{message[1:]}"


def _meant(error: ErrorDetails, resolved: Resolved) -> str:
    """What to ask where keys of a new entry are missing that is called nearly as one of a paper."""
    section, name = (*map(str, error["loc"]), "", "")[:2]
    if error["type"] not in ("missing", "union_tag_not_found") or section not in NAMED:
        return ""
    user = {layer.place for layer in resolved.user}
    shipped = [
        other
        for (where, other), layers in resolved.entries.items()
        if where == section and layers[0].place not in user
    ]
    meant = "" if name in shipped else hint(name, shipped)
    return meant and f"{section}.{name} is a new {NAMED[section]}; {meant}If not: "


def _describe_tag(key: str, error: ErrorDetails) -> str:
    """A mapping whose model is chosen by one of its keys, such as the `kind` of a data set."""
    annotation = _annotation(error["loc"])
    (name,), tags = _discriminator(annotation), _tagged(annotation)
    allowed = f"allowed: {', '.join(tags)}"
    if error["type"] == "union_tag_not_found":
        return f"key {key}.{name} is missing; {allowed}"
    value = error["input"][name]
    return f"{key}.{name} = {_shown(value)}; {hint(value, list(tags))}{allowed}"


def _key(location: tuple[int | str, ...]) -> str:
    """Dotted key of an error, without the markers that pydantic adds for keys and unions."""
    parts = []
    model: Any = Config
    for part in location:
        if _tagged(model):
            model = _child(model, part)
            continue
        if part == "[key]" or (isinstance(part, str) and not _is_key(model, part)):
            continue
        model = _child(model, part)
        parts.append(str(part))
    return ".".join(parts)


def _is_key(model: Any, part: str) -> bool:
    # Inside lists pydantic only appends markers such as `float` or `tuple[...]`.
    return model is Config or _model(model) is not None or typing.get_origin(model) is dict


def _allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    model = _model(_annotation(location))
    return list(model.model_fields) if model else []


def _of_other_kinds(location: tuple[int | str, ...]) -> str:
    """Which kinds have a key that the chosen one has not, where one of the keys chooses a kind."""
    kinds = _tagged(_annotation(location[:-2]))
    having = [kind for kind, model in kinds.items() if location[-1] in model.model_fields]
    if not having:
        return ""
    (name,) = _discriminator(_annotation(location[:-2]))
    return f"{name} {location[-2]} has it not, but {', '.join(having)}; "


def _meaning(location: tuple[int | str, ...]) -> str:
    model = _model(_annotation(location[:-1]))
    field = model.model_fields.get(str(location[-1])) if model else None
    return f": {field.description}" if field and field.description else ""


def _annotation(location: tuple[int | str, ...]) -> Any:
    annotation: Any = Config
    for part in location:
        annotation = _child(annotation, part)
    return annotation


def _child(annotation: Any, part: int | str) -> Any:
    """Annotation of a key below a model, a mapping or a list; None where the models end.

    Below a union that one of its keys discriminates, pydantic puts that key's value.
    """
    if tagged := _tagged(annotation):
        return tagged.get(str(part))
    model = _model(annotation)
    if model is not None:
        field = model.model_fields.get(str(part))
        return field.annotation if field else None
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1]
    if typing.get_origin(annotation) is tuple and isinstance(part, int):
        return typing.get_args(annotation)[0]
    return None


def _discriminator(annotation: Any) -> list[str]:
    """The key that chooses the model of a union; none for other annotations."""
    if typing.get_origin(annotation) is not typing.Annotated:
        return []
    names = (getattr(item, "discriminator", None) for item in annotation.__metadata__)
    return [name for name in names if name]


def _tagged(annotation: Any) -> dict[str, type[BaseModel]]:
    """Models of a union by the value of the key that chooses; empty for other annotations."""
    tagged = {}
    for name in _discriminator(annotation):
        for model in typing.get_args(typing.get_args(annotation)[0]):
            for tag in typing.get_args(model.model_fields[name].annotation):
                tagged[tag] = model
    return tagged


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        models = (_model(option) for option in typing.get_args(annotation))
        return next((model for model in models if model), None)
    return None


def _unquoted(expected: str) -> str:
    return expected.replace(" or ", ", ").replace("'", "")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
