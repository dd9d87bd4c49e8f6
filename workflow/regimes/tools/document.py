"""The reference of all settings, made from the models: a page of the documentation site."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from regimes.config.layers import SECTIONS
from regimes.config.models import Config, FigureSettings
from regimes.datasets.settings import DatasetSettings
from regimes.engines.registry import settings_classes
from regimes.tools.describe import shown

TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}
LIMITS = {
    "minimum": ">= {:g}",
    "exclusiveMinimum": "> {:g}",
    "maximum": "<= {:g}",
    "exclusiveMaximum": "< {:g}",
}
# Of the whole config: what is in them has sections of its own, or is for papers' files alone.
LEFT_OUT = (*SECTIONS, "papers", "claims")

Schema = Mapping[str, Any]


class Key(NamedTuple):
    """A key of a model; default is None for one that must be given."""

    key: str
    type: str
    default: str | None
    meaning: str


def page() -> str:
    """Markdown: the keys of the config, of each engine, of each kind of data, and of figures."""
    kinds = get_args(get_args(DatasetSettings)[0])
    sections: dict[str, Mapping[str, type[BaseModel]]] = {
        "The whole workflow: `config.yaml`": {"": Config},
        "Experiments, by engine": settings_classes(),
        "Data sets, by kind": {_kind(model): model for model in kinds},
        "Figures": {"": FigureSettings},
    }
    lines = []
    for heading, models in sections.items():
        lines += ["", f"## {heading}", ""]
        for name, model in models.items():
            if name:
                lines += ["", f"### {name}", "", (model.__doc__ or "").partition("\n")[0], ""]
            lines += [
                f"- `{one.key}`: {one.type}; "
                f"{'needed' if one.default is None else f'default `{one.default}`'}. "
                # What begins a formula elsewhere is a dollar here.
                + one.meaning.replace("$", r"\$")
                for one in keys_of(model)
            ]
    return "\n".join([*lines, ""])


def keys_of(model: type[BaseModel]) -> Iterator[Key]:
    """Every key of a model, of models in it with dots; below NAME where users give the names."""
    schema = model.model_json_schema()
    models = schema.get("$defs", {})
    left_out = LEFT_OUT if model is Config else ()
    properties = {key: one for key, one in schema["properties"].items() if key not in left_out}
    yield from _keys({**schema, "properties": properties}, models, "")


def _keys(schema: Schema, models: Schema, above: str) -> Iterator[Key]:
    for name, field in schema["properties"].items():
        key = f"{above}{name}"
        inner = _model(field, models)
        default = None if name in schema.get("required", ()) else shown(field.get("default"))
        if inner is None or default == "null":
            yield Key(key, _type(field, models), default, field.get("description", ""))
        if inner:
            yield from _keys(inner, models, f"{key}.")
        elif named := _model(field.get("additionalProperties"), models):
            yield from _keys(named, models, f"{key}.NAME.")


def _model(field: Any, models: Schema) -> Schema | None:
    """The model that a field holds, if it is one."""
    if not isinstance(field, Mapping):
        return None
    for one in (field, *field.get("anyOf", ())):
        if "$ref" in one and "properties" in (model := _referred(one, models)):
            return model
    return None


def _referred(field: Schema, models: Schema) -> Schema:
    return models[field["$ref"].rpartition("/")[2]]


def _type(field: Schema, models: Schema) -> str:
    """The type of a field in words, with its limits; that it may be null, its default says."""
    if "$ref" in field:
        return _type(_referred(field, models), models)
    for several in ("anyOf", "oneOf"):
        if several in field:
            parts = [_type(one, models) for one in field[several] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(parts))
    if "enum" in field or "const" in field:
        values = field.get("enum", [field.get("const")])
        return ", ".join(f"`{shown(value)}`" for value in values)
    if field.get("type") == "array":
        item = _type(field.get("items", {}), models)
        items = re.sub(r"number\b", "numbers", item)
        return f"list of {items}" if item else "list"
    if field.get("type") == "object":
        if "properties" in field:
            return f"{{{', '.join(field['properties'])}}}"
        item = _type(field.get("additionalProperties") or {}, models)
        return f"{item} by name" if item else "mapping"
    limits = ", ".join(text.format(field[key]) for key, text in LIMITS.items() if key in field)
    return f"{TYPES.get(field.get('type', ''), '')} {limits}".strip()


def _kind(model: type[BaseModel]) -> str:
    (kind,) = get_args(model.model_fields["kind"].annotation)
    return kind
