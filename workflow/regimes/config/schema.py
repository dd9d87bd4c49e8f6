"""The JSON schemas of config.yaml and of the papers' files, generated from the models.

`python -m regimes.config.schema` writes them, with `--check` it only compares. They are for
editors: an entry may leave out what lies below it in another file, so that nothing is required.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from regimes.config.layers import AT_SCALES, DEFAULT_SCALE, INHERITS, PAPER_KEYS, SCALES, SECTIONS
from regimes.config.models import Config

FOLDER = Path(__file__).resolve().parents[2]
DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
PAPER_FILE = "PaperFile"


def texts() -> dict[str, str]:
    """The schemas as JSON texts, by the names of their files."""
    schema = _partial(Config.model_json_schema())
    definitions = schema["$defs"]
    sections = {key: schema["properties"][key] for key in SECTIONS}
    for section in sections.values():
        for model in section["additionalProperties"]["anyOf"]:
            if "$ref" in model:
                _with_origin(definitions, model["$ref"])
    one_paper = {"paper": definitions["Paper"]}
    definitions[PAPER_FILE] = {
        "type": "object",
        "description": "The file `experiments.yaml` in a paper's folder.",
        "properties": {key: (sections | one_paper)[key] for key in PAPER_KEYS},
        "additionalProperties": False,
    }
    of_paper = {"$ref": f"config.schema.json#/$defs/{PAPER_FILE}"}
    return {
        "config.schema.json": json.dumps(DIALECT | schema, indent=2) + "\n",
        "experiments.schema.json": json.dumps(DIALECT | of_paper, indent=2) + "\n",
    }


def _partial(value: Any) -> Any:
    """A schema without required keys, in which an entry by name may be null.

    A null entry is one that is taken away.
    """
    if isinstance(value, list):
        return [_partial(item) for item in value]
    if not isinstance(value, dict):
        return value
    partial = {
        # Without the key that chooses, several models of a union may fit.
        "anyOf" if key == "oneOf" else key: _partial(item)
        for key, item in value.items()
        if key not in ("required", "discriminator")
    }
    if named := partial.get("additionalProperties"):
        options = named["anyOf"] if list(named) == ["anyOf"] else [named]
        partial["additionalProperties"] = {"anyOf": [*options, {"type": "null"}]}
    return partial


def _with_origin(definitions: dict[str, Any], reference: str) -> None:
    """Add the keys that say how an entry comes about."""
    properties = definitions[reference.rpartition("/")[2]]["properties"]
    properties[INHERITS] = {
        "type": "string",
        "description": "Start from the settings of this one, those of the scale included.",
    }
    properties[AT_SCALES] = {
        "type": "object",
        "description": "What differs at another scale.",
        "properties": {one: {"$ref": reference} for one in SCALES if one != DEFAULT_SCALE},
        "additionalProperties": False,
    }


def main() -> int:
    """Write the schemas, or with `--check` return 1 when a file has drifted."""
    parser = argparse.ArgumentParser(description="Write or check workflow/*.schema.json.")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    check = parser.parse_args().check
    drifted = 0
    for name, text in texts().items():
        path = FOLDER / name
        if not check:
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            print(f"{name} has drifted: run python -m regimes.config.schema", file=sys.stderr)
            drifted = 1
    return drifted


if __name__ == "__main__":
    sys.exit(main())
